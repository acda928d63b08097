//! The history checker: what clients were told against what the log says, and the log against the matching rules.
//!
//! Rows come one by one, so that a long log needs little memory; [`Checker::finish`] then asks the history. A finding is
//! a sentence; none is the right answer.

use std::collections::{BTreeMap, HashMap};

use journal::position::Epoch;
use journal::{Position, Record, encoding};
use matching::naive::NaiveEngine;
use matching::{Command, Engine, Event, Sequenced};

use crate::history::History;
use crate::orders::Orders;
use crate::promises;

/// Closed orders that a service keeps when nothing else is set; the state's hash depends on it.
const RETAIN_CLOSED: u64 = 500_000;
/// Findings of one kind beyond this are counted and not spelled out.
const SPELLED_OUT: usize = 20;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Orders and cancels that clients were promised.
    pub acknowledged: u64,
    /// Of these, how many the log does not have.
    pub lost: u64,
    /// Orders that were executed more than once.
    pub twice: u64,
    /// Rows of the log.
    pub rows: u64,
    /// The hash of the state that the log gives.
    pub state_hash: String,
    /// Everything that is wrong, lost and doubled orders included.
    pub findings: Findings,
}

/// Sentences about what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Vec<String>,
}

impl Report {
    /// All of it in a line.
    pub fn line(&self) -> String {
        let Report { acknowledged, lost, twice, findings, .. } = self;
        let rest = match findings.count {
            0 => "hash = replay".to_owned(),
            count => format!("{count} findings: the promises are broken"),
        };
        format!("acknowledged {acknowledged} · lost {lost} · twice {twice} · {rest}")
    }
}

impl Findings {
    /// Adds one.
    pub fn add(&mut self, finding: impl Into<String>) {
        self.count += 1;
        if self.first.len() < SPELLED_OUT {
            self.first.push(finding.into());
        }
    }

    /// Adds some before the others.
    pub fn put_first(&mut self, findings: impl Iterator<Item = String>) {
        let others = std::mem::take(self);
        findings.for_each(|finding| self.add(finding));
        self.count += others.count;
        self.first.extend(others.first);
        self.first.truncate(SPELLED_OUT);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Takes in the log row by row.
pub struct Checker<'a> {
    history: &'a History,
    position: Position,
    epoch: Epoch,
    engine: Engine,
    reference: NaiveEngine,
    /// Whether the reference still agrees: once it does not, every row after would differ.
    agrees: bool,
    orders: Orders,
    /// What was shown at each row.
    shown: HashMap<u64, Vec<&'a str>>,
    projected: HashMap<u64, Vec<&'a str>>,
    findings: Findings,
}

impl<'a> Checker<'a> {
    /// A checker of this history, before the first row.
    pub fn new(history: &'a History) -> Checker<'a> {
        let mut shown: HashMap<u64, Vec<&str>> = HashMap::new();
        for state in &history.shown {
            shown.entry(state.seq).or_default().push(&state.ledger_hash);
        }
        let mut projected: HashMap<u64, Vec<&str>> = HashMap::new();
        for position in &history.projected {
            projected.entry(position.seq).or_default().push(&position.chain);
        }
        Checker {
            history,
            position: Position::START,
            epoch: Epoch(0),
            engine: Engine::new(RETAIN_CLOSED),
            reference: NaiveEngine::default(),
            agrees: true,
            orders: Orders::default(),
            shown,
            projected,
            findings: Findings::default(),
        }
    }

    /// Takes in the next row.
    pub fn row(&mut self, row: &Record) {
        if !row.follows(&self.position) {
            self.findings
                .add(format!("row {} does not follow row {}: the chain is broken", row.seq, self.position.seq));
        }
        if row.stream_id < self.position.stream_id {
            self.findings.add(format!("row {} goes back in the stream", row.seq));
        }
        if row.epoch < self.epoch {
            self.findings.add(format!("row {} is of term {} after term {}", row.seq, row.epoch, self.epoch));
        }
        self.position = row.position();
        self.epoch = row.epoch;
        match (encoding::decode_command(row.format, &row.command), encoding::decode_events(row.format, &row.events)) {
            (Ok(command), Ok(events)) => self.decoded(row, command, &events),
            (command, events) => {
                self.findings.add(format!("row {} cannot be read: {:?} {:?}", row.seq, command.err(), events.err()));
            }
        }
        self.check_shown(row);
    }

    fn decoded(&mut self, row: &Record, value: Command, events: &[Event]) {
        let command = Sequenced { seq: row.seq, time: row.time, value };
        let naive = self.agrees.then(|| self.reference.apply(&command));
        if let Some(naive) = naive.filter(|naive| naive != events) {
            self.agrees = false;
            let expected = encoding::encode_events(&naive);
            self.findings.add(format!(
                "row {}: the naive book gives other events (rows after it are not compared)\n  logged: {}\n  naive:  \
                 {expected}",
                row.seq, row.events
            ));
        }
        if self.agrees {
            let mut again = Vec::new();
            self.engine.apply(&command, &mut again);
            if again != events {
                self.agrees = false;
                self.findings.add(format!("row {}: its command, applied again, gives other events", row.seq));
            }
        }
        for event in events {
            self.orders.event(row.seq, event, &mut self.findings);
        }
        self.orders.check_uncrossed(row.seq, row.symbol, &mut self.findings);
        self.orders.check_expired(row.seq, row.time, &mut self.findings);
    }

    /// What was shown at this row must be its state.
    fn check_shown(&mut self, row: &Record) {
        if let Some(shown) = self.shown.remove(&row.seq.get())
            && self.agrees
        {
            let hash = self.engine.ledger().hash().to_string();
            for wrong in shown.into_iter().filter(|shown| *shown != hash) {
                self.findings.add(format!("row {}: the service showed the state {wrong}; it is {hash}", row.seq));
            }
        }
        let chain = row.chain.to_string();
        for wrong in self.projected.remove(&row.seq.get()).unwrap_or_default().into_iter().filter(|c| *c != chain) {
            self.findings.add(format!("row {}: Redis showed another row of that number, chain {wrong}", row.seq));
        }
    }

    /// After the last row: holds that every promise was kept.
    pub fn finish(mut self) -> Report {
        let end = self.position.seq;
        let beyond: BTreeMap<u64, &str> = (self.shown.keys().map(|seq| (*seq, "the service")))
            .chain(self.projected.keys().map(|seq| (*seq, "Redis")))
            .filter(|(seq, _)| *seq > end.get())
            .collect();
        for (seq, who) in beyond {
            self.findings.add(format!("{who} showed row {seq}, and the log ends at {end}"));
        }
        self.orders.check_amounts(&mut self.findings);
        let kept = promises::check(self.history, &self.orders, &mut self.findings);
        Report {
            acknowledged: kept.acknowledged,
            lost: kept.lost,
            twice: kept.twice,
            rows: end.get(),
            state_hash: if self.agrees { self.engine.state_hash().to_string() } else { "(not comparable)".to_owned() },
            findings: self.findings,
        }
    }
}
