//! Things of the API as the command line shows them.

use serde::Serialize;

use super::output::Paint;
use crate::api_types::Case;
use crate::domain::deposit::State;

/// A case as `--json` prints it.
#[derive(Serialize)]
pub(super) struct ShownCase<'a>(#[serde(with = "CaseFields")] pub(super) &'a Case);

/// What of it, and in which order.
#[derive(Serialize)]
#[serde(remote = "Case")]
struct CaseFields {
    id: i64,
    kind: String,
    deposit_id: Option<String>,
    order_id: Option<String>,
    expected: String,
    found: String,
    detail: Option<String>,
    opened_at: String,
    seen_runs: i64,
    told_at: Option<String>,
    explained: Option<String>,
    explained_at: Option<String>,
    explained_by: Option<String>,
    closed_at: Option<String>,
    closed_by: Option<String>,
    closed_who: Option<String>,
    resolution: Option<String>,
}

/// The same of several.
pub(super) fn shown(cases: &[Case]) -> Vec<ShownCase<'_>> {
    cases.iter().map(ShownCase).collect()
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
