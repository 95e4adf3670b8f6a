//! The endpoints for closed months.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};

use super::input::{Name, RawBody};
use super::principal::Principal;
use super::problem::{Problem, ProblemKind};
use super::state::{SharedState, whole};
use crate::api_types::{CloseAnswer, MonthList};
use crate::domain::period::Month;
use crate::flow::{self, CloseError, ReconcileFailed};

/// `GET /v1/periods`
pub(super) async fn list(State(api): State<SharedState>) -> Result<Json<MonthList>, Problem> {
    Ok(Json(MonthList { periods: api.flow.ledger.closed_months().await? }))
}

/// `POST /v1/periods/{month}/close`
pub(super) async fn close(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    Name(name): Name,
    body: RawBody,
) -> Result<Json<CloseAnswer>, Problem> {
    let dry_run = body.fields(&["dry_run"])?.boolean("dry_run")?;
    let month = Month::parse(&name).map_err(|error| Problem::invalid("month", error))?;
    let _place = api
        .reconciliations
        .try_acquire()
        .map_err(|_| Problem::busy("several reconciliations are waiting already", 10))?;
    let own = Arc::clone(&api);
    let done = whole(&api, caller.origin(), async move {
        if dry_run {
            return flow::plan_close(&own.flow, &month).await.map(|plan| CloseAnswer::Plan(Box::new(plan)));
        }
        let who = caller.words().await;
        flow::close_month(&own.flow, &month, &who).await.map(CloseAnswer::Closed)
    });
    match done.await? {
        Ok(answer) => Ok(Json(answer)),
        Err(CloseError::Early(why)) => Err(Problem::invalid("month", why)),
        Err(CloseError::NotClean(why)) => Err(Problem::new(ProblemKind::BooksNotClean, why)),
        Err(CloseError::Reconcile(ReconcileFailed::Incomplete(why))) => {
            Err(Problem::new(ProblemKind::ReconciliationVoid, why))
        }
        Err(CloseError::Reconcile(ReconcileFailed::Ledger(error)) | CloseError::Ledger(error)) => {
            Err(error.into())
        }
    }
}
