//! The stored formats, as text: what format 1 wrote is read for ever, and written again it is the same text.

use journal::encoding::{self, DecodeError, LOG_FORMAT, MAX_COMMANDS_PER_ENTRY, STREAM_FORMAT};
use journal::{Chain, Epoch, Position, Record, StreamId};
use matching::{Micros, Sequenced};

const COMMANDS: [&str; 7] = [
    r#"{"type":"ListInstrument","instrument":{"symbol":"BTC_USDT","price_decimals":8,"quantity_decimals":8,"tick":"0.00000001","lot":"0.00000001"}}"#,
    r#"{"type":"NewOrder","order_id":1,"symbol":"BTC_USDT","side":"BUY","price":"100.5","quantity":"0.25","received_at":1795425522831348}"#,
    r#"{"type":"NewOrder","order_id":6,"symbol":"BTC_USDT","side":"BUY","price":"100.5","quantity":"0.25","received_at":1795425522831348,"account":"desk","client_order_id":"a-1","expire_at":1795425600000000,"deadline":1795425523000000,"stale":true}"#,
    r#"{"type":"AdvanceTime"}"#,
    r#"{"type":"CancelOrder","command_id":2,"order_id":1,"reason_text":"changed my mind","received_at":1795425522831349}"#,
    r#"{"type":"CancelOrder","command_id":3,"order_id":1,"received_at":1795425522831350}"#,
    r#"{"type":"RefuseEntry","stream_id":"1795425522831-0","error":"it has no field v"}"#,
];

const EVENTS: [&str; 13] = [
    r#"{"type":"InstrumentListed","instrument":{"symbol":"BTC_USDT","price_decimals":8,"quantity_decimals":8,"tick":"0.00000001","lot":"0.00000001"}}"#,
    r#"{"type":"ListingRejected","symbol":"BTC_USDT","reason_code":"ALREADY_LISTED"}"#,
    r#"{"type":"OrderAccepted","order_id":1,"symbol":"BTC_USDT","side":"BUY","price":"100.5","quantity":"0.25","priority":1,"received_at":1795425522831348}"#,
    r#"{"type":"OrderRejected","order_id":4,"symbol":"BTC_USDT","side":"SELL","price":"0","quantity":"1","received_at":1795425522831348,"reason_code":"PRICE_NOT_POSITIVE"}"#,
    r#"{"type":"OrderAccepted","order_id":6,"symbol":"BTC_USDT","side":"BUY","price":"100.5","quantity":"0.25","priority":2,"received_at":1795425522831348,"account":"desk","client_order_id":"a-1","expire_at":1795425600000000}"#,
    r#"{"type":"OrderRepeated","order_id":7,"first_order_id":6,"symbol":"BTC_USDT","account":"desk","client_order_id":"a-1","same_order":true}"#,
    r#"{"type":"Trade","trade_id":1,"symbol":"BTC_USDT","price":"100.5","quantity":"0.25","maker_order_id":1,"taker_order_id":5,"taker_side":"SELL","maker_remaining":"0","taker_remaining":"0.75"}"#,
    r#"{"type":"OrderCancelled","order_id":1,"symbol":"BTC_USDT","command_id":2,"remaining":"0.25","reason_code":"BY_USER","reason_text":"changed my mind"}"#,
    r#"{"type":"OrderExpired","order_id":6,"symbol":"BTC_USDT","remaining":"0.25"}"#,
    r#"{"type":"TimeAdvanced"}"#,
    r#"{"type":"CancelRejected","command_id":2,"order_id":9,"reason_code":"UNKNOWN_ORDER"}"#,
    r#"{"type":"DuplicateRejected","command_id":2}"#,
    r#"{"type":"EntryRejected","stream_id":"1795425522831-0","error":"it has no field v"}"#,
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
    assert_eq!(row.chain.to_string(), "015e7e05ce1bc5fbf849325d42483168b969962c0797b08095a6d430e56bdc48");
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
