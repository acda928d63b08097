//! The phases that a market goes through.

use serde::{Deserialize, Serialize};

use crate::units::Micros;

/// What a market does with orders at the moment.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// Orders are cancelled, and made smaller; nothing else.
    CancelOnly,
    /// Orders come that rest; what would trade is refused.
    PostOnly,
    /// Orders collect without trading, until the auction ends with one price for all.
    Auction,
    /// Orders trade as they come.
    #[default]
    Continuous,
    /// Orders are cancelled; nothing else.
    Closed,
}

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 5] = [Phase::CancelOnly, Phase::PostOnly, Phase::Auction, Phase::Continuous, Phase::Closed];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::CancelOnly => "CANCEL_ONLY",
            Phase::PostOnly => "POST_ONLY",
            Phase::Auction => "AUCTION",
            Phase::Continuous => "CONTINUOUS",
            Phase::Closed => "CLOSED",
        }
    }
}

/// A phase that is to come.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseStep {
    /// When.
    pub at: Micros,
    /// Which.
    pub phase: Phase,
}
