//! Sends commands into the queue and, where their caller waits, brings their outcomes back: once they are committed.

use std::time::Duration;

use actors::{IntakeError, Lane, Outcome, Permit, Unanswered};
use futures_util::future::join_all;
use journal::{EnqueueError, encoding};
use matching::{Command, CommandId, OrderId};
use tokio::time::Instant;

use super::Engine;
use super::problem::{Code, Problem};
use super::trace;

/// How long a caller waits for the commit: a thousand times what one takes, and short enough for a caller's own patience.
pub const COMMITTED_WITHIN: Duration = Duration::from_secs(2);

/// A place for a command, asked for before its request is read or given an id: what is refused under a flood costs next
/// to nothing, and uses up no ids that cancels need.
pub fn admit(engine: &Engine, lane: Lane) -> Result<Permit, Problem> {
    engine.intake.admit(lane).map_err(|error| not_taken(&error))
}

/// The same for an entry of many commands.
pub fn admit_entry(engine: &Engine, lane: Lane, count: usize) -> Result<Permit, Problem> {
    engine.intake.admit_entry(lane, count).map_err(|error| not_taken(&error))
}

/// The text of a command of the request that is being served.
pub fn text(command: &Command) -> String {
    encoding::encode_traced(command, trace::sent().as_ref())
}

/// The text of an entry of many.
pub fn entry(commands: &[Command]) -> String {
    encoding::encode_all_traced(commands, trace::sent().as_ref())
}

/// Why there is no outcome to tell.
#[derive(Debug)]
pub enum NoOutcome {
    /// Nothing was taken.
    NotTaken(Problem),
    /// The commands are on disk, and their outcome did not come in time.
    Late,
    /// It is not known whether the queue took them.
    Lost,
}

impl NoOutcome {
    /// The problem of a command that can be sent again safely. `order_id`: the order that it is about.
    pub fn repeatable(self, order_id: Option<OrderId>) -> Problem {
        let code = match self {
            NoOutcome::NotTaken(problem) => return problem,
            NoOutcome::Late => Code::OutcomeLate,
            NoOutcome::Lost => Code::OutcomeLost,
        };
        let detail = "the command is under way, and its outcome is not known yet: send it again, which is safe";
        let problem = Problem::new(code, detail);
        order_id.map_or(problem.clone(), |order_id| problem.order(order_id.get()))
    }
}

/// The problem of orders that the queue may have and that must not be sent again blindly.
pub fn lost() -> Problem {
    let detail = "the command queue did not answer: look for the order under its order_id before sending it again";
    Problem::new(Code::OutcomeLost, detail)
}

/// Appends commands to the queue: a client that goes away takes only its handler along. Returns once they are on disk.
pub async fn enqueue(permit: Permit, text: String) -> Result<(), NoOutcome> {
    match permit.enqueue(text).await {
        Ok(()) => Ok(()),
        Err(IntakeError::Queue(EnqueueError::Unknown(error))) => {
            tracing::warn!(error, "a command may have been taken or not");
            Err(NoOutcome::Lost)
        }
        Err(error) => Err(NoOutcome::NotTaken(not_taken(&error))),
    }
}

/// Appends a command that can be repeated safely, and waits for its outcome. Those who wait are as many as may be
/// admitted at most. `order_id`: the order that it is about.
pub async fn commit(
    engine: &Engine,
    permit: Permit,
    command: &Command,
    order_id: Option<OrderId>,
) -> Result<Outcome, Problem> {
    commit_within(engine, permit, command, COMMITTED_WITHIN).await.map_err(|error| error.repeatable(order_id))
}

/// Appends a command, and waits this long for its outcome.
pub async fn commit_within(
    engine: &Engine,
    permit: Permit,
    command: &Command,
    within: Duration,
) -> Result<Outcome, NoOutcome> {
    let text = text(command);
    let mut outcomes = commit_entry(engine, permit, &[id(command)?], text, within).await?;
    outcomes.pop().ok_or_else(|| NoOutcome::NotTaken(no_id()))
}

/// Appends an entry of commands, and waits this long for the outcomes of all.
pub async fn commit_all(
    engine: &Engine,
    permit: Permit,
    commands: &[Command],
    within: Duration,
) -> Result<Vec<Outcome>, NoOutcome> {
    let ids = commands.iter().map(id).collect::<Result<Vec<_>, _>>()?;
    commit_entry(engine, permit, &ids, entry(commands), within).await
}

async fn commit_entry(
    engine: &Engine,
    permit: Permit,
    ids: &[CommandId],
    text: String,
    within: Duration,
) -> Result<Vec<Outcome>, NoOutcome> {
    // Registered first: a commit can be quicker than the enqueue's own answer.
    let awaited = ids.iter().map(|id| engine.outcomes.expect(*id)).collect::<Result<Vec<_>, _>>();
    let awaited = awaited.map_err(|error| NoOutcome::NotTaken(unanswered(error.into())))?;
    let deadline = Instant::now() + within;
    let on_disk = match enqueue(permit, text).await {
        Ok(()) => true,
        // The stream may have it all the same; then its outcome will still come.
        Err(NoOutcome::Lost) => false,
        Err(error) => return Err(error),
    };
    let outcomes = join_all(awaited.into_iter().map(|outcome| outcome.until(deadline))).await;
    // When the engine stops meanwhile, what is in the stream is executed by the next start.
    let late = if on_disk { NoOutcome::Late } else { NoOutcome::Lost };
    outcomes.into_iter().collect::<Result<Vec<_>, Unanswered>>().map_err(|_| late)
}

fn id(command: &Command) -> Result<CommandId, NoOutcome> {
    command.id().ok_or_else(|| NoOutcome::NotTaken(no_id()))
}

fn no_id() -> Problem {
    Problem::new(Code::InternalError, "the command has no id to wait for")
}

/// The problem of a command that is certainly not in the queue. The cause is for the operator only.
fn not_taken(error: &IntakeError) -> Problem {
    tracing::debug!(%error, "a command was not taken");
    match error {
        IntakeError::Behind { waiting } => {
            let detail =
                format!("{waiting} commands wait to be committed, or one has waited for too long; send it again later");
            Problem::new(Code::Overloaded, detail)
        }
        IntakeError::Closed | IntakeError::Stuck | IntakeError::Queue(_) => Problem::new(
            Code::QueueUnavailable,
            "the command queue takes no commands at the moment; send it again later",
        ),
    }
}

/// The problem of a question that the engine did not answer.
pub fn unanswered(error: Unanswered) -> Problem {
    match error {
        Unanswered::Stopping(_) => Problem::new(Code::NotReady, "the service is stopping; send it again later"),
        Unanswered::Late | Unanswered::NotCurrent => {
            let detail = "the event log does not answer, and another process may have taken over; send it again later";
            Problem::new(Code::NotCurrent, detail)
        }
    }
}
