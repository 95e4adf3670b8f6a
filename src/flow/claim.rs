//! An order that this ledger does not know becomes a deposit of it, because a person says so: what was made between a
//! restored copy and its loss, say.

use serde_json::json;

use super::Flow;
use super::open::{digest_of, fresh_id};
use super::reconcile::WHOLE_DUE;
use super::said::{CaseError, checked};
use super::sharing;
use crate::domain::asset::Asset;
use crate::domain::deposit::{Deposit, Request};
use crate::domain::event::EventName;
use crate::domain::poll::{CREATE_CEILING, Due, Urgency};
use crate::domain::report::OrderReport;
use crate::ledger::{AccountEvent, Decision, DepositWrite, Opening, Recorded};
use crate::upstream::Priority;

/// The most characters of a reference (docs/interface.md).
const REFERENCE: usize = 200;

/// Asks the upstream about `order` and makes a deposit of it. It is booked as far as the upstream says that it was
/// credited, like any other.
///
/// # Errors
/// [`CaseError`]: an order that has a deposit, that the upstream does not know, or whose address, pair or amount it does
/// not say. Nothing has happened then.
pub async fn claim(
    flow: &Flow,
    order: &str,
    reference: Option<String>,
    who: &str,
    note: &str,
) -> Result<Deposit, CaseError> {
    let note = checked(note).map_err(CaseError::Note)?;
    let refused = |why: String| CaseError::Refused(why);
    if let Some(reference) = &reference
        && (reference.chars().count() > REFERENCE || reference.chars().any(char::is_control))
    {
        return Err(refused(format!(
            "the reference has more than {REFERENCE} characters, or control characters"
        )));
    }
    refuse_known(flow, order).await?;
    let permit = flow.upstream.admit(Priority::Create).await;
    let answer = flow.upstream.poll(permit, order).await;
    let answer =
        answer.map_err(|error| refused(format!("the upstream says nothing of order {order}: {error}")))?;
    let mut report = *answer.value;
    let named = report.order_id.get_or_insert_with(|| order.to_owned()).clone();
    if !named.eq_ignore_ascii_case(order) {
        return Err(refused(format!("the upstream answers about another order, {named:?}")));
    }
    let request = request_of(flow, &report, reference).map_err(|what| {
        refused(format!("the upstream does not say the {what} of order {order}: it cannot be a deposit"))
    })?;
    // Two claims of one order, or a claim and a new wallet, are decided one after the other.
    let _alone = flow.deciding.lock().await;
    refuse_known(flow, order).await?;
    let digest = digest_of(&request);
    let mut opened = Deposit::open(fresh_id(request.requested_at), request);
    // If the daemon stops before the wallet is stored, no other one is asked for: the request has expired by then.
    let limit = CREATE_CEILING.saturating_add(flow.settings.request_limit);
    opened.due = Some(Due { at: flow.clock.now().plus(limit), urgency: Urgency::Create });
    let deposit = opened.deposit.clone();
    let opening = Some(Opening { idempotency_key: None, request_digest: digest });
    flow.record(vec![DepositWrite { opening, ..DepositWrite::from(opened) }]).await?;
    let evidence = Some(flow.note(&answer.evidence));
    let doubts = sharing::doubts(flow, &deposit, Box::new(report)).await?;
    let step = deposit
        .observe(doubts.observation, flow.clock.now(), &flow.policy())
        .map_err(|error| refused(error.to_string()))?;
    let claimed = step.deposit.clone();
    let write = DepositWrite { evidence, ..DepositWrite::from(step) };
    if sharing::record(flow, write, doubts.others).await? != Recorded::Written {
        return Err(refused(format!("order {order} could not be taken in; try again")));
    }
    let notice = AccountEvent {
        name: EventName::Decided,
        at: flow.clock.now(),
        reason: Some(format!("order {order} is claimed, by {who}: {note}")),
        facts: json!({ "act": "claim", "order_id": order, "deposit_id": claimed.id, "who": who, "note": note }),
        mail_to: flow.rules.current().recipients(EventName::Decided),
    };
    let (accept, take_back, close) = (Vec::new(), Vec::new(), Vec::new());
    let memory = vec![(WHOLE_DUE, "yes".to_owned())];
    flow.ledger
        .decide(Decision { notice, who: who.to_owned(), note, accept, take_back, close, memory })
        .await?;
    flow.wakers.poll.notify_one();
    flow.wakers.owed();
    Ok(claimed)
}

/// An order that has a deposit cannot be claimed.
async fn refuse_known(flow: &Flow, order: &str) -> Result<(), CaseError> {
    match flow.ledger.find(order).await? {
        Some(deposit) => {
            Err(CaseError::Refused(format!("order {order} has a deposit already: {}", deposit.id)))
        }
        None => Ok(()),
    }
}

/// The request as it must have been, or what of it the upstream does not say.
fn request_of(flow: &Flow, report: &OrderReport, reference: Option<String>) -> Result<Request, &'static str> {
    let pair = report.currency.as_deref().zip(report.network.as_deref()).ok_or("currency and network")?;
    report.address.as_ref().ok_or("address")?;
    let asset = Asset::parse(pair.0, pair.1).map_err(|_| "currency and network")?;
    let amount = report.amount_usd.clone().filter(|amount| !amount.is_zero()).ok_or("amount")?;
    Ok(Request { reference, ..Request::new(asset, amount, flow.clock.now()) })
}
