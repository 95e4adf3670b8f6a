//! What a person says of a difference: explained, closed, or right.

use super::Flow;
use super::review::checked;
use crate::domain::event::EventName;
use crate::domain::money::Amount;
use crate::domain::observe::Observation;
use crate::domain::reconcile::Kind;
use crate::ledger::{self, Case, CaseAct, Recorded, Write};

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// No such case.
    #[error("there is no case {0}")]
    Unknown(i64),
    /// An empty note, or a case that is closed already.
    #[error("{0}")]
    Refused(String),
    /// It could not be written.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// Keeps a person's explanation; the case stays open and is no longer mailed about. `who` names the person by the way
/// they came in.
///
/// # Errors
/// [`CaseError`]; nothing has happened then.
pub async fn explain_case(flow: &Flow, id: i64, who: &str, note: &str) -> Result<Case, CaseError> {
    act(flow, id, note, |note| CaseAct::Explain { id, who: who.to_owned(), note }).await
}

/// Closes a case; it is opened again only when its figures change.
///
/// # Errors
/// [`CaseError`]; nothing has happened then.
pub async fn close_case(flow: &Flow, id: i64, who: &str, note: &str) -> Result<Case, CaseError> {
    act(flow, id, note, |resolution| CaseAct::Close { id, who: Some(who.to_owned()), resolution }).await
}

/// Books what the invoice of an `amount_mismatch` says, by a new entry, because a person says so; closes the case.
///
/// # Errors
/// [`CaseError`]; nothing has happened then.
pub async fn correct_case(flow: &Flow, id: i64, who: &str, note: &str) -> Result<Case, CaseError> {
    let note = checked(note).map_err(CaseError::Refused)?;
    let case = flow.ledger.case(id).await?.ok_or(CaseError::Unknown(id))?;
    let refused = |why: &str| CaseError::Refused(format!("case {id} {why}"));
    if let Some(closed_at) = &case.closed_at {
        return Err(refused(&format!("has been closed since {closed_at}")));
    }
    if case.kind != Kind::AmountMismatch.as_str() {
        return Err(refused("is no amount_mismatch: there is no figure to book"));
    }
    let credited = case.found.parse::<Amount>().ok().and_then(|found| found.to_usd_micros());
    let credited = credited.ok_or_else(|| refused("names no figure that can be booked"))?;
    let deposit = match &case.deposit_id {
        Some(deposit) => flow.ledger.find(deposit).await?,
        None => None,
    };
    let deposit = deposit.ok_or_else(|| refused("names no deposit"))?;
    let observation =
        Observation::Corrected { credited, reason: format!("a person ({who}) says so: {note}") };
    let step = deposit
        .observe(observation, flow.clock.now(), &flow.settings.policy)
        .map_err(|error| refused(&error.to_string()))?;
    let recorded = flow.record(vec![Write::from(step)]).await?;
    if recorded.first() != Some(&Recorded::Written) {
        return Err(refused("could not be booked: the deposit has just changed; try again"));
    }
    let resolution = format!("booked as invoiced: {note}");
    keep(flow, vec![CaseAct::Close { id, who: Some(who.to_owned()), resolution }]).await?;
    flow.ledger.case(id).await?.ok_or(CaseError::Unknown(id))
}

async fn act(
    flow: &Flow,
    id: i64,
    note: &str,
    make: impl FnOnce(String) -> CaseAct,
) -> Result<Case, CaseError> {
    let note = checked(note).map_err(CaseError::Refused)?;
    let case = flow.ledger.case(id).await?.ok_or(CaseError::Unknown(id))?;
    if let Some(closed_at) = case.closed_at {
        return Err(CaseError::Refused(format!("case {id} has been closed since {closed_at}")));
    }
    keep(flow, vec![make(note)]).await?;
    flow.ledger.case(id).await?.ok_or(CaseError::Unknown(id))
}

/// Writes acts with the events and mails that they owe: one letter when a difference is told, one when it is closed.
pub(super) async fn keep(flow: &Flow, acts: Vec<CaseAct>) -> ledger::Result<Vec<i64>> {
    if acts.is_empty() {
        return Ok(Vec::new());
    }
    let rules = std::sync::Arc::clone(&flow.rules);
    let ids = flow
        .ledger
        .keep_cases(acts, flow.clock.now(), move |case, act| {
            let mailed = |name: EventName| Some((name, rules.recipients(name)));
            match act {
                CaseAct::Open(case) if case.told => mailed(EventName::DiscrepancyOpened),
                CaseAct::Told(_) => mailed(EventName::DiscrepancyOpened),
                CaseAct::Open(_) | CaseAct::Seen { .. } => None,
                CaseAct::Explain { .. } => Some((EventName::DiscrepancyExplained, Vec::new())),
                // Who never heard of it need not hear that it is gone.
                CaseAct::Close { who: None, .. } if case.told_at.is_none() => None,
                CaseAct::Close { .. } if case.told_at.is_none() => {
                    Some((EventName::DiscrepancyClosed, Vec::new()))
                }
                CaseAct::Close { .. } => mailed(EventName::DiscrepancyClosed),
            }
        })
        .await?;
    flow.wakers.deliver.notify_one();
    Ok(ids)
}
