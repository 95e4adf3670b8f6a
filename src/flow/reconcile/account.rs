//! The rows against the total: the figures of the run, the baseline, and the drift.

use std::time::Duration;

use serde_json::json;

use super::comparison::Compared;
use super::context::RunContext;
use super::report::StandingRows;
use crate::domain::event::EventName;
use crate::domain::money::dollars;
use crate::domain::reconcile::{
    AccountFigures as Sides, BaselineCandidate, CaseKind, Difference, Drift, agree_on_baseline,
};
use crate::domain::report::Balance;
use crate::domain::status::Status;
use crate::domain::time::Timestamp;
use crate::ledger::{self, AccountEvent, Decision, RunFigures, UnknownWord};

/// Without a run in which both sides agree exactly for so long, what is on its way is a drift.
const EXACT_WITHIN: Duration = Duration::from_hours(24);
/// So long, and so many, earlier runs count towards the baseline.
const CANDIDATES_FOR: Duration = Duration::from_hours(72);
const MOST_CANDIDATES: usize = 300;

/// What the account's side of a run came to.
pub(super) struct AccountSide {
    pub(super) figures: RunFigures,
    pub(super) drift: Drift,
    pub(super) balance_rise_cents: i64,
    pub(super) standing: StandingRows,
    /// What is remembered with the run.
    pub(super) memory: Vec<(&'static str, String)>,
}

/// The figures, as of the upstream's instant; `certain` where they are of one, and all that could count was read.
pub(super) async fn account(
    context: &RunContext<'_>,
    balance: Balance,
    compared: &Compared,
    listed: usize,
    certain: bool,
) -> ledger::Result<AccountSide> {
    let (ledger, at, lag) = (&context.flow.ledger, context.at, context.flow.settings.lag);
    let before = at.minus(lag);
    let sums = ledger.sums(at, before, context.clean).await?;
    let here = sums.here.saturating_add(compared.accepted);
    let elsewhere = sums.elsewhere.saturating_sub(compared.taken_from_others);
    let total = balance.total_charges_cents;
    let total_before = ledger.total_at(before).await?;
    let mut sides = Sides {
        total,
        total_before: if lag.is_zero() { Some(total) } else { total_before.map(|seen| seen.cents) },
        baseline: kept_baseline(context).await?,
        accepted: ledger
            .acceptances()
            .await?
            .iter()
            .fold(0, |sum: i64, one| sum.saturating_add(one.drift_cents)),
        listed: here.saturating_add(elsewhere),
        listed_before: sums
            .before
            .saturating_add(compared.accepted)
            .saturating_sub(compared.taken_from_others),
        not_listed: compared.not_listed_lately,
    };
    let mut memory = Vec::new();
    // A total counts as seen once a second run, the lag later, gave it or more.
    if let Some(seen) = total_before.filter(|seen| at.since(seen.at) >= lag) {
        let floor = ledger.recall("total_floor").await?.and_then(|kept| kept.parse::<i64>().ok());
        let confirmed = seen.cents.min(total);
        if floor.is_none_or(|floor| floor < confirmed) {
            memory.push(("total_floor", confirmed.to_string()));
        }
    }
    let readable = certain && !compared.unheard && (listed > 0 || total <= 0);
    if sides.baseline.is_none() {
        let earlier = candidates(context).await?;
        let now = BaselineCandidate { at, total, listed: sides.listed };
        if let Some(baseline) = agree_on_baseline(&earlier, now, lag).filter(|_| readable) {
            sides.baseline = establish(context, baseline).await?;
        }
        memory.push(("baseline_candidates", remembered(earlier, readable.then_some(now), at)));
    }
    let mut drift = sides.drift(context.flow.settings.tolerance_cents);
    if let Drift::OnItsWay(cents) | Drift::Stands { cents, beyond_lag: false } = drift
        && ledger.last_exact_run().await?.is_some_and(|exact| at.since(exact) >= EXACT_WITHIN)
    {
        drift = Drift::Stands { cents, beyond_lag: true };
    }
    let baseline = sides.baseline.unwrap_or(0);
    let rise = context.last.as_ref().map_or(0, |last| {
        let rise = balance.balance_cents.saturating_sub(last.figures.balance_cents);
        rise.saturating_sub(total.saturating_sub(last.figures.total_charges_cents).max(0)).max(0)
    });
    Ok(AccountSide {
        figures: RunFigures {
            balance_cents: balance.balance_cents,
            total_charges_cents: total,
            credited_here_cents: here,
            credited_elsewhere_cents: elsewhere.saturating_add(baseline).saturating_add(sides.accepted),
            baseline_cents: sides.baseline,
            accepted_cents: sides.accepted,
            not_listed_cents: compared.not_listed,
            difference_cents: sides.drift_cents(),
        },
        drift,
        balance_rise_cents: rise,
        standing: StandingRows { rows: sums.standing_rows, cents: sums.standing_cents },
        memory,
    })
}

async fn kept_baseline(context: &RunContext<'_>) -> ledger::Result<Option<i64>> {
    match context.flow.ledger.recall("baseline_cents").await? {
        Some(kept) => kept.parse().map(Some).map_err(|_| ledger::Error::Unreadable(kept)),
        None => Ok(None),
    }
}

async fn candidates(context: &RunContext<'_>) -> ledger::Result<Vec<BaselineCandidate>> {
    let kept = context.flow.ledger.recall("baseline_candidates").await?;
    // Where the stored candidates cannot be read, the next runs make new ones.
    Ok(kept.and_then(|kept| serde_json::from_str(&kept).ok()).unwrap_or_default())
}

fn remembered(mut earlier: Vec<BaselineCandidate>, now: Option<BaselineCandidate>, at: Timestamp) -> String {
    earlier.retain(|one| at.since(one.at) < CANDIDATES_FOR);
    earlier.extend(now);
    let surplus = earlier.len().saturating_sub(MOST_CANDIDATES);
    earlier.drain(..surplus);
    serde_json::to_string(&earlier).unwrap_or_default()
}

/// Takes the baseline on which runs agree. One below zero is not taken by itself: it is mailed once, and a person may
/// set it.
async fn establish(context: &RunContext<'_>, cents: i64) -> ledger::Result<Option<i64>> {
    let (flow, at) = (context.flow, context.at);
    let taken = cents >= 0;
    if !taken && flow.ledger.recall("baseline_refused").await?.as_deref() == Some(cents.to_string().as_str())
    {
        return Ok(None);
    }
    let reason = if taken {
        "two runs agree on what the total held before the first of them".to_owned()
    } else {
        format!(
            "the credited rows exceed the total by {} USD: no baseline is taken by itself; set one with \
             `depositd baseline set CENTS --note TEXT`",
            dollars(cents.saturating_neg())
        )
    };
    let mail_to = if taken { Vec::new() } else { flow.rules.current().recipients(EventName::BaselineSet) };
    let facts = json!({ "baseline_cents": cents, "taken": taken, "by": "runs" });
    let notice =
        AccountEvent { name: EventName::BaselineSet, at, reason: Some(reason.clone()), facts, mail_to };
    let key = if taken { "baseline_cents" } else { "baseline_refused" };
    flow.ledger
        .decide(Decision {
            notice,
            who: "runs".to_owned(),
            note: reason,
            accept: Vec::new(),
            take_back: Vec::new(),
            close: Vec::new(),
            memory: vec![(key, cents.to_string())],
        })
        .await?;
    flow.wakers.owed();
    Ok(taken.then_some(cents))
}

/// The status words that are known, in small letters.
pub(super) fn known_words() -> Vec<&'static str> {
    Status::WORDS.iter().map(|(word, _)| *word).collect()
}

/// The drift as a difference, where it stands. `open_cents` is by how much rows exceed the journal in the deposits' own
/// differences: a row that lies alone makes both.
pub(super) fn drift(account: &AccountSide, open_cents: i64, unknown: &[UnknownWord]) -> Option<Difference> {
    let Drift::Stands { cents, .. } = account.drift else { return None };
    let figures = &account.figures;
    let explained = figures.total_charges_cents.saturating_sub(cents);
    let would_explain = figures.baseline_cents.unwrap_or(0).saturating_add(cents);
    let mut detail = format!(
        "the total exceeds what is explained by {} USD; if it is history: depositd baseline set {would_explain} --note TEXT",
        dollars(cents)
    );
    if open_cents != 0 {
        detail.push_str(&format!(
            "; the rows of deposits with open cases credit {} USD more than the journal: decide those first",
            dollars(open_cents)
        ));
    }
    for word in unknown {
        detail.push_str(&format!(
            "; {} rows of {} USD have the unknown word {:?}",
            word.rows,
            dollars(word.cents),
            word.word
        ));
    }
    tracing::warn!(difference_cents = cents, "the total is not explained");
    Some(Difference {
        expected_cents: Some(explained),
        found_cents: Some(figures.total_charges_cents),
        detail: Some(detail),
        ..Difference::of_account(
            CaseKind::TotalChargesDrift,
            dollars(explained),
            dollars(figures.total_charges_cents),
        )
    })
}
