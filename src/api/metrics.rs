//! The metrics in the text format of Prometheus, counted at each request.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::health;
use super::problem::Problem;
use super::state::{ApiState, STREAMS, SharedState};
use crate::domain::deposit::State as DepositState;
use crate::ledger;

/// `GET /metrics`
pub(super) async fn metrics(State(api): State<SharedState>) -> Result<Response, Problem> {
    let text = Page::of(&api).await?.0;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// The page as far as it is written.
#[derive(Default)]
struct Page(String);

impl Page {
    async fn of(api: &ApiState) -> ledger::Result<Self> {
        let ledger = &api.flow.ledger;
        let mut page = Self::default();
        page.gauge("depositd_up", "1 while the daemon answers.", 1);
        page.head("depositd_build_info", "The program's version, as a label.", "gauge");
        page.labelled("depositd_build_info", "version", env!("CARGO_PKG_VERSION"), 1);
        let counts = ledger.counts().await?;
        page.head("depositd_deposits", "Deposits in each state.", "gauge");
        for state in DepositState::ALL {
            let known = counts.iter().find(|(word, _)| word == state.as_str());
            page.labelled("depositd_deposits", "state", state.as_str(), known.map_or(0, |(_, count)| *count));
        }
        let counts = ledger.mail_counts().await?;
        page.head("depositd_mails", "Mails in each state; dead ones are retried by hand.", "gauge");
        for state in ["owed", "sent", "dead"] {
            let known = counts.iter().find(|(word, _)| word == state);
            page.labelled("depositd_mails", "state", state, known.map_or(0, |(_, count)| *count));
        }
        let open = ledger.cases(false).await?.len();
        page.gauge("depositd_open_cases", "Differences with the upstream that are open.", open);
        let head = ledger.head_hash().await?.map_or(0, |(seq, _)| seq);
        page.gauge("depositd_ledger_head_seq", "The number of the ledger's last event.", head);
        let name = "depositd_ledger_log_bytes";
        page.gauge(
            name,
            "The size of the ledger's log; it grows while somebody keeps one view open.",
            ledger.log_bytes(),
        );
        page.conditions(api).await;
        page.tasks(api);
        Ok(page)
    }

    async fn conditions(&mut self, api: &ApiState) {
        let readiness = health::readiness(api).await;
        self.gauge("depositd_ready", "1 when /readyz says so.", u8::from(readiness.ready));
        if let Some(seconds) = readiness.last_reconciliation_age_seconds {
            let name = "depositd_reconciliation_age_seconds";
            self.gauge(name, "The age of the last good reconciliation.", seconds);
        }
        let name = "depositd_reconciliation_void_runs";
        let void = readiness.void_reconciliations;
        self.gauge(name, "Reconciliations in a row that were void, up to now.", void);
        let upstream = api.flow.upstream.health();
        let failing = u8::from(upstream.failing_since.is_some());
        self.gauge("depositd_upstream_failing", "1 while the upstream does not answer sensibly.", failing);
        let name = "depositd_upstream_calls_in_flight";
        self.gauge(name, "Calls to the upstream that are under way.", upstream.in_flight);
        let name = "depositd_upstream_calls_waiting";
        self.gauge(name, "Calls to the upstream that wait for their turn.", upstream.waiting);
        let streams = STREAMS.saturating_sub(api.streams.available_permits());
        self.gauge("depositd_api_event_streams", "Clients that follow the events.", streams);
    }

    fn tasks(&mut self, api: &ApiState) {
        let tasks = api.status.tasks();
        self.head("depositd_task_rounds_total", "Rounds that each task has ended.", "counter");
        for (name, task) in &tasks {
            self.labelled("depositd_task_rounds_total", "task", name, task.rounds);
        }
        self.head("depositd_task_failures", "Failed rounds in a row of each task.", "gauge");
        for (name, task) in &tasks {
            self.labelled("depositd_task_failures", "task", name, task.failures);
        }
        self.head("depositd_task_alive", "1 while the task runs.", "gauge");
        for (name, task) in &tasks {
            self.labelled("depositd_task_alive", "task", name, u8::from(task.alive));
        }
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// No label here holds a character that would need escaping: they are names of ours.
    fn labelled(&mut self, name: &str, label: &str, value: &str, figure: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{name}{{{label}=\"{value}\"}} {figure}");
    }

    fn gauge(&mut self, name: &str, help: &str, figure: impl std::fmt::Display) {
        self.head(name, help, "gauge");
        let _ = writeln!(self.0, "{name} {figure}");
    }
}
