//! Incomplete runs: stored with their reason, mailed once there are several in a row, and a case where the same figures
//! stand.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cases;
use super::context::RunContext;
use super::report::Incomplete;
use crate::domain::event::EventName;
use crate::domain::reconcile::{CaseKind, Difference};
use crate::domain::time::Timestamp;
use crate::flow::Flow;
use crate::flow::outage::standing;
use crate::ledger::{self, Case, CaseChange, NewCase, Run};

/// How long the same kind of incomplete run has stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    kind: CaseKind,
    runs: u32,
    counted_at: Timestamp,
}

const STANDING: &str = "incomplete_standing";
/// The `meta` key of the digest of the changed rows that a person accepted.
pub(super) const ROWS_ACCEPTED: &str = "rows_accepted";

/// Keeps the run. Where the same stands for as many runs as a difference must, each the lag after the one before, it is
/// a case: no run stays void for ever without one.
pub(super) async fn keep(
    context: &RunContext<'_>,
    incomplete: &Incomplete,
    evidence: Option<Value>,
) -> ledger::Result<()> {
    let (flow, id, at) = (context.flow, context.id, context.at);
    let why = incomplete.to_string();
    let mut memory = Vec::new();
    if let Some(difference) = incomplete.difference() {
        let kept = flow.ledger.recall(STANDING).await?;
        let before = kept.and_then(|kept| serde_json::from_str::<Standing>(&kept).ok());
        let standing = match before.filter(|before| before.kind == difference.kind) {
            Some(before) if before.counted_at <= at && at.since(before.counted_at) < flow.settings.lag => {
                before
            }
            Some(before) => Standing { runs: before.runs.saturating_add(1), counted_at: at, ..before },
            None => Standing { kind: difference.kind, runs: 1, counted_at: at },
        };
        if standing.runs >= flow.settings.tell_after_runs {
            open(flow, difference).await?;
        }
        memory.push((STANDING, serde_json::to_string(&standing).unwrap_or_default()));
    }
    let report =
        json!({ "run": id, "at": at, "ok": false, "error": why, "clean": false, "evidence": evidence });
    let head_seq = *flow.ledger.head().borrow();
    let run = Run {
        id,
        at,
        head_seq,
        outcome: Err(why),
        clean: false,
        rise_cents: 0,
        notices: Vec::new(),
        due: Vec::new(),
        memory,
        evidence,
        report,
    };
    flow.ledger.store_run(run).await
}

/// A good run ends this. Changed rows that a person accepted are in the ledger then; the acceptance is valid for no
/// other list.
pub(super) fn forget() -> [(&'static str, String); 2] {
    [STANDING, ROWS_ACCEPTED].map(|key| (key, "null".to_owned()))
}

async fn open(flow: &Flow, difference: Difference) -> ledger::Result<()> {
    let key = difference.key();
    let open = flow.ledger.cases(false).await?.into_iter().find(|case| case.key == key);
    let change = match open {
        Some(case) => CaseChange::Seen { id: case.id, difference, counts: true },
        None => CaseChange::Open(NewCase { difference, notified: true }),
    };
    cases::keep(flow, vec![change]).await.map(|_| ())
}

/// Mails that the last runs were void, once there are as many in a row as a difference must stand for. Not while an
/// outage or a case was mailed for the same reason. A reason that may still become such a case is waited for, but only
/// as long as that takes, since later runs may be void for other reasons.
pub(super) async fn mail_void_runs(flow: &Flow) -> ledger::Result<()> {
    let of_void = |case: &Case| CaseKind::parse(&case.kind).is_some_and(CaseKind::is_of_incomplete_run);
    if flow.ledger.cases(false).await?.iter().any(of_void)
        || void_runs_mailed(flow).await?.is_some()
        || standing(flow, EventName::UpstreamDown, EventName::UpstreamBack).await?.is_some()
    {
        return Ok(());
    }
    let Some(runs) = flow.ledger.incomplete_runs().await? else { return Ok(()) };
    let least = flow.settings.tell_after_runs;
    let standing = flow.ledger.recall(STANDING).await?.is_some_and(|kept| kept != "null");
    let wait =
        if standing { flow.settings.lag.saturating_mul(least.saturating_add(1)) } else { Duration::ZERO };
    let since =
        Timestamp::parse(&runs.since).map_err(|error| ledger::Error::Unreadable(error.to_string()))?;
    if runs.runs < i64::from(least) || flow.clock.now() < since.plus(wait) {
        return Ok(());
    }
    let last_good = flow.ledger.last_good_run().await?.map(|run| run.at);
    let facts =
        json!({ "since": runs.since, "runs": runs.runs, "error": runs.error, "last_good_at": last_good });
    flow.announce(EventName::ReconciliationVoid, Some(runs.error), facts).await
}

/// Mails that a run was good again, where void runs were mailed.
pub(super) async fn mail_good_run(flow: &Flow) -> ledger::Result<()> {
    match void_runs_mailed(flow).await? {
        Some(event) => {
            let facts = json!({ "since": event.at, "back_at": flow.clock.now() });
            flow.announce(EventName::ReconciliationBack, None, facts).await
        }
        None => Ok(()),
    }
}

async fn void_runs_mailed(flow: &Flow) -> ledger::Result<Option<ledger::EventRow>> {
    standing(flow, EventName::ReconciliationVoid, EventName::ReconciliationBack).await
}
