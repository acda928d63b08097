//! Every order of the log, by its events alone: how often it was executed, what came of it, and whether its amounts add
//! up. A second, simpler fold than the ledger's, which is under test.

use std::collections::{BTreeSet, HashMap};

use matching::{Decimal, Event, Micros, Order, Phase, Seq, Side, Symbol};

use crate::check::Findings;

/// An order as the log tells it.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    /// Rows that accepted or rejected it: one.
    pub(crate) executions: u32,
    /// The row that did.
    pub(crate) seq: Seq,
    pub(crate) symbol: String,
    pub(crate) side: Side,
    /// Its limit; none accepts any price.
    pub(crate) price: Option<Decimal>,
    /// Its whole quantity; none of an order by quote amount, whose amounts are not summed here.
    pub(crate) quantity: Option<Decimal>,
    pub(crate) account: Option<String>,
    pub(crate) key: Option<String>,
    /// In units of 10^-8, as are all sums.
    filled: i128,
    remaining: i128,
    /// Whether it waits for a trade, in no book.
    waits: bool,
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
    /// Markets whose phase is not CONTINUOUS: their books may be crossed.
    collecting: BTreeSet<Symbol>,
    /// Accepted orders that expire, soonest first, until their time has come; those that ended before are among them.
    due: BTreeSet<(Micros, u64)>,
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
            Event::OrderAccepted(accepted) => self.executed(seq, &accepted.order, None),
            Event::OrderRejected(rejected) => self.executed(seq, &rejected.order, Some(("REJECTED", seq))),
            Event::Trade(trade) => {
                let sides = [
                    (trade.maker_order_id.get(), trade.maker_remaining),
                    (trade.taker_order_id.get(), trade.taker_remaining),
                ];
                for (order_id, left) in sides {
                    self.traded(seq, order_id, units(trade.quantity), units(left), findings);
                }
                if !trade.auction {
                    self.check_price(seq, trade.maker_order_id.get(), trade.price, findings);
                }
            }
            Event::PhaseChanged(changed) if changed.phase == Phase::Continuous => {
                self.collecting.remove(&changed.symbol);
            }
            Event::PhaseChanged(changed) => {
                self.collecting.insert(changed.symbol);
            }
            Event::OrderTriggered(triggered) => {
                self.changed(seq, triggered.order_id.get(), |order| order.waits = false, findings);
            }
            Event::OrderAmended(amended) => {
                let change = |order: &mut Logged| {
                    order.price = amended.price;
                    order.quantity = Some(amended.quantity);
                    order.remaining = units(amended.remaining);
                };
                self.changed(seq, amended.order_id.get(), change, findings);
            }
            Event::OrderReduced(reduced) => {
                let change = |order: &mut Logged| {
                    order.quantity = Some(reduced.quantity);
                    order.remaining = units(reduced.remaining);
                };
                self.changed(seq, reduced.order_id.get(), change, findings);
            }
            Event::OrderFilled(filled) => self.ended(seq, filled.order_id.get(), "FILLED", 0, findings),
            Event::OrderCancelled(cancelled) => {
                self.ended(seq, cancelled.order_id.get(), "CANCELLED", units(cancelled.remaining), findings);
            }
            Event::OrderExpired(expired) => {
                self.ended(seq, expired.order_id.get(), "EXPIRED", units(expired.remaining), findings);
            }
            _ => {}
        }
    }

    /// An order is accepted, or has ended as it came.
    fn executed(&mut self, seq: Seq, order: &Order, ended: Option<(&'static str, Seq)>) {
        let order_id = order.order_id.get();
        let logged = Logged {
            executions: 1,
            seq,
            symbol: order.symbol.to_string(),
            side: order.side,
            price: order.price,
            quantity: order.quantity,
            account: order.account.as_ref().map(ToString::to_string),
            key: order.client_order_id.as_ref().map(ToString::to_string),
            filled: 0,
            remaining: order.quantity.map(units).unwrap_or_default(),
            waits: order.order_type.waits(),
            ended,
        };
        match (&logged.account, &logged.key) {
            (Some(account), Some(key)) => {
                self.by_key.entry((account.clone(), key.clone())).or_default().push(order_id);
            }
            (Some(account), None) => self.by_account.entry(account.clone()).or_default().push(order_id),
            (None, _) => {}
        }
        self.by_id.entry(order_id).and_modify(|known| known.executions += 1).or_insert(logged);
        if ended.is_none() {
            self.due.extend(order.expire_at.map(|at| (at, order_id)));
            self.enters(order_id);
        }
    }

    fn traded(&mut self, seq: Seq, order_id: u64, quantity: i128, left: i128, findings: &mut Findings) {
        let Some(order) = self.by_id.get_mut(&order_id) else {
            return findings.add(format!("row {seq}: a trade of order {order_id}, which is not there"));
        };
        if let Some((status, at)) = order.ended {
            findings.add(format!("row {seq}: a trade of order {order_id}, which was {status} at row {at}"));
        }
        if order.quantity.is_none() {
            return;
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

    /// Its place in a book, if it has one: its market, side and price.
    fn place(&self, order_id: u64) -> Option<(String, Side, i128)> {
        let order = self.by_id.get(&order_id).filter(|order| !order.waits)?;
        Some((order.symbol.clone(), order.side, units(order.price?)))
    }

    /// The order stands in a book, unless it waits or takes any price.
    fn enters(&mut self, order_id: u64) {
        if let Some((symbol, side, price)) = self.place(order_id) {
            self.side(&symbol, side).insert((price, order_id));
        }
    }

    /// The order is in no book any more.
    fn leaves(&mut self, order_id: u64) {
        if let Some((symbol, side, price)) = self.place(order_id) {
            self.side(&symbol, side).remove(&(price, order_id));
        }
    }

    /// The order's terms change: it leaves its place and enters the one that it has then.
    fn changed(&mut self, seq: Seq, order_id: u64, change: impl FnOnce(&mut Logged), findings: &mut Findings) {
        self.leaves(order_id);
        match self.by_id.get_mut(&order_id) {
            Some(order) => change(order),
            None => findings.add(format!("row {seq}: order {order_id} changes, and is not there")),
        }
        self.enters(order_id);
    }

    /// Between two rows no bid is at or above an ask, in phase CONTINUOUS.
    pub(crate) fn check_uncrossed(&self, seq: Seq, symbol: Option<Symbol>, findings: &mut Findings) {
        let Some(symbol) = symbol.filter(|symbol| !self.collecting.contains(symbol)) else { return };
        let symbol = symbol.to_string();
        let Some([bids, asks]) = self.open.get(&symbol) else { return };
        if let (Some((bid, _)), Some((ask, _))) = (bids.last(), asks.first())
            && bid >= ask
        {
            findings.add(format!("row {seq}: {symbol} is crossed: bid {bid}, ask {ask}"));
        }
    }

    /// No row leaves an order open that is due by its time: what is due expires before anything else happens.
    pub(crate) fn check_expired(&mut self, seq: Seq, time: Micros, findings: &mut Findings) {
        while let Some((at, order_id)) = self.due.first().copied().filter(|(at, _)| *at <= time) {
            self.due.pop_first();
            if self.get(order_id).is_some_and(|order| order.ended.is_none()) {
                findings.add(format!("row {seq}: order {order_id} was due at {at}, and is open at {time}"));
            }
        }
    }

    /// A trade's price is the maker's.
    fn check_price(&self, seq: Seq, maker: u64, price: Decimal, findings: &mut Findings) {
        if self.get(maker).is_some_and(|order| order.price.map(units) != Some(units(price))) {
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
        if order.quantity.is_some() && order.remaining != left {
            findings.add(format!("row {seq}: order {order_id} is {status} with {left}, not {}", order.remaining));
        }
        order.ended = Some((status, seq));
        self.leaves(order_id);
    }

    /// Always quantity = remaining + filled.
    pub(crate) fn check_amounts(&self, findings: &mut Findings) {
        for (order_id, order) in &self.by_id {
            let Some(quantity) = order.quantity else { continue };
            if units(quantity) != order.remaining + order.filled {
                findings.add(format!(
                    "order {order_id}: {quantity} is not {} left and {} filled",
                    order.remaining, order.filled
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
