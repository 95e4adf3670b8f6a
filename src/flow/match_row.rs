//! A person says which row of the invoice list is a payment page's or a card payment's, and takes that back.

use serde_json::json;

use super::Flow;
use super::corrections::book;
use super::decisions::{Decided, booked_of, decide, named};
use super::follow::look_at_rows;
use super::reconcile::WHOLE_DUE;
use super::said::{CaseError, checked};
use crate::domain::ids::DepositId;
use crate::domain::observe::Observation;
use crate::ledger::NamedRow;

/// What was matched, or is matched no more.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Matched {
    /// The deposit.
    pub deposit_id: DepositId,
    /// The ledger's number for the row; `None` where a match is taken back.
    pub row: Option<i64>,
    /// What the row is called by, and the deposit from now on.
    pub order_id: Option<String>,
    /// What the journal credits now, in dollars; `None` where nothing is booked.
    pub booked: Option<String>,
}

/// Says that the row with this number is the row of the deposit called `name`. What the row is called by is an id of the
/// deposit from then on, so later runs find it by themselves; what the row credits is booked at once.
///
/// # Errors
/// [`CaseError`]: an empty note, no such row or deposit, a row without an id that only it has, or one that is another
/// deposit's. Nothing has happened then.
pub async fn match_row(
    flow: &Flow,
    row: i64,
    name: &str,
    who: &str,
    note: &str,
) -> Result<Matched, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    let refused = |why: String| CaseError::Refused(why);
    let found = flow.ledger.named_row(row).await?;
    let found = found.ok_or_else(|| CaseError::Unknown(format!("listed row {row}")))?;
    let deposit = named(flow, name).await?;
    if let Some(other) = found.deposit.filter(|other| *other != deposit.id) {
        return Err(refused(format!("row {row} is the row of deposit {other}")));
    }
    let _alone = flow.deciding.lock().await;
    let order_id = own_name(flow, row, &found).await?;
    // A wallet is refused by its own rules, whatever the row says.
    if deposit.request.asset().is_none()
        && !deposit.request.method().is_named_by(found.invoice.method.as_deref())
    {
        let method = found.invoice.method.as_deref().unwrap_or_default();
        return Err(refused(format!(
            "row {row} is paid by {method:?}, and the deposit by {}",
            deposit.request.method()
        )));
    }
    let id = deposit.id;
    let reason = format!("row {row} of the invoice list is this deposit's, by {who}: {note}");
    let said = Observation::Matched { order_id: order_id.clone(), reason };
    let matched = book(flow, deposit, who, said).await?;
    // The row is written as the deposit's, and observed, as a run of the reconciliation would do it.
    flow.ledger.own_row(row, id).await?;
    look_at_rows(flow, matched).await?;
    let after = named(flow, &id.to_string()).await?;
    let done =
        Matched { deposit_id: id, row: Some(row), order_id: Some(order_id), booked: booked_of(&after) };
    let facts = json!({ "act": "match", "matched": done, "who": who, "note": note });
    keep(flow, format!("row {row} is matched with deposit {id}, by {who}: {note}"), facts, who, &note)
        .await?;
    Ok(done)
}

/// Takes back which row is the deposit's. What the row credited is not the deposit's any more.
///
/// # Errors
/// [`CaseError`]: an empty note, no such deposit, or one that no person has matched.
pub async fn unmatch_row(flow: &Flow, name: &str, who: &str, note: &str) -> Result<Matched, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    let deposit = named(flow, name).await?;
    let id = deposit.id;
    let reason = format!("a match with a row is taken back, by {who}: {note}");
    book(flow, deposit, who, Observation::Unmatched { reason }).await?;
    flow.ledger.disown_rows(id).await?;
    let done = Matched { deposit_id: id, row: None, order_id: None, booked: None };
    let facts = json!({ "act": "unmatch", "matched": done, "who": who, "note": note });
    keep(flow, format!("the row of deposit {id} is taken back, by {who}: {note}"), facts, who, &note).await?;
    Ok(done)
}

/// What the row is called by and no other row is: nor is another deposit.
async fn own_name(flow: &Flow, row: i64, found: &NamedRow) -> Result<String, CaseError> {
    let names = [(&found.invoice.pay_id, found.others.0), (&found.invoice.sesid, found.others.1)];
    for name in names.into_iter().filter(|(_, others)| *others == 0).filter_map(|(name, _)| name.as_ref()) {
        if flow.ledger.find_order(name).await?.is_none() {
            return Ok(name.clone());
        }
    }
    Err(CaseError::Refused(format!(
        "row {row} has no payId and no sesid that it alone has, so it could not be found again; book what it credited \
         instead: depositd cases correct DEPOSIT --amount USD --note TEXT"
    )))
}

/// The decision, with its letter; the next run goes through everything.
async fn keep(
    flow: &Flow,
    reason: String,
    facts: serde_json::Value,
    who: &str,
    note: &str,
) -> Result<(), CaseError> {
    let (accept, take_back, close) = (Vec::new(), Vec::new(), Vec::new());
    let memory = vec![(WHOLE_DUE, "yes".to_owned())];
    decide(flow, Decided { reason, facts, who, note, accept, take_back, close, memory }).await?;
    Ok(())
}
