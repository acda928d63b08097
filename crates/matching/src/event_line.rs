//! An event in one line, for people.

use std::fmt::{Display, Formatter, Result};

use crate::event::Event;
use crate::order::Order;

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Event::InstrumentListed(event) => write!(f, "listed {}", event.instrument.symbol()),
            Event::ListingRejected(event) => write!(f, "not listed {}: {}", event.symbol, event.reason_code.code()),
            Event::InstrumentUpdated(event) => write!(f, "rules of {} changed", event.instrument.symbol()),
            Event::PhaseChanged(event) => write!(f, "{} is {}", event.symbol, event.phase.as_str()),
            Event::AuctionIndicated(event) => match event.price {
                Some(price) => write!(f, "auction {} @ {price}", event.volume),
                None => write!(f, "auction without a price"),
            },
            Event::OrderAccepted(event) => {
                write!(f, "order {} accepted: {}", event.order.order_id, Terms(&event.order))
            }
            Event::OrderRejected(event) => {
                write!(f, "order {} rejected: {}", event.order.order_id, event.reason_code.code())
            }
            Event::OrderRepeated(event) => write!(f, "order {} repeats {}", event.order_id, event.first_order_id),
            Event::OrderTriggered(event) => write!(f, "order {} triggered at {}", event.order_id, event.price),
            Event::OrderAmended(event) => {
                write!(f, "order {} amended: {}", event.order_id, event.quantity)?;
                event.price.map_or(Ok(()), |price| write!(f, " @ {price}"))?;
                write!(f, ", {} left", event.remaining)
            }
            Event::OrderReduced(event) => write!(f, "order {} reduced, {} left", event.order_id, event.remaining),
            Event::OrderReplenished(event) => write!(f, "order {} shows {}", event.order_id, event.displayed),
            Event::Trade(event) => write!(
                f,
                "trade {}: {} @ {}, maker {}, taker {}",
                event.trade_id, event.quantity, event.price, event.maker_order_id, event.taker_order_id
            ),
            Event::OrderFilled(event) => write!(f, "order {} filled", event.order_id),
            Event::OrderCancelled(event) => {
                let (id, left, reason) = (event.order_id, event.remaining, event.reason_code.code());
                write!(f, "order {id} cancelled, {left} left: {reason}")
            }
            Event::OrderExpired(event) => {
                let (id, left, reason) = (event.order_id, event.remaining, event.reason_code.code());
                write!(f, "order {id} expired, {left} left: {reason}")
            }
            Event::CancelRejected(event) => {
                write!(f, "cancel {} refused: {}", event.command_id, event.reason_code.code())
            }
            Event::AmendRejected(event) => {
                write!(f, "order {} not amended: {}", event.order_id, event.reason_code.code())
            }
            Event::MassCancelled(event) => write!(f, "mass cancel {}", event.command_id),
            Event::CancelAfterSet(event) => match event.due {
                Some(due) => write!(f, "{} cancels after {due}", event.account),
                None => write!(f, "{} cancels after nothing", event.account),
            },
            Event::CancelAfterFired(event) => write!(f, "{} was not heard of in time", event.account),
            Event::AccountBlocked(event) => write!(f, "{} blocked", event.account),
            Event::AccountUnblocked(event) => write!(f, "{} unblocked", event.account),
            Event::CommandRejected(event) => write!(f, "refused: {}", event.reason_code.code()),
            Event::DuplicateRejected(event) => write!(f, "command {} came again", event.command_id),
            Event::TimeAdvanced(_) => f.write_str("time advanced"),
            Event::EntryRejected(event) => write!(f, "entry {} refused: {}", event.stream_id, event.error),
        }
    }
}

/// What an order asks for: kind, side, how much, at what.
struct Terms<'a>(&'a Order);

impl Display for Terms<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Terms(order) = self;
        write!(f, "{} {}", order.order_type.as_str(), order.side)?;
        order.quantity.map_or(Ok(()), |quantity| write!(f, " {quantity}"))?;
        order.quote_quantity.map_or(Ok(()), |quote| write!(f, " for {quote}"))?;
        order.price.map_or(Ok(()), |price| write!(f, " @ {price}"))?;
        order.stop_price.map_or(Ok(()), |stop| write!(f, " from {stop}"))?;
        order.trailing_delta.map_or(Ok(()), |delta| write!(f, " trailing {delta}"))
    }
}
