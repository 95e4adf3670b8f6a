//! The endpoints for webhooks: how each stands, what is owed, and what an operator asks for.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::{Extension, Json};

use super::input::{Name, Params, RawBody, clip};
use super::principal::Principal;
use super::problem::{Problem, ProblemKind};
use super::state::{SharedState, whole};
use crate::api_types::{WebhookDelivery, WebhookDeliveryList, WebhookList, WebhookState, WebhooksRetried};
use crate::flow::{self, WebhookRequestError};
use crate::ledger;

const STATES: &[&str] = &["owed", "sent", "dead"];

/// `GET /v1/webhooks`
pub(super) async fn list(State(api): State<SharedState>) -> Result<Json<WebhookList>, Problem> {
    let webhooks = api.flow.webhook_states().await?;
    let state = |state: flow::WebhookStanding| WebhookState {
        name: state.name,
        origin: state.origin,
        state: state.state.to_owned(),
        owed: state.owed,
        dead: state.dead,
        oldest_owed_at: state.oldest,
        waits_until: state.waits_until.map(|until| until.to_string()),
        last_error: state.last_error,
    };
    Ok(Json(WebhookList { webhooks: webhooks.into_iter().map(state).collect() }))
}

/// `GET /v1/webhooks/deliveries`
pub(super) async fn deliveries(
    State(api): State<SharedState>,
    uri: Uri,
) -> Result<Json<WebhookDeliveryList>, Problem> {
    let params = Params::read(&uri, &["state", "webhook", "limit"])?;
    let states = params.all("state");
    if let Some(unknown) = states.iter().find(|state| !STATES.contains(state)) {
        let why = format!("{:?} is none of {}", clip(unknown), STATES.join(", "));
        return Err(Problem::invalid("state", why));
    }
    let (webhook, limit) = (params.last("webhook"), params.limit(50, 500)?);
    Ok(Json(WebhookDeliveryList { deliveries: api.flow.ledger.webhooks(&states, webhook, limit).await? }))
}

/// `GET /v1/webhooks/deliveries/{id}`
pub(super) async fn show(
    State(api): State<SharedState>,
    Name(name): Name,
) -> Result<Json<WebhookDelivery>, Problem> {
    let unknown = || Problem::not_found(format!("there is no webhook delivery {:?}", clip(&name)));
    let id: i64 = name.parse().map_err(|_| unknown())?;
    let (delivery, owed) = api.flow.ledger.webhook(id).await?.ok_or_else(unknown)?;
    let body = serde_json::from_slice(&flow::message_of(&owed).body).unwrap_or_default();
    Ok(Json(WebhookDelivery { delivery, body }))
}

/// `POST /v1/webhooks/retry`
pub(super) async fn retry(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    body: RawBody,
) -> Result<Json<WebhooksRetried>, Problem> {
    let fields = body.fields(&["id", "webhook"])?;
    let (id, webhook) = (fields.integer("id")?, fields.text("webhook")?);
    let own = Arc::clone(&api);
    let retry = async move { own.flow.retry_webhooks(id, webhook.as_deref()).await };
    let retried = whole(&api, caller.origin(), retry).await??;
    match id {
        Some(id) if retried == 0 => {
            Err(Problem::not_found(format!("there is no unsent webhook delivery {id}")))
        }
        _ => Ok(Json(WebhooksRetried { retried })),
    }
}

/// `POST /v1/webhooks/{name}/test`
pub(super) async fn test(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    Name(name): Name,
    body: RawBody,
) -> Result<StatusCode, Problem> {
    body.fields(&[])?;
    let own = Arc::clone(&api);
    let done = whole(&api, caller.origin(), async move { own.flow.test_webhook(&name).await }).await?;
    done.map(|()| StatusCode::ACCEPTED).map_err(problem)
}

/// `POST /v1/webhooks/{name}/enable`
pub(super) async fn enable(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    Name(name): Name,
    body: RawBody,
) -> Result<StatusCode, Problem> {
    body.fields(&[])?;
    let own = Arc::clone(&api);
    let done = whole(&api, caller.origin(), async move { own.flow.enable_webhook(&name).await }).await?;
    done.map(|()| StatusCode::NO_CONTENT).map_err(problem)
}

fn problem(error: WebhookRequestError) -> Problem {
    match error {
        WebhookRequestError::Unknown(..) => Problem::not_found(error.to_string()),
        WebhookRequestError::NotEnded(_) => Problem::new(ProblemKind::InvalidRequest, error.to_string()),
        WebhookRequestError::Ledger(error) => ledger_problem(error),
    }
}

fn ledger_problem(error: ledger::Error) -> Problem {
    error.into()
}
