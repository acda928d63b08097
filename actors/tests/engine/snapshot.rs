//! Snapshots are taken at a barrier: one row for router, books and ledger, also under load.

use actors::{Computing, PipelineSettings, Placement, TakeSnapshot, recover};
use journal::Position;

use crate::harness::{RETAIN_CLOSED, World, mixed_commands, settings, until};

#[actix::test]
async fn a_snapshot_under_load_is_the_state_at_its_row() {
    let world = World::default();
    let engine = world.start(&Placement::threads(2)).await;
    let entries = mixed_commands(17, 3_000);
    for (index, entry) in entries.chunks(5).enumerate() {
        world.queue.push(entry);
        if index % 150 == 0 {
            engine.pipeline.snapshots.send(TakeSnapshot).await.expect("an actor").expect("a snapshot");
        }
    }
    until("the commands are committed", || world.log.rows().len() >= 3_000).await;
    let snapshots = world.snapshots.all();
    assert_eq!(snapshots.len(), 3, "the newest three are kept");
    let without_snapshots = World::default();
    for snapshot in snapshots {
        let end: Position = snapshot.position;
        let replayed = recover(
            &*world.log,
            &*without_snapshots.snapshots,
            &*without_snapshots.projection,
            end,
            RETAIN_CLOSED,
            Computing::Here,
        );
        assert_eq!(replayed.await.expect("a state").engine.state_hash(), snapshot.state_hash, "at {}", end.seq);
    }
}

#[actix::test]
async fn none_is_taken_while_nothing_happens() {
    let world = World::default();
    let engine = world.start(&Placement::here()).await;
    engine.committed(0).await;
    for _ in 0..3 {
        engine.pipeline.snapshots.send(TakeSnapshot).await.expect("an actor").expect("a snapshot");
    }
    assert_eq!(world.snapshots.all().len(), 1);
}

#[actix::test]
async fn one_is_taken_when_the_log_has_grown() {
    let world = World::default();
    let engine = world.start_with(&Placement::here(), PipelineSettings { snapshot_rows: 500, ..settings() }).await;
    world.queue.push(&mixed_commands(3, 400));
    until("some rows are committed", || world.log.rows().len() >= 400).await;
    assert_eq!(world.snapshots.all().len(), 0);
    world.queue.push(&mixed_commands(4, 400));
    until("a snapshot is taken", || world.snapshots.all().len() == 1).await;
    assert!(world.snapshots.all()[0].position.seq.get() >= 500);
    drop(engine);
}
