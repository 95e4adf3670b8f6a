//! What can be observed of a deposit, and why an observation can be refused.

use crate::domain::deposit::State;
use crate::domain::listing::Listing;
use crate::domain::money::UsdMicros;
use crate::domain::report::OrderReport;

/// What was seen, or decided, of one deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// The upstream answered our request for a wallet, or for a link to pay by.
    Wallet(Box<OrderReport>),
    /// The same, with an address that another open or watched deposit has already: it is shown to nobody.
    SharedWallet {
        /// What the upstream answered.
        report: Box<OrderReport>,
        /// Whose address it is.
        reason: String,
    },
    /// Another deposit was given this one's address, and is not shown it.
    AddressShared(String),
    /// The upstream refused to make a wallet, in these words.
    Refused(String),
    /// An answer that cannot be about this deposit, such as one with another order: the deposit is flagged.
    Contradiction(String),
    /// No attempt is left, and what the last ones did cannot be known.
    OutOfAttempts,
    /// There was no wallet within the time that a request may wait, for this reason.
    GivenUp(String),
    /// A poll that was answered.
    Polled(Box<OrderReport>),
    /// The upstream says that it does not know the order, in these words.
    UnknownOrder(String),
    /// The upstream answered about the order, and what it says cannot be read, for this reason.
    Unreadable(String),
    /// The rows of the invoice list that bear an id of the deposit; where none does, that as well.
    Listed(Box<Listing>),
    /// A person says that a row of the list is this deposit's: what the row is called by is an order of ours from now on.
    Matched {
        /// `payId` or `sesid` of the row.
        order_id: String,
        /// Who says so, and why.
        reason: String,
    },
    /// A person takes that back: nothing of the row is the deposit's any more.
    Unmatched {
        /// Who says so, and why.
        reason: String,
    },
    /// A person clears the review flag, with this note.
    Reviewed(String),
    /// A person says that the upstream credited this much, whatever the state.
    Corrected {
        /// What was credited in all.
        credited: UsdMicros,
        /// Who says so, and why.
        reason: String,
    },
    /// A person takes back what was said of the credit: the upstream's own figure counts again.
    Uncorrected {
        /// Who says so, and why.
        reason: String,
    },
    /// The deposit's first credited row states what was credited: it replaces a provisional figure, or settles to
    /// which of two neighbouring cents a finer figure was rounded.
    FigureStated {
        /// What the row credits, in whole cents.
        credited: UsdMicros,
    },
}

/// An observation that cannot be made of a deposit in its state: a fault in the caller, never in the upstream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransition {
    /// A wallet for a deposit that has one, a poll of one that has none, a refusal after creation.
    #[error("a deposit that is {state} cannot be observed as {observed}")]
    OutOfPlace {
        /// Where the deposit stands.
        state: State,
        /// What the observation was.
        observed: &'static str,
    },
    /// There is nothing to review.
    #[error("the deposit carries no review flag")]
    NothingToReview,
    /// What a person says is what is booked.
    #[error("it is right already: {0} USD are booked")]
    NothingToCorrect(UsdMicros),
    /// Less than nothing cannot have been credited.
    #[error("what was credited cannot be less than nothing")]
    NegativeCredit,
    /// Its row is known by another id, or it is a wallet, whose rows bear its order.
    #[error("{0}")]
    NotToBeMatched(&'static str),
    /// No person has said anything of the credit.
    #[error("no person has corrected this deposit")]
    NothingSaid,
}
