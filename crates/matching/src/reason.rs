//! Why something was refused or ended. The codes are stable: clients and the log rely on them.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($name:ident $code:literal $meaning:literal)*) => {
        /// Why something was refused or ended.
        #[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $(#[doc = $meaning] #[serde(rename = $code)] $name,)*
        }

        impl Reason {
            /// All of them, in the order in which they are documented.
            pub const ALL: &'static [Reason] = &[$(Reason::$name),*];

            /// The code as it is written everywhere.
            pub fn code(self) -> &'static str {
                match self {
                    $(Reason::$name => $code,)*
                }
            }

            /// What it means.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Reason::$name => $meaning,)*
                }
            }
        }
    };
}

reasons! {
    AlreadyListed "ALREADY_LISTED" "The symbol is listed already."
    TooManySymbols "TOO_MANY_SYMBOLS" "As many symbols are listed as there may be."
    UnknownSymbol "UNKNOWN_SYMBOL" "The symbol is not listed."
    ScaleChanged "SCALE_CHANGED" "An instrument keeps its decimals for ever."
    InvalidSchedule "INVALID_SCHEDULE" "The phases to come are too many, or not in the order of their times, or past."
    Incoherent "INCOHERENT" "The order's fields do not go together."
    PriceNotPositive "PRICE_NOT_POSITIVE" "The price is zero."
    QuantityNotPositive "QUANTITY_NOT_POSITIVE" "The quantity is zero."
    OffTick "OFF_TICK" "The price is no multiple of the tick."
    OffLot "OFF_LOT" "The quantity is no multiple of the lot."
    OutOfRange "OUT_OF_RANGE" "The price or the quantity is too large for the instrument."
    QuantityTooSmall "QUANTITY_TOO_SMALL" "The quantity is below the instrument's minimum."
    QuantityTooLarge "QUANTITY_TOO_LARGE" "The quantity is above the instrument's maximum."
    NotionalTooSmall "NOTIONAL_TOO_SMALL" "Price times quantity is below the instrument's minimum."
    NotionalTooLarge "NOTIONAL_TOO_LARGE" "Price times quantity is above the instrument's maximum."
    DisplayTooSmall "DISPLAY_TOO_SMALL" "An iceberg would show itself in more than 1,000 parts."
    Stale "STALE" "It was numbered after its deadline, or waited for longer than the service allows."
    AlreadyExpired "ALREADY_EXPIRED" "Its expiry had passed when it was numbered."
    AccountBlocked "ACCOUNT_BLOCKED" "The account is blocked."
    PhaseForbids "PHASE_FORBIDS" "The market's phase does not allow it."
    LinkNotPossible "LINK_NOT_POSSIBLE" "The order to link with is not open and untraded, or the two do not go together."
    TooManyOpenOrders "TOO_MANY_OPEN_ORDERS" "The account has as many open orders in this market as it may have."
    OutsidePriceBand "OUTSIDE_PRICE_BAND" "The price is too far from the last trade."
    PostOnlyWouldTrade "POST_ONLY_WOULD_TRADE" "A post-only order would have traded at once."
    UnknownOrder "UNKNOWN_ORDER" "No order of that id is known."
    NotOpen "NOT_OPEN" "The order has ended already."
    SeqDiffers "SEQ_DIFFERS" "The order has changed since the row that the amend names."
    NotAmendable "NOT_AMENDABLE" "The order has no price to amend, or the amend says nothing."
    ByUser "BY_USER" "Its owner asked for it."
    MassCancel "MASS_CANCEL" "A mass cancel included it."
    CancelAfter "CANCEL_AFTER" "Its account's dead man's switch was not armed anew in time."
    SelfTrade "SELF_TRADE" "It met an order of its own account."
    LinkedOrder "LINKED_ORDER" "The order that it is linked with traded or was triggered."
    AmendedBelowFilled "AMENDED_BELOW_FILLED" "An amend asked for no more than what was filled already."
    Due "DUE" "Its time had come."
    Unfilled "UNFILLED" "Nothing more could trade at once, and it does not rest."
    FillOrKill "FILL_OR_KILL" "It could not trade whole at once."
    MinQuantity "MIN_QUANTITY" "It could not trade its minimum at once."
}
