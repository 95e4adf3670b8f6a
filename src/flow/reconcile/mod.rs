//! A reconciliation: the journal, the upstream's list and its total at one instant, and what does not agree.
//!
//! ```text
//! fetch -> import -> match -> compare -> account -> cases -> keep
//! ```
//! One stage a file, in this order. A run is good or incomplete: an incomplete one changes no figure and no case. Nothing
//! is corrected here but what the list states of a provisional figure; every other difference waits for a person.

mod account;
mod cases;
mod comparison;
mod fetch;
mod import;
mod incomplete;
mod matching;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub(in crate::flow) use account::dollars;
pub use import::Flaw;
pub(in crate::flow) use matching::{WHOLE_DUE, ZONE_HINT};

use super::Flow;
use crate::domain::reconcile::{Difference, Drift, MatchRule};
use crate::domain::time::Timestamp;
use crate::ledger::{self, Case, GoodRun, Run, RunFigures, Tally, UnknownWord};

/// What a run found; for a finance person to sign.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The number of the run.
    pub run: i64,
    /// As of when.
    pub at: Timestamp,
    /// True for a run that could read everything it needs.
    pub ok: bool,
    /// Why it is void, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The identity: total charges = here + elsewhere + difference.
    #[serde(flatten)]
    pub figures: Option<RunFigures>,
    /// Each deposit agrees with its rows, the drift is zero, all that could count was read, no case is open.
    pub clean: bool,
    /// How much is on its way between status, list and total, in cents; `None` where nothing is.
    pub on_its_way_cents: Option<i64>,
    /// How many deposits are on their way: they or their rows have changed within the lag.
    pub on_their_way: usize,
    /// By how much the balance rose beyond the total since the last good run, in cents; for information.
    pub balance_rise_cents: i64,
    /// How many rows the upstream lists.
    pub invoices: usize,
    /// When the oldest listed row was made: so far back the list reaches.
    pub list_reaches: Option<Timestamp>,
    /// How many rows stand although the list no longer shows them, and what they count, in cents.
    pub standing: StandingRows,
    /// How many rows each rule has matched.
    pub matches: BTreeMap<String, i64>,
    /// The same with what they count.
    pub matched: Vec<Tally>,
    /// The rule that has matched most.
    pub identifier: Option<&'static str>,
    /// How many rows could count and cannot be read, and nobody has said what they credit: each is a case.
    pub unreadable: usize,
    /// The first rows of the list that cannot be read, whether somebody has said what they credit or not.
    pub flaws: Vec<Flaw>,
    /// Words that nobody knows, on rows that could count.
    pub unknown_words: Vec<UnknownWord>,
    /// What the rows with our ids say of the list's zone, where it is not the one that is set.
    pub zone_hint: Option<String>,
    /// How many attempts to make a wallet were lost; for information.
    pub lost_attempts: i64,
    /// Orders of the list that may be the work of those; nobody was shown them.
    pub perhaps_theirs: Vec<String>,
    /// Cases that this run opened.
    pub opened: Vec<i64>,
    /// Cases that this run closed.
    pub closed: Vec<i64>,
    /// All open cases.
    pub cases: Vec<Case>,
    /// What was fetched: the list's length and SHA-256 and head, the balance's answer.
    pub evidence: Option<Value>,
}

/// Rows that keep their figures although they are no longer listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct StandingRows {
    /// How many.
    pub rows: i64,
    /// What they count, in cents.
    pub cents: i64,
}

/// Why a run did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileFailed {
    /// Something could not be read, or cannot be what it says: no figure and no case was changed by it.
    #[error("the run is void: {0}")]
    Incomplete(String),
    /// The ledger could not be read or written.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// What every stage of a run knows.
struct Context<'a> {
    flow: &'a Flow,
    /// This run's number.
    id: i64,
    at: Timestamp,
    /// The last good run.
    last: Option<GoodRun>,
    /// The number of the last clean run; 0 where there was none.
    clean: i64,
}

impl Context<'_> {
    /// True where `then` is no longer ago than status, list and total may be apart. What stands in the future was written
    /// under a clock that was wrong, and is old.
    fn within_lag(&self, then: Timestamp) -> bool {
        then <= self.at && self.at.since(then) < self.flow.settings.lag
    }
}

/// Compares, and keeps what does not agree as cases. Waits for a run that is under way.
///
/// # Errors
/// [`Failed`]; an incomplete run is kept as such.
pub async fn reconcile(flow: &Flow) -> Result<Report, ReconcileFailed> {
    let _alone = flow.reconciling.lock().await;
    let context = Context {
        flow,
        id: flow.ledger.next_run().await?,
        at: flow.clock.now(),
        last: flow.ledger.last_good_run().await?,
        clean: flow.ledger.last_clean_run().await?,
    };
    let mut evidence = None;
    match run(&context, &mut evidence).await {
        Ok(report) => {
            incomplete::tell_good(flow).await?;
            Ok(report)
        }
        Err(Stopped::Incomplete(incomplete)) => {
            let why = incomplete.to_string();
            tracing::error!("reconciliation is void: {why}");
            incomplete::keep(&context, &incomplete, evidence).await?;
            incomplete::tell(flow).await?;
            Err(ReconcileFailed::Incomplete(why))
        }
        Err(Stopped::Ledger(error)) => Err(ReconcileFailed::Ledger(error)),
    }
}

/// Why a run ends early.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Incomplete(#[from] incomplete::Incomplete),
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

async fn run(context: &Context<'_>, evidence: &mut Option<Value>) -> Result<Report, Stopped> {
    let Context { flow, id, at, .. } = *context;
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
    found.extend(account::drift(context, &account, open_cents, &unknown_words).await?);
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
        identifier: identifier(&matched),
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
    let json = serde_json::to_value(&report)
        .map_err(|error| Stopped::Ledger(ledger::Error::Unreadable(error.to_string())))?;
    let mut memory = account.memory;
    memory.extend(incomplete::forget());
    memory.push((WHOLE_DUE, "no".to_owned()));
    memory.push((ZONE_HINT, report.zone_hint.clone().unwrap_or_default()));
    let kept = Run {
        id,
        at,
        head_seq: fetched.head_seq,
        outcome: Ok(account.figures),
        clean,
        due: compared.on_their_way.iter().map(ToString::to_string).collect(),
        memory,
        evidence: evidence.take(),
        report: json,
    };
    ledger.store_run(kept).await?;
    if report.unreadable > 0 {
        tracing::error!("{} rows could count and cannot be read", report.unreadable);
    }
    tracing::info!(
        invoices = report.invoices,
        open_cases = report.cases.len(),
        clean,
        "reconciled: {} open cases",
        report.cases.len()
    );
    Ok(report)
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
