//! No answer leaves before the replica has what it rests on (docs/replica.md): the one place where answers pass the gate.

use std::future::Future;

use axum::body::Body;
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use hyper::body::Body as _;

use super::problem::{Problem, ProblemKind};
use crate::flow::SharedGate;

/// For whoever watches the process: needed most while the replica is silent. Their figures may be ahead of the replica
/// (docs/interface.md).
const UNGATED: &[&str] = &["/readyz", "/metrics", "/openapi.json", "/v1/drills"];

/// Gives the answer once it may leave. While the replica is silent nothing new is begun, and what shows more than the
/// replica has is withheld: 503.
pub(crate) async fn through(
    gate: &SharedGate,
    (method, path): (&Method, &str),
    answer: impl Future<Output = Response>,
) -> Response {
    if !gate.is_required() || UNGATED.contains(&path) {
        return answer.await;
    }
    let changes = !matches!(*method, Method::GET | Method::HEAD);
    if let Some(silent) = gate.refusal().filter(|_| changes) {
        let detail = format!("nothing new was begun, ask again later: {silent}");
        return Problem::new(ProblemKind::ReplicaUnavailable, detail).into_response();
    }
    let response = answer.await;
    match gate.pass(gate.mark()).await {
        Ok(()) if response.body().size_hint().exact().is_some() => response,
        Ok(()) => piece_by_piece(gate, response),
        Err(silent) => {
            let what = if changes {
                "whatever was done is stored on this machine alone, and nobody was told of it: ask again, with the same \
                 Idempotency-Key where there is one"
            } else {
                "this answer would show more than the replica has: ask again later"
            };
            Problem::new(ProblemKind::ReplicaUnavailable, format!("{what}: {silent}")).into_response()
        }
    }
}

/// A stream is read from the ledger as it goes: each piece waits for itself.
fn piece_by_piece(gate: &SharedGate, response: Response) -> Response {
    let gate = SharedGate::clone(gate);
    response.map(|body| {
        Body::from_stream(body.into_data_stream().then(move |piece| {
            let gate = SharedGate::clone(&gate);
            async move {
                gate.pass_at_last(gate.mark()).await;
                piece
            }
        }))
    })
}
