//! How a month is closed: after it has ended, after a clean reconciliation and a clean proof, for good.

use serde_json::json;

use super::{Flow, ReconcileFailed, reconcile};
use crate::domain::period::Month;
use crate::ledger::{self, ClosedMonth};

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

/// Closes `month`; gives it as it is kept. A month that is closed already, or lies before a closed one, stays as it is:
/// the close that covers it is given.
///
/// # Errors
/// [`CloseError`]
pub async fn close_month(flow: &Flow, month: &Month) -> Result<ClosedMonth, CloseError> {
    if let Some(closed) = covering(flow, month).await? {
        return Ok(closed);
    }
    let now = flow.clock.now();
    if now < month.ends_at() {
        let end = month.ends_at();
        return Err(CloseError::Early(format!("{month} has not ended yet; it can be closed from {end} on")));
    }
    let report = reconcile(flow).await?;
    let difference = report.figures.as_ref().map_or(0, |figures| figures.difference_cents);
    let agrees = difference.unsigned_abs() <= flow.settings.tolerance_cents.unsigned_abs();
    if !agrees || !report.cases.is_empty() {
        let cases = report.cases.len();
        return Err(CloseError::NotClean(format!(
            "the books and the upstream do not agree: {cases} open cases, a difference of {difference} cents; see \
             `depositd cases list`"
        )));
    }
    let proof = flow.ledger.verify(|_, _| {}).await?;
    if let Some(found) = proof.findings.first() {
        return Err(CloseError::NotClean(format!(
            "the ledger does not prove whole: {} {}: {}",
            found.table, found.row, found.what
        )));
    }
    let kept = json!({
        "reconciled_at": report.at,
        "total_charges_cents": report.figures.as_ref().map(|figures| figures.total_charges_cents),
        "credited_here_cents": report.figures.as_ref().map(|figures| figures.credited_here_cents),
        "difference_cents": difference,
        "transactions": proof.transactions,
        "head_seq": proof.head_seq,
        "head_hash": proof.head_hash,
    });
    flow.ledger.close_month(month, flow.clock.now(), kept).await?;
    tracing::info!("{month} is closed");
    covering(flow, month).await?.ok_or_else(|| {
        CloseError::Ledger(ledger::Error::Unreadable(format!("the close of {month} cannot be read back")))
    })
}

/// The close that locks `month`, if there is one.
async fn covering(flow: &Flow, month: &Month) -> ledger::Result<Option<ClosedMonth>> {
    let closed = flow.ledger.closed_months().await?;
    Ok(closed.into_iter().find(|closed| closed.month.as_str() >= month.as_str()))
}
