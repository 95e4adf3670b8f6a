//! What can be asked about differences with the upstream, and what a person says of them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::door::Caller;
use super::input::{Name, Params, Raw, clip};
use super::problem::{Kind, Problem};
use super::{Desk, SharedDesk, whole};
use crate::flow::{self, CaseError, ReconcileFailed, Report};
use crate::ledger::Case;

/// `POST /v1/reconciliations`
pub(super) async fn reconcile(
    State(desk): State<SharedDesk>,
    Extension(caller): Extension<Caller>,
    body: Raw,
) -> Result<Json<Report>, Problem> {
    body.fields(&[])?;
    let _place = desk
        .reconciliations
        .try_acquire()
        .map_err(|_| Problem::busy("several reconciliations are waiting already", 10))?;
    let own = Arc::clone(&desk);
    match whole(&desk, caller.origin(), async move { flow::reconcile(&own.flow).await }).await? {
        Ok(report) => Ok(Json(report)),
        Err(error @ ReconcileFailed::Void(_)) => {
            Err(Problem::new(Kind::ReconciliationVoid, error.to_string()))
        }
        Err(ReconcileFailed::Ledger(error)) => Err(error.into()),
    }
}

/// `GET /v1/reconciliations/latest`
pub(super) async fn latest(State(desk): State<SharedDesk>) -> Result<Json<Value>, Problem> {
    let report = desk.flow.ledger.last_report().await?;
    report.map(Json).ok_or_else(|| Problem::not_found("there has been no reconciliation yet"))
}

/// `GET /v1/cases`
pub(super) async fn list(State(desk): State<SharedDesk>, uri: Uri) -> Result<Json<Value>, Problem> {
    let closed = Params::read(&uri, &["closed"])?.flag("closed")?;
    Ok(Json(json!({ "cases": desk.flow.ledger.cases(closed).await? })))
}

/// `GET /v1/cases/{id}`
pub(super) async fn show(State(desk): State<SharedDesk>, Name(name): Name) -> Result<Json<Case>, Problem> {
    find(&desk, number(&name)?).await.map(Json)
}

async fn find(desk: &Desk, id: i64) -> Result<Case, Problem> {
    desk.flow.ledger.case(id).await?.ok_or_else(|| Problem::not_found(CaseError::Unknown(id).to_string()))
}

fn number(name: &str) -> Result<i64, Problem> {
    name.parse().map_err(|_| Problem::not_found(format!("there is no case {:?}", clip(name))))
}

/// What a person does to a case.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Explain,
    Close,
    Correct,
}

/// `POST /v1/cases/{id}/explain`, `../close` and `../correct`
pub(super) async fn act(
    act: Act,
    State(desk): State<SharedDesk>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
    body: Raw,
) -> Result<Json<Case>, Problem> {
    let (id, note) = (number(&name)?, note(&body)?);
    let own = Arc::clone(&desk);
    let said = whole(&desk, caller.origin(), async move {
        let (flow, who) = (&own.flow, caller.words());
        match act {
            Act::Explain => flow::explain_case(flow, id, who, &note).await,
            Act::Close => flow::close_case(flow, id, who, &note).await,
            Act::Correct => flow::correct_case(flow, id, who, &note).await,
        }
    });
    answer(&desk, id, said.await?).await
}

fn note(body: &Raw) -> Result<String, Problem> {
    body.fields(&["note"])?.needed_text("note")
}

async fn answer(desk: &Desk, id: i64, said: Result<Case, CaseError>) -> Result<Json<Case>, Problem> {
    match said {
        Ok(case) => Ok(Json(case)),
        Err(error @ CaseError::Unknown(_)) => Err(Problem::not_found(error.to_string())),
        Err(CaseError::Ledger(error)) => Err(error.into()),
        Err(CaseError::Refused(why)) if find(desk, id).await?.closed_at.is_some() => {
            Err(Problem::new(Kind::CaseClosed, why))
        }
        Err(CaseError::Refused(why)) => Err(Problem::invalid("note", why)),
    }
}
