//! A drain: what was read is committed and projected, what was not stays in the stream, and the log is told.

use actors::Placement;

use crate::harness::{World, buy, mixed_commands, until};

#[actix::test]
async fn a_drain_leaves_nothing_half_done() {
    let world = World::default();
    let engine = world.start(&Placement::here()).await;
    for entry in mixed_commands(5, 1_000).chunks(3) {
        world.queue.push(entry);
    }
    until("the work has begun", || engine.pipeline.progress.sequenced() > 0).await;
    engine.pipeline.drain().await.expect("a drain");
    let last = world.log.rows().last().map(|row| (row.seq, row.stream_id)).expect("rows");
    assert_eq!(world.projection.position().map(|shown| shown.seq), Some(last.0));
    assert!(world.log.is_vacant(), "the log was not told");
    assert_eq!(world.snapshots.all().last().map(|snapshot| snapshot.position.seq), Some(last.0));

    // The next engine goes on exactly where this one stopped.
    world.queue.push(&[buy(5_000, "100", "1")]);
    let next = world.start(&Placement::here()).await;
    next.committed(1_003).await;
}

#[actix::test]
async fn a_drain_does_not_wait_for_the_stream() {
    let world = World::default();
    let engine = world.start(&Placement::here()).await;
    engine.committed(0).await;
    engine.projected().await;
    let began = tokio::time::Instant::now();
    engine.pipeline.drain().await.expect("a drain");
    assert!(began.elapsed().as_millis() < 900, "the drain waited for a read of an empty stream");
}

/// The snapshot that a drain takes once made the dispatcher read on, behind the projection's and the log's back.
#[actix::test]
async fn a_drained_engine_reads_nothing_more() {
    let world = World::default();
    let engine = world.start(&Placement::here()).await;
    world.queue.push(&[buy(1, "100", "1")]);
    engine.committed(1).await;
    engine.pipeline.drain().await.expect("a drain");
    let rows = world.log.rows().len();
    world.queue.push(&[buy(2, "100", "1")]);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.log.rows().len(), rows, "it was drained, and works on");
}
