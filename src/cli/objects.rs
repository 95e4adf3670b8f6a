//! The JSON objects of the API as the command line reads and writes them.

use serde::{Deserialize, Serialize};

use super::output::Paint;
pub(super) use crate::api::DepositObject;
use crate::domain::deposit::State;
use crate::ledger::Case;

/// A difference with a life.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CaseObject {
    /// Its number.
    pub(super) id: i64,
    /// What kind.
    pub(super) kind: String,
    /// About which deposit.
    pub(super) deposit_id: Option<String>,
    /// About which order.
    pub(super) order_id: Option<String>,
    /// Our figure.
    pub(super) expected: String,
    /// The upstream's.
    pub(super) found: String,
    /// The rows and figures behind it.
    #[serde(default)]
    pub(super) detail: Option<String>,
    /// When it was first seen.
    pub(super) opened_at: String,
    /// In how many runs in a row.
    pub(super) seen_runs: i64,
    /// When it was mailed.
    pub(super) told_at: Option<String>,
    /// What a person said of it.
    pub(super) explained: Option<String>,
    /// When.
    pub(super) explained_at: Option<String>,
    /// Who: the way they came in.
    pub(super) explained_by: Option<String>,
    /// When it ended.
    pub(super) closed_at: Option<String>,
    /// What ended it: `run` or `person`.
    pub(super) closed_by: Option<String>,
    /// The person: the way they came in.
    pub(super) closed_who: Option<String>,
    /// Why it ended.
    pub(super) resolution: Option<String>,
}

impl From<Case> for CaseObject {
    fn from(case: Case) -> Self {
        Self {
            id: case.id,
            kind: case.kind,
            deposit_id: case.deposit_id,
            order_id: case.order_id,
            expected: case.expected,
            found: case.found,
            detail: case.detail,
            opened_at: case.opened_at,
            seen_runs: case.seen_runs,
            told_at: case.told_at,
            explained: case.explained,
            explained_at: case.explained_at,
            explained_by: case.explained_by,
            closed_at: case.closed_at,
            closed_by: case.closed_by,
            closed_who: case.closed_who,
            resolution: case.resolution,
        }
    }
}

/// How a state is set off.
pub(super) fn paint_of(state: &str) -> Paint {
    match State::parse(state) {
        Some(State::Settled) => Paint::Good,
        Some(State::Short | State::Failed | State::Rejected | State::Unresolved | State::Held) => Paint::Bad,
        Some(State::Expired | State::Refunded) => Paint::Faint,
        _ => Paint::Open,
    }
}
