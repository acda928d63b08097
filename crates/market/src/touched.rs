//! Which orders a row of the log changes.

use matching::{Event, OrderId};

/// The orders that these events change, each once, in the order of the events.
pub fn touched(events: &[Event]) -> Vec<OrderId> {
    let mut touched = Vec::with_capacity(2);
    let mut add = |order_id: OrderId| {
        if !touched.contains(&order_id) {
            touched.push(order_id);
        }
    };
    for event in events {
        match event {
            Event::OrderAccepted(event) => add(event.order.order_id),
            Event::OrderRejected(event) => add(event.order.order_id),
            Event::OrderTriggered(event) => add(event.order_id),
            Event::OrderAmended(event) => add(event.order_id),
            Event::OrderReduced(event) => add(event.order_id),
            Event::OrderReplenished(event) => add(event.order_id),
            Event::OrderFilled(event) => add(event.order_id),
            Event::OrderCancelled(event) => add(event.order_id),
            Event::OrderExpired(event) => add(event.order_id),
            Event::Trade(event) => {
                add(event.taker_order_id);
                add(event.maker_order_id);
            }
            _ => {}
        }
    }
    touched
}
