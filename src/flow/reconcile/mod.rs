//! A reconciliation: the journal, the upstream's list and its total at one instant, and what does not agree.
//!
//! ```text
//! fetch -> import -> match -> compare -> account -> cases -> keep
//! ```
//! One stage a file, in this order. A run is good or incomplete: an incomplete one changes no figure and no case. Nothing
//! is corrected here but what the list states of a provisional figure; every other difference waits for a person.

mod account;
mod balance;
mod cases;
mod comparison;
mod context;
mod fetch;
mod import;
mod incomplete;
mod matching;
mod report;

use serde_json::Value;

pub(in crate::flow) use matching::WHOLE_DUE;
pub use report::{Flaw, ReconcileFailed, Report};

use self::account::AccountSide;
use self::context::RunContext;
use self::report::Stopped;
use super::Flow;
use super::warnings::ZONE_HINT;
use crate::domain::reconcile::{Difference, Drift, MatchRule};
use crate::ledger::{self, Run, Tally};

/// Compares, and keeps what does not agree as cases. Waits for a run that is under way.
///
/// # Errors
/// [`ReconcileFailed`]; an incomplete run is stored as such.
pub async fn reconcile(flow: &Flow) -> Result<Report, ReconcileFailed> {
    let _alone = flow.reconciling.lock().await;
    let context = RunContext {
        flow,
        id: flow.ledger.next_run().await?,
        at: flow.clock.now(),
        last: flow.ledger.last_good_run().await?,
        clean: flow.ledger.last_clean_run().await?,
    };
    let mut evidence = None;
    match run(&context, &mut evidence).await {
        Ok(report) => {
            incomplete::mail_good_run(flow).await?;
            Ok(report)
        }
        Err(Stopped::Incomplete(incomplete)) => {
            let why = incomplete.to_string();
            tracing::error!("reconciliation is void: {why}");
            incomplete::keep(&context, &incomplete, evidence).await?;
            incomplete::mail_void_runs(flow).await?;
            Err(ReconcileFailed::Incomplete(why))
        }
        Err(Stopped::Ledger(error)) => Err(ReconcileFailed::Ledger(error)),
    }
}

#[tracing::instrument(name = "reconcile", skip_all, fields(run = context.id))]
async fn run(context: &RunContext<'_>, evidence: &mut Option<Value>) -> Result<Report, Stopped> {
    let RunContext { flow, id, at, .. } = *context;
    let ledger = &flow.ledger;
    ledger.hash_old_rows().await?;
    let fetched = fetch::fetch(context, evidence).await?;
    let imported = import::import(context, &fetched.balance, fetched.list).await?;
    let whole = matching::is_whole(context).await?;
    matching::match_rows(context, whole).await?;
    let compared = comparison::compare(context, whole, fetched.head_seq).await?;
    let unread = ledger.unread_rows().await?;
    // The first of them are named; where there are more, the list's own count says how many.
    let unreadable = if unread.len() < ledger::NAMED_ROWS { unread.len() } else { imported.unreadable };
    let all_read = unread.is_empty();
    let certain = fetched.at_rest && all_read;
    let account = account::account(context, fetched.balance, &compared, imported.listed, certain).await?;
    let unknown_words = ledger.unknown_words(&account::known_words()).await?;
    let open_cents = compared.found.iter().filter_map(Difference::cents).fold(0, i64::saturating_add);
    let mut found = compared.found;
    found.extend(unread.into_iter().map(comparison::unread));
    found.extend(account::drift(&account, open_cents, &unknown_words));
    let restored = cases::restored(context).await?;
    found.extend(restored);
    let changes = cases::changes(context, &found, &compared.on_their_way, &account).await?;
    let (opened, closed) = cases::keep(flow, changes).await?;
    let cases = ledger.cases(false).await?;
    let on_its_way_cents = match account.drift {
        Drift::OnItsWay(cents) => Some(cents),
        _ => None,
    };
    let clean =
        cases.is_empty() && compared.on_their_way.is_empty() && account.drift == Drift::None && all_read;
    let matched = ledger.tally().await?;
    let lost = ledger.lost_orders().await?;
    let zone_hint = matching::zone_hint(context).await?;
    let report = Report {
        run: id,
        at,
        ok: true,
        error: None,
        figures: Some(account.figures.clone()),
        clean,
        on_its_way_cents,
        on_their_way: compared.on_their_way.len(),
        balance_rise_cents: account.balance_rise_cents,
        invoices: imported.listed,
        list_reaches: imported.reaches,
        standing: account.standing,
        matches: matched.iter().map(|one| (one.rule.clone(), one.invoices)).collect(),
        identifier: identifier(&matched).map(str::to_owned),
        matched,
        unreadable,
        flaws: imported.flaws,
        unknown_words,
        zone_hint,
        lost_attempts: lost.attempts,
        perhaps_theirs: lost.orders,
        opened,
        closed,
        cases,
        evidence: evidence.clone(),
    };
    let due = compared.on_their_way.iter().map(ToString::to_string).collect();
    keep(context, &report, account, fetched.head_seq, due, evidence.take()).await?;
    Ok(report)
}

/// Keeps the run, and what the next one needs of it.
async fn keep(
    context: &RunContext<'_>,
    report: &Report,
    account: AccountSide,
    head_seq: i64,
    due: Vec<String>,
    evidence: Option<Value>,
) -> ledger::Result<()> {
    if report.unreadable > 0 {
        tracing::error!("{} rows could count and cannot be read", report.unreadable);
    }
    tracing::info!(
        invoices = report.invoices,
        open_cases = report.cases.len(),
        clean = report.clean,
        "reconciled: {} open cases",
        report.cases.len()
    );
    let notices = balance::notices(context, account.figures.balance_cents).await?;
    let owed = !notices.is_empty();
    let json = serde_json::to_value(report).map_err(|error| ledger::Error::Unreadable(error.to_string()))?;
    let mut memory = account.memory;
    memory.extend(incomplete::forget());
    memory.push((WHOLE_DUE, "no".to_owned()));
    memory.push((ZONE_HINT, report.zone_hint.clone().unwrap_or_default()));
    let kept = Run {
        id: report.run,
        at: report.at,
        head_seq,
        outcome: Ok(account.figures),
        clean: report.clean,
        rise_cents: account.balance_rise_cents,
        notices,
        due,
        memory,
        evidence,
        report: json,
    };
    context.flow.ledger.store_run(kept).await?;
    if owed {
        context.flow.wakers.deliver.notify_one();
    }
    Ok(())
}

/// The certain rule that has matched most.
fn identifier(tally: &[Tally]) -> Option<&'static str> {
    let count =
        |rule: &MatchRule| tally.iter().find(|one| one.rule == rule.as_str()).map_or(0, |one| one.invoices);
    // The last of equals wins: hence from the back.
    let most =
        MatchRule::CERTAIN.iter().rev().filter(|rule| count(rule) > 0).max_by_key(|rule| count(rule))?;
    Some(most.as_str())
}
