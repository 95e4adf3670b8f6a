//! Three sides at one instant: our journal, the upstream's invoices, its balance; and what does not agree.

mod acts;
mod differences;
mod fetch;
mod intake;
mod matching;
mod void;

use std::collections::{BTreeMap, HashSet};

use acts::{acts, keep_acts};
use differences::{correct, differences};
use fetch::{Fetched, fetch};
pub use intake::Flaw;
use matching::{Since, learnt, match_invoices};
use serde::Serialize;
use serde_json::Value;

use super::{Flow, adopt, advance, cases};
use crate::domain::ids::DepositId;
use crate::domain::reconcile::{self as rules, Kind};
use crate::domain::report::Balance;
use crate::domain::time::Timestamp;
use crate::ledger::{self, Case, CaseAct, GoodRun, Run, RunFigures, Scope, Tally};

/// The most deposits that one run looks at again.
const MOST_LOOKS: usize = 256;

/// What a run found; for a finance person to sign.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// As of when.
    pub at: Timestamp,
    /// True for a run that could fetch everything.
    pub ok: bool,
    /// Why it is void, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The identity: total charges = here + elsewhere + difference.
    #[serde(flatten)]
    pub figures: Option<RunFigures>,
    /// How many invoices the upstream lists.
    pub invoices: usize,
    /// How many invoices each rule has matched so far.
    pub matches: BTreeMap<String, i64>,
    /// The same with what of them was credited.
    pub matched: Vec<Tally>,
    /// The rule that the upstream's lists have borne out most often, and that is heard first.
    pub identifier: Option<&'static str>,
    /// How many invoices have something that cannot be read.
    pub unreadable: usize,
    /// The first of those.
    pub flaws: Vec<Flaw>,
    /// Deposits that lost attempts were found to have made.
    pub adopted: Vec<String>,
    /// Cases that this run opened.
    pub opened: Vec<i64>,
    /// Cases that this run closed.
    pub closed: Vec<i64>,
    /// All open cases.
    pub cases: Vec<Case>,
    /// What was fetched: the list's length and SHA-256 and head, the balance's answer.
    pub evidence: Option<Value>,
}

/// Why a run did not come about.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Something could not be fetched: the run is void, and no figure and no case was changed by it.
    #[error("the run is void: {0}")]
    Void(String),
    /// The ledger could not be read or written.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// Compares, heals what can be healed, and keeps what is left as cases. Waits for a run that is under way.
///
/// # Errors
/// [`Failed`]; a void run is kept as such.
pub async fn reconcile(flow: &Flow) -> Result<Report, Failed> {
    let _alone = flow.reconciling.lock().await;
    let at = flow.clock.now();
    let mut evidence = None;
    match run(flow, at, &mut evidence).await {
        Ok(report) => {
            void::tell_good(flow).await?;
            Ok(report)
        }
        Err(Failed::Void(why)) => {
            tracing::error!("reconciliation is void: {why}");
            let report = serde_json::json!({ "at": at, "ok": false, "error": why, "evidence": evidence });
            let head_seq = *flow.ledger.head().borrow();
            flow.ledger.keep_run(Run { at, head_seq, outcome: Err(why.clone()), evidence, report }).await?;
            void::tell_void(flow).await?;
            Err(Failed::Void(why))
        }
        Err(error) => Err(error),
    }
}

async fn run(flow: &Flow, at: Timestamp, evidence: &mut Option<Value>) -> Result<Report, Failed> {
    let last = flow.ledger.last_good_run().await?;
    // Once a day everything is gone through, whether it has changed or not.
    let whole = last.as_ref().is_none_or(|last| last.at.to_date_text() != at.to_date_text());
    let fetched = fetch(flow, last.is_none(), adopt::window(flow).await?, evidence).await?;
    let Fetched { balance, changes, head_seq } = fetched;
    flow.ledger.keep_invoices(changes.pages, &changes.fates, &changes.gone, at).await?;
    flow.ledger.reclaim(at).await?;
    let tally = flow.ledger.tally().await?;
    let since = Since::last(last.as_ref().map(|last| last.at.min(at)), whole);
    match_invoices(flow, since, learnt(&tally)).await?;
    let suspects = changes.window.into_invoices();
    let swept = adopt::sweep(flow, &suspects, None).await?;
    if !swept.orders.is_empty() {
        flow.ledger.rematch(&swept.orders, at).await?;
        match_invoices(flow, since, learnt(&tally)).await?;
    }
    adopt::name_unnamed(flow, &swept).await?;

    let scope = match &last {
        Some(last) if !whole => scope(flow, last, at).await?,
        _ => Scope::Whole,
    };
    let pairs_agree = look_again(flow, &scope, last.is_none()).await?;
    let sides = Sides { balance, head_seq, last: last.as_ref(), scope, pairs_agree };
    let (figures, opened, closed) = settle(flow, &sides, at).await?;
    let tally = flow.ledger.tally().await?;
    let report = Report {
        at,
        ok: true,
        error: None,
        figures: Some(figures.clone()),
        invoices: changes.listed,
        matches: tally.iter().map(|one| (one.rule.clone(), one.invoices)).collect(),
        identifier: learnt(&tally).map(rules::Rule::as_str),
        matched: tally,
        unreadable: changes.flawed,
        flaws: changes.flaws,
        adopted: swept.adopted.iter().map(ToString::to_string).collect(),
        opened,
        closed,
        cases: flow.ledger.cases(false).await?,
        evidence: evidence.clone(),
    };
    let json = serde_json::to_value(&report)
        .map_err(|error| Failed::Ledger(ledger::Error::Unreadable(error.to_string())))?;
    let evidence = evidence.take();
    flow.ledger.keep_run(Run { at, head_seq, outcome: Ok(figures), evidence, report: json }).await?;
    if report.unreadable > 0 {
        tracing::error!("{} invoices have something that cannot be read", report.unreadable);
    }
    tracing::info!(
        invoices = report.invoices,
        open_cases = report.cases.len(),
        "reconciled: {} open cases",
        report.cases.len()
    );
    Ok(report)
}

/// What a run compares.
struct Sides<'a> {
    balance: Balance,
    /// The last event that the upstream's side can have known of.
    head_seq: i64,
    last: Option<&'a GoodRun>,
    scope: Scope,
    /// Every deposit and its invoice have just been seen to agree.
    pairs_agree: bool,
}

/// Compares, corrects what can be, and lets the cases follow; gives the figures, the opened and the closed cases.
async fn settle(
    flow: &Flow,
    sides: &Sides<'_>,
    at: Timestamp,
) -> ledger::Result<(RunFigures, Vec<i64>, Vec<i64>)> {
    let (mut figures, moving) = identity(flow, sides).await?;
    let mut found = differences(flow, sides, &figures, &moving, sides.pairs_agree).await?;
    let mut acts_before = Vec::new();
    if correct(flow, &figures, &found).await? {
        // What was wrong is kept as a case before it is mended; what it had led to elsewhere is gone with it.
        acts_before = acts(flow, &found, &figures, at).await?;
        let mended =
            |act: &CaseAct| matches!(act, CaseAct::Open(new) if new.difference.kind == Kind::AmountMismatch);
        acts_before.retain(mended);
        figures = identity(flow, sides).await?.0;
        found = differences(flow, sides, &figures, &moving, false).await?;
    }
    let mut opened = keep_acts(flow, acts_before).await?.0;
    let (more, closed) = keep_acts(flow, acts(flow, &found, &figures, at).await?).await?;
    opened.extend(more);
    Ok((figures, opened, closed))
}

/// The deposits that a run has reason to look at: they or their invoices have changed, or a case is open about them.
async fn scope(flow: &Flow, last: &GoodRun, at: Timestamp) -> ledger::Result<Scope> {
    let cases = flow.ledger.cases(false).await?;
    let open: Vec<String> = cases.into_iter().filter_map(|case| case.deposit_id).collect();
    flow.ledger.touched(last.head_seq, at, &open).await
}

/// What is credited there and not here is looked at at once, through the ordinary door. True where nothing had to be.
/// The `first` run needs an answer about each that the list tells of without saying what of it was credited: that would
/// be in the baseline for ever.
async fn look_again(flow: &Flow, scope: &Scope, first: bool) -> Result<bool, Failed> {
    let suspects = flow.ledger.suspects(scope).await?;
    let differing: Vec<_> = suspects.iter().filter(|pair| rules::compare(pair, 0).is_some()).collect();
    let agree = differing.is_empty();
    for (looks, pair) in differing.into_iter().enumerate() {
        let needed = first && pair.is_unheard();
        if looks >= MOST_LOOKS && !needed {
            continue;
        }
        let Some(deposit) = flow.ledger.find(&pair.deposit_id.to_string()).await? else { continue };
        if !advance::look_now(flow, deposit).await? && needed {
            let (order, word) = (&pair.order_id, pair.invoice_status.as_deref().unwrap_or("none"));
            return Err(Failed::Void(format!(
                "the invoice of order {order} says {word}, the upstream gives no answer about it, and the first run needs one"
            )));
        }
    }
    Ok(agree)
}

/// The identity as of the upstream's instant. With it the deposits that were booked while the run was reading, and
/// that the list shows unpaid: the next run will find them on both sides.
async fn identity(flow: &Flow, sides: &Sides<'_>) -> ledger::Result<(RunFigures, HashSet<DepositId>)> {
    let booked_since = flow.ledger.booked_since(sides.head_seq).await?;
    let later = booked_since.iter().fold(0_i64, |sum, (_, cents)| sum.saturating_add(*cents));
    let totals = flow.ledger.totals().await?;
    let here = totals.credited_here_cents.saturating_sub(later);
    let balance = sides.balance;
    let baseline = match flow.ledger.recall("baseline_cents").await? {
        Some(kept) if sides.last.is_some() => kept.parse().map_err(|_| ledger::Error::Unreadable(kept))?,
        _ => {
            let baseline = balance
                .total_charges_cents
                .saturating_sub(flow.ledger.credited_invoices(sides.head_seq).await?);
            flow.ledger.remember("baseline_cents", baseline.to_string()).await?;
            baseline
        }
    };
    let elsewhere = totals.credited_elsewhere_cents.saturating_add(baseline);
    let figures = RunFigures {
        balance_cents: balance.balance_cents,
        total_charges_cents: balance.total_charges_cents,
        credited_here_cents: here,
        credited_elsewhere_cents: elsewhere,
        baseline_cents: baseline,
        difference_cents: balance.total_charges_cents.saturating_sub(here.saturating_add(elsewhere)),
    };
    Ok((figures, booked_since.into_iter().map(|(id, _)| id).collect()))
}
