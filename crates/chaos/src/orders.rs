//! Every order of the log, by its events alone: how often it was executed, what came of it, and whether its amounts add
//! up. A second, simpler fold than the ledger's, which is under test.

use std::collections::{BTreeSet, HashMap};

use matching::{Decimal, Event, Order, Seq, Side, Symbol};

use crate::check::Findings;

/// An order as the log tells it.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    /// Rows that accepted or rejected it: one.
    pub(crate) executions: u32,
    pub(crate) rejected: bool,
    /// The row that did.
    pub(crate) seq: Seq,
    pub(crate) symbol: String,
    pub(crate) side: Side,
    pub(crate) price: Decimal,
    pub(crate) quantity: Decimal,
    pub(crate) account: Option<String>,
    pub(crate) key: Option<String>,
    /// In units of 10^-8, as are all sums.
    filled: i128,
    remaining: i128,
    /// How it ended, if it did, with the row.
    pub(crate) ended: Option<(&'static str, Seq)>,
}

/// All orders, and what identifies them beside their id.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    by_id: HashMap<u64, Logged>,
    /// Executed orders of an account and a key.
    by_key: HashMap<(String, String), Vec<u64>>,
    /// Executed orders of an account without a key.
    by_account: HashMap<String, Vec<u64>>,
    /// Prices of open orders by market: bids and asks.
    open: HashMap<String, [BTreeSet<(i128, u64)>; 2]>,
}

impl Orders {
    /// The order of an id.
    pub(crate) fn get(&self, order_id: u64) -> Option<&Logged> {
        self.by_id.get(&order_id)
    }

    /// Those that were executed under an account and a key, or under an account of their own.
    pub(crate) fn named(&self, account: &str, key: Option<&str>) -> &[u64] {
        let found = match key {
            Some(key) => self.by_key.get(&(account.to_owned(), key.to_owned())),
            None => self.by_account.get(account),
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// Orders that were executed more than once.
    pub(crate) fn doubled(&self) -> impl Iterator<Item = (u64, u32)> {
        self.by_id.iter().filter(|(_, order)| order.executions > 1).map(|(id, order)| (*id, order.executions))
    }

    /// Takes in one event.
    pub(crate) fn event(&mut self, seq: Seq, event: &Event, findings: &mut Findings) {
        match event {
            Event::OrderAccepted(accepted) => self.executed(seq, &accepted.order, None, findings),
            Event::OrderRejected(rejected) => self.executed(seq, &rejected.order, Some(("REJECTED", seq)), findings),
            Event::Trade(trade) => {
                let sides = [
                    (trade.maker_order_id.get(), trade.maker_remaining),
                    (trade.taker_order_id.get(), trade.taker_remaining),
                ];
                for (order_id, left) in sides {
                    self.traded(seq, order_id, units(trade.quantity), units(left), findings);
                }
                self.check_price(seq, trade.maker_order_id.get(), trade.price, findings);
            }
            Event::OrderCancelled(cancelled) => {
                self.ended(seq, cancelled.order_id.get(), "CANCELLED", units(cancelled.remaining), findings);
            }
            Event::OrderExpired(expired) => {
                self.ended(seq, expired.order_id.get(), "EXPIRED", units(expired.remaining), findings);
            }
            _ => {}
        }
    }

    /// An order is accepted, or has ended as it came. The load sends limit orders only.
    fn executed(&mut self, seq: Seq, order: &Order, ended: Option<(&'static str, Seq)>, findings: &mut Findings) {
        let order_id = order.order_id.get();
        let (Some(price), Some(quantity)) = (order.price, order.quantity) else {
            return findings.add(format!("row {seq}: order {order_id} is no limit order"));
        };
        let logged = Logged {
            executions: 1,
            rejected: ended.is_some(),
            seq,
            symbol: order.symbol.to_string(),
            side: order.side,
            price,
            quantity,
            account: order.account.as_ref().map(ToString::to_string),
            key: order.client_order_id.as_ref().map(ToString::to_string),
            filled: 0,
            remaining: units(quantity),
            ended,
        };
        match (&logged.account, &logged.key) {
            (Some(account), Some(key)) => {
                self.by_key.entry((account.clone(), key.clone())).or_default().push(order_id);
            }
            (Some(account), None) => self.by_account.entry(account.clone()).or_default().push(order_id),
            (None, _) => {}
        }
        if !logged.rejected {
            self.side(&logged.symbol.clone(), logged.side).insert((units(price), order_id));
        }
        self.by_id.entry(order_id).and_modify(|known| known.executions += 1).or_insert(logged);
    }

    fn traded(&mut self, seq: Seq, order_id: u64, quantity: i128, left: i128, findings: &mut Findings) {
        let Some(order) = self.by_id.get_mut(&order_id) else {
            return findings.add(format!("row {seq}: a trade of order {order_id}, which is not there"));
        };
        if let Some((status, at)) = order.ended {
            findings.add(format!("row {seq}: a trade of order {order_id}, which was {status} at row {at}"));
        }
        order.filled += quantity;
        order.remaining -= quantity;
        if quantity <= 0 || order.remaining < 0 || order.remaining != left {
            findings.add(format!("row {seq}: order {order_id} has {} left, not {left}", order.remaining));
        }
        if order.remaining == 0 {
            order.ended = Some(("FILLED", seq));
            self.leaves(order_id);
        }
    }

    fn side(&mut self, symbol: &str, side: Side) -> &mut BTreeSet<(i128, u64)> {
        &mut self.open.entry(symbol.to_owned()).or_default()[usize::from(side == Side::Sell)]
    }

    /// The order is in no book any more.
    fn leaves(&mut self, order_id: u64) {
        if let Some(order) = self.by_id.get(&order_id) {
            let (symbol, side, price) = (order.symbol.clone(), order.side, units(order.price));
            self.side(&symbol, side).remove(&(price, order_id));
        }
    }

    /// Between two rows no bid is at or above an ask.
    pub(crate) fn check_uncrossed(&self, seq: Seq, symbol: Option<Symbol>, findings: &mut Findings) {
        let Some(symbol) = symbol.map(|symbol| symbol.to_string()) else { return };
        let Some([bids, asks]) = self.open.get(&symbol) else { return };
        if let (Some((bid, _)), Some((ask, _))) = (bids.last(), asks.first())
            && bid >= ask
        {
            findings.add(format!("row {seq}: {symbol} is crossed: bid {bid}, ask {ask}"));
        }
    }

    /// A trade's price is the maker's.
    fn check_price(&self, seq: Seq, maker: u64, price: Decimal, findings: &mut Findings) {
        if self.get(maker).is_some_and(|order| units(order.price) != units(price)) {
            findings.add(format!("row {seq}: a trade at {price}, which is not the price of its maker {maker}"));
        }
    }

    fn ended(&mut self, seq: Seq, order_id: u64, status: &'static str, left: i128, findings: &mut Findings) {
        let Some(order) = self.by_id.get_mut(&order_id) else {
            return findings.add(format!("row {seq}: order {order_id} is {status} and was never there"));
        };
        if let Some((before, at)) = order.ended {
            findings.add(format!("row {seq}: order {order_id} is {status}, and was {before} at row {at}"));
        }
        if order.remaining != left {
            findings.add(format!("row {seq}: order {order_id} is {status} with {left}, not {}", order.remaining));
        }
        order.ended = Some((status, seq));
        self.leaves(order_id);
    }

    /// Always quantity = remaining + filled.
    pub(crate) fn check_amounts(&self, findings: &mut Findings) {
        for (order_id, order) in &self.by_id {
            if units(order.quantity) != order.remaining + order.filled {
                findings.add(format!(
                    "order {order_id}: {} is not {} left and {} filled",
                    order.quantity, order.remaining, order.filled
                ));
            }
        }
    }
}

impl Logged {
    /// Whether this much is left.
    pub(crate) fn has_left(&self, remaining: Decimal) -> bool {
        self.remaining == units(remaining)
    }
}

/// Units of 10^-8, which every amount of the log fits.
pub(crate) fn units(decimal: Decimal) -> i128 {
    match decimal.to_units(8) {
        Some(units) => i128::from(units),
        None => panic!("{decimal} has more than 8 decimals or is too large"),
    }
}
