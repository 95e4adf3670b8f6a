//! What can be paid with: currencies, their networks, and the other names that these are known by.

use axum::Json;
use serde_json::{Value, json};

use crate::domain::asset::Asset;

/// `GET /v1/assets`
pub(super) async fn list() -> Json<Value> {
    Json(listing())
}

/// The answer, which the command line gives as well.
pub(crate) fn listing() -> Value {
    let object = |asset: Asset| {
        json!({
            "currency": asset.currency,
            "network": asset.network,
            "network_other_names": asset.network.other_names(),
        })
    };
    json!({ "assets": Asset::all().map(object).collect::<Vec<_>>() })
}
