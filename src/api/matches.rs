//! The endpoints that say which row of the invoice list is a payment page's or a card payment's.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};

use super::cases::problem;
use super::input::{Name, RawBody};
use super::principal::Principal;
use super::problem::Problem;
use super::state::{SharedState, whole};
use crate::api_types::Matched;
use crate::flow;

/// `POST /v1/deposits/{id}/match`
pub(super) async fn match_row(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    Name(name): Name,
    body: RawBody,
) -> Result<Json<Matched>, Problem> {
    let fields = body.fields(&["row", "note"])?;
    let missing = || Problem::invalid("row", "missing: the number of a row of the invoice list");
    let (row, note) = (fields.integer("row")?.ok_or_else(missing)?, fields.needed_text("note")?);
    let own = Arc::clone(&api);
    let done = whole(&api, caller.origin(), async move {
        flow::match_row(&own.flow, row, &name, &caller.words().await, &note).await
    });
    done.await?.map(Json).map_err(problem)
}

/// `POST /v1/deposits/{id}/unmatch`
pub(super) async fn unmatch_row(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    Name(name): Name,
    body: RawBody,
) -> Result<Json<Matched>, Problem> {
    let note = body.fields(&["note"])?.needed_text("note")?;
    let own = Arc::clone(&api);
    let done = whole(&api, caller.origin(), async move {
        flow::unmatch_row(&own.flow, &name, &caller.words().await, &note).await
    });
    done.await?.map(Json).map_err(problem)
}
