//! What a run does to the cases: opens, updates, mails, closes.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::account::AccountSide;
use super::context::RunContext;
use crate::domain::ids::DepositId;
use crate::domain::reconcile::{CaseKind, Difference, Drift};
use crate::domain::time::Timestamp;
use crate::flow::Flow;
use crate::flow::decisions;
use crate::ledger::{self, Case, CaseChange, NewCase};

/// A drift that has changed is mailed again, at most this often.
const MAIL_AGAIN: Duration = Duration::from_hours(24);
/// The most orders that a restored ledger's case names.
const NAMED_ORDERS: usize = 20;

/// What this run does to the cases, given all that it `found`.
pub(super) async fn changes(
    context: &RunContext<'_>,
    found: &[Difference],
    on_their_way: &[DepositId],
    account: &AccountSide,
) -> ledger::Result<Vec<CaseChange>> {
    let ledger = &context.flow.ledger;
    let open: HashMap<String, Case> =
        ledger.cases(false).await?.into_iter().map(|case| (case.key.clone(), case)).collect();
    let mut changes = Vec::new();
    let mut present = HashSet::new();
    for difference in found {
        let key = difference.key();
        if let Some(case) = open.get(&key) {
            seen(context, case, difference, account, &mut changes);
        } else {
            let notified = context.flow.settings.tell_after_runs <= 1 && is_mailable(difference, account);
            changes.push(CaseChange::Open(NewCase { difference: difference.clone(), notified }));
        }
        present.insert(key);
    }
    let waits: HashSet<String> = on_their_way.iter().map(ToString::to_string).collect();
    for (key, case) in open {
        let waiting = case.deposit_id.as_ref().is_some_and(|id| waits.contains(id));
        let for_a_person = case.kind == CaseKind::Restored.as_str();
        if !present.contains(&key) && !waiting && !for_a_person {
            changes.push(CaseChange::Close {
                id: case.id,
                who: None,
                resolution: resolution(context, &case, account),
            });
        }
    }
    Ok(changes)
}

/// An open case is counted again. It is mailed once it has stood for the configured number of runs, each the lag after
/// the one before.
fn seen(
    context: &RunContext<'_>,
    case: &Case,
    difference: &Difference,
    account: &AccountSide,
    changes: &mut Vec<CaseChange>,
) {
    let settings = &context.flow.settings;
    let counts = match case.seen_at.as_deref().map(Timestamp::parse) {
        Some(Ok(seen_at)) => seen_at > context.at || context.at.since(seen_at) >= settings.lag,
        _ => true,
    };
    changes.push(CaseChange::Seen { id: case.id, difference: difference.clone(), counts });
    let runs = case.seen_runs.saturating_add(i64::from(counts));
    let stood = runs >= i64::from(settings.tell_after_runs);
    // An explained case is not mailed until its figure changes.
    let first = case.told_at.is_none() && case.explained.is_none();
    if stood && (first || notified_again(context, case, difference)) && is_mailable(difference, account) {
        changes.push(CaseChange::Notified { id: case.id, cents: difference.cents() });
    }
}

/// A drift that has changed by more than the tolerance since it was mailed.
fn notified_again(context: &RunContext<'_>, case: &Case, difference: &Difference) -> bool {
    let Some(Ok(mailed_at)) = case.told_at.as_deref().map(Timestamp::parse) else { return false };
    let (Some(mailed), Some(now)) = (case.told_cents, difference.cents()) else { return false };
    difference.kind == CaseKind::TotalChargesDrift
        && mailed.abs_diff(now) > context.flow.settings.tolerance_cents.unsigned_abs()
        && context.at.since(mailed_at) >= MAIL_AGAIN
}

/// A drift that the lag alone may explain is not mailed.
fn is_mailable(difference: &Difference, account: &AccountSide) -> bool {
    difference.kind != CaseKind::TotalChargesDrift
        || matches!(account.drift, Drift::Stands { beyond_lag: true, .. })
}

fn resolution(context: &RunContext<'_>, case: &Case, account: &AccountSide) -> String {
    let at = context.at;
    match CaseKind::parse(&case.kind) {
        Some(CaseKind::TotalChargesDrift) if matches!(account.drift, Drift::OnItsWay(_)) => {
            format!("what is left is on its way between list and total in the run of {at}")
        }
        Some(CaseKind::RowUnread) => format!("the row can be read, or is gone, in the run of {at}"),
        Some(CaseKind::TotalFell | CaseKind::RowsChanged) => format!("the run of {at} is whole again"),
        Some(_) => format!("the figures agree again in the run of {at}"),
        None => "cases of this kind are no longer kept: nobody was shown that wallet, so nobody's deposit is in it".to_owned(),
    }
}

/// Writes the changes; gives the cases that were opened, and those that were closed.
pub(super) async fn keep(flow: &Flow, changes: Vec<CaseChange>) -> ledger::Result<(Vec<i64>, Vec<i64>)> {
    let opens: Vec<bool> = changes.iter().map(|change| matches!(change, CaseChange::Open(_))).collect();
    let closes: Vec<bool> = changes.iter().map(|change| matches!(change, CaseChange::Close { .. })).collect();
    let ids = decisions::change_cases(flow, changes).await?;
    let chosen = |flags: &[bool]| ids.iter().zip(flags).filter(|(_, yes)| **yes).map(|(id, _)| *id).collect();
    Ok((chosen(&opens), chosen(&closes)))
}

/// After a restore: one case that names the orders made between the copy and this start, until a person ends it.
pub(super) async fn restored(context: &RunContext<'_>) -> ledger::Result<Option<Difference>> {
    let ledger = &context.flow.ledger;
    let Some(restored) = ledger.restored().await? else { return Ok(None) };
    let orders = ledger.orders_between(restored.since, restored.until).await?;
    let named: Vec<&str> = orders.iter().take(NAMED_ORDERS).map(String::as_str).collect();
    let more = orders.len().saturating_sub(named.len());
    let mut detail = named.join(", ");
    if more > 0 {
        detail.push_str(&format!(" and {more} more"));
    }
    let count = i64::try_from(orders.len()).unwrap_or(i64::MAX);
    Ok(Some(Difference {
        detail: Some(detail),
        ..Difference::of_account(
            CaseKind::Restored,
            format!("every order of this business since {}", restored.since),
            format!("{count} orders that this ledger does not know"),
        )
    }))
}
