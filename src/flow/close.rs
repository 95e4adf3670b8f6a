//! How a month is closed: after it has ended, after a clean reconciliation and a clean proof, for good.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Flow, ReconcileFailed, Report, reconcile};
use crate::domain::period::Month;
use crate::domain::time::Timestamp;
use crate::ledger::{self, ClosedMonth, Statement, Verification};

/// Why a month was not closed; nothing has happened then but the reconciliation.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// It has not ended yet.
    #[error("{0}")]
    Early(String),
    /// The books and the upstream do not agree, or the ledger does not prove whole.
    #[error("{0}")]
    NotClean(String),
    /// The reconciliation could not be carried out.
    #[error(transparent)]
    Reconcile(#[from] ReconcileFailed),
    /// The ledger could not be read or written.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// What a close would do, where everything is in order for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClosePlan {
    /// Nothing was closed.
    pub dry_run: bool,
    /// The month that was asked for.
    pub month: String,
    /// The months that it would close: that one, and all before it that are open.
    pub would_close: Vec<String>,
    /// It, or a later month, is closed already: since when.
    pub closed_at: Option<String>,
    /// The run that it would rest on.
    pub reconciled_at: Option<Timestamp>,
    /// The last event that was proven.
    pub head_seq: i64,
    /// The month's statement.
    pub statement: Statement,
}

/// Tries everything that a close of `month` needs, and closes nothing.
///
/// # Errors
/// As [`close_month`].
pub async fn plan_close(flow: &Flow, month: &Month) -> Result<ClosePlan, CloseError> {
    let covered = covering(flow, month).await?;
    let mut plan = ClosePlan { dry_run: true, month: month.to_string(), ..ClosePlan::default() };
    match covered {
        Some(closed) => plan.closed_at = Some(closed.closed_at),
        None => {
            let (report, proof) = ready(flow, month).await?;
            plan.would_close = flow.ledger.open_months(month).await?;
            (plan.reconciled_at, plan.head_seq) = (Some(report.at), proof.head_seq);
        }
    }
    plan.statement = flow.ledger.statement(month, flow.clock.now()).await?;
    Ok(plan)
}

/// Closes `month`, because `who` says so; gives it as it is kept. A month that is closed already, or lies before a closed one, stays as it is:
/// the close that covers it is given.
pub async fn close_month(flow: &Flow, month: &Month, who: &str) -> Result<ClosedMonth, CloseError> {
    if let Some(closed) = covering(flow, month).await? {
        return Ok(closed);
    }
    let (report, proof) = ready(flow, month).await?;
    let (ledger, now) = (&flow.ledger, flow.clock.now());
    // The rows of others' top-ups are in the list, and would only make the event long.
    let statement =
        Statement { elsewhere: Vec::new(), balance_rises: Vec::new(), ..ledger.statement(month, now).await? };
    let kept = json!({
        "reconciled_at": report.at,
        "total_charges_cents": report.figures.as_ref().map(|figures| figures.total_charges_cents),
        "credited_here_cents": report.figures.as_ref().map(|figures| figures.credited_here_cents),
        "accepted_cents": report.figures.as_ref().map(|figures| figures.accepted_cents),
        "difference_cents": report.figures.as_ref().map(|figures| figures.difference_cents),
        "transactions": proof.transactions,
        "head_seq": proof.head_seq,
        "head_hash": proof.head_hash,
        "closed_by": who,
        "time_zone": statement.time_zone,
        "statement": statement,
    });
    ledger.close_month(month, now, kept).await?;
    tracing::info!("{month} is closed by {who}");
    covering(flow, month).await?.ok_or_else(|| {
        CloseError::Ledger(ledger::Error::Unreadable(format!("the close of {month} cannot be read back")))
    })
}

/// The clean run and the proof that a close rests on; or why there is none.
async fn ready(flow: &Flow, month: &Month) -> Result<(Report, Verification), CloseError> {
    let end = flow.ledger.book_zone().end_of(month);
    if flow.clock.now() < end {
        return Err(CloseError::Early(format!("{month} has not ended yet; it can be closed from {end} on")));
    }
    let report = reconcile(flow).await?;
    // The run has just read the upstream's clock: a month ends when both clocks say so.
    if let Some(theirs) = flow.upstream.upstream_now().filter(|theirs| *theirs < end) {
        return Err(CloseError::Early(format!(
            "{month} has not ended by the upstream's clock, which shows {theirs}; it can be closed once both clocks agree"
        )));
    }
    if !report.clean {
        return Err(CloseError::NotClean(not_clean(&report)));
    }
    let proof = flow.ledger.verify(|_, _| {}).await?;
    if let Some(found) = proof.findings.first() {
        return Err(CloseError::NotClean(format!(
            "the ledger does not prove whole: {} {}: {}",
            found.table, found.row, found.what
        )));
    }
    Ok((report, proof))
}

/// Why a run is not clean.
fn not_clean(report: &Report) -> String {
    let figures = report.figures.as_ref();
    let mut why = Vec::new();
    if !report.cases.is_empty() {
        why.push(format!("{} open cases (depositd cases list)", report.cases.len()));
    }
    match figures.map(|figures| (figures.baseline_cents, figures.difference_cents)) {
        Some((Some(_), Some(0)) | (None, _)) | None => {}
        Some((_, difference)) => {
            why.push(format!("a difference of {} cents", difference.unwrap_or_default()))
        }
    }
    if figures.is_some_and(|figures| figures.baseline_cents.is_none()) {
        why.push("no baseline yet: it is taken once two runs agree on it".to_owned());
    }
    if report.unreadable > 0 {
        why.push(format!("{} rows that cannot be read", report.unreadable));
    }
    if report.on_their_way > 0 || report.on_its_way_cents.is_some() {
        why.push("something is on its way between status, list and total: try again later".to_owned());
    }
    format!("the books and the upstream do not agree: {}", why.join("; "))
}

/// The close that locks `month`, if there is one.
async fn covering(flow: &Flow, month: &Month) -> ledger::Result<Option<ClosedMonth>> {
    let closed = flow.ledger.closed_months().await?;
    Ok(closed.into_iter().find(|closed| closed.month.as_str() >= month.as_str()))
}
