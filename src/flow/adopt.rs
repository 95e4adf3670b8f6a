//! Finding what lost attempts did: their wallets among the upstream's invoices are adopted, or named abandoned.

use std::collections::HashSet;

use super::Flow;
use crate::domain::deposit::Deposit;
use crate::domain::event::Step;
use crate::domain::ids::DepositId;
use crate::domain::observe::Observation;
use crate::domain::reconcile::{self, Lost, Stray};
use crate::domain::report::Invoice;
use crate::ledger::{self, AttemptEnd, AttemptOutcome, InvoiceRow, LostAttempt, Recorded, Write};
use crate::upstream::{self, Priority};

/// The most strange orders that one search asks about.
const MOST_STRAYS: usize = 64;

/// What a search for one deposit's wallet found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    /// Its wallet, now adopted.
    Found,
    /// Nothing that could be its wallet.
    Nothing,
    /// Nothing yet, but an order that cannot be read now, or belongs to an attempt under way, may be its wallet.
    Unsure,
    /// The invoices cannot be had now.
    Inconclusive,
}

/// What a sweep over the lost attempts did.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    pub(super) adopted: Vec<DepositId>,
    /// An order that may belong to an attempt that is under way right now was left alone.
    pub(super) unsure: bool,
}

/// Looks for one deposit's wallet before another attempt is made.
pub(super) async fn search(flow: &Flow, deposit: Option<DepositId>) -> ledger::Result<Search> {
    let permit = flow.upstream.admit(Priority::Create).await;
    let invoices = match flow.upstream.invoices(permit).await {
        Ok(answer) => reconcile::keyed(answer.value),
        Err(error) => {
            tracing::warn!("the invoices cannot be searched for a lost attempt's wallet: {error}");
            return Ok(Search::Inconclusive);
        }
    };
    let swept = sweep(flow, &invoices, deposit).await?;
    if deposit.is_some_and(|id| swept.adopted.contains(&id)) {
        return Ok(Search::Found);
    }
    Ok(if swept.unsure { Search::Unsure } else { Search::Nothing })
}

/// Claims strange orders for lost attempts. `current` is the deposit whose own round this is.
pub(super) async fn sweep(
    flow: &Flow,
    invoices: &[(String, Invoice)],
    current: Option<DepositId>,
) -> ledger::Result<Sweep> {
    let lost = flow.ledger.lost_attempts().await?;
    if lost.is_empty() {
        return Ok(Sweep::default());
    }
    let busy: HashSet<DepositId> =
        flow.creating().iter().copied().filter(|id| Some(*id) != current).collect();
    let (under_way, lost): (Vec<_>, Vec<_>) =
        lost.into_iter().partition(|one| one.attempt.outcome.is_none() && busy.contains(&one.deposit.id));
    let claims: Vec<Lost> = lost.iter().map(|one| claim_of(flow, one)).collect();
    let rivals: Vec<Lost> = under_way.iter().map(|one| claim_of(flow, one)).collect();
    let suspects = strange(flow, invoices, &claims).await?;
    let mut strays = Vec::new();
    let mut sweep = Sweep::default();
    for (key, invoice) in suspects {
        match report_of(flow, key, invoice).await {
            Ok(stray) => strays.extend(stray),
            Err(error) => {
                // Somebody else's order that cannot be read must not hold up ours.
                tracing::warn!("a strange order cannot be looked at: {error}");
                sweep.unsure = true;
            }
        }
    }
    // What may be the work of an attempt under way is left for that attempt to tell.
    strays.retain(|stray| {
        let contested = !reconcile::claim(&rivals, std::slice::from_ref(stray)).is_empty();
        sweep.unsure |= contested;
        !contested
    });
    for (attempt, key) in reconcile::claim(&claims, &strays) {
        let found = lost.iter().find(|one| one.attempt.id == attempt);
        let stray = strays.iter().find(|stray| stray.key == key);
        if let (Some(one), Some(stray)) = (found, stray) {
            settle(flow, one, stray, &mut sweep).await?;
        }
    }
    Ok(sweep)
}

fn claim_of(flow: &Flow, one: &LostAttempt) -> Lost {
    let LostAttempt { attempt, deposit } = one;
    Lost {
        attempt: attempt.id,
        asset: deposit.request.asset,
        amount: deposit.request.amount.clone(),
        coupon: deposit.request.coupon.is_some(),
        started_at: attempt.started_at,
        latest: attempt.ended_at.unwrap_or(attempt.started_at.plus(flow.settings.call_timeout)),
        order_id: attempt.order_id.clone(),
    }
}

/// The invoices that may be the work of a lost attempt and belong to nobody yet.
async fn strange<'a>(
    flow: &Flow,
    invoices: &'a [(String, Invoice)],
    claims: &[Lost],
) -> ledger::Result<Vec<(&'a String, &'a Invoice)>> {
    let suspects: Vec<(&String, &Invoice)> = invoices
        .iter()
        .filter(|(_, invoice)| reconcile::is_processor(invoice))
        .filter(|(_, invoice)| invoice.pay_id.is_some() || invoice.sesid.is_some())
        .filter(|(_, invoice)| {
            claims.iter().any(|claim| {
                invoice.created.is_some_and(|created| claim.covers(created))
                    || claim.order_id.is_some()
                        && (claim.order_id == invoice.pay_id || claim.order_id == invoice.sesid)
            })
        })
        .map(|(key, invoice)| (key, invoice))
        .collect();
    let ids: Vec<&str> = suspects
        .iter()
        .flat_map(|(_, invoice)| [invoice.pay_id.as_deref(), invoice.sesid.as_deref()])
        .flatten()
        .collect();
    let owned = flow.ledger.known_orders(&ids).await?;
    let is_owned = |id: &Option<String>| id.as_ref().is_some_and(|id| owned.contains(id));
    Ok(suspects
        .into_iter()
        .filter(|(_, invoice)| !is_owned(&invoice.pay_id) && !is_owned(&invoice.sesid))
        .take(MOST_STRAYS)
        .collect())
}

/// What the upstream says of the order behind an invoice, whichever of its fields names it.
async fn report_of(flow: &Flow, key: &str, invoice: &Invoice) -> Result<Option<Stray>, upstream::Error> {
    let mut unreadable = None;
    for id in [&invoice.pay_id, &invoice.sesid].into_iter().flatten() {
        let permit = flow.upstream.admit(Priority::Reconcile).await;
        match flow.upstream.look(permit, id).await {
            Ok(answer) => {
                let mut report = answer.value;
                report.order_id.get_or_insert_with(|| id.clone());
                return Ok(Some(Stray { key: key.to_owned(), created: invoice.created, report }));
            }
            Err(upstream::Error::UnknownOrder { .. }) => {}
            // The other field may be the one that names the order.
            Err(error) => unreadable = Some(error),
        }
    }
    unreadable.map_or(Ok(None), Err)
}

/// Gives the found order to its deposit, or names it abandoned where the deposit has another or cannot take it.
async fn settle(flow: &Flow, one: &LostAttempt, stray: &Stray, sweep: &mut Sweep) -> ledger::Result<()> {
    let Some(deposit) = flow.ledger.find(&one.deposit.id.to_string()).await? else { return Ok(()) };
    let id = deposit.id;
    let Some(order_id) = stray.report.order_id.clone() else { return Ok(()) };
    let end = |outcome| {
        let order_id = Some(order_id.clone());
        Some(AttemptEnd { id: one.attempt.id, at: flow.clock.now(), outcome, order_id, detail: None })
    };
    let adopting = adoption(flow, deposit.clone(), stray);
    let (step, outcome) = match adopting {
        Some(step) => (step, AttemptOutcome::Adopted),
        None => (
            Step { expected_version: deposit.version, deposit, events: Vec::new(), due: None },
            AttemptOutcome::Abandoned,
        ),
    };
    let recorded = flow.record(vec![Write { attempt: end(outcome), ..Write::from(step) }]).await?;
    if recorded.first() != Some(&Recorded::Written) {
        sweep.unsure = true;
        return Ok(());
    }
    if outcome == AttemptOutcome::Adopted {
        tracing::info!(deposit.id = %id, "a lost attempt's wallet was found and adopted");
        sweep.adopted.push(id);
        flow.wakers.advance.notify_one();
    } else {
        tracing::warn!(deposit.id = %id, "a wallet that nobody was shown was found");
    }
    Ok(())
}

fn adoption(flow: &Flow, deposit: Deposit, stray: &Stray) -> Option<Step> {
    if deposit.facts.wallet.is_some() {
        return None;
    }
    let observation = Observation::Wallet(Box::new(stray.report.clone()));
    let step = deposit.observe(observation, flow.clock.now(), &flow.settings.policy).ok()?;
    step.deposit.facts.wallet.is_some().then_some(step)
}

/// An invoice row of an order that was found abandoned.
pub(super) fn mark_abandoned(rows: &mut [InvoiceRow], orders: &HashSet<String>) {
    for row in rows {
        let named = |id: &Option<String>| id.as_ref().is_some_and(|id| orders.contains(id));
        row.abandoned |= named(&row.pay_id) || named(&row.sesid);
    }
}
