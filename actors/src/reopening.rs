//! How markets open again after a start that followed no clean stop: first everybody may leave, then come back without
//! trading, then trade. So nobody is traded with before there was time to cancel what the interruption made old.

use std::time::Duration;

use matching::ledger::Market;
use matching::{Ledger, Micros, Phase, PhaseStep, Symbol};

/// How long each phase before the last lasts; zero leaves it out.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Reopening {
    /// Of CANCEL_ONLY.
    pub cancel_only: Duration,
    /// Of POST_ONLY.
    pub post_only: Duration,
}

impl Reopening {
    /// The markets that reopen so: none where no phase lasts. A market that somebody took out of trading stays out of it; one
    /// that was reopening begins anew.
    pub(crate) fn of(self, ledger: &Ledger) -> Vec<(Symbol, Reopening)> {
        if self.cancel_only.is_zero() && self.post_only.is_zero() {
            return Vec::new();
        }
        let reopens = ledger.markets().filter(|market| trades_or_reopens(market));
        reopens.map(|market| (market.instrument.symbol(), self)).collect()
    }

    /// The phase at once, and those to come.
    pub(crate) fn schedule(self, now: Micros) -> (Phase, Vec<PhaseStep>) {
        let lasting = [(Phase::CancelOnly, self.cancel_only), (Phase::PostOnly, self.post_only)];
        let lasting = lasting.into_iter().filter(|(_, lasts)| !lasts.is_zero());
        let mut phases = lasting.chain([(Phase::Continuous, Duration::ZERO)]);
        let (first, mut lasts) = phases.next().unwrap_or((Phase::Continuous, Duration::ZERO));
        let mut at = now;
        let mut then = Vec::new();
        for (phase, lasts_next) in phases {
            let micros = u64::try_from(lasts.as_micros()).unwrap_or(u64::MAX);
            // Beyond the end of time nothing is to come.
            let Some(next) = at.get().checked_add(micros).and_then(Micros::new) else { break };
            at = next;
            then.push(PhaseStep { at, phase });
            lasts = lasts_next;
        }
        (first, then)
    }
}

fn trades_or_reopens(market: &Market) -> bool {
    let ends_open = market.then.last().is_some_and(|last| last.phase == Phase::Continuous);
    match market.phase {
        Phase::Continuous => true,
        Phase::CancelOnly | Phase::PostOnly => ends_open,
        Phase::Auction | Phase::Closed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_lasts_as_long_as_it_says() {
        let check = |cancel_only, post_only, expected: (Phase, &[(u64, Phase)])| {
            let seconds = Duration::from_secs;
            let reopening = Reopening { cancel_only: seconds(cancel_only), post_only: seconds(post_only) };
            let (first, then) = reopening.schedule(Micros::new(7).expect("a time"));
            let then: Vec<(u64, Phase)> = then.iter().map(|step| (step.at.get(), step.phase)).collect();
            assert_eq!((first, then.as_slice()), expected);
        };
        let (one, three) = (1_000_007, 3_000_007);
        check(1, 2, (Phase::CancelOnly, &[(one, Phase::PostOnly), (three, Phase::Continuous)]));
        check(1, 0, (Phase::CancelOnly, &[(one, Phase::Continuous)]));
        check(0, 3, (Phase::PostOnly, &[(three, Phase::Continuous)]));
    }
}
