//! A panic in an engine actor ends the process: it must not live on with a dead actor in it.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use actors::{Pipeline, Placement, Ports, Recovered, guard};
use journal::Epoch;

use crate::harness::{RETAIN_CLOSED, World, buy, settings};

const SIGABRT: i32 = 6;
const CHILD: &str = "PANIC_TEST_CHILD";

#[test]
fn a_panic_in_an_engine_actor_ends_the_process() {
    let this = std::env::current_exe().expect("this program");
    let child = Command::new(this)
        .args(["--exact", "panic::child_with_a_broken_invariant", "--include-ignored", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("a child");
    let said = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.signal(), Some(SIGABRT), "the child went on: {said}");
    assert!(said.contains("is listed and has no book"), "it ended of something else: {said}");
    // Two actors may panic at once, but only one of them has the last words.
    let noted = String::from_utf8_lossy(&child.stdout);
    assert_eq!(noted.matches("last words: ").count(), 1, "{noted}\n{said}");
}

/// Runs only as the child of the test above: its recovered state has an instrument and no book for it.
#[test]
#[ignore = "the child of another test"]
fn child_with_a_broken_invariant() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    guard::abort_on_engine_panic();
    guard::before_abort(|message| println!("last words: {message}"));
    actix::System::new().block_on(async {
        let world = World::default();
        let engine = world.start(&Placement::here()).await;
        engine.committed(0).await;
        let recovered = world.recover().await;
        let broken = matching::EngineImage { books: Vec::new(), ..recovered.engine.image() };
        let recovered = Recovered { engine: matching::Engine::from_image(broken, RETAIN_CLOSED), ..recovered };
        let ports = Ports {
            queue: world.queue.clone(),
            log: world.log.clone(),
            snapshots: world.snapshots.clone(),
            projection: world.projection.clone(),
            clock: world.clock.clone(),
        };
        let (_pipeline, mut fatal) = Pipeline::start(ports, settings(), recovered, Epoch(9), &Placement::threads(1));
        world.queue.push(&[buy(1, "100", "1")]);
        fatal.recv().await;
    });
}
