//! Sends a command into the queue and, where its caller waits, brings its outcome back: once it is committed.

use std::time::Duration;

use actors::{IntakeError, Lane, Outcome, Unanswered};
use journal::{EnqueueError, encoding};
use matching::{Command, OrderId};
use tokio::time::Instant;

use super::Engine;
use super::problem::{Code, Problem};

/// How long a caller waits for the commit: a thousand times what one takes, and short enough for a caller's own patience.
const COMMITTED_WITHIN: Duration = Duration::from_secs(2);

/// Appends a command to the queue: a client that goes away takes only its handler along. Returns once it is on disk. `order_id` is the order that the command is about.
pub async fn enqueue(engine: &Engine, command: &Command, order_id: OrderId) -> Result<(), Problem> {
    match send(engine, command).await {
        Ok(()) => Ok(()),
        Err(IntakeError::Queue(EnqueueError::Unknown(error))) => {
            tracing::warn!(%order_id, error, "an order may have been taken or not");
            let detail =
                "the command queue did not answer: look for the order under its order_id before sending it again";
            Err(Problem::new(Code::OutcomeLost, detail).order(order_id.get()))
        }
        Err(error) => Err(not_taken(&error)),
    }
}

/// Appends a command that can be repeated safely, and waits for its outcome.
pub async fn commit(engine: &Engine, command: &Command, order_id: OrderId) -> Result<Outcome, Problem> {
    let Some(command_id) = command.id() else {
        return Err(Problem::new(Code::InternalError, "the command has no id to wait for"));
    };
    // Registered first: a commit can be quicker than the enqueue's own answer.
    let outcome = engine.outcomes.expect(command_id).await.map_err(|error| unanswered(error.into()))?;
    let deadline = Instant::now() + COMMITTED_WITHIN;
    let late = match send(engine, command).await {
        Ok(()) => Code::OutcomeLate,
        // The stream may have it all the same; then its outcome will still come.
        Err(IntakeError::Queue(EnqueueError::Unknown(error))) => {
            tracing::warn!(%command_id, error, "a command may have been taken or not");
            Code::OutcomeLost
        }
        Err(error) => return Err(not_taken(&error)),
    };
    outcome.until(deadline).await.map_err(|error| {
        let code = match error {
            // The engine stops; what is in the stream is executed by the next start.
            Unanswered::Stopping(_) => Code::OutcomeLost,
            Unanswered::Late | Unanswered::NotCurrent => late,
        };
        let detail = "the command is under way, and its outcome is not known yet: send it again, which is safe";
        Problem::new(code, detail).order(order_id.get())
    })
}

async fn send(engine: &Engine, command: &Command) -> Result<(), IntakeError> {
    let lane = match command {
        Command::CancelOrder(_) => Lane::Cancels,
        _ => Lane::Orders,
    };
    engine.intake.enqueue(lane, encoding::encode_command(command)).await
}

/// The problem of a command that is certainly not in the queue. The cause is for the operator only.
fn not_taken(error: &IntakeError) -> Problem {
    tracing::debug!(%error, "a command was not taken");
    match error {
        IntakeError::Behind { waiting } => {
            let detail = format!("{waiting} commands wait to be committed, as many as may; send it again later");
            Problem::new(Code::Overloaded, detail)
        }
        IntakeError::Closed | IntakeError::Queue(_) => Problem::new(
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
