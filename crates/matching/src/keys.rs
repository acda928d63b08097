//! The names that clients give to their orders, so that a request can be repeated without executing it twice.
//!
//! Invariant: a name is kept exactly as long as the id of its order is.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::event::OrderRepeated;
use crate::names::{Account, ClientOrderId};
use crate::order::{Order, TimeInForce};
use crate::planted::{Bug, is_planted};
use crate::symbol::Symbol;
use crate::units::OrderId;

/// Under which name, for whom and in which market an order came.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Key {
    symbol: Symbol,
    account: Option<Account>,
    client_order_id: ClientOrderId,
}

impl Key {
    fn of(symbol: Symbol, account: Option<&Account>, name: &ClientOrderId) -> Key {
        Key { symbol, account: account.cloned(), client_order_id: name.clone() }
    }
}

/// A digest of what an order asked for: what decides whether two requests of one name are the same. The deadline is not
/// in it, since a request that is sent again may have a new one.
#[derive(Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Terms([u8; 16]);

impl Terms {
    fn of(order: &Order) -> Terms {
        let asked = (
            (order.side, order.order_type, order.price, order.quantity, order.quote_quantity),
            // Of a DAY order the time is written in when it is accepted.
            (order.time_in_force, order.expire_at.filter(|_| order.time_in_force != TimeInForce::Day)),
            (order.post_only, order.stop_price, order.trailing_delta, order.display_quantity, order.min_quantity),
            (order.self_trade_prevention, order.linked_order_id, &order.metadata),
        );
        let hasher = match postcard::to_io(&asked, blake3::Hasher::new()) {
            Ok(hasher) => hasher,
            // A hasher takes every byte.
            Err(error) => panic!("an order's terms have no encoding: {error}"),
        };
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Terms(digest)
    }
}

/// The name that an order came under, and what it asked for.
pub(crate) struct Named {
    key: Key,
    terms: Terms,
}

impl Named {
    /// None for an order without a name.
    pub(crate) fn of(order: &Order) -> Option<Named> {
        let name = order.client_order_id.as_ref().filter(|_| !is_planted(Bug::SkipDedupe))?;
        Some(Named { key: Key::of(order.symbol, order.account.as_ref(), name), terms: Terms::of(order) })
    }
}

/// The order that had a name first.
#[derive(Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct First {
    order_id: OrderId,
    terms: Terms,
}

/// All names that are kept.
#[derive(Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Sorted", into = "Sorted")]
pub(crate) struct Keys {
    firsts: FxHashMap<Key, First>,
    by_order: FxHashMap<OrderId, Key>,
}

impl Keys {
    /// What happens to an order whose name is taken; none while it is free.
    pub(crate) fn repeated(&self, order: &Order, Named { key, terms }: &Named) -> Option<OrderRepeated> {
        let first = self.firsts.get(key)?;
        Some(OrderRepeated {
            order_id: order.order_id,
            first_order_id: first.order_id,
            symbol: key.symbol,
            account: key.account.clone(),
            client_order_id: key.client_order_id.clone(),
            same_order: first.terms == *terms,
        })
    }

    /// Keeps the name of an order that has one.
    pub(crate) fn insert(&mut self, order_id: OrderId, named: Option<Named>) {
        let Some(Named { key, terms }) = named else { return };
        self.by_order.insert(order_id, key.clone());
        let before = self.firsts.insert(key, First { order_id, terms });
        assert!(before.is_none(), "order {order_id} came under a name that is taken");
    }

    /// The order that came under a name first.
    pub(crate) fn order_of(&self, symbol: Symbol, account: Option<&Account>, name: &ClientOrderId) -> Option<OrderId> {
        self.firsts.get(&Key::of(symbol, account, name)).map(|first| first.order_id)
    }

    /// Forgets the name of an order whose id is forgotten.
    pub(crate) fn remove(&mut self, order_id: OrderId) {
        if let Some(key) = self.by_order.remove(&order_id) {
            self.firsts.remove(&key);
        }
    }
}

/// The names as an image holds them.
type Sorted = Vec<(Key, First)>;

impl From<Keys> for Sorted {
    fn from(keys: Keys) -> Sorted {
        let mut sorted: Sorted = keys.firsts.into_iter().collect();
        sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        sorted
    }
}

impl From<Sorted> for Keys {
    fn from(sorted: Sorted) -> Keys {
        let by_order = sorted.iter().map(|(key, first)| (first.order_id, key.clone())).collect();
        Keys { firsts: sorted.into_iter().collect(), by_order }
    }
}
