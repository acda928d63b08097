//! Recovery: the state is what it was, wherever the engine ended; damage is found at its row.

use actors::recovery::check_end;
use actors::{Computing, Placement, RecoveryError, TakeSnapshot, recover};
use journal::{Chain, Epoch, EventLog, LogError, ProjectionPosition};
use matching::{Seq, StateHash};

use crate::harness::{Engine, RETAIN_CLOSED, World, mixed_commands, until};

/// A world with 600 commands in its log; a snapshot in the middle where asked.
async fn busy_world(snapshot: bool) -> World {
    let world = World::default();
    let engine = world.start(&Placement::here()).await;
    let commands = mixed_commands(23, 600);
    world.queue.push(&commands[..300]);
    until("half of the commands are committed", || world.log.rows().len() >= 300).await;
    if snapshot {
        engine.pipeline.snapshots.send(TakeSnapshot).await.expect("an actor").expect("a snapshot");
    }
    world.queue.push(&commands[300..]);
    until("all commands are committed", || world.log.rows().len() >= 600).await;
    engine.pipeline.drain().await.expect("a drain");
    // The one that a clean stop takes: recovery is to read the log.
    world.snapshots.lose_newest();
    world
}

async fn recover_error(world: &World) -> RecoveryError {
    let end = world.log.position().await.expect("a position").position;
    match recover(&*world.log, &*world.snapshots, &*world.projection, end, RETAIN_CLOSED, Computing::Here).await {
        Ok(_) => panic!("it recovered"),
        Err(error) => error,
    }
}

#[actix::test]
async fn snapshot_and_log_give_the_state_that_the_whole_log_gives() {
    let with_snapshot = busy_world(true).await;
    let from_snapshot = with_snapshot.recover().await;
    assert!(from_snapshot.snapshot > Seq::ZERO);
    let without = World { snapshots: Default::default(), ..with_snapshot.clone() };
    let from_log = without.recover().await;
    assert_eq!(from_log.snapshot, Seq::ZERO);
    assert_eq!(hash(&from_snapshot.engine), hash(&from_log.engine));
    assert_eq!(from_snapshot.position, from_log.position);
}

fn hash(engine: &matching::Engine) -> StateHash {
    engine.state_hash()
}

#[actix::test]
async fn a_projection_that_is_behind_is_brought_up_to_date_not_rebuilt() {
    let world = busy_world(true).await;
    let rows = world.log.rows();
    for row in [&rows[400], &rows[599]] {
        world.projection.claim(ProjectionPosition { seq: row.seq, epoch: row.epoch, chain: row.chain });
        let recovered = world.recover().await;
        let (shown, changes) = recovered.projected.expect("a projection to build upon");
        assert_eq!(shown, row.seq);
        assert_eq!(changes == Default::default(), row.seq == recovered.position.seq, "changes after {shown}");
    }
    // Older than the snapshot: the changes since then are not known.
    let row = &rows[100];
    world.projection.claim(ProjectionPosition { seq: row.seq, epoch: row.epoch, chain: row.chain });
    assert!(world.recover().await.projected.is_none());
}

#[actix::test]
async fn an_altered_row_is_found_at_its_number() {
    let world = busy_world(false).await;
    world.log.tamper(41, |row| row.events = row.events.replace("\"quantity\":\"1", "\"quantity\":\"2"));
    world.log.tamper(41, |row| row.time = matching::Micros::new(row.time.get() + 1).expect("a time"));
    let RecoveryError::Log(LogError::Damaged { seq, .. }) = recover_error(&world).await else { panic!("not damaged") };
    assert_eq!(seq.get(), 42);
}

/// A row that is chained to the others and cannot have happened is found by the core's assertions: here an order that
/// trades was never accepted.
#[actix::test]
async fn an_impossible_row_is_found_at_its_number() {
    let world = busy_world(false).await;
    let rows = world.log.rows();
    let accepts = |row: &&journal::Record| row.events.starts_with("[{\"type\":\"OrderAccepted\"");
    let forged = rows.iter().find(accepts).expect("an order").seq.get() as usize - 1;
    let mut before = rows[forged - 1].position();
    for index in forged..rows.len() {
        world.log.tamper(index, |row| {
            if index == forged {
                row.events = "[]".to_owned();
            }
            row.chain = before.chain.next(row.seq, row.stream_id, row.epoch, row.time, &row.command, &row.events);
            before = row.position();
        });
    }
    world.projection.flush();
    let RecoveryError::Log(LogError::Damaged { seq, error }) = recover_error(&world).await else {
        panic!("not damaged")
    };
    assert!(seq.get() as usize > forged + 1 && error.contains("impossible in the state before it"), "{seq}: {error}");
}

/// A damaged snapshot costs time, not the start: the one before it and the log give the same state.
#[actix::test]
async fn a_damaged_snapshot_is_passed_over() {
    type Damage = fn(&mut journal::Snapshot);
    let damages: [(&str, Damage); 4] = [
        ("a flipped bit", |snapshot| snapshot.parts[0][20] ^= 1),
        ("a part that is missing", |snapshot| drop(snapshot.parts.pop())),
        ("another chain value", |snapshot| snapshot.position.chain = Chain::START),
        ("a format of the future", |snapshot| snapshot.format += 1),
    ];
    for (what, damage) in damages {
        let world = busy_world(true).await;
        let sound = world.recover().await;
        let first = world.start(&Placement::here()).await;
        world.queue.push(&mixed_commands(24, 1));
        until("the last command is committed", || world.log.rows().len() > sound.position.seq.get() as usize).await;
        let newest = first.pipeline.snapshots.send(TakeSnapshot).await.expect("an actor").expect("a snapshot");
        first.projected().await;
        assert_eq!(world.recover().await.snapshot, newest, "{what}");

        world.snapshots.tamper(1, damage);
        let recovered = world.recover().await;
        assert_eq!(recovered.snapshot, sound.snapshot, "{what}: the one before it");
        let hash_before = hash(&recovered.engine);
        world.snapshots.tamper(0, damage);
        let recovered = world.recover().await;
        assert_eq!(recovered.snapshot, Seq::ZERO, "{what}: the whole log");
        assert_eq!(hash(&recovered.engine), hash_before, "{what}");
    }
}

/// A snapshot of a row that the log does not reach: the log lost its end, or its position.
#[actix::test]
async fn a_log_that_ends_before_its_snapshot_is_damaged() {
    let world = busy_world(true).await;
    let row = &world.log.rows()[9];
    let ended =
        recover(&*world.log, &*world.snapshots, &*world.projection, row.position(), RETAIN_CLOSED, Computing::Here)
            .await;
    let Err(RecoveryError::Log(LogError::Damaged { seq, error })) = ended else { panic!("it recovered") };
    assert!(seq > row.seq && error.contains("says that the log ends at row 10"), "row {seq}: {error}");
    // Without a snapshot, the rows behind the end tell.
    assert_eq!(check_end(&*world.log, world.log.rows().last().expect("a row").seq).await, Ok(()));
    let ended = check_end(&*world.log, row.seq).await;
    let Err(RecoveryError::Log(LogError::Damaged { seq, error })) = ended else { panic!("it is the end") };
    assert!(seq.get() == 11 && error.contains("goes on behind row 10"), "row {seq}: {error}");
}

#[actix::test]
async fn a_log_that_went_back_is_noticed() {
    let world = busy_world(false).await;
    let last = world.log.rows().last().cloned().expect("a row");
    let claim = ProjectionPosition { seq: last.seq, epoch: last.epoch, chain: last.chain };
    for shown in [
        ProjectionPosition { seq: last.seq.next(), ..claim },
        ProjectionPosition { chain: Chain::START, ..claim },
        ProjectionPosition { epoch: Epoch(7), ..claim },
    ] {
        world.projection.claim(shown);
        assert_eq!(recover_error(&world).await, RecoveryError::LogWentBack { shown: shown.seq });
    }
}

/// Killed without a word at many points, an engine that starts again ends in the same state as one that ran through.
#[actix::test]
async fn an_engine_that_is_killed_again_and_again_ends_in_the_same_state() {
    let commands = mixed_commands(31, 400);
    let through = Engine::fresh().await;
    through.world.queue.push(&commands);
    until("the commands are committed", || through.world.log.rows().len() >= 402).await;

    let world = World::default();
    for entry in commands.chunks(9) {
        world.queue.push(entry);
    }
    for kill in 1..=10 {
        world.log.declare_vacant();
        let engine = world.start(&Placement::here()).await;
        until("it went on", || world.log.rows().len() >= 36 * kill).await;
        // Its actors are never spoken to again; the next writer's term makes their commits fail.
        drop(engine);
    }
    world.log.declare_vacant();
    let engine = world.start(&Placement::here()).await;
    until("the rest is committed", || world.log.rows().len() >= through.world.log.rows().len()).await;
    assert_eq!(world.events(), through.world.events());
    engine.projected().await;
    assert_eq!(world.recover().await.engine.state_hash(), through.world.recover().await.engine.state_hash());
}
