//! One letter: what it is made of, what a refusal means for it, and when it is tried again.

use super::refusals::RefusalVerdict;
use crate::domain::event::Topic;
use crate::domain::time::{Timestamp, with_jitter};
use crate::flow::context::backoff;
use crate::flow::{Flow, Mark};
use crate::ledger::{Delivery, Ledger, OwedMail};
use crate::notifier::{DepositView, LetterInput, PayerView, SendError};

/// A letter that was tried.
pub(super) struct Sent {
    pub(super) id: i64,
    pub(super) recipient: String,
    /// It may count towards a flood.
    pub(super) counts: bool,
    pub(super) delivery: Delivery,
    pub(super) found: WayOutFinding,
}

/// What a try has shown of the way out.
pub(super) enum WayOutFinding {
    /// Nothing but what became of the letter.
    Open,
    /// It is closed: why, and whether the server only has enough for now.
    Closed { busy: bool, why: String },
    /// A letter was refused for good; the digits leave it open whether others would be.
    Refused(String),
}

#[tracing::instrument(name = "mail.deliver", skip_all, fields(mail.id = mail.id, event = %mail.event))]
pub(super) async fn send(flow: &Flow, (mail, mark): (OwedMail, Mark), failures: u32) -> Sent {
    if let Err(silent) = flow.replica.pass(mark).await {
        let delivery = Delivery::Again { due: flow.clock.now(), why: silent.to_string(), counted: false };
        let found = WayOutFinding::Open;
        return Sent { id: mail.id, recipient: mail.recipient, counts: false, delivery, found };
    }
    let input = letter_of(&flow.ledger, &mail, flow.clock.now());
    let tries = u32::try_from(mail.attempts).unwrap_or(u32::MAX);
    let (delivery, found) = match flow.mailer.send(&input).await {
        Ok(_) => {
            tracing::info!(message_id = mail.message_id, "mail sent");
            flow.delivery_state.taken(mail.id, &mail.recipient);
            (Delivery::Sent(flow.clock.now()), WayOutFinding::Open)
        }
        Err(SendError::Permanent { culprit, why }) => {
            match flow.delivery_state.refused(mail.id, &mail.recipient, culprit) {
                RefusalVerdict::Dead => {
                    tracing::error!(message_id = mail.message_id, "mail refused for good: {why}");
                    (Delivery::Dead(why.clone()), WayOutFinding::Refused(why))
                }
                RefusalVerdict::Doubted => {
                    tracing::warn!(
                        message_id = mail.message_id,
                        "mail refused, perhaps not for its own fault: {why}"
                    );
                    (again(flow, &mail, tries.max(failures), why.clone(), true), WayOutFinding::Refused(why))
                }
            }
        }
        Err(SendError::Temporary { why }) => {
            tracing::warn!(message_id = mail.message_id, "mail not taken yet: {why}");
            (again(flow, &mail, tries, why, true), WayOutFinding::Open)
        }
        Err(SendError::Unreachable { busy, why }) => {
            (again(flow, &mail, failures, why.clone(), false), WayOutFinding::Closed { busy, why })
        }
    };
    Sent { id: mail.id, recipient: mail.recipient, counts: !mail.to_payer, delivery, found }
}

fn again(flow: &Flow, mail: &OwedMail, tries: u32, why: String, counted: bool) -> Delivery {
    let now = flow.clock.now();
    if now.since(mail.created_at) >= flow.settings.mail_give_up_after {
        tracing::error!(message_id = mail.message_id, "mail given up: {why}");
        return Delivery::Dead(format!("given up: {why}"));
    }
    let wait = backoff(flow.settings.mail_retry_initial, tries, flow.settings.mail_retry_max);
    Delivery::Again { due: now.plus(with_jitter(wait, mail.id.unsigned_abs(), now)), why, counted }
}

/// What the letter about `mail` is made of, where it goes `now`; `ledger` names the conversation that it belongs to.
#[must_use]
pub fn letter_of(ledger: &Ledger, mail: &OwedMail, now: Timestamp) -> LetterInput {
    let latest = mail.latest.as_ref().or(mail.deposit.as_ref().map(|deposit| &deposit.facts));
    let payer = latest.filter(|_| mail.to_payer).map(|latest| PayerView { latest: latest.clone(), now });
    LetterInput {
        payer,
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
        thread_id: Some(ledger.thread_id(&subject_of(mail))),
        to: mail.recipient.clone(),
    }
}

/// What the conversation is about: a deposit, a case, the upstream, or the event itself.
fn subject_of(mail: &OwedMail) -> String {
    if let Some(deposit) = &mail.deposit {
        return deposit.id.to_string();
    }
    let said = |key: &str| mail.notice.as_ref().and_then(|notice| notice.get(key));
    match mail.event.topic() {
        Topic::Upstream => "upstream".to_owned(),
        Topic::Reconciliation => "reconciliation".to_owned(),
        Topic::Case => match said("deposit_id").and_then(|id| id.as_str()) {
            Some(deposit) => deposit.to_owned(),
            None => format!("case-{}", said("id").map(ToString::to_string).unwrap_or_default()),
        },
        Topic::Deposit | Topic::Account => mail.event.to_string(),
    }
}
