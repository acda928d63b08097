//! A router as an image holds it: ids sorted, nothing that follows from the rest.

use serde::{Deserialize, Serialize};

use crate::instrument::Instrument;
use crate::keys::Keys;
use crate::names::Account;
use crate::phase::PhaseStep;
use crate::planted::{Bug, is_planted};
use crate::symbol::Symbol;
use crate::units::{CommandId, Micros, OrderId, Seq, TradeId};

use super::Router;
use super::markets::MAX_SYMBOLS;
use super::window::Known;

#[derive(Serialize, Deserialize)]
pub(super) struct RouterImage {
    seq: Seq,
    time: Micros,
    next_trade_id: TradeId,
    instruments: Vec<Instrument>,
    orders: Vec<(OrderId, Known)>,
    keys: Keys,
    closed: Vec<(Seq, OrderId)>,
    commands: Vec<(Seq, CommandId)>,
    blocked: Vec<Account>,
    timers: Vec<(Account, Micros)>,
    phases: Vec<(Symbol, Vec<PhaseStep>)>,
}

impl From<Router> for RouterImage {
    fn from(mut router: Router) -> RouterImage {
        let mut orders: Vec<(OrderId, Known)> = std::mem::take(&mut router.window.orders).into_iter().collect();
        if !is_planted(Bug::HashOverMapOrder) {
            orders.sort_unstable();
        }
        RouterImage {
            seq: router.seq,
            time: router.time,
            next_trade_id: router.next_trade_id,
            instruments: router.markets.into_instruments(),
            orders,
            keys: std::mem::take(&mut router.window.keys),
            closed: std::mem::take(&mut router.window.closed).into(),
            commands: router.window.into_commands(),
            blocked: router.blocked.into_iter().collect(),
            timers: router.due.timers(),
            phases: router.due.phases(),
        }
    }
}

/// The image is of no possible router.
#[derive(Debug, thiserror::Error)]
#[error("the image of the router lists an instrument twice or names one that it does not list")]
pub struct ImpossibleRouter;

impl TryFrom<RouterImage> for Router {
    type Error = ImpossibleRouter;

    fn try_from(image: RouterImage) -> Result<Router, ImpossibleRouter> {
        let mut router =
            Router { seq: image.seq, time: image.time, next_trade_id: image.next_trade_id, ..Router::new() };
        for instrument in image.instruments {
            if router.markets.get(instrument.symbol()).is_some() || router.markets.len() >= MAX_SYMBOLS {
                return Err(ImpossibleRouter);
            }
            router.markets.add(instrument);
        }
        let listed = router.markets.len();
        let unlisted = |symbol: &Symbol| router.markets.get(*symbol).is_none();
        if image.orders.iter().any(|(_, known)| usize::from(known.index) >= listed)
            || image.phases.iter().any(|(symbol, _)| unlisted(symbol))
        {
            return Err(ImpossibleRouter);
        }
        for (order_id, known) in &image.orders {
            if let Some(expire_at) = known.expire_at() {
                router.due.add_order(expire_at, *order_id);
            }
        }
        router.window.orders = image.orders.into_iter().collect();
        router.window.keys = image.keys;
        for (_, order_id) in &image.closed {
            if let Some(expire_at) = router.window.orders.get(order_id).and_then(|known| known.expire_at()) {
                router.due.remove_order(expire_at, *order_id);
            }
        }
        router.window.closed = image.closed.into();
        router.window.set_commands(image.commands);
        router.blocked = image.blocked.into_iter().collect();
        for (account, due) in image.timers {
            router.due.set_timer(&account, Some(due));
        }
        for (symbol, steps) in image.phases {
            router.due.set_phases(symbol, &steps);
        }
        Ok(router)
    }
}
