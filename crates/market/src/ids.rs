//! A set of ids of orders. Ids that were given one after the other take two bytes each at most.

use matching::OrderId;
use roaring::RoaringTreemap;

#[derive(Debug, Clone, Default)]
pub(crate) struct Ids(RoaringTreemap);

impl Ids {
    pub(crate) fn insert(&mut self, order_id: OrderId) {
        self.0.insert(order_id.get());
    }

    pub(crate) fn remove(&mut self, order_id: OrderId) {
        self.0.remove(order_id.get());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those below `end`, greatest first.
    pub(crate) fn below(&self, end: OrderId) -> impl Iterator<Item = OrderId> + '_ {
        let mut ids = self.0.iter();
        ids.advance_back_to(end.get());
        ids.rev().filter_map(OrderId::new).skip_while(move |id| *id >= end)
    }
}

impl FromIterator<OrderId> for Ids {
    fn from_iter<I: IntoIterator<Item = OrderId>>(ids: I) -> Ids {
        Ids(ids.into_iter().map(OrderId::get).collect())
    }
}
