//! The names of what can happen, and the step that one observation makes of a deposit.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::deposit::{Deposit, Facts, State};
use super::journal::{Posting, Turnover};
use super::poll::Due;
use super::time::Timestamp;

macro_rules! event_names {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// The name of an event, in the ledger, the API and the mails.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum EventName { $($(#[$doc])* $variant),+ }

        impl EventName {
            /// Every name.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word used outside.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

event_names! {
    /// A deposit was asked for.
    Requested = "requested",
    /// The upstream made a wallet.
    WalletCreated = "wallet_created",
    /// The payment was seen on the chain.
    Confirming = "confirming",
    /// A part arrived.
    Underpaid = "underpaid",
    /// Credited, or credited with more than before.
    Settled = "settled",
    /// Closed with less than required.
    Short = "short",
    /// Not paid in time.
    Expired = "expired",
    /// An error at the processor.
    Failed = "failed",
    /// Locked by compliance.
    Held = "held",
    /// Money goes back.
    Refunding = "refunding",
    /// Money went back.
    Refunded = "refunded",
    /// No wallet: refused.
    Rejected = "rejected",
    /// No wallet that we know of: the outcome cannot be known.
    Unresolved = "unresolved",
    /// The upstream's word changed and the state did not.
    StatusChanged = "status_changed",
    /// The upstream's figures changed and the state did not.
    FiguresChanged = "figures_changed",
    /// The books were corrected, because a person said so.
    Corrected = "corrected",
    /// The first credited row stated what had been booked provisionally.
    FigureStated = "figure_stated",
    /// A person should look.
    NeedsReview = "needs_review",
    /// A later look was ordinary again.
    ReviewCleared = "review_cleared",
    /// So many changes of flags, words and figures of one deposit were left out within an hour.
    ChangesLeftOut = "changes_left_out",
    /// A person has looked.
    Reviewed = "reviewed",
    /// Books and upstream do not agree.
    DiscrepancyOpened = "discrepancy_opened",
    /// A person explained a difference.
    DiscrepancyExplained = "discrepancy_explained",
    /// They agree again, or a person closed the case.
    DiscrepancyClosed = "discrepancy_closed",
    /// A run opened or closed cases that nobody was told of.
    CasesNoted = "cases_noted",
    /// The daily summary.
    Digest = "digest",
    /// The upstream does not answer.
    UpstreamDown = "upstream_down",
    /// It answers again.
    UpstreamBack = "upstream_back",
    /// Reconciliations are void: something could not be fetched, or cannot be what it says.
    ReconciliationVoid = "reconciliation_void",
    /// One was whole again.
    ReconciliationBack = "reconciliation_back",
    /// A month was closed: what is booked in it stands.
    PeriodClosed = "period_closed",
    /// A person said what only a person can know: a correction, an acceptance, or that one is taken back.
    Decided = "decided",
    /// What the account's total held before the first run was established, or set by a person.
    BaselineSet = "baseline_set",
    /// The ledger was restored from a copy: what happened between that copy and its loss is not in it.
    Restored = "restored",
    /// The ledger was given to another account of the upstream's.
    Rebound = "rebound",
    /// A message that a person asked for, to try the mail.
    MailTest = "mail_test",
    /// Many letters to one recipient in one.
    Summary = "summary",
}

impl EventName {
    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|name| name.as_str() == text)
    }

    /// True for the events of docs/interface.md's "Mail": those that a rule may name.
    #[must_use]
    pub const fn is_mailable(self) -> bool {
        !matches!(
            self,
            Self::Requested
                | Self::Refunding
                | Self::StatusChanged
                | Self::FiguresChanged
                | Self::Corrected
                | Self::FigureStated
                | Self::Restored
                | Self::Rebound
                | Self::ReviewCleared
                | Self::ChangesLeftOut
                | Self::Reviewed
                | Self::DiscrepancyExplained
                | Self::CasesNoted
                | Self::PeriodClosed
                | Self::MailTest
                | Self::Summary
        )
    }

    /// True for the letters of the whole account that go by themselves, whatever the hour and however many there are.
    #[must_use]
    pub const fn is_never_held_back(self) -> bool {
        matches!(
            self,
            Self::Digest
                | Self::UpstreamDown
                | Self::UpstreamBack
                | Self::ReconciliationVoid
                | Self::ReconciliationBack
                | Self::MailTest
                | Self::Summary
        )
    }

    /// True for the events that are mailed where no rule says anything: all but the two early ones.
    #[must_use]
    pub const fn is_mailed_by_default(self) -> bool {
        self.is_mailable() && !matches!(self, Self::WalletCreated | Self::Confirming)
    }

    /// The event that the arrival in a state is.
    #[must_use]
    pub const fn of_state(state: State) -> Self {
        match state {
            State::Requested => Self::Requested,
            State::AwaitingPayment => Self::WalletCreated,
            State::Confirming => Self::Confirming,
            State::Underpaid => Self::Underpaid,
            State::Settled => Self::Settled,
            State::Short => Self::Short,
            State::Expired => Self::Expired,
            State::Failed => Self::Failed,
            State::Held => Self::Held,
            State::Refunding => Self::Refunding,
            State::Refunded => Self::Refunded,
            State::Rejected => Self::Rejected,
            State::Unresolved => Self::Unresolved,
        }
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that happened to a deposit: it commits with its postings and the mails that it owes, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub name: EventName,
    /// When.
    pub at: Timestamp,
    /// The state before; `None` for the first event.
    pub from: Option<State>,
    /// The upstream's raw word that brought it.
    pub upstream_status: Option<String>,
    /// Why, in words, where the name does not say it all.
    pub reason: Option<String>,
    /// The deposit's facts after it.
    pub facts: Facts,
    /// What it books; empty or balanced.
    pub postings: Vec<Posting>,
    /// What it moves in a month's totals.
    pub turnover: Turnover,
    /// Who is owed a mail about it.
    pub mail_to: Vec<String>,
}

/// What one observation makes of a deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The version that the observation was made against.
    pub expected_version: i64,
    /// The deposit afterwards.
    pub deposit: Deposit,
    /// What happened, oldest first; empty for a look that changed nothing.
    pub events: Vec<Event>,
    /// When to act on it again; `None` when it is left to reconciliation.
    pub due: Option<Due>,
}
