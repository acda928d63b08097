//! Finds an order wherever it is: on its way, in the ledger, or in the history. An acknowledged order is found, or the
//! answer says why not yet.

use std::time::Duration;

use journal::PastOrder;
use matching::ledger::OrderRecord;
use matching::{Account, Ledger, Order, OrderId, Seq};
use tokio::time::{Instant, sleep};

use super::Engine;
use super::access::Caller;
use super::problem::{Code, Problem};
use super::submit::unanswered;

/// How long a question waits for the ledger to take in what is committed.
const FOLDED_WITHIN: Duration = Duration::from_secs(2);
/// How soon to look again: about as long as a write of the projection takes.
const LOOK: Duration = Duration::from_millis(2);

/// Where an order is.
pub enum Found {
    /// Acknowledged and not committed.
    Pending(Box<Order>),
    /// In the ledger.
    Kept {
        /// As it is now.
        order: Box<OrderRecord>,
        /// The last row in the ledger.
        seq: Seq,
        /// The rows before its last that changed it, as far as this process saw them.
        earlier_rows: Vec<Seq>,
        /// The rows of its trades.
        trades: Vec<Seq>,
    },
    /// It left the ledger.
    Past(Box<PastOrder>),
}

impl Found {
    fn account(&self) -> Option<&Account> {
        match self {
            Found::Pending(order) => order.account.as_ref(),
            Found::Kept { order, .. } => order.account.as_ref(),
            Found::Past(past) => past.order.account.as_ref(),
        }
    }
}

/// Finds an order that this caller may look at. Another account's is unknown to him, like one that never was.
pub async fn find_for(engine: &Engine, caller: &Caller, order_id: OrderId) -> Result<Found, Problem> {
    let found = find(engine, order_id).await?;
    if caller.sees(found.account()) { Ok(found) } else { Err(unknown(order_id)) }
}

/// Holds that an order is the caller's, where he is bound to an account: others need no look.
pub async fn check_owner(engine: &Engine, caller: &Caller, order_id: OrderId) -> Result<(), Problem> {
    match caller.account() {
        None => Ok(()),
        Some(_) => find_for(engine, caller, order_id).await.map(drop),
    }
}

fn unknown(order_id: OrderId) -> Problem {
    Problem::new(Code::UnknownOrder, "no order of this id is known; check the order_id").order(order_id.get())
}

/// What the ledger says of an id.
struct Asked {
    found: Option<(OrderRecord, Vec<Seq>, Vec<Seq>)>,
    seq: Seq,
    /// Orders that left the ledger ended in rows up to this one; none when none has left.
    dropped_until: Option<Seq>,
}

/// Finds an order; a problem when there is none, or it cannot be said yet.
async fn find(engine: &Engine, order_id: OrderId) -> Result<Found, Problem> {
    // In this order: what is not pending any more is committed, and the ledger is asked until it has what is committed.
    let pending = engine.intake.pending(order_id);
    let committed = engine.progress.committed();
    let asked = ask(engine, order_id, pending.is_none().then_some(committed)).await?;
    if let Some((order, earlier_rows, trades)) = asked.found {
        return Ok(Found::Kept { order: Box::new(order), seq: asked.seq, earlier_rows, trades });
    }
    if let Some(order) = pending {
        return Ok(Found::Pending(Box::new(order)));
    }
    if order_id.get() >= engine.ids.ceiling() {
        return Err(unknown(order_id));
    }
    if *engine.projected.borrow() < engine.stream_end {
        let detail = "the service was restarted and still reads what was acknowledged before; ask again later";
        return Err(Problem::new(Code::NotReady, detail).order(order_id.get()));
    }
    let Some(dropped_until) = asked.dropped_until else { return Err(unknown(order_id)) };
    let Some(history) = &engine.history else {
        let detail = "the order may have left the ledger, and the embedded mode keeps no history beyond it";
        return Err(Problem::new(Code::NeedsPostgres, detail).order(order_id.get()));
    };
    // Asked first: what ended up to this row is in the history then.
    let position = history.position().await.map_err(|error| away(&error))?;
    match history.order(order_id).await.map_err(|error| away(&error))? {
        Some(past) => Ok(Found::Past(Box::new(past))),
        None if position < dropped_until => Err(behind().order(order_id.get())),
        None => Err(unknown(order_id)),
    }
}

/// The row up to which orders and trades may have left the ledger; none when none has.
pub fn dropped_until(ledger: &Ledger) -> Option<Seq> {
    ledger.has_dropped().then(|| ledger.oldest_closed().unwrap_or(ledger.seq()))
}

/// The problem of something that left the ledger and is not in the history yet.
pub fn behind() -> Problem {
    Problem::new(Code::NotReady, "the history is behind the ledger; ask again later")
}

/// The problem of a history that does not answer.
pub fn away(error: &journal::HistoryError) -> Problem {
    tracing::warn!(%error, "the history does not answer");
    Problem::new(Code::NotReady, "the history does not answer; ask again later")
}

/// Asks the ledger, once it has folded row `at_least`.
async fn ask(engine: &Engine, order_id: OrderId, at_least: Option<u64>) -> Result<Asked, Problem> {
    let deadline = Instant::now() + FOLDED_WITHIN;
    loop {
        let asked = engine.outcomes.query(move |ledger, index| Asked {
            found: ledger.order(order_id).map(|order| {
                let trades = ledger.trades_of(order_id).map(|trade| trade.seq).collect();
                (order.clone(), index.earlier_rows(order_id).to_vec(), trades)
            }),
            seq: ledger.seq(),
            dropped_until: dropped_until(ledger),
        });
        let asked = asked.await.map_err(unanswered)?;
        if asked.found.is_some() || at_least.is_none_or(|row| asked.seq.get() >= row) {
            return Ok(asked);
        }
        if Instant::now() >= deadline {
            return Err(Problem::new(Code::NotCurrent, "the state is behind the event log; ask again later"));
        }
        sleep(LOOK).await;
    }
}
