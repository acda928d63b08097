//! An order as a client sends it: any bytes are a problem with a code, or an order that the log takes and gives back.

use journal::encoding::{self, LOG_FORMAT};
use matching::{Command, Instrument, InstrumentSpec, Micros, OrderId};
use pricetime::http::order_request::{OrderRequest, Owner};

/// The body of `POST /api/orders/`.
pub fn order_json(bytes: &[u8]) {
    let read = OrderRequest::read(bytes).and_then(|request| {
        let id = OrderId::new(1).unwrap_or_else(|| panic!("no id"));
        request.order(&instrument(), Owner::default(), Micros::ZERO, || Ok(id))
    });
    let Ok(order) = read else { return };
    assert!(order.order.is_coherent(), "{order:?}");
    let command = Command::NewOrder(order);
    let written = encoding::encode_command(&command);
    assert_eq!(encoding::decode_command(LOG_FORMAT, &written).ok(), Some(command));
}

fn instrument() -> Instrument {
    let Ok(symbol) = "BTC_USDT".parse() else { panic!("no symbol") };
    let (Ok(tick), Ok(lot), Ok(least)) = ("0.05".parse(), "0.2".parse(), "1".parse()) else { panic!("no numbers") };
    let spec = InstrumentSpec { tick, lot, min_notional: Some(least), ..Instrument::finest(symbol).into() };
    Instrument::try_from(spec).unwrap_or_else(|error| panic!("{error}"))
}
