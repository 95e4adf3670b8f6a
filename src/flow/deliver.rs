//! Sending what is owed: at least once, each letter by itself, none held up by another.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::{Flow, backoff};
use crate::domain::time::Timestamp;
use crate::ledger::{self, Delivery, OwedMail};
use crate::notifier::{DepositView, LetterInput, SendError};

/// How many letters are taken from the queue at once, and how many are under way.
const BATCH: u32 = 64;
const AT_ONCE: usize = 8;

/// What a run over the outbox did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Delivered {
    /// Taken by the receiver.
    pub sent: u64,
    /// To be tried again.
    pub waiting: u64,
    /// Given up.
    pub dead: u64,
    /// Why the way out is closed, if it is.
    pub unreachable: Option<String>,
}

/// Sends everything that is due, until nothing is, the way out is closed, or `stop` is asked for. Letters under way
/// are finished first. `failures` is how often the way out was closed in a row.
///
/// # Errors
/// Whatever the ledger says; a letter may then be sent again, under the same Message-ID.
pub async fn deliver(flow: &Flow, failures: u32, stop: &CancellationToken) -> ledger::Result<Delivered> {
    let mut done = Delivered::default();
    while !stop.is_cancelled() && done.unreachable.is_none() {
        let due = flow.ledger.due_mails(flow.clock.now(), BATCH).await?;
        if due.is_empty() {
            break;
        }
        // Where the way out was closed, one letter tries it for all.
        let (tried, rest) = if failures > 0 && done.sent == 0 {
            let mut due = due.into_iter();
            (due.by_ref().take(1).collect::<Vec<_>>(), due.collect())
        } else {
            (due, Vec::new())
        };
        let mut outcomes: Vec<(i64, Delivery)> = futures_util::stream::iter(tried)
            .map(|mail| send(flow, mail, failures))
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .map(|(id, delivery, closed)| {
                if closed.is_some() {
                    done.unreachable = closed;
                }
                (id, delivery)
            })
            .collect();
        if done.unreachable.is_some() {
            outcomes.extend(rest.into_iter().map(|mail| (mail.id, postponed(flow, &mail, failures, &done))));
        }
        for (_, delivery) in &outcomes {
            let slot = match delivery {
                Delivery::Sent(_) => &mut done.sent,
                Delivery::Again { .. } => &mut done.waiting,
                Delivery::Dead(_) => &mut done.dead,
            };
            *slot = slot.saturating_add(1);
        }
        flow.ledger.delivered(outcomes).await?;
        flow.pulse.beat("deliver", &flow.clock);
    }
    Ok(done)
}

fn postponed(flow: &Flow, mail: &OwedMail, failures: u32, done: &Delivered) -> Delivery {
    again(flow, mail, failures, done.unreachable.clone().unwrap_or_default(), false)
}

/// The letter's fate, and why the way out is closed if that is what was found.
async fn send(flow: &Flow, mail: OwedMail, failures: u32) -> (i64, Delivery, Option<String>) {
    let input = letter_of(flow, &mail);
    match flow.mailer.send(&input).await {
        Ok(_) => {
            tracing::info!(event = %mail.event, message_id = mail.message_id, "mail sent");
            (mail.id, Delivery::Sent(flow.clock.now()), None)
        }
        Err(SendError::Permanent { why }) => {
            tracing::error!(event = %mail.event, message_id = mail.message_id, "mail refused for good: {why}");
            (mail.id, Delivery::Dead(why), None)
        }
        Err(SendError::Temporary { why }) => {
            tracing::warn!(event = %mail.event, message_id = mail.message_id, "mail not taken yet: {why}");
            let tries = u32::try_from(mail.attempts).unwrap_or(u32::MAX);
            (mail.id, again(flow, &mail, tries, why, true), None)
        }
        Err(SendError::Unreachable { why }) => {
            let delivery = again(flow, &mail, failures, why.clone(), false);
            (mail.id, delivery, Some(why))
        }
    }
}

fn again(flow: &Flow, mail: &OwedMail, tries: u32, why: String, counted: bool) -> Delivery {
    let now = flow.clock.now();
    if now.since(mail.created_at) >= flow.settings.mail_give_up_after {
        tracing::error!(event = %mail.event, message_id = mail.message_id, "mail given up: {why}");
        return Delivery::Dead(format!("given up: {why}"));
    }
    let wait = backoff(flow.settings.mail_retry_initial, tries, flow.settings.mail_retry_max);
    Delivery::Again { due: now.plus(with_jitter(wait, mail.id, now)), why, counted }
}

/// Up to a tenth more, so that many letters do not come back in one moment.
fn with_jitter(wait: Duration, id: i64, now: Timestamp) -> Duration {
    let tenth = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).checked_div(10).unwrap_or(0);
    let mixed = (id.unsigned_abs() ^ now.as_millis().unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let share = mixed.rotate_left(29).checked_rem(tenth.saturating_add(1)).unwrap_or(0);
    wait.saturating_add(Duration::from_millis(share))
}

fn letter_of(flow: &Flow, mail: &OwedMail) -> LetterInput {
    let subject = match &mail.deposit {
        Some(deposit) => deposit.id.to_string(),
        None => match mail.event.as_str() {
            name if name.starts_with("upstream_") => "upstream".to_owned(),
            name if name.starts_with("discrepancy_") => {
                let case = mail.notice.as_ref().and_then(|notice| notice.get("id")).map(ToString::to_string);
                format!("case-{}", case.unwrap_or_default())
            }
            name => name.to_owned(),
        },
    };
    LetterInput {
        event: mail.event,
        at: mail.at,
        reason: mail.reason.clone(),
        deposit: mail.deposit.clone().map(|deposit| DepositView {
            id: deposit.id,
            request: deposit.request,
            facts: deposit.facts,
        }),
        notice: mail.notice.clone(),
        message_id: mail.message_id.clone(),
        thread_id: Some(flow.ledger.thread_id(&subject)),
        to: mail.recipient.clone(),
    }
}
