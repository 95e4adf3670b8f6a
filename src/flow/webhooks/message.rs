//! What a webhook says: the event, and the deposit as it was right after it.

use serde_json::json;

use crate::ledger::OwedWebhook;
use crate::notifier::{DepositObject, WebhookMessage};

/// The message of an owed webhook: the same bytes, under the same id, at every attempt.
#[must_use]
pub fn message_of(owed: &OwedWebhook) -> WebhookMessage {
    let mut data = serde_json::Map::new();
    data.insert("event".to_owned(), json!(owed.event));
    if let Some(deposit) = &owed.deposit {
        data.insert("deposit".to_owned(), json!(DepositObject::from(deposit)));
    }
    if let Some(figures) = &owed.notice {
        data.insert("figures".to_owned(), figures.clone());
    }
    let body = json!({ "type": owed.name.webhook_type(), "timestamp": owed.event.at, "data": data });
    WebhookMessage { id: owed.event.id.clone(), body: body.to_string().into_bytes() }
}
