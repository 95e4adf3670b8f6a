//! The endpoints for liveness and readiness.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use super::state::{ApiState, SharedState};
use crate::api_types::{Liveness, ReplicaReadiness, ServiceReadiness, UpstreamReadiness};
use crate::flow;
use crate::scheduler::Readiness;

/// `GET /healthz`
pub(super) async fn live() -> Json<Liveness> {
    Json(Liveness { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

/// `GET /readyz`
pub(super) async fn ready(State(api): State<SharedState>) -> (StatusCode, Json<ServiceReadiness>) {
    let readiness = readiness(&api).await;
    let health = api.flow.upstream.health();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let tasks = api.status.tasks().into_iter();
    let answer = ServiceReadiness {
        ready: readiness.ready,
        reasons: readiness.reasons,
        warnings: readiness.warnings,
        last_reconciliation_age_seconds: readiness.last_reconciliation_age_seconds,
        void_reconciliations: readiness.void_reconciliations,
        replica: replica(&api).await,
        upstream: UpstreamReadiness {
            failing_since: health.failing_since,
            failures: health.failures,
            last_success: health.last_success,
            last_error: health.last_error,
        },
        tasks: tasks.map(|(name, task)| (name.to_owned(), json!(task))).collect(),
        ledger_id: api.flow.ledger.id().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    (status, Json(answer))
}

/// How the replica stands; `None` where there is none, or the ledger does not say.
async fn replica(api: &ApiState) -> Option<ReplicaReadiness> {
    let flow = &api.flow;
    let standing = flow.replica.standing()?;
    let (silent_since, last_error) = standing.silent.unzip();
    let drilled = flow::drilled(flow).await.ok().flatten();
    Some(ReplicaReadiness {
        required: flow.replica.is_required(),
        confirmed_at: standing.confirmed_at,
        age_seconds: flow.replica.age(flow.clock.now()).unwrap_or_default().as_secs(),
        silent_since,
        last_error,
        generation: flow::generation_of(&flow.ledger).await.unwrap_or_default(),
        drill_age_seconds: drilled.as_ref().map(|drilled| drilled.age.as_secs()),
        drill_ok: drilled.map(|drilled| drilled.report.ok),
    })
}

/// The status of the tasks, and whether the ledger can be read.
pub(crate) async fn readiness(api: &ApiState) -> Readiness {
    let flow = &api.flow;
    let run = flow.ledger.last_good_run().await;
    let last_good = run.as_ref().ok().and_then(|run| run.as_ref()).map(|run| run.at);
    let mut readiness = api.status.readiness(&flow.upstream.health(), last_good, flow.clock.now());
    let trouble = match run {
        Err(error) => Some(error),
        Ok(_) => flow.ledger.check().await.err(),
    };
    if let Some(error) = trouble {
        readiness.ready = false;
        readiness.reasons.push(format!("ledger: {}", error.chain()));
    }
    if let Ok(Some(void)) = flow.ledger.incomplete_runs().await {
        readiness.warnings.retain(|warning| !warning.starts_with("reconcile: "));
        let (runs, why) = (void.runs, void.error);
        readiness.warnings.push(format!("reconcile: the last {runs} run(s) were void: {why}"));
        readiness.void_reconciliations = runs;
    }
    if let Ok(warnings) = flow.time_warnings().await {
        readiness.warnings.extend(warnings);
    }
    if let Ok(warnings) = flow.mail_warnings().await {
        readiness.warnings.extend(warnings);
    }
    if let Ok(warnings) = flow.webhook_warnings().await {
        readiness.warnings.extend(warnings);
    }
    readiness.warnings.extend(flow.log_warning());
    if let Some(silent) = flow.replica.unready() {
        readiness.ready = false;
        readiness.warnings.retain(|warning| !warning.starts_with("replica: "));
        readiness.reasons.push(format!("replica: nothing leaves before it confirms: {}", silent.0));
    }
    if api.stop.is_cancelled() {
        readiness.ready = false;
        readiness.reasons.push("the daemon is stopping".to_owned());
    }
    readiness
}
