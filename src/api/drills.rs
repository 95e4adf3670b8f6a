//! The drill: the replica is restored for a trial, by the daemon, who may read the store.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};

use super::input::RawBody;
use super::principal::Principal;
use super::problem::{Problem, ProblemKind};
use super::state::{SharedState, whole};
use crate::flow::{self, DrillReport};

/// `POST /v1/drills`
pub(super) async fn run(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    body: RawBody,
) -> Result<Json<DrillReport>, Problem> {
    body.fields(&[])?;
    let _place = api.backups.try_acquire().map_err(|_| Problem::busy("a copy is being made already", 5))?;
    let own = Arc::clone(&api);
    let report = whole(&api, caller.origin(), async move { flow::run_drill(&own.flow).await }).await??;
    let nothing =
        || Problem::new(ProblemKind::NoReplica, "ledger.replica.socket is not set: there is no replica");
    report.map(Json).ok_or_else(nothing)
}
