//! The second transport: a signed POST to a program (Standard Webhooks 1.0).

mod endpoint;
mod post;
mod secret;
mod url;

pub use self::endpoint::{WebhookEndpoint, WebhookError, WebhookSettings};
pub use self::post::{Posted, WebhookMessage};
pub use self::secret::{InvalidSecret, Secrets};
pub use self::url::{InvalidWebhookUrl, parse_webhook_url};
