//! Three sides at one instant: our journal, the upstream's invoices, its balance; and what does not agree.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde::Serialize;

use super::{Flow, adopt, advance, cases};
use crate::domain::deposit::Deposit;
use crate::domain::money::UsdMicros;
use crate::domain::observe::Observation;
use crate::domain::reconcile::{self as rules, Difference, Kind};
use crate::domain::report::{Balance, Invoice, Status};
use crate::domain::time::Timestamp;
use crate::ledger::{self, Case, CaseAct, InvoiceRow, NewCase, RunFigures, Write};
use crate::upstream::{self, Priority};

/// Deposits whose wallets are older than this are no longer matched by amount and time.
const PROBABLE_SPAN: Duration = Duration::from_hours(48);
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
    let swept = adopt::sweep(flow, &fetched.invoices, None)
        .await?
        .map_err(|error| Failed::Void(error.to_string()))?;
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
    let mut differences = differences(flow, &figures, &abandoned).await?;
    let corrected = correct(flow, &figures, &differences).await?;
    let mut acts_before = Vec::new();
    if corrected {
        // What was wrong is told before it is said to be mended.
        acts_before = acts(flow, &differences, &figures, at).await?;
        figures = identity(flow, fetched.balance, first).await?;
        differences = self::differences(flow, &figures, &abandoned).await?;
    }
    let mut opened = keep_acts(flow, acts_before).await?.0;
    let (more, closed) = keep_acts(flow, acts(flow, &differences, &figures, at).await?).await?;
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

/// The ledger's invoices with what the upstream lists now, matched with deposits.
async fn merge(
    flow: &Flow,
    listed: &[(String, Invoice)],
    at: Timestamp,
) -> Result<Vec<InvoiceRow>, ledger::Error> {
    let known: HashMap<String, InvoiceRow> =
        flow.ledger.invoices().await?.into_iter().map(|row| (row.key.clone(), row)).collect();
    let unmatched: Vec<(String, Invoice)> = listed
        .iter()
        .filter(|(key, _)| {
            known.get(key).is_none_or(|row| {
                row.deposit_id.is_none() || row.rule.as_deref() == Some(rules::Rule::AmountAndTime.as_str())
            })
        })
        .cloned()
        .collect();
    let ids: Vec<&str> = unmatched
        .iter()
        .flat_map(|(_, invoice)| [invoice.pay_id.as_deref(), invoice.sesid.as_deref()])
        .flatten()
        .collect();
    let mut candidates = flow.ledger.candidates(&ids).await?;
    for candidate in flow.ledger.uninvoiced(at.minus(PROBABLE_SPAN)).await? {
        if !candidates.iter().any(|known| known.id == candidate.id) {
            candidates.push(candidate);
        }
    }
    let matches: HashMap<String, rules::Match> = rules::match_invoices(&unmatched, &candidates)
        .into_iter()
        .map(|found| (found.key.clone(), found))
        .collect();
    let mut rows: Vec<InvoiceRow> = listed
        .iter()
        .map(|(key, invoice)| {
            let old = known.get(key);
            let found = matches.get(key);
            let credited = invoice.status.as_deref().and_then(Status::parse).is_some_and(Status::is_credited);
            InvoiceRow {
                key: key.clone(),
                sesid: invoice.sesid.clone(),
                pay_id: invoice.pay_id.clone(),
                method: invoice.method.clone(),
                amount_cents: invoice.amount_cents,
                created: invoice.created.map(|at| at.to_string()),
                status: invoice.status.clone(),
                deposit_id: found
                    .map(|found| found.deposit.to_string())
                    .or_else(|| old.and_then(|old| old.deposit_id.clone())),
                rule: found
                    .map(|found| found.rule.as_str().to_owned())
                    .or_else(|| old.and_then(|old| old.rule.clone())),
                credited: credited || old.is_some_and(|old| old.credited),
                abandoned: old.is_some_and(|old| old.abandoned),
                listed: true,
            }
        })
        .collect();
    let present: HashSet<&String> = listed.iter().map(|(key, _)| key).collect();
    rows.extend(
        known
            .into_values()
            .filter(|row| !present.contains(&row.key))
            .map(|row| InvoiceRow { listed: false, ..row }),
    );
    Ok(rows)
}

async fn keep_changed(flow: &Flow, rows: Vec<InvoiceRow>, at: Timestamp) -> ledger::Result<()> {
    let known: HashMap<String, InvoiceRow> =
        flow.ledger.invoices().await?.into_iter().map(|row| (row.key.clone(), row)).collect();
    let changed: Vec<InvoiceRow> = rows.into_iter().filter(|row| known.get(&row.key) != Some(row)).collect();
    if changed.is_empty() { Ok(()) } else { flow.ledger.keep_invoices(changed, at).await }
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

/// Everything that does not agree now.
async fn differences(
    flow: &Flow,
    figures: &RunFigures,
    abandoned: &[(crate::domain::ids::DepositId, String)],
) -> ledger::Result<Vec<Difference>> {
    let tolerance = flow.settings.tolerance_cents;
    let suspects = flow.ledger.suspects().await?;
    let mut found: Vec<Difference> =
        suspects.iter().filter_map(|pair| rules::compare(pair, tolerance)).collect();
    for credited in flow.ledger.booked_without_invoice().await? {
        found.push(Difference {
            kind: Kind::InvoiceMissing,
            deposit_id: Some(credited.id),
            order_id: Some(credited.order_id),
            expected: credited.booked.to_string(),
            found: "no invoice".to_owned(),
        });
    }
    for (deposit, order) in abandoned {
        found.push(Difference {
            kind: Kind::AbandonedWallet,
            deposit_id: Some(*deposit),
            order_id: Some(order.clone()),
            expected: "no wallet that nobody was shown".to_owned(),
            found: order.clone(),
        });
    }
    if figures.difference_cents.unsigned_abs() > tolerance.unsigned_abs() {
        let explained = figures.total_charges_cents.saturating_sub(figures.difference_cents);
        found.push(account(
            Kind::TotalChargesDrift,
            dollars(explained),
            dollars(figures.total_charges_cents),
        ));
    }
    found.extend(balance_rise(flow, figures).await?);
    Ok(found)
}

fn account(kind: Kind, expected: String, found: String) -> Difference {
    Difference { kind, deposit_id: None, order_id: None, expected, found }
}

fn dollars(cents: i64) -> String {
    UsdMicros::from_cents(cents).unwrap_or_default().to_string()
}

/// A balance that rose by more than was topped up. It stands until the total has caught up with it.
async fn balance_rise(flow: &Flow, figures: &RunFigures) -> ledger::Result<Option<Difference>> {
    let standing =
        flow.ledger.last_case("balance_rise:account").await?.filter(|case| case.closed_at.is_none());
    let needed = standing.as_ref().and_then(|case| cents(&case.expected)).unwrap_or(i64::MIN);
    let new = match flow.ledger.last_good_run().await? {
        None => i64::MIN,
        Some((_, last)) => {
            let rise = figures.balance_cents.saturating_sub(last.balance_cents);
            let charged = figures.total_charges_cents.saturating_sub(last.total_charges_cents);
            if rise > charged.max(0) && rise > flow.settings.tolerance_cents {
                needed.max(last.total_charges_cents).saturating_add(rise)
            } else {
                i64::MIN
            }
        }
    };
    let needed = needed.max(new);
    Ok((needed > figures.total_charges_cents)
        .then(|| account(Kind::BalanceRise, dollars(needed), dollars(figures.total_charges_cents))))
}

fn cents(text: &str) -> Option<i64> {
    crate::domain::money::Amount::parse(text).ok()?.to_usd_micros()?.to_cents_exact()
}

/// Books what the invoices say where the upstream's total bears exactly that out. True where something was booked.
async fn correct(flow: &Flow, figures: &RunFigures, found: &[Difference]) -> ledger::Result<bool> {
    let mismatches: Vec<&Difference> =
        found.iter().filter(|difference| difference.kind == Kind::AmountMismatch).collect();
    let mut wanted = Vec::new();
    let mut sum: i64 = 0;
    for difference in &mismatches {
        let Some(deposit) = find(flow, difference).await? else { continue };
        let (Some(ours), Some(theirs)) = (booked(&deposit), micros(&difference.found)) else { continue };
        sum = sum.saturating_add(theirs.get().saturating_sub(ours.get()));
        wanted.push((deposit, theirs));
    }
    let borne_out = figures.difference_cents != 0 && sum == figures.difference_cents.saturating_mul(10_000);
    if !borne_out {
        return Ok(false);
    }
    let mut writes = Vec::with_capacity(wanted.len());
    for (deposit, credited) in wanted {
        let reason = "the invoice says so, and totalCharges bears it out".to_owned();
        let due = flow.ledger.due_of(deposit.id).await?;
        let observation = Observation::Corrected { credited, reason };
        match deposit.observe(observation, flow.clock.now(), &flow.settings.policy) {
            Ok(step) => {
                let step = crate::domain::event::Step { due, ..step };
                writes.push(Write::from(step));
            }
            Err(error) => tracing::error!("a correction does not fit: {error}"),
        }
    }
    flow.record(writes).await?;
    Ok(true)
}

async fn find(flow: &Flow, difference: &Difference) -> ledger::Result<Option<Deposit>> {
    match difference.deposit_id {
        Some(id) => flow.ledger.find(&id.to_string()).await,
        None => Ok(None),
    }
}

fn booked(deposit: &Deposit) -> Option<UsdMicros> {
    deposit.facts.booked.as_ref().map(crate::domain::deposit::Booked::total)
}

fn micros(text: &str) -> Option<UsdMicros> {
    crate::domain::money::Amount::parse(text).ok()?.to_usd_micros()
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
