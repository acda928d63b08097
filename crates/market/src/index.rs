//! How orders are found beside their ids: by account, market and name, newest first; and the rows that each went through.
//! Holds the orders that the ledger holds.

use std::collections::{BTreeMap, BTreeSet};

use matching::ledger::{OrderRecord, OrderStatus};
use matching::{Account, ClientOrderId, Ledger, OrderId, Seq, Side, Symbol};

use crate::ids::Ids;
use crate::touched::{Before, EarlierRows};

/// The most orders that one question looks at: bounds what it costs, however few of them fit.
const LOOKED_AT: usize = 5_000;

/// Which orders are asked for: those that fit everything that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Of this market.
    pub symbol: Option<Symbol>,
    /// Of this account.
    pub account: Option<Account>,
    /// In one of these states; empty: in any.
    pub statuses: Vec<OrderStatus>,
    /// Of this side.
    pub side: Option<Side>,
    /// Of this name.
    pub client_order_id: Option<ClientOrderId>,
}

impl OrderFilter {
    fn fits(&self, order: &OrderRecord) -> bool {
        self.symbol.is_none_or(|symbol| order.symbol == symbol)
            && self.side.is_none_or(|side| order.side == side)
            && self.account.as_ref().is_none_or(|account| order.account.as_ref() == Some(account))
            && self.client_order_id.as_ref().is_none_or(|name| order.client_order_id.as_ref() == Some(name))
            && (self.statuses.is_empty() || self.statuses.contains(&order.status))
    }

    fn only_open(&self) -> bool {
        !self.statuses.is_empty() && self.statuses.iter().all(|status| status.is_open())
    }
}

/// Orders that fit, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The orders.
    pub orders: Vec<OrderRecord>,
    /// Where the next page begins: below this id. None when there is no more. A page can be short, even empty, and have
    /// more behind it.
    pub next: Option<OrderId>,
}

/// The index. Fed with each row behind the ledger.
#[derive(Debug, Clone, Default)]
pub struct OrderIndex {
    symbols: BTreeMap<Symbol, Ids>,
    accounts: BTreeSet<(Account, OrderId)>,
    names: BTreeSet<(ClientOrderId, OrderId)>,
    open: Ids,
    open_accounts: BTreeSet<(Account, OrderId)>,
    earlier_rows: EarlierRows,
}

impl OrderIndex {
    /// The index of what a ledger holds; of each order's rows the last is known.
    pub fn of(ledger: &Ledger) -> OrderIndex {
        let open = || ledger.orders().filter(|order| order.status.is_open());
        let of_account = |order: &OrderRecord| Some((order.account.clone()?, order.order_id));
        let mut symbols: BTreeMap<Symbol, Ids> = BTreeMap::new();
        for order in ledger.orders() {
            symbols.entry(order.symbol).or_default().insert(order.order_id);
        }
        // Sets that are made at once cost a fraction of what they cost order by order.
        OrderIndex {
            symbols,
            accounts: ledger.orders().filter_map(of_account).collect(),
            names: ledger.orders().filter_map(|order| Some((order.client_order_id.clone()?, order.order_id))).collect(),
            open: open().map(|order| order.order_id).collect(),
            open_accounts: open().filter_map(of_account).collect(),
            earlier_rows: EarlierRows::default(),
        }
    }

    /// A row changed an order; `before`: none, if it came in that row.
    pub fn changed(&mut self, before: Option<Before>, order: &OrderRecord) {
        self.earlier_rows.changed(order.order_id, before);
        if before.is_none() || !order.status.is_open() {
            self.put(order);
        }
    }

    fn put(&mut self, order: &OrderRecord) {
        let id = order.order_id;
        self.symbols.entry(order.symbol).or_default().insert(id);
        if let Some(name) = &order.client_order_id {
            self.names.insert((name.clone(), id));
        }
        let open = order.status.is_open();
        if open {
            self.open.insert(id);
        } else {
            self.open.remove(id);
        }
        if let Some(account) = &order.account {
            let entry = (account.clone(), id);
            if open {
                self.open_accounts.insert(entry.clone());
            } else {
                self.open_accounts.remove(&entry);
            }
            self.accounts.insert(entry);
        }
    }

    /// The ledger has dropped an order.
    pub fn dropped(&mut self, order: &OrderRecord) {
        let id = order.order_id;
        self.earlier_rows.take(id);
        self.open.remove(id);
        if let Some(orders) = self.symbols.get_mut(&order.symbol) {
            orders.remove(id);
            if orders.is_empty() {
                self.symbols.remove(&order.symbol);
            }
        }
        if let Some(name) = &order.client_order_id {
            self.names.remove(&(name.clone(), id));
        }
        if let Some(account) = &order.account {
            let entry = (account.clone(), id);
            self.open_accounts.remove(&entry);
            self.accounts.remove(&entry);
        }
    }

    /// The rows before its last that changed an order, as far as this process saw them.
    pub fn earlier_rows(&self, order_id: OrderId) -> &[Seq] {
        self.earlier_rows.of(order_id)
    }

    /// At most `limit` orders that fit, below the id `below`.
    pub fn page(&self, ledger: &Ledger, filter: &OrderFilter, below: Option<OrderId>, limit: usize) -> Page {
        let end = below.or_else(|| OrderId::new(matching::units::ID_LIMIT - 1)).unwrap_or(OrderId::FIRST);
        let of = |set: &BTreeSet<(Account, OrderId)>, account: &Account| {
            let range = (account.clone(), OrderId::FIRST)..(account.clone(), end);
            set.range(range).rev().map(|(_, id)| *id).take(LOOKED_AT + 1).collect::<Vec<_>>()
        };
        let candidates: Vec<OrderId> = match filter {
            OrderFilter { client_order_id: Some(name), .. } => {
                let range = (name.clone(), OrderId::FIRST)..(name.clone(), end);
                self.names.range(range).rev().map(|(_, id)| *id).take(LOOKED_AT + 1).collect()
            }
            OrderFilter { account: Some(account), .. } if filter.only_open() => of(&self.open_accounts, account),
            OrderFilter { account: Some(account), .. } => of(&self.accounts, account),
            _ if filter.only_open() => self.open.below(end).take(LOOKED_AT + 1).collect(),
            OrderFilter { symbol: Some(symbol), .. } => {
                let orders = self.symbols.get(symbol).into_iter().flat_map(|orders| orders.below(end));
                orders.take(LOOKED_AT + 1).collect()
            }
            _ => ledger.orders_below(end).map(|order| order.order_id).take(LOOKED_AT + 1).collect(),
        };
        let mut page = Page { orders: Vec::new(), next: None };
        for (looked_at, id) in candidates.iter().enumerate() {
            if page.orders.len() == limit || looked_at == LOOKED_AT {
                // Below the last one that was looked at.
                page.next = looked_at.checked_sub(1).map(|last| candidates[last]);
                break;
            }
            let Some(order) = ledger.order(*id) else { panic!("order {id} is indexed and not in the ledger") };
            if filter.fits(order) {
                page.orders.push(order.clone());
            }
        }
        page
    }
}
