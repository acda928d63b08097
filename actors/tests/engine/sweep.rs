//! The sweep beside the running engine: it proves the whole log again and again, and finds whatever is wrong in it.

use std::sync::Arc;
use std::time::Duration;

use actors::{Placement, Proof, Sweep, TakeSnapshot};
use journal::{Chain, Record, encoding};
use matching::{Event, Micros};

use crate::harness::{Engine, RETAIN_CLOSED, World, mixed_commands, until};

/// An engine with 300 commands in its log and three snapshots on the way, and the sweep over it.
struct Swept {
    world: World,
    engine: Engine,
    proof: Arc<Proof>,
}

impl Swept {
    async fn start() -> Swept {
        let world = World::default();
        let engine = world.start(&Placement::here()).await;
        let commands = mixed_commands(29, 300);
        for (part, commands) in (1..).zip(commands.chunks(75)) {
            world.queue.push(commands);
            until("the commands are committed", || world.log.rows().len() >= 75 * part).await;
            if part < 4 {
                engine.pipeline.snapshots.send(TakeSnapshot).await.expect("an actor").expect("a snapshot");
            }
        }
        let proof = sweep(&world).start();
        Swept { world, engine, proof }
    }

    async fn is_proven(&self) {
        let rows = || self.world.log.rows().len() as u64;
        until("the whole log is proven", || self.proof.is_sound() && self.proof.seq() == rows()).await;
    }
}

fn sweep(world: &World) -> Sweep {
    Sweep {
        log: world.log.clone(),
        snapshots: world.snapshots.clone(),
        clock: world.clock.clone(),
        retain_closed: RETAIN_CLOSED,
        period: Duration::from_millis(20),
    }
}

#[actix::test]
async fn it_proves_the_log_and_follows_it() {
    let swept = Swept::start().await;
    swept.is_proven().await;
    swept.world.queue.push(&mixed_commands(30, 400)[300..]);
    until("more is committed", || swept.world.log.rows().len() >= 400).await;
    swept.is_proven().await;
    drop(swept.engine);
}

/// Whatever is changed in whichever row, old or new, is found; and all is well again once it is mended.
#[actix::test]
async fn every_altered_column_of_every_part_of_the_log_is_found() {
    type Change = fn(&mut Record);
    let changes: [(&str, Change); 9] = [
        ("command", |row| row.command = row.command.replacen("type", "tipe", 1)),
        ("events", |row| row.events.push(' ')),
        ("time", |row| row.time = Micros::new(row.time.get() + 1).expect("a time")),
        ("epoch", |row| row.epoch.0 += 1),
        ("stream position", |row| row.stream_id.index += 1),
        ("chain", |row| row.chain = Chain::START),
        ("kind", |row| row.kind.push('x')),
        ("engine version", |row| row.engine_version = 0),
        ("format", |row| row.format += 1),
    ];
    let swept = Swept::start().await;
    swept.is_proven().await;
    for (what, change) in changes {
        // Before the oldest snapshot, between two, behind the newest. What readers alone use is checked where commands
        // are applied again.
        let rows = if ["kind", "engine version"].contains(&what) { &[120, 290][..] } else { &[10, 120, 290] };
        for index in rows {
            let sound = swept.world.log.rows()[*index].clone();
            swept.world.log.tamper(*index, change);
            until(&format!("a changed {what} of row {} is found", index + 1), || !swept.proof.is_sound()).await;
            swept.world.log.tamper(*index, |row| *row = sound);
            swept.is_proven().await;
        }
    }
}

/// Wrong events whose chain is right are found by applying the commands again, and an impossible state too.
#[actix::test]
async fn a_forged_row_is_found_though_its_chain_is_right() {
    type Forge = fn(&mut Vec<Event>);
    let forgeries: [(&str, Forge); 2] = [
        ("another price", |events| {
            for event in events {
                if let Event::Trade(trade) = event {
                    trade.price = "1".parse().expect("a price");
                }
            }
        }),
        ("no order", |events| events.retain(|event| !matches!(event, Event::OrderAccepted(_)))),
    ];
    for (what, forge) in forgeries {
        let swept = Swept::start().await;
        swept.is_proven().await;
        let rows = swept.world.log.rows();
        let trades = |row: &Record| row.events.contains("\"Trade\"");
        let forged = 250 + rows[250..].iter().position(trades).expect("a trade");
        let mut events = encoding::decode_events(rows[forged].format, &rows[forged].events).expect("events");
        forge(&mut events);
        swept.world.log.tamper(forged, |row| row.events = encoding::encode_events(&events));
        let mut before = rows[forged - 1].position();
        for index in forged..rows.len() {
            swept.world.log.tamper(index, |row| {
                let (command, events) = (&row.command, &row.events);
                row.chain = before.chain.next(row.seq, row.stream_id, row.epoch, row.time, command, events);
                before = row.position();
            });
        }
        until(&format!("{what} is found"), || !swept.proof.is_sound()).await;
    }
}

/// A damaged snapshot is no danger to the log: it is passed over. One that is whole and says something else is.
#[actix::test]
async fn snapshots_are_proven_too() {
    let swept = Swept::start().await;
    swept.is_proven().await;
    let sound = swept.world.snapshots.all();
    for index in 0..3 {
        swept.world.snapshots.tamper(index, |snapshot| snapshot.parts[0][20] ^= 1);
    }
    swept.world.queue.push(&mixed_commands(31, 320)[310..]);
    swept.is_proven().await;
    // The state of the first under the position of the second.
    swept.world.snapshots.tamper(0, |snapshot| *snapshot = sound[0].clone());
    swept.world.snapshots.tamper(1, |snapshot| {
        *snapshot = journal::Snapshot { position: sound[1].position, ..sound[0].clone() };
    });
    until("a snapshot of another state is found", || !swept.proof.is_sound()).await;
}
