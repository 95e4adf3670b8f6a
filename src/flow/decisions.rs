//! How a person's decision is written: the case found, the event with its letter, all in one transaction.

use serde_json::Value;

use super::Flow;
use super::said::CaseError;
use crate::domain::deposit::Deposit;
use crate::domain::event::EventName;
use crate::domain::ids::DepositId;
use crate::domain::reconcile::DepositRows;
use crate::ledger::{self, AccountEvent, Case, CaseChange, Closing, Decision, NewAcceptance};

pub(super) async fn find_case(flow: &Flow, id: i64) -> Result<Case, CaseError> {
    flow.ledger.case(id).await?.ok_or_else(|| CaseError::Unknown(format!("case {id}")))
}

pub(super) async fn open_case(flow: &Flow, id: i64) -> Result<Case, CaseError> {
    let case = find_case(flow, id).await?;
    match &case.closed_at {
        Some(closed_at) => Err(CaseError::Refused(format!("case {id} has been closed since {closed_at}"))),
        None => Ok(case),
    }
}

pub(super) async fn pair_of(flow: &Flow, case: &Case) -> Result<DepositRows, CaseError> {
    let deposit = deposit_of(flow, case).await?;
    let pair = flow.ledger.pair(deposit.id).await?;
    pair.ok_or_else(|| {
        CaseError::Refused(format!("deposit {} has no order that could be listed", deposit.id))
    })
}

pub(super) async fn cases_about(flow: &Flow, deposit: DepositId) -> Result<Vec<i64>, CaseError> {
    let cases = flow.ledger.cases_of(deposit).await?;
    Ok(cases.into_iter().filter(|case| case.closed_at.is_none()).map(|case| case.id).collect())
}

pub(super) fn described(deposit: &Deposit) -> (DepositId, Option<String>, Option<String>) {
    let order = deposit.facts.wallet.as_ref().and_then(|wallet| wallet.order_id.clone());
    (deposit.id, order, booked_of(deposit))
}

pub(super) fn booked_of(deposit: &Deposit) -> Option<String> {
    deposit.facts.booked.as_ref().map(|booked| booked.total().to_string())
}

/// A decision before its event is made.
pub(super) struct Decided<'a> {
    pub(super) reason: String,
    pub(super) facts: Value,
    pub(super) who: &'a str,
    pub(super) note: &'a str,
    pub(super) accept: Vec<NewAcceptance>,
    pub(super) take_back: Vec<i64>,
    pub(super) close: Vec<Closing>,
    pub(super) memory: Vec<(&'static str, String)>,
}

/// Writes a decision with its event, which is mailed: one letter, however much it decides.
pub(super) async fn decide(flow: &Flow, decided: Decided<'_>) -> ledger::Result<()> {
    let Decided { reason, facts, who, note, accept, take_back, close, memory } = decided;
    let notice = AccountEvent {
        name: EventName::Decided,
        at: flow.clock.now(),
        reason: Some(reason),
        facts,
        mail_to: flow.rules.current().recipients(EventName::Decided),
    };
    let (who, note) = (who.to_owned(), note.to_owned());
    flow.ledger.decide(Decision { notice, who, note, accept, take_back, close, memory }).await?;
    flow.wakers.owed();
    Ok(())
}

/// Writes changes of cases with the events and mails that they owe: one letter when a difference is mailed, one when it
/// is closed.
pub(super) async fn change_cases(flow: &Flow, changes: Vec<CaseChange>) -> ledger::Result<Vec<i64>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let rules = flow.rules.current();
    let ids = flow
        .ledger
        .change_cases(changes, flow.clock.now(), move |case, change| {
            let mailed = |name: EventName| Some((name, rules.recipients(name)));
            match change {
                CaseChange::Open(case) if case.notified => mailed(EventName::DiscrepancyOpened),
                CaseChange::Notified { .. } => mailed(EventName::DiscrepancyOpened),
                CaseChange::Open(_) | CaseChange::Seen { .. } => None,
                CaseChange::Explain { .. } => Some((EventName::DiscrepancyExplained, Vec::new())),
                // A case that was never mailed is closed without a mail.
                CaseChange::Close { who: None, .. } if case.told_at.is_none() => None,
                CaseChange::Close { .. } if case.told_at.is_none() => {
                    Some((EventName::DiscrepancyClosed, Vec::new()))
                }
                CaseChange::Close { .. } => mailed(EventName::DiscrepancyClosed),
            }
        })
        .await?;
    flow.wakers.owed();
    Ok(ids)
}

pub(super) async fn deposit_of(flow: &Flow, case: &Case) -> Result<Deposit, CaseError> {
    match &case.deposit_id {
        Some(id) => named(flow, id).await,
        None => Err(CaseError::Refused(format!(
            "case {} is not about a deposit: there is no figure to book",
            case.id
        ))),
    }
}

pub(super) async fn named(flow: &Flow, name: &str) -> Result<Deposit, CaseError> {
    flow.ledger.find(name).await?.ok_or_else(|| CaseError::Unknown(format!("deposit {name:?}")))
}
