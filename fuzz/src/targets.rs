//! What is fuzzed: each takes any bytes and must not panic. `crates/journal/tests/corpus.rs` runs the same on the corpus.
#![allow(dead_code, reason = "each target uses one of them")]

use journal::encoding::{self, LOG_FORMAT, STREAM_FORMAT};
use matching::book::{Book, BookCommand, Extra, Placed, Selection};
use matching::naive::NaiveBook;
use matching::{
    Account, Command, CommandId, EngineImage, Instrument, InstrumentSpec, Micros, Order, OrderId, OrderType, Phase,
    Price, Quantity, Reason, SelfTradePrevention, Seq, Side, TimeInForce,
};

/// A stream entry, or an order by itself: what is read is written again as text that reads as the same.
pub fn stream_entry(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(commands) = encoding::decode_entry(STREAM_FORMAT, text) {
        for command in commands {
            let written = encoding::encode_command(&command);
            assert_eq!(encoding::decode_command(LOG_FORMAT, &written).ok(), Some(command));
        }
    }
    if let Ok(order) = serde_json::from_str::<Order>(text) {
        let written = encoding::encode_command(&Command::from(order.clone()));
        assert_eq!(encoding::decode_command(LOG_FORMAT, &written).ok(), Some(Command::from(order)));
    }
}

/// A row's events.
pub fn events(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(events) = encoding::decode_events(LOG_FORMAT, text) {
        let written = encoding::encode_events(&events);
        assert_eq!(encoding::decode_events(LOG_FORMAT, &written).ok(), Some(events));
    }
}

/// An image: what is read is a state, and written again it is the same.
pub fn image(bytes: &[u8]) {
    if let Ok(image) = EngineImage::decode(bytes) {
        let written = image.encode();
        assert_eq!(EngineImage::decode(&written).ok().map(|again| again.encode()), Some(written));
    }
    if let Ok(book) = postcard::from_bytes::<Book>(bytes) {
        assert_eq!(postcard::to_stdvec(&book).ok().map(|again| again.is_empty()), Some(false));
    }
}

/// A sequence of commands, eight bytes each: the fast book says what the naive one says, and folding is applying.
pub fn commands(bytes: &[u8]) {
    let instrument = instrument();
    let (mut fast, mut folded, mut naive) = (Book::new(instrument), Book::new(instrument), NaiveBook::new(instrument));
    // The naive book takes time that grows with the square of their number.
    for (index, bytes) in bytes.as_chunks::<8>().0.iter().take(200).enumerate() {
        let seq = Seq::new(index as u64 + 1).unwrap_or(Seq::ZERO);
        let command = command(index as u64 + 1, *bytes);
        let (mut said, mut expected) = (Vec::new(), Vec::new());
        fast.apply(seq, command.clone(), &mut said);
        naive.apply(seq, command.clone(), &mut expected);
        assert_eq!(said, expected, "{command:?}");
        said.iter().for_each(|event| folded.fold(seq, event));
        assert_eq!(fast.hash(), naive.hash(), "{command:?}");
        assert_eq!(fast.hash(), folded.hash(), "{command:?}");
    }
}

fn instrument() -> Instrument {
    let Ok(symbol) = "BTC_USDT".parse() else { panic!("no symbol") };
    let (Ok(tick), Ok(lot)) = ("1".parse(), "1".parse()) else { panic!("no numbers") };
    let spec =
        InstrumentSpec { price_decimals: 0, quantity_decimals: 0, tick, lot, ..Instrument::finest(symbol).into() };
    let spec = InstrumentSpec { price_band: Some(2_000), max_open_orders: Some(20), ..spec };
    Instrument::try_from(spec).unwrap_or_else(|error| panic!("{error}"))
}

fn account(byte: u8) -> Option<Account> {
    ["ann", "bob"].get(usize::from(byte % 3)).and_then(|name| name.parse().ok())
}

fn command(number: u64, [kind, price, quantity, other, flags, more, part, last]: [u8; 8]) -> BookCommand {
    let Some(command_id) = CommandId::new(1_000_000 + number) else { panic!("no id") };
    let back = u64::from(other) % number + 1;
    let Some(order_id) = OrderId::new(back) else { panic!("no id") };
    let at = Price::new(90 + u64::from(price % 21));
    let size = Quantity::new(1 + u64::from(quantity)).unwrap_or(Quantity::ONE);
    match kind % 16 {
        0 => BookCommand::Cancel { command_id, order_id, reason_text: None },
        1 | 2 => BookCommand::Amend {
            command_id,
            order_id,
            price: at.filter(|_| flags & 1 > 0),
            quantity: (flags & 1 == 0 || flags & 2 > 0).then_some(size),
            if_seq: (flags & 12 == 12).then(|| Seq::new(number - 1).unwrap_or(Seq::ZERO)),
        },
        3 => BookCommand::Expire { order_id },
        4 if flags < 128 => {
            let side = [None, Some(Side::Buy), Some(Side::Sell)][usize::from(last % 3)];
            let selection = Selection { account: account(more), side };
            BookCommand::CancelAll { command_id: Some(command_id), selection, reason: Reason::MassCancel }
        }
        4 | 5 => BookCommand::SetPhase { command_id: None, phase: Phase::ALL[usize::from(part % 5)], then: Vec::new() },
        6 => BookCommand::SetPhase { command_id: None, phase: Phase::Continuous, then: Vec::new() },
        _ => BookCommand::Place(placed(number, at, size, [other, flags, more, part, last])),
    }
}

fn placed(number: u64, at: Option<Price>, size: Quantity, [other, flags, more, part, last]: [u8; 5]) -> Placed {
    let Some(order_id) = OrderId::new(number) else { panic!("no id") };
    // The first, a limit order, twice as often as each other.
    let order_type = OrderType::ALL[usize::from(flags % 8).saturating_sub(1)];
    let waits = order_type.waits();
    let immediate = more & 3 == 3;
    let by_quote = order_type == OrderType::Market && last & 1 > 0;
    let some_part = Quantity::new(1 + u64::from(part) % size.units()).unwrap_or(Quantity::ONE);
    let stp = [
        SelfTradePrevention::None,
        SelfTradePrevention::ExpireTaker,
        SelfTradePrevention::ExpireMaker,
        SelfTradePrevention::ExpireBoth,
        SelfTradePrevention::Decrement,
    ][usize::from(more >> 2) % if by_quote { 4 } else { 5 }];
    let post_only = order_type == OrderType::Limit && !immediate && last & 6 == 6;
    let whole = immediate && last & 32 > 0;
    let least = !(waits || by_quote || post_only || whole) && last & 24 == 24;
    let owner = account(flags >> 3);
    let may_link = owner.is_some() && order_type != OrderType::Market && (waits || !immediate) && last & 64 > 0;
    let extra = Extra {
        quote_quantity: by_quote.then(|| u128::from(size.units()) * 100 + u128::from(part)),
        stop_price: Price::new(90 + u64::from(part % 21)).filter(|_| order_type.has_stop_price()),
        trailing_delta: Price::new(1 + u64::from(part % 9)).filter(|_| order_type == OrderType::TrailingStop),
        display_quantity: (order_type.has_limit() && !immediate && last & 128 > 0).then_some(some_part),
        min_quantity: least.then_some(some_part),
        linked_order_id: OrderId::new(u64::from(other) % number).filter(|id| may_link && id.get() > 0),
        ..Extra::NONE
    };
    Placed {
        order_id,
        side: if flags & 128 > 0 { Side::Buy } else { Side::Sell },
        order_type,
        price: at.filter(|_| order_type.has_limit()),
        quantity: if by_quote { Quantity::ZERO } else { size },
        time_in_force: match (immediate, last & 32 > 0) {
            (false, _) => TimeInForce::Gtc,
            (true, false) => TimeInForce::Ioc,
            (true, true) => TimeInForce::Fok,
        },
        post_only,
        self_trade_prevention: stp,
        account: owner,
        client_order_id: None,
        received_at: Micros::ZERO,
        extras: extra.into(),
    }
}
