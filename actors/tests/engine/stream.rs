//! The way in: a stream that is lost and restored, commands that wait for too long or are too many, time that passes.

use std::time::Duration;

use actors::{IntakeError, IntakeLimits, Lane, PipelineSettings, Placement};
use journal::{CommandQueue, EnqueueError, StreamId, encoding};
use matching::{Command, Event, Micros, Order, Reason, TimeInForce};

use tokio::time::{Instant, sleep};

use crate::harness::{Engine, World, buy, cancel, settings, until};

/// Enqueues as the HTTP handlers do.
async fn take(engine: &Engine, lane: Lane, command: Command) -> Result<(), IntakeError> {
    engine.pipeline.intake.enqueue(lane, encoding::encode_command(&command)).await
}

fn accepted(world: &World) -> Vec<u64> {
    let id = |event| if let Event::OrderAccepted(event) = event { Some(event.order.order_id.get()) } else { None };
    world.events().into_iter().filter_map(id).collect()
}

/// Whatever of the acknowledged commands was read, committed or neither when the stream went: each is executed once, in
/// the old order.
#[actix::test]
async fn a_lost_stream_is_restored_from_what_was_acknowledged() {
    let engine = Engine::fresh().await;
    take(&engine, Lane::Orders, buy(1, "100", "1")).await.expect("taken");
    engine.committed(1).await;
    engine.world.log.hold_commits();
    for id in 2..=40 {
        take(&engine, Lane::Orders, buy(id, "100", "1")).await.expect("taken");
    }
    engine.world.queue.lose();
    until("commands are refused", || !engine.pipeline.intake.is_open()).await;
    let refused = take(&engine, Lane::Orders, buy(99, "100", "1")).await;
    assert_eq!(refused, Err(IntakeError::Closed));
    engine.world.log.let_pass(1_000);
    until("commands are taken again", || engine.pipeline.intake.is_open()).await;
    take(&engine, Lane::Orders, buy(41, "100", "1")).await.expect("taken");
    engine.committed(41).await;
    assert_eq!(accepted(&engine.world), (1..=41).collect::<Vec<_>>());
    until("nothing is kept for long", || engine.pipeline.intake.waiting() == 0).await;
}

/// A read waits at the lost stream, and restoring it fails in the middle: what is there already must not be executed as
/// if the rest were committed with it. Found by simulation.
#[actix::test]
async fn a_stream_that_is_restored_in_part_is_not_read() {
    let engine = Engine::fresh().await;
    take(&engine, Lane::Orders, buy(1, "100", "1")).await.expect("taken");
    engine.committed(1).await;
    engine.world.log.hold_commits();
    for id in 2..=40 {
        take(&engine, Lane::Orders, buy(id, "100", "1")).await.expect("taken");
    }
    engine.world.queue.lose();
    engine.world.queue.refuse_after(2);
    engine.world.log.let_pass(1_000);
    until("every order is executed", || accepted(&engine.world).len() == 40).await;
    assert_eq!(accepted(&engine.world), (1..=40).collect::<Vec<_>>());
}

/// The stream is lost, and an old request to make it comes late: what is enqueued then is in no stream that is ever read.
/// Found by simulation.
#[actix::test]
async fn nothing_is_acknowledged_into_a_stream_of_old_places() {
    let engine = Engine::fresh().await;
    for id in 1..=5 {
        take(&engine, Lane::Orders, buy(id, "100", "1")).await.expect("taken");
    }
    engine.committed(5).await;
    engine.world.queue.lose();
    engine.world.queue.open(StreamId { millis: 2, index: 0 }).await.expect("opens");
    let refused = take(&engine, Lane::Orders, buy(6, "100", "1")).await;
    assert!(matches!(refused, Err(IntakeError::Queue(EnqueueError::Unknown(_)))), "{refused:?}");
    let mut id = 7;
    // Once the loss is noticed the stream is restored within a moment, which need not be seen.
    while take(&engine, Lane::Orders, buy(id, "100", "1")).await.is_err() {
        id += 1;
        assert!(id < 10_000, "the loss is never noticed");
        sleep(Duration::from_millis(1)).await;
    }
    until("the order is executed", || accepted(&engine.world).contains(&id)).await;
}

/// The stream is lost before all of it is read, and an old request to make it comes late: what is enqueued then is at a place
/// where another command was acknowledged, or behind all of them; its commit is not theirs. Found by simulation.
#[actix::test]
async fn another_command_at_its_place_is_not_the_one_that_was_acknowledged() {
    for made_behind in [20, 60] {
        let engine = Engine::fresh().await;
        engine.world.log.hold_commits();
        for id in 1..=40 {
            take(&engine, Lane::Orders, buy(id, "100", "1")).await.expect("taken");
        }
        engine.world.queue.lose();
        engine.world.queue.open(StreamId { millis: made_behind, index: 0 }).await.expect("opens");
        let taken = take(&engine, Lane::Orders, buy(41, "100", "1")).await;
        engine.world.log.let_pass(1_000);
        let promised = if taken.is_ok() { 41 } else { 40 };
        let executed = || accepted(&engine.world).into_iter().filter(|id| *id <= promised).collect::<Vec<_>>();
        until("every order is executed", || executed().len() == promised as usize).await;
        assert_eq!(executed(), (1..=promised).collect::<Vec<_>>(), "made behind {made_behind}");
        until("nothing is kept for long", || engine.pipeline.intake.waiting() == 0).await;
    }
}

/// While the loss is not noticed yet, an enqueue is certainly not taken.
#[actix::test]
async fn nothing_is_acknowledged_into_a_lost_stream() {
    let engine = Engine::fresh().await;
    engine.world.queue.lose();
    let refused = take(&engine, Lane::Orders, buy(1, "100", "1")).await;
    let certain = matches!(refused, Err(IntakeError::Closed | IntakeError::Queue(EnqueueError::NotTaken(_))));
    assert!(certain, "{refused:?}");
}

/// With the log away, orders are taken up to their limit, and cancels have a share of their own.
#[actix::test]
async fn a_flood_of_orders_leaves_room_for_cancels() {
    let limits = IntakeLimits { orders: 5, cancels: 2, wait: Duration::from_secs(3_600) };
    let engine =
        World::default().start_with(&Placement::here(), PipelineSettings { intake: limits, ..settings() }).await;
    engine.committed(0).await;
    engine.world.log.hold_commits();
    for id in 1..=5 {
        take(&engine, Lane::Orders, buy(id, "100", "1")).await.expect("taken");
    }
    assert_eq!(take(&engine, Lane::Orders, buy(6, "100", "1")).await, Err(IntakeError::Behind { waiting: 5 }));
    take(&engine, Lane::Cancels, cancel(7, 1)).await.expect("taken");
    take(&engine, Lane::Cancels, cancel(8, 2)).await.expect("taken");
    assert_eq!(take(&engine, Lane::Cancels, cancel(9, 3)).await, Err(IntakeError::Behind { waiting: 2 }));
    engine.world.log.let_pass(1_000);
    engine.committed(7).await;
    take(&engine, Lane::Orders, buy(10, "100", "1")).await.expect("taken again");
    engine.committed(8).await;
}

fn micros(time: u64) -> Micros {
    Micros::new(time).expect("a time")
}

fn order(id: u64, change: impl FnOnce(&mut Order)) -> Command {
    let mut command = buy(id, "100", "1");
    if let Command::NewOrder(new) = &mut command {
        change(&mut new.order);
    }
    command
}

fn expiring(order: &mut Order, expire_at: u64) {
    (order.time_in_force, order.expire_at) = (TimeInForce::Gtd, Some(micros(expire_at)));
}

#[actix::test]
async fn an_order_that_waited_for_too_long_is_stale() {
    let world = World::default();
    world.clock.set(60_000_000);
    let max_queue_age = Some(Duration::from_secs(5));
    let engine = world.start_with(&Placement::here(), PipelineSettings { max_queue_age, ..settings() }).await;
    take(&engine, Lane::Orders, order(1, |order| order.received_at = micros(55_000_000))).await.expect("taken");
    take(&engine, Lane::Orders, order(2, |order| order.received_at = micros(54_999_999))).await.expect("taken");
    take(&engine, Lane::Cancels, cancel(3, 1)).await.expect("taken");
    engine.committed(3).await;
    let outcomes: Vec<String> = world.events().iter().skip(2).map(tell).collect();
    assert_eq!(outcomes, ["accepted 1", "rejected 2 STALE", "cancelled 1"]);
}

/// While the log commits, the oldest command's wait bounds new orders; not cancels, and not while nothing is committed.
#[actix::test]
async fn orders_are_not_taken_behind_a_command_that_has_waited_for_too_long() {
    const WAIT: Duration = Duration::from_millis(50);
    let limits = IntakeLimits { orders: 1_000, cancels: 1_000, wait: WAIT };
    let engine =
        World::default().start_with(&Placement::here(), PipelineSettings { intake: limits, ..settings() }).await;
    engine.committed(0).await;
    engine.world.log.hold_commits();
    let (began, intake) = (Instant::now(), &engine.pipeline.intake);
    for id in 1..=20 {
        take(&engine, Lane::Orders, buy(id, "100", "1")).await.expect("taken");
        // One at a time is matched: the first batch is the first order's alone.
        until("it is read", || id > 2 || engine.pipeline.progress.sequenced() >= 2 + id).await;
    }
    until("they have waited", || began.elapsed() > 3 * WAIT).await;
    take(&engine, Lane::Orders, buy(21, "100", "1")).await.expect("a log that commits nothing is away, not slow");
    engine.world.log.let_pass(1);
    until("the first batch is committed", || intake.waiting() < 21).await;
    assert!(matches!(intake.admit(Lane::Orders).err(), Some(IntakeError::Behind { .. })));
    assert!(intake.admit(Lane::Cancels).is_ok());
    engine.world.log.let_pass(1_000);
    engine.committed(21).await;
    until("orders are taken again", || intake.admit(Lane::Orders).is_ok()).await;
}

/// Nothing comes in, and the time of an order comes all the same.
#[actix::test]
async fn what_is_due_expires_without_any_command() {
    let engine = Engine::fresh().await;
    take(&engine, Lane::Orders, order(1, |order| expiring(order, 5_000))).await.expect("taken");
    take(&engine, Lane::Orders, order(2, |order| expiring(order, 9_000))).await.expect("taken");
    engine.committed(2).await;
    engine.world.clock.set(5_000);
    engine.committed(3).await;
    let rows = engine.world.log.rows();
    assert_eq!(rows.last().map(|row| (row.kind.as_str(), row.time)), Some(("AdvanceTime", micros(5_000))));
    assert_eq!(engine.world.events().last().map(tell).as_deref(), Some("expired 1"));
}

/// After a downtime, what fell due expires before anything trades with it.
#[actix::test]
async fn what_fell_due_meanwhile_expires_before_the_next_match() {
    let world = World::default();
    let engine = world.start(&Placement::here()).await;
    take(&engine, Lane::Orders, order(1, |order| expiring(order, 5_000))).await.expect("taken");
    engine.committed(1).await;
    engine.pipeline.drain().await.expect("drains");
    world.clock.set(6_000);
    world.queue.push(&[crate::harness::sell(2, "100", "1")]);
    let engine = world.start(&Placement::here()).await;
    engine.committed(3).await;
    let outcomes: Vec<String> = world.events().iter().skip(2).map(tell).collect();
    assert_eq!(outcomes, ["accepted 1", "later", "expired 1", "accepted 2"]);
}

fn tell(event: &Event) -> String {
    match event {
        Event::OrderAccepted(event) => format!("accepted {}", event.order.order_id),
        Event::OrderRejected(event) if event.reason_code == Reason::Stale => {
            format!("rejected {} STALE", event.order.order_id)
        }
        Event::OrderExpired(order) => format!("expired {}", order.order_id),
        Event::OrderCancelled(order) => format!("cancelled {}", order.order_id),
        Event::TimeAdvanced(_) => "later".to_owned(),
        other => format!("{other:?}"),
    }
}
