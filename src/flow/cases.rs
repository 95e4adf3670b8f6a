//! What a person says of a difference: explained, closed, accepted as it is, or corrected; and taken back.

use serde_json::json;

use super::Flow;
use super::decisions::{Decided, change_cases, decide, find_case, open_case, pair_of};
use super::said::{ACCEPTED, CaseError, checked};
use crate::domain::event::EventName;
use crate::domain::money::dollars;
use crate::domain::reconcile::CaseKind;
use crate::ledger::{AccountEvent, Case, CaseChange, Closing, Decision, NewAcceptance, RESTORED};

/// Keeps a person's explanation; the case stays open, and is mailed about again only where a drift has changed. `who`
/// names the person by the way they came in.
pub async fn explain_case(flow: &Flow, id: i64, who: &str, note: &str) -> Result<Case, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    open_case(flow, id).await?;
    change_cases(flow, vec![CaseChange::Explain { id, who: who.to_owned(), note }]).await?;
    find_case(flow, id).await
}

/// Closes a case; it is opened again only when its figures change, or when that is taken back. A difference that is closed is accepted as it is: no run
/// is clean while a deposit and its rows, or the rows and the total, disagree and nobody has answered for it.
pub async fn close_case(flow: &Flow, id: i64, who: &str, note: &str) -> Result<Case, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    let case = open_case(flow, id).await?;
    match CaseKind::parse(&case.kind) {
        Some(
            CaseKind::TotalChargesDrift
            | CaseKind::AmountMismatch
            | CaseKind::InvoiceMissing
            | CaseKind::StatusMismatch,
        ) => {
            let said = Said { who, note: &note, resolution: note.clone() };
            return accept(flow, id, said, None).await;
        }
        Some(kind) if kind.is_of_incomplete_run() => {
            let why = format!("case {id} ends when it is accepted: depositd cases accept {id} --note TEXT");
            return Err(CaseError::Refused(why));
        }
        Some(CaseKind::RowUnread) => {
            let why = format!(
                "case {id} ends when the row can be read, or its amount is said: depositd cases accept {id} --amount CENTS --note TEXT"
            );
            return Err(CaseError::Refused(why));
        }
        Some(CaseKind::Restored) => flow.ledger.remember(RESTORED, "null".to_owned()).await?,
        _ => {}
    }
    change_cases(flow, vec![CaseChange::Close { id, who: Some(who.to_owned()), resolution: note }]).await?;
    find_case(flow, id).await
}

/// Accepts a difference as it is: the drift joins what is explained, a deposit's rows count what the journal holds, a row
/// that cannot be read has the amount that is said, history that changed is history. Can be taken back.
pub async fn accept_case(
    flow: &Flow,
    id: i64,
    who: &str,
    note: &str,
    amount_cents: Option<i64>,
) -> Result<Case, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    let said = Said { who, note: &note, resolution: format!("{ACCEPTED}{note}") };
    accept(flow, id, said, amount_cents).await
}

/// Who accepts, in which words, and what the case's end is called.
struct Said<'a> {
    who: &'a str,
    note: &'a str,
    resolution: String,
}

async fn accept(flow: &Flow, id: i64, said: Said<'_>, amount_cents: Option<i64>) -> Result<Case, CaseError> {
    let Said { who, note, resolution } = said;
    let case = open_case(flow, id).await?;
    let refused = |why: &str| CaseError::Refused(format!("case {id} {why}"));
    let kind = CaseKind::parse(&case.kind)
        .ok_or_else(|| refused("is of a kind that is no longer kept: close it"))?;
    if amount_cents.is_some() && kind != CaseKind::RowUnread {
        return Err(refused("takes no amount: only a row that cannot be read has one said"));
    }
    let Terms { what, acceptance, mut memory } = terms(flow, &case, kind, amount_cents).await?;
    memory.extend(kind.is_of_incomplete_run().then(|| ("incomplete_standing", "null".to_owned())));
    let reason = format!("accepted {what}, by {who}: {note}");
    let facts = json!({
        "act": "accept", "case_id": id, "kind": case.kind, "deposit_id": case.deposit_id, "order_id": case.order_id,
        "drift_cents": acceptance.drift_cents, "listed_cents": acceptance.listed_cents,
        "counted_cents": acceptance.counted_cents, "who": who, "note": note,
    });
    let close = vec![Closing { case_id: id, resolution }];
    decide(
        flow,
        Decided { reason, facts, who, note, accept: vec![acceptance], take_back: Vec::new(), close, memory },
    )
    .await?;
    find_case(flow, id).await
}

/// What is accepted of a case.
struct Terms {
    /// In words.
    what: String,
    acceptance: NewAcceptance,
    /// What is stored with it in `meta`.
    memory: Vec<(&'static str, String)>,
}

/// What accepting `case` does, by its kind.
async fn terms(
    flow: &Flow,
    case: &Case,
    kind: CaseKind,
    amount_cents: Option<i64>,
) -> Result<Terms, CaseError> {
    let refused = |why: &str| CaseError::Refused(format!("case {} {why}", case.id));
    let mut acceptance = NewAcceptance {
        case_id: case.id,
        kind: case.kind.clone(),
        deposit: None,
        invoice_row: None,
        listed_cents: None,
        counted_cents: None,
        drift_cents: 0,
    };
    let mut memory = Vec::new();
    let what = match kind {
        CaseKind::AmountMismatch | CaseKind::InvoiceMissing | CaseKind::StatusMismatch => {
            let pair = pair_of(flow, case).await?;
            acceptance.deposit = Some(pair.deposit_id);
            acceptance.listed_cents = Some(pair.listed_cents());
            acceptance.counted_cents = Some(pair.booked_cents());
            format!(
                "the journal's {} USD, against rows that credit {}",
                dollars(pair.booked_cents()),
                dollars(pair.listed_cents())
            )
        }
        CaseKind::TotalChargesDrift => {
            if flow.ledger.incomplete_runs().await?.is_some() {
                return Err(refused(
                    "has figures of before: the last run was void, and a drift is accepted as a run finds it",
                ));
            }
            let drift = case
                .found_cents
                .zip(case.expected_cents)
                .map(|(found, expected)| found.saturating_sub(expected));
            acceptance.drift_cents =
                drift.ok_or_else(|| refused("names no figure; wait for the next run"))?;
            format!("a drift of {} USD", dollars(acceptance.drift_cents))
        }
        CaseKind::RowUnread => {
            let cents = amount_cents.ok_or_else(|| refused("needs --amount CENTS: what the row credits"))?;
            if cents < 0 {
                return Err(refused("is a top-up: its amount is 0 or more"));
            }
            acceptance.invoice_row = case.invoice_row;
            acceptance.counted_cents = Some(cents);
            format!("a row of {} USD that cannot be read", dollars(cents))
        }
        CaseKind::TotalFell => {
            let total = case.found_cents.ok_or_else(|| refused("names no figure; wait for the next run"))?;
            memory.push(("total_floor", total.to_string()));
            format!("a total of {} USD as history", dollars(total))
        }
        CaseKind::RowsChanged => {
            let digest =
                case.detail.clone().ok_or_else(|| refused("names no rows; wait for the next run"))?;
            memory.push(("rows_accepted", digest));
            "changed rows as history".to_owned()
        }
        CaseKind::Restored => return Err(refused("is closed, once each order was claimed or is another's")),
    };
    Ok(Terms { what, acceptance, memory })
}

/// Takes back what was accepted of a case: its figures count again as they are, and the next run finds what differs.
pub async fn unaccept_case(flow: &Flow, id: i64, who: &str, note: &str) -> Result<Case, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    let case = find_case(flow, id).await?;
    if !flow.ledger.acceptances().await?.iter().any(|one| one.case_id == id) {
        return Err(CaseError::Refused(format!("nothing that was accepted of case {id} stands")));
    }
    let reason = format!("what was accepted of case {id} is taken back, by {who}: {note}");
    let facts = json!({ "act": "unaccept", "case_id": id, "kind": case.kind, "deposit_id": case.deposit_id, "who": who, "note": note });
    let (accept, close, memory) = (Vec::new(), Vec::new(), Vec::new());
    decide(flow, Decided { reason, facts, who, note: &note, accept, take_back: vec![id], close, memory })
        .await?;
    find_case(flow, id).await
}

/// Sets the baseline to `cents`, because a person says so; the only way in which it moves once it is taken.
pub async fn set_baseline(flow: &Flow, cents: i64, who: &str, note: &str) -> Result<(), CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    let before = flow.ledger.recall("baseline_cents").await?;
    if before.as_deref() == Some(cents.to_string().as_str()) {
        return Err(CaseError::Refused(format!("the baseline is {} USD already", dollars(cents))));
    }
    let was = before.and_then(|kept| kept.parse::<i64>().ok());
    let reason = format!("the baseline is set to {} USD, by {who}: {note}", dollars(cents));
    let facts =
        json!({ "baseline_cents": cents, "taken": true, "before_cents": was, "by": who, "note": note });
    let notice = AccountEvent {
        name: EventName::BaselineSet,
        at: flow.clock.now(),
        reason: Some(reason),
        facts,
        mail_to: flow.rules.current().recipients(EventName::BaselineSet),
    };
    let (who, memory) = (who.to_owned(), vec![("baseline_cents", cents.to_string())]);
    let (accept, take_back, close) = (Vec::new(), Vec::new(), Vec::new());
    flow.ledger.decide(Decision { notice, who, note, accept, take_back, close, memory }).await?;
    flow.wakers.owed();
    Ok(())
}
