//! The types of a run's result: its report, or why there is none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::money::dollars;
use crate::domain::reconcile::{CaseKind, Difference};
use crate::domain::time::Timestamp;
use crate::ledger::{self, Case, RunFigures, Tally, UnknownWord};

/// What a run found; for a finance person to sign.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The number of the run.
    pub run: i64,
    /// As of when.
    pub at: Timestamp,
    /// True for a run that could read everything it needs.
    pub ok: bool,
    /// Why it is void, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The identity: total charges = here + elsewhere + difference.
    #[serde(flatten)]
    pub figures: Option<RunFigures>,
    /// Each deposit agrees with its rows, the drift is zero, all that could count was read, no case is open.
    pub clean: bool,
    /// How much is on its way between status, list and total, in cents; `None` where nothing is.
    pub on_its_way_cents: Option<i64>,
    /// How many deposits are on their way: they or their rows have changed within the lag.
    pub on_their_way: usize,
    /// By how much the balance rose beyond the total since the last good run, in cents; for information.
    pub balance_rise_cents: i64,
    /// How many rows the upstream lists.
    pub invoices: usize,
    /// When the oldest listed row was made: so far back the list reaches.
    pub list_reaches: Option<Timestamp>,
    /// How many rows stand although the list no longer shows them, and what they count, in cents.
    pub standing: StandingRows,
    /// How many rows each rule has matched.
    pub matches: BTreeMap<String, i64>,
    /// The same with what they count.
    pub matched: Vec<Tally>,
    /// The rule that has matched most.
    pub identifier: Option<String>,
    /// How many rows could count and cannot be read, without an amount from a person: each is a case.
    pub unreadable: usize,
    /// The first rows of the list that cannot be read, with or without an amount from a person.
    pub flaws: Vec<Flaw>,
    /// Unknown status words, on rows that could count.
    pub unknown_words: Vec<UnknownWord>,
    /// What the rows with our ids say of the list's zone, where it is not the one that is set.
    pub zone_hint: Option<String>,
    /// How many attempts to make a wallet were lost; for information.
    pub lost_attempts: i64,
    /// Orders of the list that lost attempts may have made; they were shown to nobody.
    pub perhaps_theirs: Vec<String>,
    /// Cases that this run opened.
    pub opened: Vec<i64>,
    /// Cases that this run closed.
    pub closed: Vec<i64>,
    /// All open cases.
    pub cases: Vec<Case>,
    /// What was fetched: the list's length and SHA-256 and head, the balance's answer.
    pub evidence: Option<Value>,
}

/// Rows that keep their figures although they are no longer listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StandingRows {
    /// How many.
    pub rows: i64,
    /// What they count, in cents.
    pub cents: i64,
}

/// Why a run did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileFailed {
    /// Something could not be read, or cannot be what it says: no figure and no case was changed by it.
    #[error("the run is void: {0}")]
    Incomplete(String),
    /// The ledger could not be read or written.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// A row that could count and of which something cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Flaw {
    /// Its place in the list, from 0.
    pub entry: usize,
    /// What it is called by.
    pub invoice: String,
    /// What of it cannot be read.
    pub what: String,
}

/// Why a run is incomplete.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Incomplete {
    /// Something gave no answer that can be read.
    #[error("{0}")]
    Unanswered(String),
    /// The total fell below what two runs saw.
    #[error("the upstream's total is {} USD, and was {} before: a total never falls", dollars(*.now), dollars(*.before))]
    TotalFell {
        /// In cents.
        before: i64,
        /// In cents.
        now: i64,
    },
    /// Rows that were credited are not what they were.
    #[error("{what}")]
    RowsChanged {
        /// How many, in words.
        what: String,
        /// Which, and to what: what a person accepts.
        digest: String,
    },
}

impl Incomplete {
    /// What a person accepts of changed rows.
    pub(super) fn digest(&self) -> Option<&str> {
        match self {
            Self::RowsChanged { digest, .. } => Some(digest),
            _ => None,
        }
    }

    /// What it is a case of, once it stands.
    pub(super) fn difference(&self) -> Option<Difference> {
        match self {
            Self::Unanswered(_) => None,
            Self::TotalFell { before, now } => Some(Difference {
                expected_cents: Some(*before),
                found_cents: Some(*now),
                ..Difference::of_account(CaseKind::TotalFell, dollars(*before), dollars(*now))
            }),
            Self::RowsChanged { what, digest } => Some(Difference {
                detail: Some(digest.clone()),
                ..Difference::of_account(
                    CaseKind::RowsChanged,
                    "the rows as they were".to_owned(),
                    what.clone(),
                )
            }),
        }
    }
}

/// Why a run ends early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}
