//! What a person asks of the webhooks: one more attempt, a test, or that an ended one is sent to again; and when the next
//! is due.

use std::time::Duration;

use serde_json::json;

use crate::domain::event::{EventName, Recipient};
use crate::domain::time::Timestamp;
use crate::flow::Flow;
use crate::ledger::{self, AccountEvent};

/// What is owed for longer is worth a word.
const LATE: Duration = Duration::from_mins(15);

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum WebhookRequestError {
    /// No webhook has this name.
    #[error("no webhook has the name {0:?}; [[webhooks]] has {1}")]
    Unknown(String, String),
    /// It is sent to already.
    #[error("{0} is sent to: it has not answered that it is gone")]
    NotEnded(String),
    /// Whatever the ledger says.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

impl Flow {
    /// Sends again at once what waits or was given up: one, all to one webhook, or all; gives how many.
    ///
    /// # Errors
    /// Whatever the ledger says.
    pub async fn retry_webhooks(&self, id: Option<i64>, webhook: Option<&str>) -> ledger::Result<u64> {
        let retried = self.ledger.retry_webhooks(id, webhook, self.clock.now()).await?;
        self.webhooks.reopen(webhook);
        self.wakers.webhooks.notify_one();
        Ok(retried)
    }

    /// Owes a test to the webhook of this name; gives the number of its event.
    ///
    /// # Errors
    /// [`WebhookRequestError`]
    pub async fn test_webhook(&self, name: &str) -> Result<(), WebhookRequestError> {
        self.known(name)?;
        let notice = AccountEvent {
            name: EventName::WebhookTest,
            at: self.clock.now(),
            reason: None,
            facts: json!({}),
            mail_to: vec![Recipient::Webhook { webhook: name.to_owned() }],
        };
        self.ledger.announce(vec![notice]).await?;
        self.webhooks.reopen(Some(name));
        self.wakers.webhooks.notify_one();
        Ok(())
    }

    /// Sends again to a webhook whose receiver answered that it is gone.
    ///
    /// # Errors
    /// [`WebhookRequestError`]
    pub async fn enable_webhook(&self, name: &str) -> Result<(), WebhookRequestError> {
        self.known(name)?;
        if !self.ledger.enable_webhook(name).await? {
            return Err(WebhookRequestError::NotEnded(name.to_owned()));
        }
        self.ledger.hasten_webhooks(Some(name), self.clock.now()).await?;
        self.webhooks.reopen(Some(name));
        self.webhooks.renew();
        self.wakers.webhooks.notify_one();
        Ok(())
    }

    /// What is owed to webhooks that are not configured any more is given up in time: nobody could take it.
    ///
    /// # Errors
    /// Whatever the ledger says.
    pub async fn give_up_unknown_webhooks(&self) -> ledger::Result<()> {
        let limit = self.clock.now().minus(self.settings.mail_give_up_after);
        for summary in self.ledger.webhook_summaries().await? {
            if summary.owed > 0 && self.webhooks.find(&summary.webhook).is_none() {
                let why = "no webhook of this name is configured";
                self.ledger.give_up_webhooks(&summary.webhook, limit, why).await?;
            }
        }
        Ok(())
    }

    fn known(&self, name: &str) -> Result<(), WebhookRequestError> {
        if self.webhooks.find(name).is_some() {
            return Ok(());
        }
        let known = self.webhooks.current();
        let names: Vec<&str> = known.iter().map(|endpoint| endpoint.settings().name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(WebhookRequestError::Unknown(name.to_owned(), names))
    }
}

/// When the next webhook may be sent: when one is due at an open receiver, or when a closed one is tried again.
///
/// # Errors
/// Whatever the ledger says.
pub async fn next_webhook(flow: &Flow) -> ledger::Result<Option<Timestamp>> {
    let (endpoints, now) = (flow.webhooks.current(), flow.clock.now());
    if endpoints.is_empty() {
        return Ok(None);
    }
    let ended = flow.ledger.ended_webhooks().await?;
    let mut open = Vec::new();
    let mut next = None;
    for endpoint in endpoints.iter() {
        let name = endpoint.settings().name.as_str();
        if ended.iter().any(|ended| ended.webhook == name) {
            continue;
        }
        match flow.webhooks.closed(name, now) {
            Some((until, _)) => next = next.into_iter().chain([until]).min(),
            None => open.push(name),
        }
    }
    let due = flow.ledger.next_webhook(&open).await?;
    Ok(next.into_iter().chain(due).min())
}

/// How one webhook stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookStanding {
    /// What it is called.
    pub name: String,
    /// Where it goes, as far as that is shown; `None` where it is not configured any more.
    pub origin: Option<String>,
    /// `open`, `waiting`, `ended` or `unknown`.
    pub state: &'static str,
    /// How many are owed to it.
    pub owed: u64,
    /// How many were given up.
    pub dead: u64,
    /// When the oldest was owed of those that still are.
    pub oldest: Option<String>,
    /// When it is tried next, where it waits.
    pub waits_until: Option<Timestamp>,
    /// Why it waits, or ended, or did not take the last one.
    pub last_error: Option<String>,
}

impl Flow {
    /// How each webhook stands: those of the configuration, then others to which something is owed.
    ///
    /// # Errors
    /// Whatever the ledger says.
    pub async fn webhook_states(&self) -> ledger::Result<Vec<WebhookStanding>> {
        let now = self.clock.now();
        let (summaries, ended) =
            (self.ledger.webhook_summaries().await?, self.ledger.ended_webhooks().await?);
        let endpoints = self.webhooks.current();
        let configured: Vec<(String, Option<String>)> = endpoints
            .iter()
            .map(|endpoint| (endpoint.settings().name.clone(), Some(endpoint.origin())))
            .collect();
        let is_configured = |name: &str| configured.iter().any(|(known, _)| known == name);
        let others: Vec<_> = summaries
            .iter()
            .filter(|summary| !is_configured(&summary.webhook))
            .map(|summary| (summary.webhook.clone(), None))
            .collect();
        let standing = |(name, origin): (String, Option<String>)| {
            let summary =
                summaries.iter().find(|summary| summary.webhook == name).cloned().unwrap_or_default();
            let closed = self.webhooks.closed(&name, now);
            let gone = ended.iter().find(|ended| ended.webhook == name);
            let (state, waits_until, last_error) = match (&origin, gone, closed) {
                (None, ..) => ("unknown", None, summary.last_error),
                (_, Some(gone), _) => ("ended", None, Some(gone.why.clone())),
                (_, None, Some((until, why))) => ("waiting", Some(until), Some(why)),
                (_, None, None) => ("open", None, summary.last_error),
            };
            let (owed, dead, oldest) = (summary.owed, summary.dead, summary.oldest);
            WebhookStanding { name, origin, state, owed, dead, oldest, waits_until, last_error }
        };
        Ok(configured.clone().into_iter().chain(others).map(standing).collect())
    }

    /// What should be known of the webhooks: those given up, ended, not configured any more, or not taken for long.
    ///
    /// # Errors
    /// Whatever the ledger says.
    pub async fn webhook_warnings(&self) -> ledger::Result<Vec<String>> {
        let now = self.clock.now();
        let late = |standing: &WebhookStanding| {
            let oldest = standing.oldest.as_deref().and_then(|at| Timestamp::parse(at).ok());
            oldest.is_some_and(|at| now.since(at) >= LATE)
        };
        let mut warnings = Vec::new();
        for standing in self.webhook_states().await? {
            let (name, owed, dead) = (&standing.name, standing.owed, standing.dead);
            let why = standing.last_error.as_deref().unwrap_or("not said");
            if dead > 0 {
                warnings.push(format!(
                    "webhooks: {dead} to {name} given up, the last: {why} (`depositd webhooks list --state dead`; once it is mended, `depositd webhooks retry --webhook {name}`)"
                ));
            }
            match standing.state {
                "ended" => warnings.push(format!(
                    "webhooks: nothing is sent to {name}, which answered {why}: `depositd webhooks enable {name}` sends again"
                )),
                "unknown" if owed > 0 => {
                    warnings.push(format!("webhooks: {owed} are owed to {name}, which is not configured"));
                }
                _ if owed > 0 && late(&standing) => warnings.push(format!(
                    "webhooks: {owed} to {name} are not taken, the oldest for more than 15 min: {why}"
                )),
                _ => {}
            }
        }
        Ok(warnings)
    }
}
