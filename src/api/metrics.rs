//! The figures that a monitoring system collects, in the text format of Prometheus, read when they are asked for.

use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::health;
use super::problem::Problem;
use super::state::{ApiState, SharedState};
use crate::domain::deposit::State as DepositState;
use crate::domain::time::Timestamp;
use crate::flow;
use crate::ledger;
use crate::metrics::{self, Page};

/// `GET /metrics`
pub(super) async fn metrics(State(api): State<SharedState>) -> Result<Response, Problem> {
    let mut page = Page::default();
    page.gauge("depositd_up", "1 while the daemon answers.", 1);
    let help = "The program's version, as a label.";
    page.gauges("depositd_build_info", help, "version", [(env!("CARGO_PKG_VERSION"), 1)]);
    if let Some(bytes) = resident_bytes() {
        page.gauge("process_resident_memory_bytes", "Memory of the process that is in use, in bytes.", bytes);
    }
    deposits(&mut page, &api).await?;
    mails(&mut page, &api).await?;
    webhooks(&mut page, &api).await?;
    books(&mut page, &api).await?;
    conditions(&mut page, &api).await;
    replica(&mut page, &api).await?;
    tasks(&mut page, &api);
    api.flow.upstream.metrics().show(&mut page);
    api.flow.ledger.metrics().show(&mut page);
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], page.text()).into_response())
}

async fn deposits(page: &mut Page, api: &ApiState) -> ledger::Result<()> {
    let counts = api.flow.ledger.counts().await?;
    let figures = DepositState::ALL.iter().map(|state| (state.as_str(), figure(&counts, state.as_str())));
    page.gauges("depositd_deposits", "Deposits in each state.", "state", figures);
    let flagged = api.flow.ledger.flagged().await?;
    page.gauge("depositd_needs_review", "Deposits that a person should look at.", flagged);
    let left = api.flow.ledger.left_to_list().await?;
    let help = "Open payment pages and card payments that the invoice list alone tells about.";
    page.gauge("depositd_deposits_left_to_list", help, left);
    Ok(())
}

async fn mails(page: &mut Page, api: &ApiState) -> ledger::Result<()> {
    let ledger = &api.flow.ledger;
    let counts = ledger.mail_counts().await?;
    let figures = ["owed", "sent", "dead"].map(|state| (state, figure(&counts, state)));
    let help = "Mails in each state; dead ones are retried by hand.";
    page.gauges("depositd_mails", help, "state", figures);
    let oldest = ledger.oldest_owed_mail().await?;
    let age = oldest.map_or(0, |at| age(api, at));
    let name = "depositd_oldest_owed_mail_age_seconds";
    page.gauge(name, "How long the oldest mail has been owed; 0 where none is.", age);
    let failing = api.status.tasks().get("deliver").is_some_and(|task| task.last_error.is_some());
    page.gauge("depositd_mail_failing", "1 while no mail can leave.", i64::from(failing));
    Ok(())
}

async fn webhooks(page: &mut Page, api: &ApiState) -> ledger::Result<()> {
    let states = api.flow.webhook_states().await?;
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let sum = |of: fn(&flow::WebhookStanding) -> u64| states.iter().map(of).fold(0, u64::saturating_add);
    let sent = api.flow.ledger.webhooks_sent().await?;
    let figures = [("owed", sum(|one| one.owed)), ("sent", sent), ("dead", sum(|one| one.dead))];
    let help = "Webhooks in each state; dead ones are retried by hand.";
    page.gauges("depositd_webhooks", help, "state", figures.map(|(state, n)| (state, count(n))));
    let oldest = states.iter().filter_map(|one| one.oldest.as_deref()).min();
    let age = oldest.and_then(|at| Timestamp::parse(at).ok()).map_or(0, |at| age(api, at));
    let name = "depositd_oldest_owed_webhook_age_seconds";
    page.gauge(name, "How long the oldest webhook has been owed; 0 where none is.", age);
    let failing = states.iter().map(|one| (one.name.as_str(), i64::from(one.state != "open")));
    let help =
        "1 while nothing is sent to a webhook: it waits after a failure, has ended, or is not configured.";
    page.gauges("depositd_webhook_failing", help, "webhook", failing);
    Ok(())
}

async fn books(page: &mut Page, api: &ApiState) -> ledger::Result<()> {
    let ledger = &api.flow.ledger;
    let open = i64::try_from(ledger.cases(false).await?.len()).unwrap_or(i64::MAX);
    page.gauge("depositd_open_cases", "Differences with the upstream that are open.", open);
    let head = ledger.head_hash().await?.map_or(0, |(seq, _)| seq);
    page.gauge("depositd_ledger_head_seq", "The number of the ledger's last event.", head);
    let bytes = i64::try_from(ledger.log_bytes()).unwrap_or(i64::MAX);
    let help = "The size of the ledger's log; it grows while somebody keeps one view open.";
    page.gauge("depositd_ledger_log_bytes", help, bytes);
    if let Some(at) = ledger.last_backup().await? {
        let help = "How long ago the schedule last made a copy that was proven.";
        page.gauge("depositd_backup_age_seconds", help, age(api, at));
    }
    let credited = ledger.credited_ever().await?.cents_floor();
    let help = "What the books ever credited, in cents; refunds do not lower it.";
    page.counter("depositd_credited_cents_total", help, u64::try_from(credited).unwrap_or(0));
    let Some(run) = ledger.last_good_run().await? else { return Ok(()) };
    let figures = run.figures;
    let help = "The prepaid balance at the last good reconciliation, in cents.";
    page.gauge("depositd_balance_cents", help, figures.balance_cents);
    let help = "The upstream's total of top-ups at the last good reconciliation, in cents.";
    page.gauge("depositd_total_charges_cents", help, figures.total_charges_cents);
    if let Some(drift) = figures.difference_cents {
        let help = "What the upstream's total holds beyond what can be accounted for, in cents.";
        page.gauge("depositd_drift_cents", help, drift);
    }
    Ok(())
}

async fn conditions(page: &mut Page, api: &ApiState) {
    let readiness = health::readiness(api).await;
    page.gauge("depositd_ready", "1 when /readyz says so.", i64::from(readiness.ready));
    if let Some(seconds) = readiness.last_reconciliation_age_seconds {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let help = "The age of the last good reconciliation.";
        page.gauge("depositd_reconciliation_age_seconds", help, seconds);
    }
    let help = "Reconciliations in a row that were void, up to now.";
    page.gauge("depositd_reconciliation_void_runs", help, readiness.void_reconciliations);
    let upstream = api.flow.upstream.health();
    let failing = i64::from(upstream.failing_since.is_some());
    page.gauge("depositd_upstream_failing", "1 while the upstream does not answer sensibly.", failing);
    if let Some(read) = upstream.last_read {
        let age = api.flow.clock.monotonic().saturating_sub(read).as_secs();
        let help = "How long ago a poll was last answered readably; absent before the first.";
        page.gauge("depositd_last_poll_age_seconds", help, i64::try_from(age).unwrap_or(i64::MAX));
    }
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let help = "Calls to the upstream that are under way.";
    page.gauge("depositd_upstream_calls_in_flight", help, count(upstream.in_flight));
    let help = "Calls to the upstream that wait for their turn.";
    page.gauge("depositd_upstream_calls_waiting", help, count(upstream.waiting));
    page.gauge("depositd_api_event_streams", "Clients that follow the events.", count(api.streams.count()));
    let help = "Requests over TCP that showed a wrong token.";
    page.counter("depositd_api_wrong_tokens_total", help, api.wrong_tokens.count());
}

async fn replica(page: &mut Page, api: &ApiState) -> ledger::Result<()> {
    let flow = &api.flow;
    let Some(standing) = flow.replica.standing() else { return Ok(()) };
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    let age = flow.replica.age(flow.clock.now()).unwrap_or_default();
    let help = "How old what the replica has can be; 0 where it has everything.";
    page.gauge("depositd_replica_age_seconds", help, seconds(age));
    let help = "1 while the replica does not confirm.";
    page.gauge("depositd_replica_failing", help, i64::from(standing.silent.is_some()));
    let help = "1 where nothing leaves before the replica has it.";
    page.gauge("depositd_replica_required", help, i64::from(flow.replica.is_required()));
    let help = "Questions to the replica that it did not confirm.";
    page.counter("depositd_replica_failures_total", help, standing.failures);
    let generation = i64::try_from(flow::generation_of(&flow.ledger).await?).unwrap_or(i64::MAX);
    let help = "The ledger's generation: one more with each promotion of a stand-by.";
    page.gauge("depositd_ledger_generation", help, generation);
    if let Some(drilled) = flow::drilled(flow).await? {
        let help = "How long ago the replica was last restored for a trial; absent before the first.";
        page.gauge("depositd_drill_age_seconds", help, seconds(drilled.age));
        let help = "1 where the last drill found nothing wrong.";
        page.gauge("depositd_drill_ok", help, i64::from(drilled.report.ok));
    }
    Ok(())
}

fn tasks(page: &mut Page, api: &ApiState) {
    let tasks = api.status.tasks();
    let rounds = tasks.iter().map(|(name, task)| (*name, task.rounds));
    page.counters("depositd_task_rounds_total", "Rounds that each task has ended.", "task", rounds);
    let failures = tasks.iter().map(|(name, task)| (*name, i64::from(task.failures)));
    page.gauges("depositd_task_failures", "Failed rounds in a row of each task.", "task", failures);
    let alive = tasks.iter().map(|(name, task)| (*name, i64::from(task.alive)));
    page.gauges("depositd_task_alive", "1 while the task runs.", "task", alive);
}

/// The count of `state` among those that are not empty.
fn figure(counts: &[(String, i64)], state: &str) -> i64 {
    counts.iter().find(|(word, _)| word == state).map_or(0, |(_, count)| *count)
}

/// How many seconds ago `at` was.
fn age(api: &ApiState, at: Timestamp) -> i64 {
    i64::try_from(api.flow.clock.now().since(at).as_secs()).unwrap_or(i64::MAX)
}

/// The resident memory of this process (proc_pid_status(5), `VmRSS`, in KiB); `None` where the kernel does not tell.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}
