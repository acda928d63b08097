//! The stored formats, as text: what format 1 wrote is read for ever, and written again it is the same text.

use journal::encoding::{self, DecodeError, LOG_FORMAT, MAX_COMMANDS_PER_ENTRY, STREAM_FORMAT};
use journal::{Chain, Epoch, Position, Record, StreamId};
use matching::{Micros, Sequenced};

const COMMANDS: [&str; 21] = [
    r#"{"type":"ListInstrument","instrument":{"symbol":"BTC_USDT","price_decimals":8,"quantity_decimals":8,"tick":"0.00000001","lot":"0.00000001"}}"#,
    r#"{"type":"NewOrder","order":{"order_id":1,"symbol":"BTC_USDT","side":"BUY","price":"100.5","quantity":"0.25","received_at":1795425522831348}}"#,
    r#"{"type":"NewOrder","order":{"order_id":6,"symbol":"BTC_USDT","side":"BUY","type":"STOP_LIMIT","price":"100.5","quantity":"0.25","time_in_force":"GTD","expire_at":1795425600000000,"stop_price":"100","display_quantity":"0.05","self_trade_prevention":"EXPIRE_MAKER","linked_order_id":5,"account":"desk","client_order_id":"a-1","metadata":"mine","received_at":1795425522831348},"deadline":1795425523000000,"stale":true}"#,
    r#"{"type":"AdvanceTime"}"#,
    r#"{"type":"CancelOrder","command_id":2,"order_id":1,"reason_text":"changed my mind","received_at":1795425522831349}"#,
    r#"{"type":"CancelOrder","command_id":3,"order_id":1,"received_at":1795425522831349}"#,
    r#"{"type":"RefuseEntry","stream_id":"1795425522831-0","error":"it has no field v"}"#,
    r#"{"type":"ListInstrument","command_id":11,"instrument":{"symbol":"BTC_USDT","price_decimals":2,"quantity_decimals":3,"tick":"0.05","lot":"0.001","min_quantity":"0.01","max_quantity":"1000","min_notional":"5","max_notional":"1000000","price_band":500,"max_open_orders":200}}"#,
    r#"{"type":"UpdateInstrument","command_id":12,"instrument":{"symbol":"BTC_USDT","price_decimals":2,"quantity_decimals":3,"tick":"0.05","lot":"0.001","min_quantity":"0.01","max_quantity":"1000","min_notional":"5","max_notional":"1000000","price_band":500,"max_open_orders":200}}"#,
    r#"{"type":"SetPhase","command_id":13,"symbol":"BTC_USDT","phase":"AUCTION","then":[{"at":1795425600000000,"phase":"CONTINUOUS"}]}"#,
    r#"{"type":"SetPhase","symbol":"BTC_USDT","phase":"CANCEL_ONLY"}"#,
    r#"{"type":"NewOrder","order":{"order_id":7,"symbol":"BTC_USDT","side":"SELL","type":"MARKET","quote_quantity":"1000","time_in_force":"IOC","received_at":1795425522831348}}"#,
    r#"{"type":"NewOrder","order":{"order_id":9,"symbol":"BTC_USDT","side":"SELL","type":"TRAILING_STOP","quantity":"2","trailing_delta":"1.5","received_at":1795425522831348}}"#,
    r#"{"type":"NewOrder","order":{"order_id":10,"symbol":"BTC_USDT","side":"SELL","price":"99","quantity":"2","min_quantity":"1","received_at":1795425522831348}}"#,
    r#"{"type":"AmendOrder","command_id":14,"order_id":1,"price":"101","quantity":"2","if_seq":7,"received_at":1795425522831349}"#,
    r#"{"type":"AmendOrder","command_id":15,"order_id":1,"quantity":"2","received_at":1795425522831349}"#,
    r#"{"type":"CancelByKey","command_id":16,"symbol":"BTC_USDT","account":"desk","client_order_id":"a-1","reason_text":"changed my mind","received_at":1795425522831349}"#,
    r#"{"type":"MassCancel","command_id":17,"account":"desk","symbol":"BTC_USDT","side":"BUY","received_at":1795425522831349}"#,
    r#"{"type":"SetCancelAfter","command_id":18,"account":"desk","timeout":5000000,"received_at":1795425522831349}"#,
    r#"{"type":"BlockAccount","command_id":19,"account":"desk","received_at":1795425522831349}"#,
    r#"{"type":"UnblockAccount","command_id":20,"account":"desk","received_at":1795425522831349}"#,
];

const EVENTS: [&str; 34] = [
    r#"{"type":"InstrumentListed","instrument":{"symbol":"BTC_USDT","price_decimals":8,"quantity_decimals":8,"tick":"0.00000001","lot":"0.00000001"}}"#,
    r#"{"type":"ListingRejected","symbol":"BTC_USDT","reason_code":"ALREADY_LISTED"}"#,
    r#"{"type":"OrderAccepted","order":{"order_id":1,"symbol":"BTC_USDT","side":"BUY","price":"100.5","quantity":"0.25","received_at":1795425522831348},"priority":1}"#,
    r#"{"type":"OrderRejected","order":{"order_id":6,"symbol":"BTC_USDT","side":"BUY","type":"STOP_LIMIT","price":"100.5","quantity":"0.25","time_in_force":"GTD","expire_at":1795425600000000,"stop_price":"100","display_quantity":"0.05","self_trade_prevention":"EXPIRE_MAKER","linked_order_id":5,"account":"desk","client_order_id":"a-1","metadata":"mine","received_at":1795425522831348},"reason_code":"ACCOUNT_BLOCKED"}"#,
    r#"{"type":"OrderAccepted","order":{"order_id":6,"symbol":"BTC_USDT","side":"BUY","type":"STOP_LIMIT","price":"100.5","quantity":"0.25","time_in_force":"GTD","expire_at":1795425600000000,"stop_price":"100","display_quantity":"0.05","self_trade_prevention":"EXPIRE_MAKER","linked_order_id":5,"account":"desk","client_order_id":"a-1","metadata":"mine","received_at":1795425522831348},"priority":2}"#,
    r#"{"type":"OrderRepeated","order_id":7,"first_order_id":6,"symbol":"BTC_USDT","account":"desk","client_order_id":"a-1","same_order":true}"#,
    r#"{"type":"Trade","trade_id":1,"symbol":"BTC_USDT","price":"100.5","quantity":"0.25","quote_quantity":"25.125","maker_order_id":1,"taker_order_id":5,"taker_side":"SELL","maker_remaining":"0","taker_remaining":"0.75"}"#,
    r#"{"type":"OrderCancelled","order_id":1,"symbol":"BTC_USDT","side":"BUY","command_id":2,"remaining":"0.25","released":"25.125","reason_code":"BY_USER","reason_text":"changed my mind"}"#,
    r#"{"type":"OrderExpired","order_id":6,"symbol":"BTC_USDT","side":"BUY","remaining":"0.25","released":"25.125","reason_code":"DUE","account":"desk","metadata":"mine"}"#,
    r#"{"type":"TimeAdvanced"}"#,
    r#"{"type":"CancelRejected","command_id":2,"order_id":9,"reason_code":"UNKNOWN_ORDER"}"#,
    r#"{"type":"DuplicateRejected","command_id":2}"#,
    r#"{"type":"EntryRejected","stream_id":"1795425522831-0","error":"it has no field v"}"#,
    r#"{"type":"OrderAccepted","order":{"order_id":7,"symbol":"BTC_USDT","side":"SELL","type":"MARKET","quote_quantity":"1000","time_in_force":"IOC","received_at":1795425522831348},"priority":3}"#,
    r#"{"type":"OrderAccepted","order":{"order_id":8,"symbol":"BTC_USDT","side":"SELL","price":"101","quantity":"2","time_in_force":"DAY","expire_at":1795478400000000,"post_only":true,"received_at":1795425522831348},"priority":4}"#,
    r#"{"type":"OrderAccepted","order":{"order_id":9,"symbol":"BTC_USDT","side":"SELL","type":"TRAILING_STOP","quantity":"2","trailing_delta":"1.5","received_at":1795425522831348},"priority":5}"#,
    r#"{"type":"OrderRejected","order":{"order_id":10,"symbol":"BTC_USDT","side":"SELL","price":"99","quantity":"2","min_quantity":"1","received_at":1795425522831348},"symbol_seq":6,"reason_code":"PHASE_FORBIDS"}"#,
    r#"{"type":"Trade","trade_id":2,"symbol":"BTC_USDT","price":"100.5","quantity":"0.25","quote_quantity":"25.125","maker_order_id":1,"taker_order_id":7,"taker_side":"BUY","maker_remaining":"0","taker_remaining":"0","taker_quote_remaining":"974.875","improvement":"0.125","auction":true,"maker_account":"desk","taker_account":"other","maker_metadata":"mine","taker_metadata":"theirs"}"#,
    r#"{"type":"OrderFilled","order_id":7,"symbol":"BTC_USDT","side":"BUY","released":"0.5","account":"desk","metadata":"mine"}"#,
    r#"{"type":"OrderTriggered","order_id":6,"symbol":"BTC_USDT","price":"100.5","priority":9,"account":"desk","metadata":"mine"}"#,
    r#"{"type":"OrderAmended","command_id":14,"order_id":1,"symbol":"BTC_USDT","price":"101","quantity":"2","remaining":"1.75","priority":10,"account":"desk","metadata":"mine"}"#,
    r#"{"type":"OrderReduced","order_id":1,"symbol":"BTC_USDT","quantity":"2","remaining":"1.5","account":"desk","metadata":"mine"}"#,
    r#"{"type":"OrderReplenished","order_id":1,"symbol":"BTC_USDT","displayed":"0.5","priority":11,"account":"desk","metadata":"mine"}"#,
    r#"{"type":"AmendRejected","command_id":14,"order_id":1,"symbol":"BTC_USDT","reason_code":"SEQ_DIFFERS"}"#,
    r#"{"type":"MassCancelled","command_id":17,"account":"desk","symbol":"BTC_USDT","side":"BUY"}"#,
    r#"{"type":"CancelAfterSet","command_id":18,"account":"desk","due":1795425600000000}"#,
    r#"{"type":"CancelAfterFired","account":"desk"}"#,
    r#"{"type":"AccountBlocked","command_id":19,"account":"desk"}"#,
    r#"{"type":"AccountUnblocked","command_id":20,"account":"desk"}"#,
    r#"{"type":"CommandRejected","command_id":13,"symbol":"BTC_USDT","reason_code":"INVALID_SCHEDULE"}"#,
    r#"{"type":"InstrumentUpdated","command_id":12,"instrument":{"symbol":"BTC_USDT","price_decimals":2,"quantity_decimals":3,"tick":"0.05","lot":"0.001","min_quantity":"0.01","max_quantity":"1000","min_notional":"5","max_notional":"1000000","price_band":500,"max_open_orders":200}}"#,
    r#"{"type":"PhaseChanged","command_id":13,"symbol":"BTC_USDT","phase":"AUCTION","then":[{"at":1795425600000000,"phase":"CONTINUOUS"}]}"#,
    r#"{"type":"AuctionIndicated","symbol":"BTC_USDT","price":"100.5","volume":"3","imbalance":"0.5","imbalance_side":"SELL"}"#,
    r#"{"type":"AuctionIndicated","symbol":"BTC_USDT","volume":"0","imbalance":"0"}"#,
];

#[test]
fn commands_of_format_1_are_read_and_written_the_same() {
    for text in COMMANDS {
        let command = encoding::decode_command(1, text).expect(text);
        assert_eq!(encoding::encode_command(&command), text);
        assert!(text.contains(&format!("\"type\":\"{}\"", command.kind())));
    }
    let array = format!("[{}]", COMMANDS.join(","));
    assert_eq!(encoding::decode_entry(1, &array).expect("an entry").len(), COMMANDS.len());
}

#[test]
fn events_of_format_1_are_read_and_written_the_same() {
    for text in EVENTS {
        let text = format!("[{text}]");
        let events = encoding::decode_events(1, &text).expect(&text);
        assert_eq!(encoding::encode_events(&events), text);
    }
}

#[test]
fn a_row_of_format_1_has_this_chain() {
    let command = encoding::decode_command(1, COMMANDS[1]).expect("a command");
    let events = encoding::decode_events(1, &format!("[{}]", EVENTS[2])).expect("events");
    let stream_id = StreamId { millis: 1_795_425_522_831, index: 3 };
    let sequenced = Sequenced {
        seq: Position::START.seq.next(),
        time: Micros::new(1_795_425_522_831_400).expect("a time"),
        value: command,
    };
    let row = Record::new(&Position::START, stream_id, Epoch(7), &sequenced, &events);
    assert_eq!((row.command.as_str(), row.format), (COMMANDS[1], 1));
    assert_eq!(row.chain.to_string(), "ca7a6ae26d2234010ba9f00ef889b0dbc1b4acdd952002ee23e8b0de684cf7f5");
    assert!(row.follows(&Position::START));
    assert!(!Record { epoch: Epoch(8), ..row.clone() }.follows(&Position::START));
    assert!(!Record { chain: Chain::START, ..row }.follows(&Position::START));
}

#[test]
fn what_is_no_entry_says_why() {
    let check = |format, text: &str, expected: &str| {
        let error = encoding::decode_entry(format, text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check(STREAM_FORMAT, "", "EOF");
    check(STREAM_FORMAT, "{}", "missing field `type`");
    check(STREAM_FORMAT, "[]", "1 to 500");
    check(STREAM_FORMAT, &format!("[{}]", vec![COMMANDS[4]; MAX_COMMANDS_PER_ENTRY + 1].join(",")), "501");
    check(STREAM_FORMAT, &COMMANDS[1].replace("BUY", "HOLD"), "unknown variant");
    check(STREAM_FORMAT, &COMMANDS[1].replace("\"order_id\":1", "\"order_id\":9007199254740992"), "out of range");
    check(STREAM_FORMAT, &COMMANDS[1].replace("\"100.5\"", "\"100.123456789\""), "more than 8 decimals");
    check(STREAM_FORMAT, &COMMANDS[1].replace("\"side\"", "\"colour\":\"red\",\"side\""), "unknown field");
    check(STREAM_FORMAT + 1, COMMANDS[1], "use the release that wrote it");
    assert!(matches!(encoding::decode_events(LOG_FORMAT + 1, "[]"), Err(DecodeError::UnknownFormat { .. })));
}
