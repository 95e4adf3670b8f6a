//! How a call below `/sandbox/` is read, and how it is answered.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::sandbox::upstream::http::{SimulatorRequest, SimulatorResponse};

/// Reads the body as JSON; an empty one as `{}`.
pub(super) fn body<T: DeserializeOwned>(request: &SimulatorRequest) -> Result<T, SimulatorResponse> {
    let bytes = if request.body.is_empty() { b"{}".as_slice() } else { &request.body };
    serde_json::from_slice(bytes).map_err(|error| problem(400, &error.to_string()))
}

/// A value as JSON.
pub(super) fn to_json(value: impl serde::Serialize) -> Result<Value, SimulatorResponse> {
    serde_json::to_value(value).map_err(|error| problem(500, &error.to_string()))
}

/// `{"ok": true}`, or that the store cannot be written.
pub(super) fn stored(outcome: std::io::Result<()>) -> Result<Value, SimulatorResponse> {
    outcome.map(|()| json!({"ok": true})).map_err(|error| problem(500, &error.to_string()))
}

/// 404, and what is not there.
pub(super) fn not_found(detail: &str) -> SimulatorResponse {
    problem(404, detail)
}

/// An error with its reason.
pub(super) fn problem(status: u16, detail: &str) -> SimulatorResponse {
    SimulatorResponse::json(status, &json!({"ok": false, "error": detail}))
}
