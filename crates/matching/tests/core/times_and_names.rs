//! What depends on when and how often a request comes: names, deadlines, expiry.

use matching::command::{AdvanceTime, BlockAccount, CancelOrder, ListInstrument, NewOrder, UnblockAccount};
use matching::{Account, Command, Engine, Event, Instrument, Micros, Order, Seq, Sequenced, Side, TimeInForce};

use crate::support::{command_id, order_id, symbol};

struct Market {
    engine: Engine,
    seq: Seq,
}

impl Market {
    fn new() -> Market {
        let mut market = Market { engine: Engine::new(100), seq: Seq::ZERO };
        for name in ["BTC_USDT", "ETH_USDT"] {
            market.apply(
                0,
                Command::ListInstrument(ListInstrument {
                    command_id: None,
                    instrument: Instrument::finest(symbol(name)),
                }),
            );
        }
        market
    }

    /// Applies a command at a time; what came of it, in short.
    fn apply(&mut self, time: u64, value: Command) -> String {
        self.seq = self.seq.next();
        let mut events = Vec::new();
        self.engine.apply(&Sequenced { seq: self.seq, time: micros(time), value }, &mut events);
        events.iter().map(tell).collect::<Vec<_>>().join(", ")
    }

    fn place(&mut self, time: u64, order: impl Into<NewOrder>) -> String {
        self.apply(time, Command::NewOrder(order.into()))
    }

    fn advance(&mut self, time: u64) -> String {
        self.apply(time, Command::AdvanceTime(AdvanceTime {}))
    }

    fn next_due(&self) -> Option<u64> {
        self.engine.image().router.next_due().map(Micros::get)
    }
}

fn micros(time: u64) -> Micros {
    Micros::new(time).expect("a time")
}

fn order(id: u64, market: &str, side: Side, price: &str) -> Order {
    let (price, quantity) = (price.parse().expect("a price"), "1".parse().expect("a quantity"));
    Order::limit(order_id(id), symbol(market), side, price, quantity, Micros::ZERO)
}

fn buy(id: u64) -> Order {
    order(id, "BTC_USDT", Side::Buy, "100")
}

fn named(order: Order, account: &str, name: &str) -> Order {
    let account = (!account.is_empty()).then(|| account.parse().expect("an account"));
    Order { account, client_order_id: Some(name.parse().expect("a name")), ..order }
}

fn expiring(order: Order, expire_at: u64) -> Order {
    Order { time_in_force: TimeInForce::Gtd, expire_at: Some(micros(expire_at)), ..order }
}

fn tell(event: &Event) -> String {
    match event {
        Event::OrderAccepted(event) => format!("{} accepted", event.order.order_id),
        Event::OrderRejected(event) => format!("{} rejected {}", event.order.order_id, event.reason_code.code()),
        Event::OrderRepeated(event) => {
            let how = if event.same_order { "repeats" } else { "differs from" };
            format!("{} {how} {}", event.order_id, event.first_order_id)
        }
        Event::OrderExpired(event) => format!("{} expired {}", event.order_id, event.remaining),
        Event::OrderCancelled(event) => format!("{} cancelled", event.order_id),
        Event::Trade(event) => format!("{} x {}", event.maker_order_id, event.taker_order_id),
        Event::CancelRejected(event) => event.reason_code.code().to_owned(),
        Event::TimeAdvanced(_) => "later".to_owned(),
        other => other.to_string(),
    }
}

#[test]
fn a_name_is_unique_in_its_account_and_market() {
    let mut market = Market::new();
    assert_eq!(market.place(1, named(buy(1), "", "a")), "1 accepted");
    assert_eq!(market.place(1, named(buy(2), "", "a")), "2 repeats 1");
    assert_eq!(market.place(1, named(order(3, "BTC_USDT", Side::Buy, "100.0"), "", "a")), "3 repeats 1");
    assert_eq!(market.place(1, named(order(4, "BTC_USDT", Side::Buy, "101"), "", "a")), "4 differs from 1");
    assert_eq!(market.place(1, named(expiring(buy(5), 9), "", "a")), "5 differs from 1");
    assert_eq!(market.place(1, named(buy(6), "desk", "a")), "6 accepted");
    assert_eq!(market.place(1, named(order(7, "ETH_USDT", Side::Buy, "100"), "", "a")), "7 accepted");
    assert_eq!(market.place(1, named(buy(8), "", "b")), "8 accepted");
    assert_eq!(market.place(1, buy(9)), "9 accepted", "an order without a name repeats nothing");
}

#[test]
fn a_name_is_kept_when_its_order_has_ended() {
    let mut market = Market::new();
    market.place(1, named(buy(1), "", "a"));
    assert_eq!(market.place(1, order(2, "BTC_USDT", Side::Sell, "100")), "2 accepted, 1 x 2");
    assert_eq!(market.place(1, named(buy(3), "", "a")), "3 repeats 1");
    assert_eq!(market.place(1, named(order(4, "BTC_USDT", Side::Buy, "0"), "", "b")), "4 rejected PRICE_NOT_POSITIVE");
    assert_eq!(market.place(1, named(order(5, "BTC_USDT", Side::Buy, "0"), "", "b")), "5 repeats 4");
    assert_eq!(market.place(1, named(order(6, "NOT_LISTED", Side::Buy, "1"), "", "c")), "6 rejected UNKNOWN_SYMBOL");
    assert_eq!(market.place(1, named(order(7, "NOT_LISTED", Side::Buy, "1"), "", "c")), "7 repeats 6");
}

/// A repeat asks for the first order's outcome: whether it comes late itself does not matter.
#[test]
fn a_repeat_is_no_new_order_in_any_way() {
    let mut market = Market::new();
    market.place(1, named(buy(1), "", "a"));
    let late = NewOrder { deadline: Some(micros(2)), stale: true, ..named(buy(2), "", "a").into() };
    assert_eq!(market.place(5, late), "2 repeats 1");
    let cancel =
        CancelOrder { command_id: command_id(1), order_id: order_id(2), reason_text: None, received_at: Micros::ZERO };
    assert_eq!(market.apply(5, Command::CancelOrder(cancel)), "UNKNOWN_ORDER");
}

#[test]
fn an_order_that_comes_late_is_rejected() {
    let mut market = Market::new();
    let until = |id, deadline| NewOrder { deadline: Some(micros(deadline)), ..buy(id).into() };
    assert_eq!(market.place(10, until(1, 10)), "1 accepted");
    assert_eq!(market.place(10, until(2, 9)), "2 rejected STALE");
    assert_eq!(market.place(10, NewOrder { stale: true, ..buy(3).into() }), "3 rejected STALE");
    assert_eq!(market.place(10, expiring(buy(4), 10)), "4 rejected ALREADY_EXPIRED");
    assert_eq!(market.place(10, expiring(buy(5), 11)), "5 accepted");
}

#[test]
fn what_is_due_expires_by_market_then_time() {
    let mut market = Market::new();
    market.place(1, expiring(order(1, "ETH_USDT", Side::Buy, "100"), 20));
    market.place(1, expiring(buy(2), 30));
    market.place(1, expiring(buy(3), 20));
    market.place(1, expiring(buy(4), 40));
    assert_eq!(market.next_due(), Some(20));
    assert_eq!(market.advance(19), "later");
    assert_eq!(market.advance(30), "later, 3 expired 1, 2 expired 1, 1 expired 1");
    assert_eq!(market.next_due(), Some(40));
    assert_eq!(market.place(31, order(5, "BTC_USDT", Side::Sell, "100")), "5 accepted, 4 x 5");
    assert_eq!(market.next_due(), None, "an order that has ended does not expire");
    assert_eq!(market.advance(50), "later");
}

#[test]
fn an_account_is_blocked_until_it_is_unblocked() {
    let mut market = Market::new();
    let (account, received_at): (Account, _) = ("desk-1".parse().expect("a name"), Micros::ZERO);
    let is_blocked = |market: &Market| market.engine.image().router.is_blocked(&account);
    assert!(!is_blocked(&market));
    let block = BlockAccount { command_id: command_id(1), account: account.clone(), received_at };
    market.apply(1, Command::BlockAccount(block));
    assert!(is_blocked(&market));
    let unblock = UnblockAccount { command_id: command_id(2), account: account.clone(), received_at };
    market.apply(2, Command::UnblockAccount(unblock));
    assert!(!is_blocked(&market));
}
