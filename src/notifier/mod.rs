//! Letters and webhooks: who gets which event, what it says, and how it leaves this machine.
//!
//! The only module that knows lettre. It keeps no state of its own: what is owed, to whom and since when is in
//! the ledger. A letter is composed anew at every attempt, from the same facts, to the same bytes.

mod address;
mod certificate;
mod content;
mod deposit_object;
mod doubt;
mod emails;
mod fields;
mod file;
mod jinja;
mod letter;
mod mime;
mod notice;
mod payer;
pub mod qr;
mod render;
mod report;
mod retry_schedule;
mod rules;
mod samples;
mod settings;
mod smtp;
mod templates;
mod text;
mod transport;
mod values;
mod webhook;
mod words;

#[cfg(test)]
mod tests;

pub use self::address::{AddressError, ascii_domain, parse_address, parse_mailbox, parse_recipient};
#[cfg(test)]
pub(crate) use self::deposit_object::keys as deposit_keys;
pub use self::deposit_object::{DepositObject, PayWith};
pub use self::doubt::is_unsafe_to_pay;
pub(crate) use self::jinja::environment as template_environment;
pub use self::letter::{DepositView, InlineImage, Letter, LetterInput, PayerView};
pub use self::render::{ComposeError, compose};
pub use self::report::{Culprit, DeliveryReport, SendError};
pub use self::retry_schedule::{Digesting, QuietHours, RetrySchedule};
pub use self::rules::{RecipientRule, Rules};
pub use self::samples::{mailed_events, payer_sample, sample, sample_paid_by};
pub use self::settings::{MailBackend, MailerSettings, Security, SettingsError};
pub use self::smtp::parse_hello;
pub(crate) use self::templates::unfit;
pub use self::templates::{TemplateError, Templates};
pub(crate) use self::text::{is_invisible, safe_link, span};
pub use self::transport::Mailer;
pub use self::webhook::{
    InvalidSecret, InvalidWebhookUrl, Posted, Secrets, WebhookEndpoint, WebhookError, WebhookMessage,
    WebhookSettings, parse_webhook_url,
};
