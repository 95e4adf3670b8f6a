//! A case, and what is done to it: the types.

use crate::domain::reconcile::Difference;

/// A difference, from its opening to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Case {
    /// Its number.
    pub id: i64,
    /// Kind and subject.
    #[serde(skip)]
    pub key: String,
    /// What kind.
    pub kind: String,
    /// About which deposit.
    pub deposit_id: Option<String>,
    /// About which order, or which row by what it is called.
    pub order_id: Option<String>,
    /// About which row of the list, by the ledger's number.
    pub invoice_row: Option<i64>,
    /// Our side.
    pub expected: String,
    /// The upstream's.
    pub found: String,
    /// Our side in cents, where it is a figure.
    pub expected_cents: Option<i64>,
    /// The upstream's in cents.
    pub found_cents: Option<i64>,
    /// The rows and figures behind it.
    pub detail: Option<String>,
    /// When it was first seen.
    pub opened_at: String,
    /// In how many runs in a row, each `[reconcile] lag` after the one before.
    pub seen_runs: i64,
    /// When the last of those was.
    pub seen_at: Option<String>,
    /// When it was last mailed.
    pub told_at: Option<String>,
    /// The difference in cents that was mailed then.
    pub told_cents: Option<i64>,
    /// What a person said of it.
    pub explained: Option<String>,
    /// When.
    pub explained_at: Option<String>,
    /// Who: the way they came in.
    pub explained_by: Option<String>,
    /// When it ended.
    pub closed_at: Option<String>,
    /// What ended it: `run` or `person`.
    pub closed_by: Option<String>,
    /// The person: the way they came in.
    pub closed_who: Option<String>,
    /// Why it ended.
    pub resolution: Option<String>,
}

/// A case that a run opens.
#[derive(Debug, Clone)]
pub struct NewCase {
    /// What does not agree.
    pub difference: Difference,
    /// Whether it is mailed right away.
    pub notified: bool,
}

/// What a run, or a person, does to a case.
#[derive(Debug, Clone)]
pub enum CaseChange {
    /// First seen.
    Open(NewCase),
    /// Seen again, perhaps with other figures.
    Seen {
        /// Which.
        id: i64,
        /// As it is now.
        difference: Difference,
        /// Whether it counts as another run: the last that did is long enough ago.
        counts: bool,
    },
    /// It has been mailed, at this difference in cents.
    Notified {
        /// Which.
        id: i64,
        /// `found - expected`.
        cents: Option<i64>,
    },
    /// A person has explained it; it stays open.
    Explain {
        /// Which.
        id: i64,
        /// Who: the way they came in.
        who: String,
        /// In these words.
        note: String,
    },
    /// It has ended.
    Close {
        /// Which.
        id: i64,
        /// By which person, named by the way they came in; `None` for a run that found it gone.
        who: Option<String>,
        /// Why.
        resolution: String,
    },
}
