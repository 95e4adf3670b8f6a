//! Three sides at one instant: our journal, the upstream's invoices, its balance; and what does not agree.

mod differences;
mod merge;

use std::collections::{BTreeMap, HashMap, HashSet};

use differences::{correct, differences, dollars};
use merge::{keep_changed, merge};
use serde::Serialize;

use super::{Flow, adopt, advance, cases};
use crate::domain::reconcile::{self as rules, Difference, Kind};
use crate::domain::report::{Balance, Invoice};
use crate::domain::time::Timestamp;
use crate::ledger::{self, Case, CaseAct, NewCase, RunFigures};
use crate::upstream::{self, Priority};

/// The most deposits that one run looks at again.
const MOST_LOOKS: usize = 256;
/// How often the figures are fetched again when money arrived in between.
const FETCHES: usize = 3;

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
    /// Deposits that lost attempts were found to have made.
    pub adopted: Vec<String>,
    /// Cases that this run opened.
    pub opened: Vec<i64>,
    /// Cases that this run closed.
    pub closed: Vec<i64>,
    /// All open cases.
    pub cases: Vec<Case>,
}

/// Why a run did not come about.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Something could not be fetched: the run is void and has changed nothing.
    #[error("the run is void: {0}")]
    Void(String),
    /// The ledger could not be read or written.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// What one run fetched.
struct Fetched {
    balance: Balance,
    invoices: Vec<(String, Invoice)>,
}

/// Compares, heals what can be healed, and keeps what is left as cases. Waits for a run that is under way.
///
/// # Errors
/// [`Failed`]; a void run is kept as such.
pub async fn reconcile(flow: &Flow) -> Result<Report, Failed> {
    let _alone = flow.reconciling.lock().await;
    let at = flow.clock.now();
    match run(flow, at).await {
        Ok(report) => Ok(report),
        Err(Failed::Void(why)) => {
            tracing::error!("reconciliation is void: {why}");
            let report = serde_json::json!({ "at": at, "ok": false, "error": why });
            flow.ledger.keep_run(at, None, Some(why.clone()), &report).await?;
            Err(Failed::Void(why))
        }
        Err(error) => Err(error),
    }
}

async fn run(flow: &Flow, at: Timestamp) -> Result<Report, Failed> {
    let fetched = fetch(flow).await.map_err(|error| Failed::Void(error.to_string()))?;
    let mut rows = merge(flow, &fetched.invoices, at).await?;
    let swept = adopt::sweep(flow, &fetched.invoices, None).await?;
    if !swept.adopted.is_empty() {
        rows = merge(flow, &fetched.invoices, at).await?;
    }
    let abandoned = flow.ledger.abandoned().await?;
    let orders: HashSet<String> = abandoned.iter().map(|(_, order)| order.clone()).collect();
    adopt::mark_abandoned(&mut rows, &orders);
    keep_changed(flow, rows, at).await?;
    look_again(flow).await?;

    let first = flow.ledger.last_good_run().await?.is_none();
    let mut figures = identity(flow, fetched.balance, first).await?;
    let mut found = differences(flow, &figures, &abandoned).await?;
    let corrected = correct(flow, &figures, &found).await?;
    let mut acts_before = Vec::new();
    if corrected {
        // What was wrong is kept as a case before it is mended; what it had led to elsewhere is gone with it.
        acts_before = acts(flow, &found, &figures, at).await?;
        let mended =
            |act: &CaseAct| matches!(act, CaseAct::Open(new) if new.difference.kind == Kind::AmountMismatch);
        acts_before.retain(mended);
        figures = identity(flow, fetched.balance, first).await?;
        found = differences(flow, &figures, &abandoned).await?;
    }
    let mut opened = keep_acts(flow, acts_before).await?.0;
    let (more, closed) = keep_acts(flow, acts(flow, &found, &figures, at).await?).await?;
    opened.extend(more);
    let report = Report {
        at,
        ok: true,
        error: None,
        figures: Some(figures.clone()),
        invoices: fetched.invoices.len(),
        matches: flow.ledger.matches_by_rule().await?.into_iter().collect(),
        adopted: swept.adopted.iter().map(ToString::to_string).collect(),
        opened,
        closed,
        cases: flow.ledger.cases(false).await?,
    };
    let json = serde_json::to_value(&report)
        .map_err(|error| Failed::Ledger(ledger::Error::Unreadable(error.to_string())))?;
    flow.ledger.keep_run(at, Some(figures), None, &json).await?;
    tracing::info!(
        invoices = report.invoices,
        open_cases = report.cases.len(),
        "reconciled: {} open cases",
        report.cases.len()
    );
    Ok(report)
}

/// Everything, as of one instant: the total must not move while the invoices are read.
async fn fetch(flow: &Flow) -> Result<Fetched, upstream::Error> {
    let balance = || async {
        let permit = flow.upstream.admit(Priority::Reconcile).await;
        flow.upstream.balance(permit).await.map(|answer| answer.value)
    };
    let mut before = balance().await?;
    let mut tries: usize = 0;
    loop {
        let permit = flow.upstream.admit(Priority::Reconcile).await;
        let invoices = flow.upstream.invoices(permit).await?.value;
        let after = balance().await?;
        tries = tries.saturating_add(1);
        if before.total_charges_cents == after.total_charges_cents || tries >= FETCHES {
            return Ok(Fetched { balance: after, invoices: rules::keyed(invoices) });
        }
        before = after;
    }
}

/// What is credited there and not here is looked at at once, through the ordinary door.
async fn look_again(flow: &Flow) -> ledger::Result<()> {
    let suspects = flow.ledger.suspects().await?;
    let differing = suspects.iter().filter(|pair| rules::compare(pair, 0).is_some());
    for pair in differing.take(MOST_LOOKS) {
        if let Some(deposit) = flow.ledger.find(&pair.deposit_id.to_string()).await? {
            advance::look_now(flow, deposit).await?;
        }
    }
    Ok(())
}

async fn identity(flow: &Flow, balance: Balance, first: bool) -> ledger::Result<RunFigures> {
    let totals = flow.ledger.totals().await?;
    let baseline = match flow.ledger.recall("baseline_cents").await? {
        Some(kept) if !first => kept.parse().map_err(|_| ledger::Error::Unreadable(kept))?,
        _ => {
            let baseline = balance.total_charges_cents.saturating_sub(totals.credited_invoices_cents);
            flow.ledger.remember("baseline_cents", baseline.to_string()).await?;
            baseline
        }
    };
    let elsewhere = totals.credited_elsewhere_cents.saturating_add(baseline);
    let explained = totals.credited_here_cents.saturating_add(elsewhere);
    Ok(RunFigures {
        balance_cents: balance.balance_cents,
        total_charges_cents: balance.total_charges_cents,
        credited_here_cents: totals.credited_here_cents,
        credited_elsewhere_cents: elsewhere,
        baseline_cents: baseline,
        difference_cents: balance.total_charges_cents.saturating_sub(explained),
    })
}

/// What this run does to the cases: opens, sees again, tells, closes.
async fn acts(
    flow: &Flow,
    found: &[Difference],
    figures: &RunFigures,
    at: Timestamp,
) -> ledger::Result<Vec<CaseAct>> {
    let open: HashMap<String, Case> =
        flow.ledger.cases(false).await?.into_iter().map(|case| (case.key.clone(), case)).collect();
    let mut acts = Vec::new();
    let mut present = HashSet::new();
    for difference in found {
        let key = difference.key();
        present.insert(key.clone());
        match open.get(&key) {
            Some(case) => {
                acts.push(CaseAct::Seen {
                    id: case.id,
                    expected: difference.expected.clone(),
                    found: difference.found.clone(),
                });
                let runs = case.seen_runs.saturating_add(1);
                let stood = runs >= i64::from(flow.settings.tell_after_runs);
                if stood && case.told_at.is_none() && case.explained.is_none() {
                    acts.push(CaseAct::Told(case.id));
                }
            }
            None => {
                let last = flow.ledger.last_case(&key).await?;
                let settled_by_person = last.is_some_and(|last| {
                    last.closed_by.as_deref() == Some("person")
                        && last.expected == difference.expected
                        && last.found == difference.found
                });
                if !settled_by_person {
                    let told = flow.settings.tell_after_runs <= 1;
                    acts.push(CaseAct::Open(NewCase { difference: difference.clone(), told }));
                }
            }
        }
    }
    for (key, case) in open {
        if !present.contains(&key) {
            let resolution = match case.kind.as_str() {
                "balance_rise" => {
                    format!("totalCharges has caught up: {} USD", dollars(figures.total_charges_cents))
                }
                _ => format!("the figures agree again in the run of {at}"),
            };
            acts.push(CaseAct::Close { id: case.id, by_person: false, resolution });
        }
    }
    Ok(acts)
}

/// Writes the acts; gives the cases that were opened, and those that were closed.
async fn keep_acts(flow: &Flow, acts: Vec<CaseAct>) -> ledger::Result<(Vec<i64>, Vec<i64>)> {
    let opens: Vec<bool> = acts.iter().map(|act| matches!(act, CaseAct::Open(_))).collect();
    let closes: Vec<bool> = acts.iter().map(|act| matches!(act, CaseAct::Close { .. })).collect();
    let ids = cases::keep(flow, acts).await?;
    let chosen = |flags: &[bool]| ids.iter().zip(flags).filter(|(_, yes)| **yes).map(|(id, _)| *id).collect();
    Ok((chosen(&opens), chosen(&closes)))
}
