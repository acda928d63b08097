//! Entries that commands share: what goes in together, and what each caller hears.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::{Intake, IntakeError, IntakeLimits, Lane};
use async_trait::async_trait;
use journal::encoding::MAX_COMMANDS_PER_ENTRY;
use journal::{CommandQueue, EnqueueError, Entry, QueueError, StreamId};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::harness::{settle, until};

/// A queue that takes an entry when the test lets it, and may lose the answer.
struct SlowQueue {
    pass: Semaphore,
    texts: Mutex<Vec<String>>,
    lose_answers: bool,
}

#[async_trait]
impl CommandQueue for SlowQueue {
    async fn enqueue(&self, text: &str) -> Result<StreamId, EnqueueError> {
        self.pass.acquire().await.expect("open").forget();
        let mut texts = self.texts.lock().expect("no panic");
        texts.push(text.to_owned());
        if self.lose_answers {
            return Err(EnqueueError::Unknown("lost".to_owned()));
        }
        Ok(StreamId { millis: texts.len() as u64, index: 0 })
    }

    async fn read(&self, _: StreamId, _: usize) -> Result<Vec<Entry>, QueueError> {
        unreachable!("nobody reads")
    }

    async fn check(&self, _: StreamId) -> Result<(), QueueError> {
        unreachable!("nobody checks")
    }

    async fn last(&self) -> Result<StreamId, QueueError> {
        unreachable!("nobody asks for the last one")
    }

    async fn open(&self, _: StreamId) -> Result<(), QueueError> {
        unreachable!("nobody opens")
    }

    async fn trim(&self, _: StreamId) -> Result<(), QueueError> {
        unreachable!("nobody trims")
    }
}

struct World {
    queue: Arc<SlowQueue>,
    intake: Arc<Intake>,
}

impl World {
    fn new(lose_answers: bool, orders: usize) -> World {
        let queue = Arc::new(SlowQueue { pass: Semaphore::new(0), texts: Mutex::default(), lose_answers });
        let limits = IntakeLimits { orders, cancels: 2, wait: Duration::MAX };
        World { queue: queue.clone(), intake: Intake::start(queue, StreamId::ZERO, limits) }
    }

    /// Enqueues orders of these texts, one caller each; returns once all of them wait.
    async fn take(&self, texts: impl IntoIterator<Item = String>) -> Vec<JoinHandle<Result<(), IntakeError>>> {
        let take = |text| {
            let intake = Arc::clone(&self.intake);
            actix::spawn(async move { intake.enqueue(Lane::Orders, text).await })
        };
        let callers = texts.into_iter().map(take).collect();
        settle().await;
        callers
    }

    async fn texts(&self, count: usize) -> Vec<String> {
        self.queue.pass.add_permits(count);
        until("the entries are there", || self.queue.texts.lock().expect("no panic").len() == count).await;
        self.queue.texts.lock().expect("no panic").clone()
    }
}

fn texts(names: &str) -> impl Iterator<Item = String> {
    names.split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter()
}

#[actix::test]
async fn what_waits_for_an_entry_shares_the_next_one() {
    let world = World::new(false, 100);
    let mut callers = world.take(texts("a")).await;
    callers.extend(world.take(texts("b c")).await);
    let (intake, cancel) = (Arc::clone(&world.intake), "d".to_owned());
    callers.push(actix::spawn(async move { intake.enqueue(Lane::Cancels, cancel).await }));
    settle().await;
    assert_eq!(world.intake.waiting(), 0, "acknowledged before the queue has it");
    assert_eq!(world.texts(2).await, ["a", "[b,c,d]"]);
    for caller in callers {
        assert_eq!(caller.await.expect("a task that ends"), Ok(()));
    }
    assert_eq!(world.intake.waiting(), 4);
}

#[actix::test]
async fn an_entry_has_room_for_500_commands() {
    let world = World::new(false, 10_000);
    world.take(texts("first")).await;
    let callers = world.take((0..MAX_COMMANDS_PER_ENTRY + 1).map(|number| number.to_string())).await;
    let entries = world.texts(3).await;
    assert_eq!(entries[1].split(',').count(), MAX_COMMANDS_PER_ENTRY);
    assert_eq!(entries[2], MAX_COMMANDS_PER_ENTRY.to_string());
    assert_eq!(callers.len(), MAX_COMMANDS_PER_ENTRY + 1);
}

/// A caller's commands stay together, and count all.
#[actix::test]
async fn arrays_of_commands_are_joined_by_their_elements() {
    let world = World::new(false, 10_000);
    let enqueue = |text: String, count: usize| {
        let permit = world.intake.admit_entry(Lane::Orders, count).expect("room");
        actix::spawn(permit.enqueue(text))
    };
    let array = |count: usize| format!("[{}]", vec!["x"; count].join(","));
    let calls =
        [("[a,b]".to_owned(), 2), ("c".to_owned(), 1), ("[d,e]".to_owned(), 2), (array(496), 496), (array(2), 2)];
    let callers: Vec<_> = calls.into_iter().map(|(text, count)| enqueue(text, count)).collect();
    settle().await;
    let entries = world.texts(2).await;
    assert_eq!(entries, ["[a,b,c,d,e]".to_owned(), array(498)]);
    for caller in callers {
        assert_eq!(caller.await.expect("a task that ends"), Ok(()));
    }
    assert_eq!(world.intake.waiting(), 503);
    assert_eq!(world.intake.waiting_in(Lane::Orders), 503);
}

/// A reply that is lost leaves all of an entry's commands unknown, and gives their room back.
#[actix::test]
async fn a_lost_reply_concerns_every_command_of_the_entry() {
    let world = World::new(true, 3);
    let mut callers = world.take(texts("a b c")).await;
    let refused = world.intake.enqueue(Lane::Orders, "d".to_owned()).await;
    assert_eq!(refused, Err(IntakeError::Behind { waiting: 3 }));
    world.texts(1).await;
    for caller in callers.drain(..) {
        let outcome = caller.await.expect("a task that ends");
        assert_eq!(outcome, Err(IntakeError::Queue(EnqueueError::Unknown("lost".to_owned()))));
    }
    callers.extend(world.take(texts("e f g")).await);
    assert_eq!(callers.len(), 3);
    assert_eq!(world.texts(2).await.last().map(String::as_str), Some("[e,f,g]"));
}

/// A client that goes away takes its handler along, and not what it asked for.
#[actix::test]
async fn a_caller_that_goes_away_changes_nothing() {
    let world = World::new(false, 100);
    let callers = world.take(texts("a b")).await;
    callers.iter().for_each(JoinHandle::abort);
    settle().await;
    assert_eq!(world.texts(1).await, ["[a,b]"]);
    until("both are kept until they are committed", || world.intake.waiting() == 2).await;
}

/// The thread of a caller ends: its command goes its way, and others get through behind it.
#[actix::test]
async fn a_command_whose_callers_thread_ends_is_carried() {
    let world = World::new(false, 100);
    let intake = Arc::clone(&world.intake);
    let elsewhere = std::thread::spawn(move || {
        actix::System::new().block_on(async {
            actix::spawn(async move { intake.enqueue(Lane::Orders, "a".to_owned()).await });
            settle().await;
        });
    });
    elsewhere.join().expect("a thread that ends");
    settle().await;
    let callers = world.take(texts("b")).await;
    assert_eq!(world.texts(2).await, ["a", "b"]);
    for caller in callers {
        assert_eq!(caller.await.expect("a task that ends"), Ok(()));
    }
    assert_eq!(world.intake.waiting(), 2);
}

/// Whoever waited behind an entry that a stuck queue did not take hears that its own command was not taken.
#[actix::test]
async fn whoever_waits_behind_an_entry_that_is_stuck_is_refused_with_it() {
    let world = World::new(true, 100);
    let first = world.take(texts("a")).await;
    let behind = world.take(texts("b c")).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(1_001)).await;
    assert_eq!(world.texts(1).await, ["a"]);
    for caller in first {
        assert!(matches!(caller.await.expect("a task that ends"), Err(IntakeError::Queue(_))));
    }
    for caller in behind {
        assert_eq!(caller.await.expect("a task that ends"), Err(IntakeError::Stuck));
    }
}
