//! Fields laid over an answer. They stay raw JSON text, so that every digit of a number arrives as it was given.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::http::SimulatorResponse;

/// Fields of a `body`; `null` takes a field away.
pub(super) type OverlayFields = BTreeMap<String, Box<RawValue>>;

#[derive(Serialize, Deserialize)]
struct Envelope {
    ok: bool,
    body: OverlayFields,
}

/// Reads an object's fields without touching their text.
pub(super) fn parse(raw: &str) -> Result<OverlayFields, serde_json::Error> {
    serde_json::from_str(raw)
}

/// Lays `over` over the `body` of a good answer; any other answer stays as it is.
pub(super) fn lay(mut response: SimulatorResponse, over: &OverlayFields) -> SimulatorResponse {
    let Ok(mut envelope) = serde_json::from_slice::<Envelope>(&response.body) else { return response };
    for (name, value) in over {
        if value.get() == "null" {
            envelope.body.remove(name);
        } else {
            envelope.body.insert(name.clone(), value.clone());
        }
    }
    if let Ok(bytes) = serde_json::to_vec(&envelope) {
        response.body = bytes;
    }
    response
}
