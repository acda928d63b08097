//! Between the units of a book and the decimals of the log: each event of a book as an event of the log, and back.

use crate::amount::Amount;
use crate::book::{BookEvent, Ended, Extra, Indication, Owner, Placed, Traded};
use crate::decimal::Decimal;
use crate::event::{
    AmendRejected, AuctionIndicated, CancelRejected, Event, InstrumentUpdated, OrderAccepted, OrderAmended,
    OrderCancelled, OrderExpired, OrderFilled, OrderReduced, OrderRejected, OrderReplenished, OrderTriggered,
    PhaseChanged, Trade,
};
use crate::instrument::{Instrument, MAX_TRANCHES};
use crate::order::Order;
use crate::reason::Reason;
use crate::units::{Micros, Price, Quantity, Side, TradeId};

/// Whose the order of an event is. Of any event of one order: they share fields.
macro_rules! owner {
    ($event:expr) => {
        Owner { account: $event.account.clone(), metadata: $event.metadata.clone() }
    };
}

/// How the order of an event ended.
macro_rules! ended {
    ($instrument:expr, $event:expr, $remaining:expr) => {{
        let decimals = released_decimals($instrument, $event.side);
        let units = |amount: Amount| in_scale(amount.to_units(decimals), amount);
        Ended {
            order_id: $event.order_id,
            side: $event.side,
            remaining: $remaining,
            released: $event.released.map(units),
            owner: owner!($event),
        }
    }};
}

/// An order in its instrument's units, or why it is none that its book may have. `expire_at`: when it expires.
pub(crate) fn place(instrument: &Instrument, order: &Order, expire_at: Option<Micros>) -> Result<Placed, Reason> {
    let price = |price: Option<Decimal>| price.map(|price| instrument.price(price)).transpose();
    let quantity = |quantity: Option<Decimal>| quantity.map(|quantity| instrument.quantity(quantity)).transpose();
    let limit = price(order.price)?;
    let whole = order.quantity.map_or(Ok(Quantity::ZERO), |quantity| instrument.whole_quantity(quantity))?;
    let extra = Extra {
        quote_quantity: order.quote_quantity.map(|quote| instrument.quote(quote)).transpose()?,
        expire_at,
        stop_price: price(order.stop_price)?,
        trailing_delta: price(order.trailing_delta)?,
        display_quantity: quantity(order.display_quantity)?,
        min_quantity: quantity(order.min_quantity)?,
        linked_order_id: order.linked_order_id,
        metadata: order.metadata.clone(),
    };
    let part = |part: Option<Quantity>| part.is_none_or(|part| part <= whole);
    if !part(extra.display_quantity) || !part(extra.min_quantity) {
        return Err(Reason::Incoherent);
    }
    if let Some(display) = extra.display_quantity
        && whole.units() > display.units().saturating_mul(MAX_TRANCHES)
    {
        return Err(Reason::DisplayTooSmall);
    }
    let notional = limit.map(|price| price.times(whole)).or(extra.quote_quantity);
    notional.map_or(Ok(()), |notional| instrument.check_notional(notional))?;
    Ok(placed(order, limit, whole, extra))
}

/// An order of a book as it stands in the log.
fn order(instrument: &Instrument, placed: Placed) -> Order {
    let price = |price: Option<Price>| price.map(|price| instrument.price_decimal(price));
    let quantity = |quantity: Option<Quantity>| quantity.map(|quantity| instrument.quantity_decimal(quantity));
    let extra = &*placed.extras;
    Order {
        order_id: placed.order_id,
        symbol: instrument.symbol(),
        side: placed.side,
        order_type: placed.order_type,
        price: price(placed.price),
        quantity: quantity(Some(placed.quantity).filter(|quantity| !quantity.is_zero())),
        // It came as a decimal.
        quote_quantity: extra.quote_quantity.and_then(|quote| instrument.quote_amount(quote).to_decimal()),
        time_in_force: placed.time_in_force,
        expire_at: extra.expire_at,
        post_only: placed.post_only,
        stop_price: price(extra.stop_price),
        trailing_delta: price(extra.trailing_delta),
        display_quantity: quantity(extra.display_quantity),
        min_quantity: quantity(extra.min_quantity),
        self_trade_prevention: placed.self_trade_prevention,
        linked_order_id: extra.linked_order_id,
        account: placed.account,
        client_order_id: placed.client_order_id,
        metadata: extra.metadata.clone(),
        received_at: placed.received_at,
    }
}

/// A book's event as it stands in the log. `trade_id`: the number that a trade gets.
pub(crate) fn to_event(instrument: &Instrument, trade_id: TradeId, event: BookEvent) -> Event {
    let symbol = instrument.symbol();
    let price = |price: Price| instrument.price_decimal(price);
    let quantity = |quantity: Quantity| instrument.quantity_decimal(quantity);
    match event {
        BookEvent::Accepted { order: placed, priority } => {
            Event::OrderAccepted(OrderAccepted { order: order(instrument, placed), priority })
        }
        BookEvent::Rejected { order: placed, symbol_seq, reason: reason_code } => {
            let order = order(instrument, placed);
            Event::OrderRejected(OrderRejected { order, symbol_seq: Some(symbol_seq), reason_code })
        }
        BookEvent::Triggered { order_id, price: last, priority, owner: Owner { account, metadata } } => {
            let price = price(last);
            Event::OrderTriggered(OrderTriggered { order_id, symbol, price, priority, account, metadata })
        }
        BookEvent::Amended { command_id, order_id, price: limit, quantity: whole, remaining, priority, owner } => {
            Event::OrderAmended(OrderAmended {
                command_id,
                order_id,
                symbol,
                price: limit.map(price),
                quantity: quantity(whole),
                remaining: quantity(remaining),
                priority,
                account: owner.account,
                metadata: owner.metadata,
            })
        }
        BookEvent::Reduced { order_id, quantity: whole, remaining, owner: Owner { account, metadata } } => {
            let (quantity, remaining) = (quantity(whole), quantity(remaining));
            Event::OrderReduced(OrderReduced { order_id, symbol, quantity, remaining, account, metadata })
        }
        BookEvent::Replenished { order_id, displayed, priority, owner: Owner { account, metadata } } => {
            let displayed = quantity(displayed);
            Event::OrderReplenished(OrderReplenished { order_id, symbol, displayed, priority, account, metadata })
        }
        BookEvent::Traded(traded) => Event::Trade(trade(instrument, trade_id, traded)),
        BookEvent::Filled(ended) => {
            let released = released(instrument, &ended);
            let Ended { order_id, side, owner: Owner { account, metadata }, .. } = ended;
            Event::OrderFilled(OrderFilled { order_id, symbol, side, released, account, metadata })
        }
        BookEvent::Cancelled { ended, command_id, reason: reason_code, reason_text } => {
            let released = released(instrument, &ended);
            let Ended { order_id, side, remaining, owner: Owner { account, metadata }, .. } = ended;
            Event::OrderCancelled(OrderCancelled {
                order_id,
                symbol,
                side,
                command_id,
                remaining: quantity(remaining),
                released,
                reason_code,
                reason_text,
                account,
                metadata,
            })
        }
        BookEvent::Expired { ended, reason: reason_code } => {
            let released = released(instrument, &ended);
            let Ended { order_id, side, remaining, owner: Owner { account, metadata }, .. } = ended;
            let remaining = quantity(remaining);
            Event::OrderExpired(OrderExpired {
                order_id,
                symbol,
                side,
                remaining,
                released,
                reason_code,
                account,
                metadata,
            })
        }
        BookEvent::CancelRejected { command_id, order_id } => {
            let (order_id, symbol, reason_code) = (Some(order_id), Some(symbol), Reason::NotOpen);
            Event::CancelRejected(CancelRejected { command_id, order_id, symbol, reason_code })
        }
        BookEvent::AmendRejected { command_id, order_id, reason: reason_code } => {
            Event::AmendRejected(AmendRejected { command_id, order_id, symbol: Some(symbol), reason_code })
        }
        BookEvent::PhaseChanged { command_id, phase, then } => {
            Event::PhaseChanged(PhaseChanged { command_id, symbol, phase, then })
        }
        BookEvent::InstrumentUpdated { command_id, instrument } => {
            Event::InstrumentUpdated(InstrumentUpdated { command_id, instrument })
        }
        BookEvent::AuctionIndicated(indication) => Event::AuctionIndicated(indicated(instrument, indication)),
    }
}

fn trade(instrument: &Instrument, trade_id: TradeId, traded: Traded) -> Trade {
    Trade {
        trade_id,
        symbol: instrument.symbol(),
        price: instrument.price_decimal(traded.price),
        quantity: instrument.quantity_decimal(traded.quantity),
        quote_quantity: instrument.quote_amount(traded.price.times(traded.quantity)),
        maker_order_id: traded.maker_order_id,
        taker_order_id: traded.taker_order_id,
        taker_side: traded.taker_side,
        maker_remaining: instrument.quantity_decimal(traded.maker_remaining),
        taker_remaining: instrument.quantity_decimal(traded.taker_remaining),
        taker_quote_remaining: traded.taker_quote_remaining.map(|quote| instrument.quote_amount(quote)),
        improvement: (traded.improvement > 0).then(|| instrument.quote_amount(traded.improvement)),
        auction: traded.auction,
        maker_account: traded.maker.account,
        taker_account: traded.taker.account,
        maker_metadata: traded.maker.metadata,
        taker_metadata: traded.taker.metadata,
    }
}

/// Digits after the point of what an order of this side releases.
fn released_decimals(instrument: &Instrument, side: Side) -> u8 {
    match side {
        Side::Buy => instrument.quote_decimals(),
        Side::Sell => instrument.quantity_decimals(),
    }
}

fn released(instrument: &Instrument, ended: &Ended) -> Option<Amount> {
    ended.released.map(|units| Amount::from_units(units, released_decimals(instrument, ended.side)))
}

fn indicated(instrument: &Instrument, indication: Option<Indication>) -> AuctionIndicated {
    let imbalance = indication.map_or(0, |indication| indication.imbalance);
    AuctionIndicated {
        symbol: instrument.symbol(),
        price: indication.map(|indication| instrument.price_decimal(indication.price)),
        volume: instrument.quantity_amount(indication.map_or(0, |indication| indication.volume)),
        imbalance: instrument.quantity_amount(imbalance.unsigned_abs()),
        imbalance_side: match imbalance {
            1.. => Some(Side::Buy),
            0 => None,
            ..0 => Some(Side::Sell),
        },
    }
}

/// An event of the log as the book of its instrument knows it; none for an event that no book made.
///
/// # Panics
/// If the log holds what the instrument's scale does not allow: a broken invariant.
pub(crate) fn to_book_event(instrument: &Instrument, event: &Event) -> Option<BookEvent> {
    let price = |decimal: Decimal| in_scale(instrument.price_units(decimal), decimal);
    let quantity = |decimal: Decimal| in_scale(instrument.quantity_units(decimal), decimal);
    let placed = |order: &Order| logged(instrument, order);
    Some(match event {
        Event::OrderAccepted(event) => BookEvent::Accepted { order: placed(&event.order), priority: event.priority },
        Event::OrderRejected(event) => BookEvent::Rejected {
            // Without a number in the book it did not come as far.
            symbol_seq: event.symbol_seq?,
            order: placed(&event.order),
            reason: event.reason_code,
        },
        Event::OrderTriggered(event) => BookEvent::Triggered {
            order_id: event.order_id,
            price: price(event.price),
            priority: event.priority,
            owner: owner!(event),
        },
        Event::OrderAmended(event) => BookEvent::Amended {
            command_id: event.command_id,
            order_id: event.order_id,
            price: event.price.map(price),
            quantity: quantity(event.quantity),
            remaining: quantity(event.remaining),
            priority: event.priority,
            owner: owner!(event),
        },
        Event::OrderReduced(event) => BookEvent::Reduced {
            order_id: event.order_id,
            quantity: quantity(event.quantity),
            remaining: quantity(event.remaining),
            owner: owner!(event),
        },
        Event::OrderReplenished(event) => BookEvent::Replenished {
            order_id: event.order_id,
            displayed: quantity(event.displayed),
            priority: event.priority,
            owner: owner!(event),
        },
        Event::Trade(event) => BookEvent::Traded(traded(instrument, event)),
        Event::OrderFilled(event) => BookEvent::Filled(ended!(instrument, event, Quantity::ZERO)),
        Event::OrderCancelled(event) => BookEvent::Cancelled {
            ended: ended!(instrument, event, quantity(event.remaining)),
            command_id: event.command_id,
            reason: event.reason_code,
            reason_text: event.reason_text.clone(),
        },
        Event::OrderExpired(event) => BookEvent::Expired {
            ended: ended!(instrument, event, quantity(event.remaining)),
            reason: event.reason_code,
        },
        // The router's own refusals name an order that no book knows: they have no market.
        Event::CancelRejected(event) => {
            event.symbol?;
            BookEvent::CancelRejected { command_id: event.command_id, order_id: event.order_id? }
        }
        Event::AmendRejected(event) => {
            event.symbol?;
            BookEvent::AmendRejected {
                command_id: event.command_id,
                order_id: event.order_id,
                reason: event.reason_code,
            }
        }
        Event::PhaseChanged(event) => {
            BookEvent::PhaseChanged { command_id: event.command_id, phase: event.phase, then: event.then.clone() }
        }
        Event::InstrumentUpdated(event) => {
            BookEvent::InstrumentUpdated { command_id: event.command_id, instrument: event.instrument }
        }
        Event::AuctionIndicated(event) => BookEvent::AuctionIndicated(indication(instrument, event)),
        Event::InstrumentListed(_)
        | Event::ListingRejected(_)
        | Event::OrderRepeated(_)
        | Event::MassCancelled(_)
        | Event::CancelAfterSet(_)
        | Event::CancelAfterFired(_)
        | Event::AccountBlocked(_)
        | Event::AccountUnblocked(_)
        | Event::CommandRejected(_)
        | Event::DuplicateRejected(_)
        | Event::TimeAdvanced(_)
        | Event::EntryRejected(_) => return None,
    })
}

/// An order of the log in its instrument's units: within its scale, whatever the other rules are by now.
fn logged(instrument: &Instrument, order: &Order) -> Placed {
    let price = |price: Option<Decimal>| price.map(|price| in_scale(instrument.price_units(price), price));
    let quantity =
        |quantity: Option<Decimal>| quantity.map(|quantity| in_scale(instrument.quantity_units(quantity), quantity));
    let extra = Extra {
        quote_quantity: order.quote_quantity.map(|quote| in_scale(instrument.quote(quote).ok(), quote)),
        expire_at: order.expire_at,
        stop_price: price(order.stop_price),
        trailing_delta: price(order.trailing_delta),
        display_quantity: quantity(order.display_quantity),
        min_quantity: quantity(order.min_quantity),
        linked_order_id: order.linked_order_id,
        metadata: order.metadata.clone(),
    };
    placed(order, price(order.price), quantity(order.quantity).unwrap_or_default(), extra)
}

/// What of an order needs no units, with what does.
fn placed(order: &Order, price: Option<Price>, quantity: Quantity, extra: Extra) -> Placed {
    Placed {
        order_id: order.order_id,
        side: order.side,
        order_type: order.order_type,
        price,
        quantity,
        time_in_force: order.time_in_force,
        post_only: order.post_only,
        self_trade_prevention: order.self_trade_prevention,
        account: order.account.clone(),
        client_order_id: order.client_order_id.clone(),
        received_at: order.received_at,
        extras: extra.into(),
    }
}

fn traded(instrument: &Instrument, trade: &Trade) -> Traded {
    let quantity = |decimal: Decimal| in_scale(instrument.quantity_units(decimal), decimal);
    let quote = |amount: Amount| in_scale(amount.to_units(instrument.quote_decimals()), amount);
    let owner =
        |account: &Option<_>, metadata: &Option<_>| Owner { account: account.clone(), metadata: metadata.clone() };
    Traded {
        price: in_scale(instrument.price_units(trade.price), trade.price),
        quantity: quantity(trade.quantity),
        maker_order_id: trade.maker_order_id,
        taker_order_id: trade.taker_order_id,
        taker_side: trade.taker_side,
        maker_remaining: quantity(trade.maker_remaining),
        taker_remaining: quantity(trade.taker_remaining),
        taker_quote_remaining: trade.taker_quote_remaining.map(quote),
        improvement: trade.improvement.map_or(0, quote),
        auction: trade.auction,
        maker: owner(&trade.maker_account, &trade.maker_metadata),
        taker: owner(&trade.taker_account, &trade.taker_metadata),
    }
}

fn indication(instrument: &Instrument, event: &AuctionIndicated) -> Option<Indication> {
    let price = event.price?;
    let sum = |amount: Amount| in_scale(amount.to_units(instrument.quantity_decimals()), amount);
    let imbalance = in_scale(i128::try_from(sum(event.imbalance)).ok(), event.imbalance);
    let imbalance = if event.imbalance_side == Some(Side::Sell) { -imbalance } else { imbalance };
    let price = in_scale(instrument.price_units(price), price);
    Some(Indication { price, volume: sum(event.volume), imbalance })
}

fn in_scale<T>(units: Option<T>, written: impl std::fmt::Display) -> T {
    match units {
        Some(units) => units,
        None => panic!("{written} in the log is not within its instrument's scale"),
    }
}
