//! `[[webhooks]]`: the programs that are told of events, where they are, and what signs what they are told.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::error::{Error, nearest, quoted};
use super::layers::Layers;
use super::secret::SecretFile;
use super::tables::{ConfigTable, TableKind, tables};
use crate::domain::event::EventName;
use crate::domain::glob::glob_matches;
use crate::notifier::{Secrets, parse_webhook_url};

const TIMEOUT: Duration = Duration::from_secs(15);
/// No delivery is worth waiting longer for.
const LONGEST_TIMEOUT: Duration = Duration::from_mins(1);

const WEBHOOKS: TableKind = TableKind {
    section: "webhooks",
    noun: "webhook",
    needed: &["name", "url", "secret_file"],
    optional: &[
        "events",
        "currency",
        "network",
        "reference",
        "timeout",
        "retry_initial",
        "retry_max",
        "give_up_after",
        "ca_file",
    ],
    most: 32,
};

/// What holds where a webhook says nothing of its own: as for mail.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryDefaults {
    pub(super) initial: Duration,
    pub(super) max: Duration,
    pub(super) give_up_after: Duration,
}

/// One `[[webhooks]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// What it is called.
    pub name: String,
    /// Where it goes.
    pub url: Url,
    /// What signs it: one secret a line, several while it is being changed.
    pub secret_file: SecretFile,
    /// The events it is told of, globs already resolved.
    pub events: Vec<EventName>,
    /// Globs of tickers; empty means any.
    pub currency: Vec<String>,
    /// Globs of networks; empty means any.
    pub network: Vec<String>,
    /// Globs of references; empty means any.
    pub reference: Vec<String>,
    /// How long one delivery may take.
    pub timeout: Duration,
    /// The wait after a first failure.
    pub retry_initial: Duration,
    /// The longest wait.
    pub retry_max: Duration,
    /// After that it is given up.
    pub give_up_after: Duration,
    /// A private authority, to trust besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl WebhookConfig {
    /// The secrets as they are written.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read_secrets(&self) -> Result<Vec<SecretString>, Error> {
        self.secret_file.read_lines()
    }

    /// What signs it.
    ///
    /// # Errors
    /// Where the file cannot be read, or holds something else than secrets.
    pub fn secrets(&self) -> Result<Secrets, Error> {
        let SecretFile { path, key } = &self.secret_file;
        Secrets::parse(&self.read_secrets()?)
            .map_err(|error| Error::at(&path.display().to_string(), key, error.to_string()))
    }
}

pub(super) fn webhooks(layers: &Layers, usual: RetryDefaults) -> Result<Vec<WebhookConfig>, Error> {
    let mut webhooks: Vec<WebhookConfig> = Vec::new();
    for table in tables(layers, WEBHOOKS)? {
        let webhook = webhook(&table, usual)?;
        if webhooks.iter().any(|known| known.name.eq_ignore_ascii_case(&webhook.name)) {
            return Err(table.fault(format!("expected each name once, found {:?} twice", webhook.name)));
        }
        webhooks.push(webhook);
    }
    Ok(webhooks)
}

fn webhook(table: &ConfigTable<'_>, usual: RetryDefaults) -> Result<WebhookConfig, Error> {
    let name = table.name()?;
    let url = table.needed("url", "https://shop.example.com/hooks/deposits")?;
    let url = parse_webhook_url(url).map_err(|error| table.fault(format!("url: {error}")))?;
    table.needed("secret_file", "/path/to/secret")?;
    let path = table.path("secret_file")?.unwrap_or_default();
    let patterns = if table.has("events") { table.list("events")? } else { vec!["*".to_owned()] };
    let duration = |key: &str, usual: Duration| table.duration(key).map(|span| span.unwrap_or(usual));
    let webhook = WebhookConfig {
        secret_file: SecretFile { path, key: format!("webhooks {name:?} secret_file") },
        name,
        url,
        events: table.events(&patterns, hookable)?,
        currency: table.currencies()?,
        network: table.networks()?,
        reference: table.globs("reference")?,
        timeout: duration("timeout", TIMEOUT)?,
        retry_initial: duration("retry_initial", usual.initial)?,
        retry_max: duration("retry_max", usual.max)?,
        give_up_after: duration("give_up_after", usual.give_up_after)?,
        ca_file: table.path("ca_file")?,
    };
    if webhook.timeout > LONGEST_TIMEOUT {
        return Err(table.fault("timeout: expected at most \"1m\""));
    }
    for (key, limit) in [("retry_max", webhook.retry_max), ("give_up_after", webhook.give_up_after)] {
        if limit < webhook.retry_initial {
            return Err(table.fault(format!("{key}: expected at least retry_initial")));
        }
    }
    Ok(webhook)
}

/// The events that a word or a glob names, of those that a webhook may be told of.
fn hookable(pattern: &str) -> Result<Vec<EventName>, String> {
    let all = || EventName::ALL.iter().copied().filter(|name| name.is_hookable());
    let found: Vec<_> = all().filter(|name| glob_matches(pattern, name.as_str())).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let meant = nearest(pattern, all().map(EventName::as_str));
    let hint = meant.map(|name| format!(" (did you mean {name:?}?)")).unwrap_or_default();
    let known: Vec<_> = all().map(EventName::as_str).collect();
    Err(format!(
        "expected the name of an event or a glob that matches one, found {}{hint}; events: {}",
        quoted(pattern),
        known.join(", ")
    ))
}
