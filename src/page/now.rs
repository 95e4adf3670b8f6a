//! The first page: whether all is well, what needs a person, what is open, and how the account stands.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use minijinja::{Value, context};
use serde_json::json;

use super::chart::{Figure, line};
use super::refusal::PageRefusal;
use super::shown::shown;
use super::state::{PageState, SharedPage, Snapshot};
use super::visitor::Visitor;
use crate::api::readiness;
use crate::clock::Clock as _;
use crate::domain::deposit::{Deposit, State as DepositState};
use crate::domain::money::dollars;
use crate::ledger::{COUNTED, DepositFilter};
use crate::notifier::DepositObject;

/// For so long all who look are shown the same.
const FRESH: Duration = Duration::from_secs(1);
/// How many deposits and cases are shown, and how many deposits of one state.
const SHOWN: u32 = 6;
/// What the chart shows.
const MONTH: Duration = Duration::from_hours(31 * 24);

/// Open states, what is most urgent first.
const URGENT: [DepositState; 6] = [
    DepositState::Held,
    DepositState::Underpaid,
    DepositState::Confirming,
    DepositState::Refunding,
    DepositState::Requested,
    DepositState::AwaitingPayment,
];

/// `GET /`
pub(super) async fn show(
    State(page): State<SharedPage>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Result<Response, PageRefusal> {
    let values = current(&page).await?;
    page.page("now", &visitor, &uri, values)
}

/// What the page shows; read once for all who look at about the same time.
async fn current(page: &PageState) -> Result<Value, PageRefusal> {
    let mut snapshot = page.snapshot.lock().await;
    let now = page.clock.monotonic();
    if let Some(last) = snapshot.as_ref().filter(|last| now.saturating_sub(last.read) < FRESH) {
        return Ok(last.values.clone());
    }
    let values = read(page).await?;
    *snapshot = Some(Snapshot { read: now, values: values.clone() });
    Ok(values)
}

async fn read(page: &PageState) -> Result<Value, PageRefusal> {
    let (api, flow) = (&page.api, &page.api.flow);
    let ledger = &flow.ledger;
    let readiness = readiness(api).await;
    let flagged = DepositFilter { needs_review: true, limit: SHOWN, ..DepositFilter::default() };
    let (flagged_deposits, _) = ledger.list(&flagged).await?;
    let cases = ledger.case_ages().await?;
    let mails = ledger.unsent_mails().await?;
    let webhooks = flow.webhook_states().await?;
    let sum =
        |of: fn(&crate::flow::WebhookStanding) -> u64| webhooks.iter().map(of).fold(0, u64::saturating_add);
    let good = ledger.last_good_run().await?;
    let tasks = page.api.status.tasks();
    let last = |task: &str| tasks.get(task).and_then(|task| task.last_round);
    Ok(context! {
        readiness => shown(&readiness),
        flagged => ledger.flagged().await?,
        flagged_deposits => objects(&flagged_deposits),
        cases_open => cases.len(),
        cases => shown(cases.iter().take(usize::try_from(SHOWN).unwrap_or(0)).collect::<Vec<_>>()),
        mails => shown(&mails),
        webhooks => context! { owed => sum(|one| one.owed), dead => sum(|one| one.dead), configured => webhooks.len() },
        open => shown(ledger.counts_of(&URGENT).await?),
        counted => COUNTED,
        urgent => urgent(page).await?,
        balance => balance(page).await?,
        reconciled => good.as_ref().map(|run| context! {
            at => run.at.to_string(),
            balance_cents => run.figures.balance_cents,
            total_charges_cents => run.figures.total_charges_cents,
            difference_cents => run.figures.difference_cents,
        }),
        upstream => shown(json!({
            "last_success": flow.upstream.health().last_success,
            "failing_since": flow.upstream.health().failing_since,
        })),
        polled_at => last("poll").map(|at| at.to_string()),
        backup => tasks.get("backup").map(|task| context! {
            at => task.last_round.map(|at| at.to_string()),
            error => task.last_error.clone(),
        }),
    })
}

/// The most urgent deposits that are open: those of which something was seen, then those whose time is over first.
async fn urgent(page: &PageState) -> Result<Value, PageRefusal> {
    let mut found = Vec::new();
    for state in URGENT {
        found.extend(page.api.flow.ledger.oldest_of(state, SHOWN).await?);
    }
    found.truncate(usize::try_from(SHOWN.saturating_mul(2)).unwrap_or(0));
    Ok(objects(&found))
}

/// What the balance was, day by day.
async fn balance(page: &PageState) -> Result<Value, PageRefusal> {
    let flow = &page.api.flow;
    let days = flow.ledger.day_balances(flow.clock.now().minus(MONTH)).await?;
    let figure = |day: &crate::ledger::DayBalance| Figure {
        label: day.at.chars().take(10).collect(),
        text: dollars(day.balance_cents),
        value: day.balance_cents,
    };
    let figures: Vec<Figure> = days.iter().map(figure).collect();
    Ok(context! { days => shown(&days), chart => shown(line(&figures)) })
}

/// Deposits as the API shows them.
pub(super) fn objects(deposits: &[Deposit]) -> Value {
    shown(deposits.iter().map(DepositObject::from).collect::<Vec<_>>())
}
