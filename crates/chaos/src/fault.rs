//! What can be done to a target, and which of it is done when chance decides.

use std::fmt;

use crate::random::Random;
use crate::target::Mode;

/// A part, or several at once.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The service that serves.
    pub service: bool,
    /// Redis.
    pub redis: bool,
    /// PostgreSQL.
    pub postgres: bool,
}

impl Parts {
    /// The service alone.
    pub const SERVICE: Parts = Parts { service: true, redis: false, postgres: false };
    /// Redis alone.
    pub const REDIS: Parts = Parts { service: false, redis: true, postgres: false };
    /// PostgreSQL alone.
    pub const POSTGRES: Parts = Parts { service: false, redis: false, postgres: true };
    /// All three.
    pub const ALL: Parts = Parts { service: true, redis: true, postgres: true };

    /// Single parts, pairs and all three.
    const CHOICES: [Parts; 7] = [
        Parts::SERVICE,
        Parts::REDIS,
        Parts::POSTGRES,
        Parts { service: true, redis: true, postgres: false },
        Parts { service: true, redis: false, postgres: true },
        Parts { service: false, redis: true, postgres: true },
        Parts::ALL,
    ];
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [(self.service, "the service"), (self.redis, "Redis"), (self.postgres, "PostgreSQL")];
        let names: Vec<&str> = named.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
        f.write_str(&names.join(" and "))
    }
}

/// A server that a proxy or a full disk is for.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Server {
    /// Redis.
    Redis,
    /// PostgreSQL.
    Postgres,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Server::Redis => "Redis",
            Server::Postgres => "PostgreSQL",
        })
    }
}

/// What a proxy does.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Everything comes late.
    Slow,
    /// Nothing comes, and nobody is told.
    Silent,
    /// Connections are reset.
    Resetting,
    /// A command to Redis or a commit to PostgreSQL is cut before it is delivered.
    CutBefore,
    /// It is delivered, and its answer is not.
    CutAfter,
}

/// Something that is done to a target.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL.
    Kill(Parts),
    /// SIGSTOP, and SIGCONT a moment later.
    Pause(Parts),
    /// Somebody empties Redis.
    FlushAll,
    /// Redis loses its power: it is killed and its disk put back to what was synced.
    PowerCutRedis,
    /// The machine that Redis and the service are on loses its power, while PostgreSQL is behind.
    PowerCutMachine,
    /// The machine that the service and its file are on loses its power.
    PowerCutFile,
    /// A proxy makes trouble.
    Proxy(Server, Trouble),
    /// The disk of a server is full for a moment.
    DiskFull(Server),
    /// The disk of the embedded file is full for a moment.
    DiskFullFile,
    /// The writer is paused until the standby has taken over, and then woken.
    SplitBrain,
    /// The same while PostgreSQL stands still: when it wakes it cannot hear that it is no writer any more.
    SplitBrainUnheard,
}

/// Every fault of each mode at least once, but for split brains, which need a standby.
const FULL: [Fault; 26] = [
    Fault::Kill(Parts::SERVICE),
    Fault::Kill(Parts::REDIS),
    Fault::Kill(Parts::POSTGRES),
    Fault::Kill(Parts::CHOICES[3]),
    Fault::Kill(Parts::CHOICES[4]),
    Fault::Kill(Parts::CHOICES[5]),
    Fault::Kill(Parts::ALL),
    Fault::Pause(Parts::SERVICE),
    Fault::Pause(Parts::REDIS),
    Fault::Pause(Parts::POSTGRES),
    Fault::Pause(Parts::CHOICES[5]),
    Fault::FlushAll,
    Fault::PowerCutRedis,
    Fault::PowerCutMachine,
    Fault::Proxy(Server::Redis, Trouble::Slow),
    Fault::Proxy(Server::Redis, Trouble::Silent),
    Fault::Proxy(Server::Redis, Trouble::Resetting),
    Fault::Proxy(Server::Redis, Trouble::CutBefore),
    Fault::Proxy(Server::Redis, Trouble::CutAfter),
    Fault::Proxy(Server::Postgres, Trouble::Slow),
    Fault::Proxy(Server::Postgres, Trouble::Silent),
    Fault::Proxy(Server::Postgres, Trouble::Resetting),
    Fault::Proxy(Server::Postgres, Trouble::CutBefore),
    Fault::Proxy(Server::Postgres, Trouble::CutAfter),
    Fault::DiskFull(Server::Redis),
    Fault::DiskFull(Server::Postgres),
];
/// What needs a standby.
const SPLITS: [Fault; 2] = [Fault::SplitBrain, Fault::SplitBrainUnheard];
const EMBEDDED: [Fault; 4] =
    [Fault::Kill(Parts::SERVICE), Fault::Pause(Parts::SERVICE), Fault::PowerCutFile, Fault::DiskFullFile];

impl Fault {
    /// Every kind.
    pub const KINDS: [&str; 7] = ["disk-full", "flushall", "kill", "pause", "power-cut", "proxy", "split-brain"];

    /// All that can be done in a mode without a standby.
    pub fn all(mode: Mode) -> &'static [Fault] {
        match mode {
            Mode::Full => &FULL,
            Mode::Embedded => &EMBEDDED,
        }
    }

    /// The kinds that can be done, each as often as chance is to choose it; with a standby, half of them split brains.
    pub fn kinds(mode: Mode, standby: bool) -> Vec<&'static str> {
        let kinds: &[&str] = match mode {
            Mode::Full => &["kill", "kill", "kill", "pause", "flushall", "power-cut", "proxy", "disk-full"],
            Mode::Embedded => &["kill", "kill", "pause", "power-cut", "power-cut", "disk-full"],
        };
        let splits = if standby { kinds.len() } else { 0 };
        kinds.iter().copied().chain(std::iter::repeat_n(Fault::SplitBrain.kind(), splits)).collect()
    }

    /// One of these kinds, whose variants are equally likely.
    pub fn choose(random: &mut Random, mode: Mode, kinds: &[&str]) -> Fault {
        let kind = *random.pick(kinds);
        let all = Fault::all(mode).iter().chain(&SPLITS).copied();
        let of_kind: Vec<Fault> = all.filter(|fault| fault.kind() == kind).collect();
        *random.pick(&of_kind)
    }

    /// Its campaign is `chaos-<kind>`.
    pub fn kind(self) -> &'static str {
        match self {
            Fault::Kill(_) => "kill",
            Fault::Pause(_) => "pause",
            Fault::FlushAll => "flushall",
            Fault::PowerCutRedis | Fault::PowerCutMachine | Fault::PowerCutFile => "power-cut",
            Fault::Proxy(..) => "proxy",
            Fault::DiskFull(_) | Fault::DiskFullFile => "disk-full",
            Fault::SplitBrain | Fault::SplitBrainUnheard => "split-brain",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill(parts) => write!(f, "kill -9 of {parts}"),
            Fault::Pause(parts) => write!(f, "pause of {parts}"),
            Fault::FlushAll => f.write_str("FLUSHALL"),
            Fault::PowerCutRedis => f.write_str("power cut of Redis"),
            Fault::PowerCutMachine => f.write_str("power cut of Redis and the service, PostgreSQL behind"),
            Fault::PowerCutFile => f.write_str("power cut of the service and its file"),
            Fault::Proxy(server, trouble) => {
                let what = match trouble {
                    Trouble::Slow => "slow",
                    Trouble::Silent => "silent",
                    Trouble::Resetting => "resetting connections",
                    Trouble::CutBefore => "cut before a request arrives",
                    Trouble::CutAfter => "cut before its answer arrives",
                };
                write!(f, "way to {server}: {what}")
            }
            Fault::DiskFull(server) => write!(f, "full disk under {server}"),
            Fault::DiskFullFile => f.write_str("full disk under the file"),
            Fault::SplitBrain => f.write_str("writer asleep until another one has taken over, then woken"),
            Fault::SplitBrainUnheard => {
                f.write_str("writer asleep until another one has taken over, then woken while PostgreSQL stands still")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn chance_reaches_every_kind() {
        let mut reached = BTreeSet::new();
        for (mode, standby) in [(Mode::Full, false), (Mode::Full, true), (Mode::Embedded, false)] {
            let mut random = Random::new(1);
            let kinds = Fault::kinds(mode, standby);
            let chosen: BTreeSet<&str> = (0..200).map(|_| Fault::choose(&mut random, mode, &kinds).kind()).collect();
            let mut all: BTreeSet<&str> = Fault::all(mode).iter().map(|fault| fault.kind()).collect();
            all.extend(standby.then_some("split-brain"));
            assert_eq!(chosen, all);
            reached.extend(chosen);
        }
        assert!(reached.into_iter().eq(Fault::KINDS));
    }
}
