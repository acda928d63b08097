//! The projection follows the log, is repaired when it does not, and never holds answers back for long.

use std::time::Duration;

use matching::{Event, Ledger};
use simulator::projection::Contents;
use tokio::time::Instant;

use crate::harness::{Engine, buy, cancel, mixed_commands, order_id, sell, settle, until};

async fn assert_projected(engine: &Engine) {
    engine.projected().await;
    let expected = engine.pipeline.outcomes.read(Contents::of).await.expect("an answer");
    assert!(engine.world.projection.contents() == expected, "the projection is not the ledger");
}

#[actix::test]
async fn the_projection_is_the_ledger() {
    let engine = Engine::fresh().await;
    for entry in mixed_commands(11, 1_000).chunks(13) {
        engine.world.queue.push(entry);
        settle().await;
    }
    until("the commands are committed", || engine.world.log.rows().len() >= 1_000).await;
    assert_projected(&engine).await;
    assert_eq!(engine.world.projection.rebuilds(), 1, "it was rebuilt again after the start");
}

#[actix::test]
async fn rows_that_come_during_a_write_are_written_together() {
    let engine = Engine::fresh().await;
    engine.committed(0).await;
    engine.projected().await;
    let writes = engine.world.projection.writes();
    engine.world.projection.hold_writes();
    for id in 1..=20 {
        engine.world.queue.push(&[buy(id, "100", "1")]);
        until("it is committed", || engine.world.log.rows().len() as u64 == 2 + id).await;
    }
    engine.world.projection.let_pass(100);
    assert_projected(&engine).await;
    assert_eq!(engine.world.projection.writes() - writes, 2, "one that was under way, one for the rest");
}

#[actix::test]
async fn an_outcome_comes_after_its_projection() {
    let engine = Engine::fresh().await;
    engine.committed(0).await;
    engine.projected().await;
    engine.world.projection.hold_writes();
    let outcome = engine.submit(buy(1, "100", "1"));
    engine.committed(1).await;
    settle().await;
    assert!(!outcome.is_finished(), "an outcome before the projection");
    engine.world.projection.let_pass(1);
    let outcome = outcome.await.expect("an outcome");
    assert!(matches!(outcome.events.as_slice(), [Event::OrderAccepted(_)]));
    assert!(engine.world.projection.contents().orders.contains_key(&order_id(1)));
}

#[actix::test]
async fn a_projection_that_hangs_delays_answers_by_a_second_at_most() {
    let engine = Engine::fresh().await;
    engine.committed(0).await;
    engine.projected().await;
    engine.world.projection.hold_writes();
    let began = Instant::now();
    engine.submit(sell(1, "100", "2")).await.expect("an outcome");
    let waited = began.elapsed().as_millis();
    assert!((900..2_500).contains(&waited), "the first answer took {waited} ms");
    assert!(!engine.pipeline.progress.projection_live());

    // From then on answers do not wait for it at all, and it catches up when it can.
    let began = Instant::now();
    engine.submit(buy(2, "100", "1")).await.expect("an outcome");
    engine.submit(cancel(3, 1)).await.expect("an outcome");
    assert!(began.elapsed().as_millis() < 900, "later answers waited");
    engine.world.projection.let_pass(100);
    assert_projected(&engine).await;
    assert!(engine.pipeline.progress.projection_live());
}

#[actix::test]
async fn a_projection_that_was_away_is_brought_up_to_date() {
    let engine = Engine::fresh().await;
    engine.committed(0).await;
    engine.projected().await;
    engine.world.projection.set_unreachable(true);
    engine.submit(buy(1, "100", "1")).await.expect("an outcome");
    engine.world.projection.set_unreachable(false);
    assert_projected(&engine).await;
    assert_eq!(engine.world.projection.rebuilds(), 1, "what was missing was written, nothing rebuilt");
}

#[actix::test]
async fn a_flushed_projection_is_rebuilt_without_being_asked() {
    let engine = Engine::fresh().await;
    engine.world.queue.push(&mixed_commands(2, 100));
    until("the commands are committed", || engine.world.log.rows().len() >= 100).await;
    assert_projected(&engine).await;
    engine.world.projection.flush();
    assert_projected(&engine).await;
    assert!(!engine.world.projection.contents().orders.is_empty());
}

/// Nothing more is written, and still it is noticed.
#[actix::test]
async fn a_projection_that_an_old_writer_set_back_is_rebuilt_without_being_asked() {
    let engine = Engine::fresh().await;
    engine.committed(0).await;
    engine.projected().await;
    let old = engine.world.projection.position().expect("a position");
    let ledger = engine.pipeline.outcomes.read(Ledger::clone).await.expect("an answer");
    engine.submit(buy(1, "100", "1")).await.expect("an outcome");
    assert_projected(&engine).await;
    engine.world.projection.set_back(&ledger, old);
    assert_projected(&engine).await;
    assert!(!engine.world.projection.contents().orders.is_empty());
}

/// A process that the log has not heard for so long that another may have taken over writes nothing there.
#[actix::test]
async fn a_writer_that_may_be_none_any_more_does_not_write_the_projection() {
    let engine = Engine::fresh().await;
    engine.committed(0).await;
    engine.projected().await;
    let writes = engine.world.projection.writes();
    let progress = &engine.pipeline.progress;
    let long_ago = Instant::now().checked_sub(Duration::from_secs(5)).expect("a time");
    engine.world.projection.hold_writes();
    let outcome = engine.submit(buy(1, "100", "1"));
    engine.committed(1).await;
    engine.world.projection.set_unreachable(true);
    engine.world.projection.let_pass(100);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(500) {
        progress.set_beaten(long_ago);
        tokio::task::yield_now().await;
        engine.world.projection.set_unreachable(false);
    }
    assert_eq!(engine.world.projection.writes(), writes, "it was written");
    progress.set_beaten(Instant::now());
    assert_projected(&engine).await;
    outcome.await.expect("an outcome");
}
