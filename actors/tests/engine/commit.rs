//! The commit point: nothing before it is seen, a commit in doubt is resolved, a fenced writer ends.

use actors::{Fatal, Placement};
use simulator::CommitFault;

use crate::harness::{Engine, World, buy, cancel, order_id, sell, settle, until};

#[actix::test]
async fn nothing_is_seen_before_its_commit() {
    let engine = Engine::fresh().await;
    engine.committed(0).await;
    engine.projected().await;
    engine.world.log.hold_commits();
    let outcome = engine.submit(buy(1, "100", "1"));
    until("the command was read", || engine.pipeline.progress.sequenced() == 3).await;
    settle().await;
    assert!(!outcome.is_finished(), "an outcome before the commit");
    let known = engine.pipeline.outcomes.read(|ledger| ledger.order(order_id(1)).is_some()).await.expect("an answer");
    assert!(!known, "the ledger shows an order that is not committed");
    assert!(engine.world.projection.contents().orders.is_empty());
    engine.world.log.let_pass(1);
    assert_eq!(outcome.await.expect("an outcome").seq.get(), 3);
}

/// With commits held, the dispatcher takes as many batches as it has credits, reads one more, and leaves the rest in the
/// stream.
#[actix::test]
async fn the_stream_holds_what_the_log_cannot_take() {
    let engine = Engine::fresh().await;
    engine.committed(0).await;
    let reads = engine.world.queue.reads();
    engine.world.log.hold_commits();
    for id in 1..=50 {
        engine.world.queue.push(&[buy(id, "100", "1")]);
        settle().await;
    }
    assert_eq!(engine.world.queue.reads() - reads, 3, "more was taken than the credits and one read ahead");
    engine.world.log.let_pass(50);
    engine.committed(50).await;
}

#[actix::test]
async fn a_commit_in_doubt_is_resolved_by_reading() {
    for faults in [
        vec![CommitFault::AnswerLost],
        vec![CommitFault::RequestLost],
        vec![CommitFault::RequestLost, CommitFault::AnswerLost],
        vec![CommitFault::RequestLost, CommitFault::RequestLost, CommitFault::RequestLost],
    ] {
        let engine = Engine::fresh().await;
        engine.committed(0).await;
        engine.world.log.fail_next(faults);
        engine.submit(sell(1, "100", "1")).await.expect("an outcome");
        engine.submit(buy(2, "100", "1")).await.expect("an outcome");
        engine.committed(2).await;
        assert!(engine.pipeline.progress.log_reachable());
    }
}

#[actix::test]
async fn a_fenced_writer_publishes_nothing_and_ends() {
    let mut engine = Engine::fresh().await;
    engine.committed(0).await;
    engine.projected().await;
    engine.world.log.fail_next([CommitFault::TakenOver]);
    let outcome = engine.submit(buy(1, "100", "1"));
    assert_eq!(engine.fatal.recv().await, Some(Fatal::Fenced));
    engine.world.queue.push(&[buy(2, "100", "1")]);
    settle().await;
    engine.committed(0).await;
    assert!(engine.world.projection.contents().orders.is_empty());
    assert!(!outcome.is_finished(), "a fenced writer answered");
}

/// Two engines on one log: the older one is fenced by its next commit, whatever it has read.
#[actix::test]
async fn of_two_writers_only_the_newer_commits() {
    let world = World::default();
    let mut old = world.start(&Placement::here()).await;
    old.committed(0).await;
    world.log.declare_vacant();
    let new = world.start(&Placement::here()).await;
    world.queue.push(&[buy(1, "100", "1")]);
    assert_eq!(old.fatal.recv().await, Some(Fatal::Fenced));
    world.queue.push(&[cancel(2, 1)]);
    new.committed(2).await;
    let epochs: Vec<u64> = world.log.rows().iter().map(|row| row.epoch.0).collect();
    assert_eq!(epochs, [1, 1, 2, 2]);
}
