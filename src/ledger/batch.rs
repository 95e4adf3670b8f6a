//! What one transaction writes: types only, below the writer and its callers.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::deposit::Deposit;
use crate::domain::event::{EventName, Recipient, Step};
use crate::domain::poll::Due;
use crate::domain::time::Timestamp;

/// An upstream answer, stored as the evidence of the change that it brought.
#[derive(Debug, Clone)]
pub struct EvidenceNote {
    /// When it came.
    pub at: Timestamp,
    /// Which call.
    pub call: &'static str,
    /// Its HTTP status; `None` when no answer came.
    pub http_status: Option<u16>,
    /// The raw answer without secrets, capped; or the error.
    pub body: String,
}

/// What is known of an attempt to make a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It made the deposit's wallet.
    Wallet,
    /// It was refused for good.
    Refused,
    /// It never reached the upstream; does not count.
    NotTaken,
    /// It cannot be known.
    Unknown,
}

impl AttemptOutcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
            Self::Refused => "refused",
            Self::NotTaken => "not_taken",
            Self::Unknown => "unknown",
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct AttemptEnd {
    /// Which attempt.
    pub id: i64,
    /// When it ended.
    pub at: Timestamp,
    /// What is known of it.
    pub outcome: AttemptOutcome,
    /// The order that it made, where that is known.
    pub order_id: Option<String>,
    /// The error in words.
    pub detail: Option<String>,
}

/// What the first step of a deposit brings with it.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// SHA-256 of the canonical request.
    pub request_digest: String,
}

/// One step and what commits with it.
#[derive(Debug, Clone)]
pub struct DepositWrite {
    /// What happened.
    pub step: Step,
    /// The answer that brought it.
    pub evidence: Option<EvidenceNote>,
    /// With a deposit's first step.
    pub opening: Option<Opening>,
    /// The attempt that it ends.
    pub attempt: Option<AttemptEnd>,
    /// The place that it had, where it was taken from the queue.
    pub entry: Option<QueueEntry>,
    /// From when on its letters are due, by our clock: an event may carry the upstream's time. By default the event's
    /// own time.
    pub letters_due: Option<Timestamp>,
    /// Who did it, where somebody did: a user of this machine, or a token by its name.
    pub acted_by: Option<String>,
}

impl From<Step> for DepositWrite {
    fn from(step: Step) -> Self {
        Self {
            step,
            evidence: None,
            opening: None,
            attempt: None,
            entry: None,
            letters_due: None,
            acted_by: None,
        }
    }
}

/// A write and the row of its deposit.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowWrite<'a> {
    pub(super) row_id: i64,
    pub(super) deposit_write: &'a DepositWrite,
}

/// An event of the whole account, or one about a deposit that does not change it.
#[derive(Debug, Clone)]
pub struct AccountEvent {
    /// What happened.
    pub name: EventName,
    /// When.
    pub at: Timestamp,
    /// In words.
    pub reason: Option<String>,
    /// Its figures.
    pub facts: serde_json::Value,
    /// Who is owed word of it.
    pub mail_to: Vec<Recipient>,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is on disk.
    Written,
    /// The deposit had changed meanwhile; nothing was written. Read it again.
    Conflict,
    /// A rule of the ledger forbids it, in these words; nothing was written. It is a defect of this program.
    Forbidden(String),
}

/// A place in the queue: which deposit is due, and where that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueEntry {
    pub(super) urgency: i64,
    pub(super) due_ms: i64,
    pub(super) deposit: i64,
    pub(super) version: i64,
}

impl Hash for QueueEntry {
    /// A deposit has one place, or a stale one beside it: more would only take longer.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.deposit.hash(state);
    }
}

/// A deposit that goes back into the queue as it is: its response brought nothing new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requeue {
    /// The place that it had.
    pub entry: QueueEntry,
    /// Its next one; `None` when it is left to reconciliation.
    pub due: Option<Due>,
    /// As it was taken.
    pub deposit: Box<Deposit>,
    /// The fingerprint of the poll's response, for the next one to compare with. It stays in memory, and the ledger
    /// does not read it.
    pub fingerprint: Option<ResponseFingerprint>,
}

/// The bytes of a response. They may hold a secret: they can be compared, and not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseFingerprint(Arc<Vec<u8>>);

impl ResponseFingerprint {
    /// Shares these bytes.
    #[must_use]
    pub const fn new(bytes: Arc<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// Whether it was these.
    #[must_use]
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.0.as_slice() == bytes
    }
}

impl fmt::Debug for ResponseFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFingerprint").field("bytes", &self.0.len()).finish_non_exhaustive()
    }
}
