//! Sending what is owed: at least once, each letter by itself, none held up by another.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Flow, backoff};
use crate::domain::time::Timestamp;
use crate::ledger::{self, Delivery, OwedMail};
use crate::notifier::{DepositView, LetterInput, SendError};

/// How many letters are taken from the queue at once, and how many are under way.
const BATCH: u32 = 64;
const AT_ONCE: usize = 8;
/// How often a run that waits for a receiver shows that it is alive, and looks for more to send.
const BEAT: Duration = Duration::from_secs(5);

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
/// are finished first; each is written down as it ends, and one recipient gets one at a time, so that a slow one holds
/// up only itself. `failures` is how often the way out was closed in a row.
///
/// # Errors
/// Whatever the ledger says; a letter may then be sent again, under the same Message-ID.
pub async fn deliver(flow: &Flow, failures: u32, stop: &CancellationToken) -> ledger::Result<Delivered> {
    let mut done = Delivered::default();
    let mut under_way: JoinSet<Sent> = JoinSet::new();
    let mut busy: HashMap<i64, String> = HashMap::new();
    loop {
        // Where the way out was closed, one letter tries it for all.
        let most = if failures > 0 && done.sent == 0 { 1 } else { AT_ONCE };
        if under_way.len() < most && !stop.is_cancelled() && done.unreachable.is_none() {
            let recipients: Vec<&str> = busy.values().map(String::as_str).collect();
            let due = flow.ledger.due_mails(flow.clock.now(), &recipients, BATCH).await?;
            for mail in due {
                if under_way.len() < most && !busy.values().any(|whom| *whom == mail.recipient) {
                    busy.insert(mail.id, mail.recipient.clone());
                    let flow = flow.clone();
                    under_way.spawn(async move { send(&flow, mail, failures).await });
                }
            }
        }
        let ended = tokio::select! {
            ended = under_way.join_next() => ended,
            // Others may be owed something by now.
            () = flow.wakers.deliver.notified() => continue,
            // A slow receiver is no standstill of ours.
            () = flow.clock.sleep(BEAT) => {
                flow.pulse.beat("deliver", &flow.clock);
                continue;
            }
        };
        let Some(ended) = ended else { break };
        let mut outcomes = Vec::new();
        for sent in std::iter::once(ended).chain(std::iter::from_fn(|| under_way.try_join_next())) {
            match sent {
                Ok(sent) => {
                    busy.remove(&sent.id);
                    done.unreachable = sent.closed.or(done.unreachable);
                    outcomes.push((sent.id, sent.delivery));
                }
                // It is owed still, and sent again under the same Message-ID in the next run.
                Err(error) => tracing::error!("a delivery broke off: {error}"),
            }
        }
        count(&mut done, &outcomes);
        flow.ledger.delivered(outcomes).await?;
        flow.pulse.beat("deliver", &flow.clock);
    }
    if let Some(why) = done.unreachable.clone() {
        postpone(flow, failures, &why).await?;
    }
    Ok(done)
}

fn count(done: &mut Delivered, outcomes: &[(i64, Delivery)]) {
    for (_, delivery) in outcomes {
        let slot = match delivery {
            Delivery::Sent(_) => &mut done.sent,
            Delivery::Again { .. } => &mut done.waiting,
            Delivery::Dead(_) => &mut done.dead,
        };
        *slot = slot.saturating_add(1);
    }
}

/// The way out is closed for all: what is due now waits with the letter that found it.
async fn postpone(flow: &Flow, failures: u32, why: &str) -> ledger::Result<()> {
    let due = flow.ledger.due_mails(flow.clock.now(), &[], BATCH).await?;
    let outcomes: Vec<(i64, Delivery)> =
        due.iter().map(|mail| (mail.id, again(flow, mail, failures, why.to_owned(), false))).collect();
    if outcomes.is_empty() { Ok(()) } else { flow.ledger.delivered(outcomes).await }
}

/// A letter that was tried.
struct Sent {
    id: i64,
    delivery: Delivery,
    /// Why the way out is closed, if that is what was found.
    closed: Option<String>,
}

async fn send(flow: &Flow, mail: OwedMail, failures: u32) -> Sent {
    let input = letter_of(flow, &mail);
    let (delivery, closed) = match flow.mailer.send(&input).await {
        Ok(_) => {
            tracing::info!(event = %mail.event, message_id = mail.message_id, "mail sent");
            (Delivery::Sent(flow.clock.now()), None)
        }
        Err(SendError::Permanent { why }) => {
            tracing::error!(event = %mail.event, message_id = mail.message_id, "mail refused for good: {why}");
            (Delivery::Dead(why), None)
        }
        Err(SendError::Temporary { why }) => {
            tracing::warn!(event = %mail.event, message_id = mail.message_id, "mail not taken yet: {why}");
            let tries = u32::try_from(mail.attempts).unwrap_or(u32::MAX);
            (again(flow, &mail, tries, why, true), None)
        }
        Err(SendError::Unreachable { why }) => (again(flow, &mail, failures, why.clone(), false), Some(why)),
    };
    Sent { id: mail.id, delivery, closed }
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
                let about = mail
                    .notice
                    .as_ref()
                    .and_then(|notice| notice.get("deposit_id"))
                    .and_then(|id| id.as_str());
                let case = mail.notice.as_ref().and_then(|notice| notice.get("id")).map(ToString::to_string);
                about.map_or_else(|| format!("case-{}", case.unwrap_or_default()), str::to_owned)
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
