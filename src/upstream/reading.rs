//! Reads a whole answer: the value, a refusal, or nothing that can be read.

use std::sync::Arc;
use std::time::Duration;

use super::answer::{CallKind, Meaning, status_words};
use super::breaker::{CallOutcome, CallTrouble};
use super::error::Error;
use super::evidence::{Answer, Evidence};
use super::secret::ApiKey;
use super::transport::HttpReply;
use super::wire::{self, Decoded, Undecodable};
use crate::domain::report::OrderReport;

/// The link of an answer. One that holds the account's key is shown to nobody.
pub(super) fn read_link(reply: &HttpReply, key: &ApiKey) -> Result<Decoded<Box<OrderReport>>, Undecodable> {
    let read = wire::link(&reply.body)?;
    let holds_key =
        |report: &OrderReport| report.url.as_ref().is_some_and(|url| key.redact_text(url) != *url);
    match &read {
        Decoded::Yes(report) if holds_key(report) => Err(Undecodable::new("body holds the account's key")),
        _ => Ok(read),
    }
}

/// The value of a whole answer to `call`, or its error.
pub(super) fn read_answer<T>(
    key: &Arc<ApiKey>,
    call: CallKind,
    reply: HttpReply,
    took: Duration,
    decode: impl FnOnce(&HttpReply) -> Result<Decoded<T>, Undecodable>,
) -> Result<Answer<T>, Error> {
    let (status, retry_after, date) = (reply.status, reply.retry_after, reply.date);
    let mut meaning = call.meaning(&reply, || wire::words(&reply.body, |text| key.redact_text(text)));
    let mut value = None;
    if meaning == Meaning::Decode {
        match decode(&reply) {
            Ok(Decoded::Yes(read)) => value = Some(read),
            Ok(Decoded::No) => meaning = Meaning::No,
            Err(wrong) => meaning = Meaning::Unreadable(wrong.to_string()),
        }
    }
    let said = || {
        let words = wire::words(&reply.body, |text| key.redact_text(text));
        words.unwrap_or_else(|| status_words(status))
    };
    let words = match &meaning {
        Meaning::Decode => String::new(),
        Meaning::Unknown(words) | Meaning::Unreadable(words) => key.redact_text(words),
        Meaning::NotTaken if status == 429 => "too many requests".to_owned(),
        Meaning::NotTaken | Meaning::No | Meaning::Denied => said(),
    };
    let evidence = Evidence::new(call.name(), Some(status), took, reply.body, Arc::clone(key));
    if let Some(value) = value {
        return Ok(Answer { value, date, evidence });
    }
    Err(match (meaning, call) {
        (Meaning::NotTaken, _) => Error::NotTaken { words, retry_after, evidence },
        (Meaning::No, CallKind::Create { .. }) => Error::Refused { words, http_status: status, evidence },
        (Meaning::No, CallKind::Poll) if denies_access(&words) => Error::Denied { words, evidence },
        (Meaning::No, CallKind::Poll) => Error::UnknownOrder { words, evidence },
        (Meaning::No | Meaning::Denied, _) => Error::Denied { words, evidence },
        (meaning @ (Meaning::Unknown(_) | Meaning::Unreadable(_) | Meaning::Decode), _) => {
            let salvaged = matches!(call, CallKind::Create { .. })
                .then(|| wire::salvaged_order_id(evidence.raw()))
                .flatten();
            let order_id = salvaged.map(|id| key.redact_text(&id));
            match meaning {
                Meaning::Unreadable(_) => Error::Unreadable { words, order_id, evidence },
                _ => Error::Unknown { words, order_id, evidence },
            }
        }
    })
}

/// What the end of a call means for the upstream's health.
pub(super) fn outcome_of(http_status: Option<u16>, error: Option<&Error>) -> CallOutcome {
    let Some(error) = error else { return CallOutcome::Answered };
    let trouble = match error {
        // A creation is refused in the same words for a wrong key and for a wrong request: other calls show which it
        // is.
        Error::Refused { words, http_status, .. } if *http_status == 401 || denies_access(words) => {
            CallTrouble::Denied
        }
        Error::Refused { .. } | Error::Settings(_) => return CallOutcome::Answered,
        Error::UnknownOrder { .. } => CallTrouble::UnknownOrders,
        Error::NotTaken { .. } if http_status == Some(429) => CallTrouble::Throttled,
        Error::NotTaken { .. } | Error::Unknown { .. } => CallTrouble::NoAnswer,
        Error::Unreadable { .. } => CallTrouble::Unreadable,
        Error::Denied { .. } => CallTrouble::Denied,
    };
    CallOutcome::Missed(trouble, error.words().to_owned())
}

pub(super) fn read_order(reply: &HttpReply) -> Result<Decoded<Box<OrderReport>>, Undecodable> {
    let dated = |mut report: Box<OrderReport>| {
        report.answered_at = reply.date;
        report
    };
    Ok(wire::order(&reply.body)?.map(dated))
}

/// The contract's own words for a wrong user or key (section 1), whatever status they come with.
fn denies_access(words: &str) -> bool {
    words.to_ascii_lowercase().contains("verification")
}
