//! Numbers and words by themselves: their limits, and how they are written.

use std::fmt::Debug;

use matching::units::{ID_LIMIT, PRICE_LIMIT, QUANTITY_LIMIT};
use matching::{
    Micros, Order, OrderId, OrderType, Phase, Price, Quantity, Reason, SelfTradePrevention, Seq, Side, TimeInForce,
};
use serde::Serialize;

use crate::support::{order_id, symbol};

#[test]
fn a_number_is_below_its_limit() {
    let largest = ID_LIMIT - 1;
    assert_eq!((OrderId::new(largest).map(OrderId::get), OrderId::new(ID_LIMIT)), (Some(largest), None));
    assert_eq!((Price::new(PRICE_LIMIT - 1), Price::new(PRICE_LIMIT), Price::new(0)), (Some(Price::MAX), None, None));
    let largest = QUANTITY_LIMIT - 1;
    assert_eq!(Quantity::new(largest).map(Quantity::units), Some(largest));
    assert_eq!(Quantity::new(QUANTITY_LIMIT), None);
    assert_eq!((Seq::new(largest), Seq::new(QUANTITY_LIMIT)), (Some(Seq::LAST), None));
}

#[test]
fn a_number_has_those_before_and_behind_it() {
    let seq = |value: u64| Seq::new(value).expect("a number");
    assert_eq!((seq(7).next(), seq(7).previous()), (seq(8), Some(seq(6))));
    assert_eq!((Seq::ZERO.next(), Seq::ZERO.previous()), (seq(1), None));
    assert_eq!(format!("{:?} {}", seq(7), seq(7)), "Seq(7) 7");
    assert_eq!(serde_json::to_string(&seq(7)).expect("JSON"), "7");
    assert_eq!(size_of::<Option<Seq>>(), size_of::<u64>());
}

#[test]
#[should_panic(expected = "a quantity of 1 cannot give 2")]
fn no_quantity_gives_more_than_it_has() {
    let quantity = |units: u64| Quantity::new(units).expect("a quantity");
    assert_eq!((quantity(5) - quantity(2), quantity(5) + quantity(2)), (quantity(3), quantity(7)));
    let _ = quantity(1) - quantity(2);
}

#[test]
fn a_word_is_written_everywhere_as_in_json() {
    fn check<T: Serialize + Debug + Copy>(words: &[T], as_str: fn(T) -> &'static str) {
        for word in words {
            assert_eq!(serde_json::to_value(word).expect("JSON"), as_str(*word), "{word:?}");
        }
    }
    check(&[Side::Buy, Side::Sell], Side::as_str);
    check(&Phase::ALL, Phase::as_str);
    check(Reason::ALL, Reason::code);
    check(&OrderType::ALL, OrderType::as_str);
    let times = [TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok, TimeInForce::Gtd, TimeInForce::Day];
    check(&times, TimeInForce::as_str);
    let preventions = [
        SelfTradePrevention::None,
        SelfTradePrevention::ExpireTaker,
        SelfTradePrevention::ExpireMaker,
        SelfTradePrevention::ExpireBoth,
        SelfTradePrevention::Decrement,
    ];
    check(&preventions, SelfTradePrevention::as_str);
}

/// Each byte of an order is written to the stream and the log, so what is as usual is left out.
#[test]
fn an_order_is_written_as_short_as_it_is() {
    let (price, quantity) = ("100".parse().expect("a price"), "1.5".parse().expect("a quantity"));
    let order = Order::limit(order_id(7), symbol("BTC_USDT"), Side::Buy, price, quantity, Micros::ZERO);
    let text = serde_json::to_string(&order).expect("JSON");
    assert_eq!(
        text,
        r#"{"order_id":7,"symbol":"BTC_USDT","side":"BUY","price":"100","quantity":"1.5","received_at":0}"#
    );
    let special = Order {
        order_type: OrderType::Market,
        time_in_force: TimeInForce::Ioc,
        post_only: true,
        self_trade_prevention: SelfTradePrevention::Decrement,
        ..order
    };
    let text = serde_json::to_string(&special).expect("JSON");
    for part in [
        r#""type":"MARKET""#,
        r#""time_in_force":"IOC""#,
        r#""post_only":true"#,
        r#""self_trade_prevention":"DECREMENT""#,
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(serde_json::from_str::<Order>(&text).expect("an order"), special);
}
