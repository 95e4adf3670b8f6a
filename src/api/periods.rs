//! The endpoints for closed months.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};

use super::input::{Name, RawBody};
use super::principal::Principal;
use super::problem::{Problem, ProblemKind};
use super::state::{SharedState, whole};
use crate::api_types::{ClosedMonth, MonthList};
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
) -> Result<Json<ClosedMonth>, Problem> {
    body.fields(&[])?;
    let month = Month::parse(&name).map_err(|error| Problem::invalid("month", error))?;
    let _place = api
        .reconciliations
        .try_acquire()
        .map_err(|_| Problem::busy("several reconciliations are waiting already", 10))?;
    let own = Arc::clone(&api);
    match whole(&api, caller.origin(), async move { flow::close_month(&own.flow, &month).await }).await? {
        Ok(closed) => Ok(Json(closed)),
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
