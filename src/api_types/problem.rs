//! A refusal as it goes over the wire (RFC 9457): one shape for every error, a stable `type` for each thing that callers
//! act on.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $status:literal, $title:literal;)+) => {
        /// What went wrong, as far as callers act differently on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the titles say it")]
        pub enum ProblemKind { $($(#[$doc])* $variant),+ }

        impl ProblemKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable word, `type` in the answer.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The HTTP status that it has.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// In words, the same for all of the kind.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}

kinds! {
    MalformedJson = "malformed-json", 400, "The body is not JSON";
    BadRequest = "bad-request", 400, "The request could not be read";
    Unauthorized = "unauthorized", 401, "A bearer token is needed";
    Forbidden = "forbidden", 403, "This caller may not do that";
    NotFound = "not-found", 404, "There is no such thing";
    MethodNotAllowed = "method-not-allowed", 405, "This address has no such method";
    RequestTimeout = "request-timeout", 408, "The body did not arrive in time";
    IdempotencyConflict = "idempotency-conflict", 409, "The key was used for another request";
    ReviewNeeded = "review-needed", 409, "A person must look at a deposit first";
    PayloadTooLarge = "payload-too-large", 413, "The body is too large";
    InvalidRequest = "invalid-request", 422, "The request is ruled out";
    UpstreamRefused = "upstream-refused", 422, "The upstream refused the deposit";
    NothingToReview = "nothing-to-review", 422, "The deposit carries no review flag";
    CaseClosed = "case-closed", 422, "The case has been closed";
    BooksNotClean = "books-not-clean", 409, "The books are not clean";
    Internal = "internal-error", 500, "Something is wrong here";
    BackupFailed = "backup-failed", 500, "The copy could not be made";
    TooManyRequests = "too-many-requests", 429, "Too many requests of yours are waiting";
    ReconciliationVoid = "reconciliation-void", 502, "The reconciliation could not be carried out";
    LedgerUnavailable = "ledger-unavailable", 503, "The ledger cannot be used now";
    ReplicaUnavailable = "replica-unavailable", 503, "The replica does not confirm";
    NoReplica = "no-replica", 422, "There is no replica";
    Busy = "busy", 503, "Too much is going on already";
}

/// The body of a refusal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProblemBody {
    /// The stable word.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for all of the kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong here, and what would be right.
    pub detail: String,
    /// What else there is to say, such as the `field`, or the `deposit` that the upstream refused.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl ProblemBody {
    /// A refusal of this kind.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: String, members: Map<String, Value>) -> Self {
        Self {
            kind: kind.word().to_owned(),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail,
            members,
        }
    }

    /// True where it is of this kind.
    #[must_use]
    pub fn is(&self, kind: ProblemKind) -> bool {
        self.kind == kind.word()
    }
}
