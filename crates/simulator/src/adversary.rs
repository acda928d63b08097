//! What happens to a simulated world besides its calls: processes die, are paused and doubled, streams and mirrors are
//! lost, clocks are set. And whoever restarts what has died.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use journal::{Payload, encoding};
use matching::{Command, CommandId};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::faults::{EventFaults, Port};
use crate::lock;
use crate::process::{Process, ProcessSettings, Serving};
use crate::random::Random;
use crate::world::World;

/// How often the adversary looks around.
const STEP: u64 = 50;
/// A writer that was usurped while it lives knows nothing of it until the log refuses it: so long may what it says of
/// the state be old.
const MAY_BE_STALE: u64 = 4_000;

/// The processes of a simulation.
pub struct Processes {
    world: Arc<World>,
    settings: ProcessSettings,
    running: Mutex<Vec<Arc<Process>>>,
    started: AtomicU64,
    /// The stream was lost and is not known to be restored.
    loss: AtomicBool,
    /// Until when old answers may be given.
    stale_until: AtomicU64,
}

impl Processes {
    /// None yet.
    pub fn new(world: Arc<World>, settings: ProcessSettings) -> Arc<Processes> {
        Arc::new(Processes {
            world,
            settings,
            running: Mutex::default(),
            started: AtomicU64::new(0),
            loss: AtomicBool::new(false),
            stale_until: AtomicU64::new(0),
        })
    }

    /// Starts one.
    pub fn start(&self) -> Arc<Process> {
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let process = Process::start(&self.world, number, self.settings.clone());
        lock(&self.running).push(Arc::clone(&process));
        process
    }

    /// How many were started.
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Those that clients can reach.
    pub fn serving(&self) -> Vec<Arc<Serving>> {
        lock(&self.running).iter().filter_map(|process| process.serving()).collect()
    }

    /// Whether a writer that has been usurped may not know it yet.
    pub fn may_be_stale(&self) -> bool {
        self.world.now() < self.stale_until.load(Ordering::Relaxed)
    }

    /// Those that are not dead.
    pub fn alive(&self) -> Vec<Arc<Process>> {
        let mut running = lock(&self.running);
        running.retain(|process| !process.life.is_dead());
        running.clone()
    }

    /// The one that writes, if it lives.
    fn writer(&self) -> Option<u64> {
        let last = lock(&self.world.history).writers.last_key_value().map(|(_, life)| *life);
        last.filter(|last| self.alive().iter().any(|process| process.life.number == *last))
    }

    /// The commands in the log.
    pub fn committed_ids(&self) -> BTreeSet<CommandId> {
        let rows = self.world.log.rows();
        let commands = rows.iter().filter_map(|row| encoding::decode_command(row.format, &row.command).ok());
        commands.filter_map(|command| command.id()).collect()
    }

    /// What whoever runs the service does when nothing goes wrong any more: one process lives, and none is paused.
    pub fn care(&self) {
        self.watch_loss();
        let alive = self.alive();
        alive.iter().for_each(|process| process.life.resume());
        if alive.is_empty() {
            self.start();
        }
    }

    /// The stream is lost: what other processes than the writer acknowledged is remembered by nobody.
    fn lose_stream(&self) {
        self.world.trace(|| "the stream is lost".to_owned());
        let (committed, writer) = (self.committed_ids(), self.writer());
        lock(&self.world.history).excuse(&committed, |life| Some(life) != writer);
        self.world.queue.lose();
        self.loss.store(true, Ordering::Relaxed);
    }

    /// Looks whether a lost stream is restored; if its writer ended first, what it alone remembered is lost with it.
    fn watch_loss(&self) {
        if !self.loss.load(Ordering::Relaxed) {
            return;
        }
        let writer = self.writer();
        let serving = self.serving().into_iter().find(|serving| Some(serving.life.number) == writer);
        match serving {
            Some(serving) if self.world.queue.is_lost() || !serving.pipeline.intake.is_open() => {}
            Some(_) => self.loss.store(false, Ordering::Relaxed),
            None => {
                let committed = self.committed_ids();
                lock(&self.world.history).excuse(&committed, |_| true);
                if !self.world.queue.is_lost() {
                    self.loss.store(false, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Does what its plan says until the time is up.
pub struct Adversary {
    random: Random,
    world: Arc<World>,
    processes: Arc<Processes>,
    faults: EventFaults,
}

impl Adversary {
    /// An adversary with a plan.
    pub fn new(random: Random, world: Arc<World>, processes: Arc<Processes>, faults: EventFaults) -> Adversary {
        Adversary { random, world, processes, faults }
    }

    /// Makes trouble until the time is up.
    pub async fn run(mut self, until: u64) {
        while self.world.now() < until {
            sleep(Duration::from_millis(STEP)).await;
            self.restart_what_died();
            self.processes.watch_loss();
            self.trouble().await;
        }
    }

    /// Whoever runs the service starts it again.
    fn restart_what_died(&mut self) {
        let alive = self.processes.alive();
        let fit = alive.iter().filter(|process| process.life.is_running()).count();
        if fit == 0 && alive.len() < 2 && self.random.below(5) == 0 {
            self.processes.start();
        }
    }

    fn now_and_then(&mut self, every: u64) -> bool {
        every > 0 && self.random.below(every * 1_000 / STEP) == 0
    }

    async fn trouble(&mut self) {
        let faults = self.faults;
        if self.now_and_then(faults.crash) {
            self.crash().await;
        }
        if self.now_and_then(faults.pause) {
            self.pause();
        }
        if self.now_and_then(faults.usurp) {
            self.usurp();
        }
        if self.now_and_then(faults.stop)
            && let Some(process) = self.only_one()
        {
            actix::spawn(async move { process.stop().await });
        }
        if self.now_and_then(faults.outage) {
            let port = self.random.pick(&Port::ALL);
            let milliseconds = self.random.between(100, 7_000);
            self.world.trace(|| format!("{port:?} is out of reach for {milliseconds} ms"));
            self.world.begin_outage(port, milliseconds);
        }
        if self.now_and_then(faults.lose_stream) && self.only_one().is_some() && !self.world.queue.is_lost() {
            self.processes.lose_stream();
        }
        if self.now_and_then(faults.garbage) && !self.world.queue.is_lost() {
            self.garbage();
        }
        if self.now_and_then(faults.repeat_entry) && !self.world.queue.is_lost() {
            self.repeat_entry();
        }
        if self.now_and_then(faults.flush) {
            self.world.trace(|| "the projection is emptied".to_owned());
            self.world.projection.flush();
        }
        if self.now_and_then(faults.lose_snapshot) {
            self.world.trace(|| "the newest snapshot is lost".to_owned());
            self.world.snapshots.lose_newest();
        }
        if self.now_and_then(faults.clock) {
            self.set_clock();
        }
    }

    /// The process that lives, if it is the only one, runs, and has nothing to restore.
    fn only_one(&self) -> Option<Arc<Process>> {
        let alive = self.processes.alive();
        match alive.as_slice() {
            [one] if one.life.is_running() && !self.processes.loss.load(Ordering::Relaxed) => Some(Arc::clone(one)),
            _ => None,
        }
    }

    /// At some step in the middle of whatever happens at this moment.
    async fn crash(&mut self) {
        for _ in 0..self.random.below(60) {
            yield_now().await;
        }
        let alive = self.processes.alive();
        if alive.is_empty() {
            return;
        }
        let process = &alive[self.random.below(alive.len() as u64) as usize];
        self.world.trace(|| format!("p{} is killed", process.life.number));
        process.life.kill();
        // As the log notices when a process is gone with its connection.
        if self.random.below(4) > 0 && self.processes.writer() == Some(process.life.number) {
            self.world.log.declare_vacant();
        }
    }

    /// Until another one has taken over and got somewhere, or not for so long.
    fn pause(&mut self) {
        let Some(process) = self.only_one() else { return };
        let longest = self.world.now() + self.random.between(500, 12_000);
        let beyond = self.random.below(1_500);
        // Half of them find the log out of reach at first, and do not learn at once that their term is over.
        let log_away = self.random.below(2) * 1_500;
        self.world.trace(|| format!("p{} is paused", process.life.number));
        process.life.pause();
        if self.random.below(4) > 0 {
            self.processes.start();
        }
        let (world, processes) = (Arc::clone(&self.world), Arc::clone(&self.processes));
        actix::spawn(async move {
            let succeeded = || processes.serving().iter().any(|serving| serving.life.number > process.life.number);
            while world.now() < longest && !succeeded() {
                sleep(Duration::from_millis(STEP)).await;
            }
            sleep(Duration::from_millis(beyond)).await;
            world.trace(|| format!("p{} goes on, without the log for {log_away} ms", process.life.number));
            world.begin_outage(Port::Log, log_away);
            process.life.resume();
        });
    }

    /// Two writers at once: the log says that the first is gone.
    fn usurp(&mut self) {
        if self.only_one().is_none() {
            return;
        }
        self.world.trace(|| "the writer is taken for gone".to_owned());
        self.processes.start();
        self.world.log.declare_vacant();
        // The other one takes over when it first looks, which a slow log delays.
        self.processes.stale_until.store(self.world.now() + MAY_BE_STALE + 10_000, Ordering::Relaxed);
    }

    fn garbage(&mut self) {
        let text = |format, text: &str| Ok(Payload { format, text: text.to_owned() });
        let payload = match self.random.below(5) {
            0 => Err("a field that is none".to_owned()),
            1 => text(1, "{\"type\":\"NewOrder\""),
            2 => text(0, "{}"),
            3 => text(1, "[]"),
            _ => text(1, "{\"type\":\"Unheard\",\"order_id\":1}"),
        };
        self.world.trace(|| format!("garbage in the stream: {payload:?}"));
        self.world.queue.push_payload(payload);
    }

    /// As a client library does that sends a request again by itself.
    fn repeat_entry(&mut self) {
        let promised: Vec<Command> = {
            let history = lock(&self.world.history);
            let promised = history.sent.values().rev().filter(|sent| sent.is_promised()).take(20);
            promised.map(|sent| sent.command.clone()).collect()
        };
        if promised.is_empty() {
            return;
        }
        let command = promised[self.random.below(promised.len() as u64) as usize].clone();
        self.world.trace(|| format!("in the stream again: {:?}", command.id()));
        self.world.queue.push(&[command]);
    }

    fn set_clock(&mut self) {
        let (ahead, by) = (self.random.below(2) == 0, self.random.pick(&[50, 500, 5_000, 3_600_000]) * 1_000);
        self.world.trace(|| format!("the wall clock is set by {by} us, ahead: {ahead}"));
        self.world.set_wall(|offset| if ahead { offset + by } else { offset.saturating_sub(by) });
    }
}
