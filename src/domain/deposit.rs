//! What a deposit is: the request as it was made, and the facts that observations change.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::asset::Asset;
pub use super::booked::{Booked, FigureSource, Held, Refund};
use super::ids::DepositId;
use super::method::{Method, PaidBy};
use super::money::Amount;
use super::time::Timestamp;
pub use super::wallet::Wallet;

/// Where a deposit stands (docs/interface.md, "States"). Facts outlive the state that brought them (an outcome
/// stays through a refund), so they stand beside the state, in [`Facts`], and not inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepted and stored; no wallet yet.
    #[default]
    Requested,
    /// The wallet exists, nothing was seen.
    AwaitingPayment,
    /// Seen on the chain.
    Confirming,
    /// A part arrived, more may come.
    Underpaid,
    /// Credited.
    Settled,
    /// Closed with less than required.
    Short,
    /// Not paid in time.
    Expired,
    /// An error at the processor.
    Failed,
    /// Locked by the processor's compliance.
    Held,
    /// Money goes back.
    Refunding,
    /// Money went back.
    Refunded,
    /// The upstream refused to make a wallet.
    Rejected,
    /// It cannot be known whether a wallet was made.
    Unresolved,
}

impl State {
    /// Every state, in the order of a deposit's life.
    pub const ALL: &[Self] = &[
        Self::Requested,
        Self::AwaitingPayment,
        Self::Confirming,
        Self::Underpaid,
        Self::Settled,
        Self::Short,
        Self::Expired,
        Self::Failed,
        Self::Held,
        Self::Refunding,
        Self::Refunded,
        Self::Rejected,
        Self::Unresolved,
    ];

    /// The word used everywhere outside: ledger, API, mail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::AwaitingPayment => "awaiting_payment",
            Self::Confirming => "confirming",
            Self::Underpaid => "underpaid",
            Self::Settled => "settled",
            Self::Short => "short",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
            Self::Rejected => "rejected",
            Self::Unresolved => "unresolved",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.as_str() == text)
    }

    /// True where nothing more is expected, though more may come ("final is not the end").
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Settled
                | Self::Short
                | Self::Expired
                | Self::Failed
                | Self::Refunded
                | Self::Rejected
                | Self::Unresolved
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was asked for; never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// How it is paid, and in what.
    #[serde(rename = "asset")]
    pub paid_by: PaidBy,
    /// US dollars asked for, as they were written.
    pub amount: Amount,
    /// A coupon to spend on the wallet.
    pub coupon: Option<String>,
    /// The customer's own words for this deposit.
    pub reference: Option<String>,
    /// The payers' mail addresses: they get letters of their own about this deposit.
    pub notify: Vec<String>,
    /// When it was accepted.
    pub requested_at: Timestamp,
}

impl Request {
    /// A request for this much of this, accepted then, with nothing else said.
    #[must_use]
    pub fn new(paid_by: impl Into<PaidBy>, amount: Amount, requested_at: Timestamp) -> Self {
        let paid_by = paid_by.into();
        Self { paid_by, amount, coupon: None, reference: None, notify: Vec::new(), requested_at }
    }

    /// How it is paid.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.paid_by.method()
    }

    /// The currency and its network; `None` where the payer picks them, or pays by card.
    #[must_use]
    pub const fn asset(&self) -> Option<Asset> {
        self.paid_by.asset()
    }
}

/// How a settled deposit was paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As required.
    Exact,
    /// More than required.
    Over,
}

impl Outcome {
    /// The word used outside.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Over => "over",
        }
    }
}

/// How many minor events a deposit has written lately: the limit for one that flaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chatter {
    /// When this hour began.
    pub since: Timestamp,
    /// How many were written in it.
    pub count: u32,
    /// How many more were left out. Kept in memory until the next event is written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u32,
}

impl Chatter {
    /// The span in which events are counted.
    const SPAN: std::time::Duration = std::time::Duration::from_hours(1);

    /// True once its hour has passed, or where the clock went back before it.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.since.plus(Self::SPAN) || now < self.since
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The payment figures of the latest poll; all optional upstream (docs/contract.md, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Payment {
    /// What arrived, in the currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// What arrived, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_usd: Option<Amount>,
    /// What the payer sent, in the currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer_amount: Option<Amount>,
    /// What went back, in the currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_amount: Option<Amount>,
    /// What went back, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_amount_usd: Option<Amount>,
}

impl Payment {
    /// True where nothing is stated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Who can clear a review flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewKind {
    /// The next ordinary poll.
    Passing,
    /// A person only.
    Standing,
    /// A person only; until then no further payment page or card payment is asked for.
    Stopping,
}

/// Why a person should look at the deposit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// In words.
    pub reason: String,
    /// Who can clear it.
    pub kind: ReviewKind,
}

/// Everything that observations change: the snapshot that each event carries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// The wallet, once it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet: Option<Wallet>,
    /// The upstream's raw status word, as it was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<String>,
    /// The transaction on the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txid: Option<String>,
    /// The payment figures of the latest poll.
    #[serde(default)]
    pub payment: Payment,
    /// How it was paid, once settled; stays through a refund.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// When it was first called expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired_at: Option<Timestamp>,
    /// When the credit was first booked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    /// It had been called expired before it settled.
    #[serde(default)]
    pub late: bool,
    /// What the journal holds as credited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booked: Option<Booked>,
    /// What is locked by the processor, while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// When the refund was booked; the whole of `booked` went back unless `refund` says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded_at: Option<Timestamp>,
    /// The part that went back, where the upstream states less than the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<Refund>,
    /// The review flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// The last reason that a person has cleared: it is not raised again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<String>,
    /// An answer of the status call has named this order: one that names none is unreadable from then on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named: bool,
    /// A person has said which row of the invoice list is this deposit's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub matched: bool,
    /// What the first poll of the unpaid order bore in its payment figures: the same figures later state nothing.
    #[serde(default, skip_serializing_if = "Payment::is_empty")]
    pub first_payment: Payment,
    /// The transaction that this poll bore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_txid: Option<String>,
    /// How many events of little weight were written lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chatter: Option<Chatter>,
}

impl Facts {
    /// From when on an unpaid deposit is called expired, as far as is known: `grace` after the deadline that the upstream
    /// has stated; of a link that has none, `link_limit` after it was made.
    #[must_use]
    pub fn over_at(&self, grace: Duration, link_limit: Duration) -> Option<Timestamp> {
        let wallet = self.wallet.as_ref()?;
        match wallet.expire_at {
            Some(deadline) => Some(deadline.plus(grace)),
            None => wallet.is_link().then(|| wallet.created_at.plus(link_limit)),
        }
    }
}

/// A request for money, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// Our name for it.
    pub id: DepositId,
    /// How many events it has: the compare-and-set value of the ledger.
    pub version: i64,
    /// What was asked for.
    pub request: Request,
    /// What became of it.
    pub facts: Facts,
    /// When an event last changed it.
    pub updated_at: Timestamp,
}

impl Deposit {
    /// True where the rows of the invoice list are observed: a card, and a payment page of whose order the status call has
    /// not said anything.
    #[must_use]
    pub const fn is_followed_by_list(&self) -> bool {
        match self.request.method() {
            Method::Wallet => false,
            Method::Page => !self.facts.named,
            Method::Card => true,
        }
    }

    /// True where the status call has nothing to say of it: a card, and a payment page that it does not know.
    #[must_use]
    pub fn is_left_to_list(&self) -> bool {
        let wallet = self.facts.wallet.as_ref();
        let unknown = wallet.is_some_and(|wallet| wallet.listed_only || wallet.asked_by().is_none());
        // What a person called it by is known to the list alone.
        let unknown = unknown || self.facts.matched;
        self.is_followed_by_list() && (unknown || self.request.method() == Method::Card)
    }
}
