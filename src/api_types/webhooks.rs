//! The answers about webhooks.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ledger::WebhookRow;

/// `GET /v1/webhooks`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WebhookList {
    /// In the order of the configuration; then those to which something is owed and that are not configured any more.
    pub webhooks: Vec<WebhookState>,
}

/// One webhook as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebhookState {
    /// What it is called.
    pub name: String,
    /// Where it goes: scheme, host and port; the rest of the URL may hold a secret. `None` where it is not configured.
    pub origin: Option<String>,
    /// `open`, `waiting` (after a failure), `ended` (it answered 410), or `unknown` (not configured any more).
    pub state: String,
    /// How many are owed to it.
    pub owed: u64,
    /// How many were given up.
    pub dead: u64,
    /// When the oldest was owed of those that still are.
    pub oldest_owed_at: Option<String>,
    /// When it is tried next, where it waits.
    pub waits_until: Option<String>,
    /// Why it waits, or ended, or did not take the last one.
    pub last_error: Option<String>,
}

/// `GET /v1/webhooks/deliveries`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WebhookDeliveryList {
    /// Newest first.
    pub deliveries: Vec<WebhookRow>,
}

/// `GET /v1/webhooks/deliveries/{id}`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WebhookDelivery {
    /// As it stands.
    pub delivery: WebhookRow,
    /// What is sent, at every attempt.
    pub body: Value,
}

/// `POST /v1/webhooks/retry`
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct WebhooksRetried {
    /// How many are owed again, and due at once.
    pub retried: u64,
}
