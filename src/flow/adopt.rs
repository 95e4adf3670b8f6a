//! Finding what lost attempts did: their wallets among the upstream's invoices are adopted, or named abandoned.

use std::collections::HashSet;

use super::Flow;
use crate::domain::deposit::{Deposit, State};
use crate::domain::event::Step;
use crate::domain::ids::DepositId;
use crate::domain::observe::Observation;
use crate::domain::reconcile::{self, Lost, Stray, Unnamed};
use crate::domain::report::Invoice;
use crate::ledger::{self, AttemptEnd, AttemptOutcome, LostAttempt, Recorded, Write};
use crate::upstream::{self, InvoiceSink, Priority};

/// The most strange orders that one search asks about.
const MOST_STRAYS: usize = 64;
/// The most invoices of a list that are kept for a search.
const MOST_KEPT: usize = 4096;

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
    /// The orders that were adopted.
    pub(super) orders: Vec<String>,
    /// The orders that were named abandoned.
    abandoned: Vec<String>,
    /// Invoices whose ids name no order at all, or that have none.
    unnamed: Vec<Invoice>,
    /// An order that may belong to an attempt that is under way right now was left alone.
    pub(super) unsure: bool,
}

/// Keeps, of the list that passes by, what may be the work of lost attempts.
#[derive(Debug, Default)]
pub(super) struct Window {
    claims: Vec<Lost>,
    kept: Vec<Invoice>,
}

impl Window {
    /// Hears one invoice.
    pub(super) fn hear(&mut self, invoice: &Invoice) {
        if self.kept.len() < MOST_KEPT && self.claims.iter().any(|claim| claim.may_be(invoice)) {
            self.kept.push(invoice.clone());
        }
    }

    /// Forgets what it has heard, to hear it again.
    pub(super) fn again(self) -> Self {
        Self { claims: self.claims, kept: Vec::new() }
    }

    /// What was kept, in an order that is not the list's.
    pub(super) fn into_invoices(self) -> Vec<Invoice> {
        let mut kept = self.kept;
        kept.sort_by_cached_key(|invoice| {
            (invoice.created, reconcile::name_of(invoice), invoice.status.clone())
        });
        kept
    }
}

impl InvoiceSink for Window {
    fn take(&mut self, invoice: Invoice) {
        self.hear(&invoice);
    }
}

/// What to listen for in the list: the attempts that are lost now.
pub(super) async fn window(flow: &Flow) -> ledger::Result<Window> {
    let lost = flow.ledger.lost_attempts().await?;
    Ok(Window { claims: lost.iter().map(|one| claim_of(flow, one)).collect(), kept: Vec::new() })
}

/// Looks for one deposit's wallet before another attempt is made.
pub(super) async fn search(flow: &Flow, deposit: Option<DepositId>) -> ledger::Result<Search> {
    let window = window(flow).await?;
    let permit = flow.upstream.admit(Priority::Create).await;
    let invoices = match flow.upstream.invoices(permit, window).await {
        Ok(answer) => answer.value.sink.into_invoices(),
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
    invoices: &[Invoice],
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
    let suspects = strange(flow, invoices).await?;
    let mut strays = Vec::new();
    let mut sweep = Sweep::default();
    for (number, invoice) in suspects.into_iter().enumerate() {
        match report_of(flow, &number.to_string(), invoice).await {
            Ok(Some(stray)) => strays.push(stray),
            Ok(None) => sweep.unnamed.push(invoice.clone()),
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

/// Of the invoices that may be the work of a lost attempt, those that belong to nobody yet.
async fn strange<'a>(flow: &Flow, suspects: &'a [Invoice]) -> ledger::Result<Vec<&'a Invoice>> {
    let ids: Vec<&str> = suspects
        .iter()
        .flat_map(|invoice| [invoice.pay_id.as_deref(), invoice.sesid.as_deref()])
        .flatten()
        .collect();
    let owned = flow.ledger.known_orders(&ids).await?;
    let is_owned = |id: &Option<String>| id.as_ref().is_some_and(|id| owned.contains(id));
    Ok(suspects
        .iter()
        .filter(|invoice| !is_owned(&invoice.pay_id) && !is_owned(&invoice.sesid))
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
                if report.order_id.get_or_insert_with(|| id.clone()) == id {
                    return Ok(Some(Stray {
                        key: key.to_owned(),
                        created: invoice.created,
                        report: *report,
                    }));
                }
                // An answer about another order is none about this one.
                let (words, evidence) = ("the answer names another order".to_owned(), answer.evidence);
                unreadable = Some(upstream::Error::Unknown { words, order_id: None, evidence });
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
    if deposit.facts.wallet.as_ref().is_some_and(|wallet| wallet.order_id == order_id) {
        // Another sweep has adopted it since this one began to look.
        return Ok(());
    }
    let end = |outcome| {
        let order_id = Some(order_id.clone());
        Some(AttemptEnd { id: one.attempt.id, at: flow.clock.now(), outcome, order_id, detail: None })
    };
    let adopting = adoption(flow, deposit.clone(), stray);
    let (step, outcome) = match adopting {
        Some(step) => (Some(step), AttemptOutcome::Adopted),
        None => (None, AttemptOutcome::Abandoned),
    };
    let write = match step {
        Some(step) => Write { attempt: end(outcome), ..Write::from(step) },
        None => abandon(flow, one.attempt.id, deposit, order_id.clone()),
    };
    let recorded = flow.record(vec![write]).await?;
    if recorded.first() != Some(&Recorded::Written) {
        sweep.unsure = true;
        return Ok(());
    }
    if outcome == AttemptOutcome::Adopted {
        tracing::info!(deposit.id = %id, "a lost attempt's wallet was found and adopted");
        sweep.adopted.push(id);
        sweep.orders.push(order_id);
        flow.wakers.advance.notify_one();
    } else {
        sweep.abandoned.push(order_id);
        tracing::warn!(deposit.id = %id, "a wallet that nobody was shown was found");
    }
    Ok(())
}

/// What writes that an attempt's wallet is not the deposit's, which stays as it is.
fn abandon(flow: &Flow, attempt: i64, deposit: Deposit, order: String) -> Write {
    let (at, order_id) = (flow.clock.now(), Some(order));
    let end = AttemptEnd { id: attempt, at, outcome: AttemptOutcome::Abandoned, order_id, detail: None };
    let step = Step { expected_version: deposit.version, deposit, events: Vec::new(), due: None };
    Write { attempt: Some(end), ..Write::from(step) }
}

fn adoption(flow: &Flow, deposit: Deposit, stray: &Stray) -> Option<Step> {
    if deposit.facts.wallet.is_some() {
        return None;
    }
    let observation = Observation::Wallet(Box::new(stray.report.clone()));
    let step = deposit.observe(observation, flow.clock.now(), &flow.settings.policy).ok()?;
    step.deposit.facts.wallet.is_some().then_some(step)
}

/// After a reconciliation's sweep: marks the invoices of abandoned wallets, and names those that no look can name. An
/// unpaid invoice at the time and of the amount of an attempt whose deposit was decided otherwise is that attempt's.
pub(super) async fn name_unnamed(flow: &Flow, sweep: &Sweep) -> ledger::Result<()> {
    let mut rows = Vec::new();
    let unnamed = unnamed(flow, &sweep.unnamed).await?;
    if !unnamed.is_empty() {
        let mut lost = flow.ledger.lost_attempts().await?;
        lost.retain(|one| one.deposit.facts.state != State::Requested && one.attempt.order_id.is_none());
        let claims: Vec<Lost> = lost.iter().map(|one| claim_of(flow, one)).collect();
        for (attempt, row) in reconcile::claim_unnamed(&claims, &unnamed) {
            let found = lost.iter().find(|one| one.attempt.id == attempt);
            let invoice = unnamed.iter().find(|invoice| invoice.row == row);
            if let (Some(one), Some(invoice)) = (found, invoice) {
                let write = abandon(flow, one.attempt.id, one.deposit.clone(), invoice.name.clone());
                if flow.record(vec![write]).await?.first() == Some(&Recorded::Written) {
                    rows.push(row);
                    tracing::warn!(
                        deposit.id = %one.deposit.id,
                        "an invoice that no order can be found for is probably a wallet that nobody was shown"
                    );
                }
            }
        }
    }
    if rows.is_empty() && sweep.abandoned.is_empty() {
        return Ok(());
    }
    flow.ledger.mark_abandoned(&rows, &sweep.abandoned).await
}

/// Those of the invoices that belong to nobody by now either, with the ledger's numbers for them.
async fn unnamed(flow: &Flow, invoices: &[Invoice]) -> ledger::Result<Vec<Unnamed>> {
    let named: Vec<(i64, String, &Invoice)> = invoices
        .iter()
        .map(|invoice| {
            let name = reconcile::name_of(invoice);
            (reconcile::print_of([Some(name.as_str())]), name, invoice)
        })
        .collect();
    let names: Vec<i64> = named.iter().map(|(print, ..)| *print).collect();
    let free = flow.ledger.free_invoices(&names).await?;
    let row_of = |name: i64| free.iter().find(|(print, _)| *print == name).map(|(_, row)| *row);
    Ok(named
        .into_iter()
        .filter_map(|(print, name, invoice)| {
            let name = invoice.pay_id.clone().or_else(|| invoice.sesid.clone()).unwrap_or(name);
            let (created, amount_cents) = (invoice.created, invoice.amount_cents);
            Some(Unnamed { row: row_of(print)?, created, amount_cents, name })
        })
        .collect())
}
