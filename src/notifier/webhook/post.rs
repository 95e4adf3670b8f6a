//! One delivery: the signed POST, and what the answer means.

use std::error::Error as _;
use std::time::Duration;

use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};

use super::endpoint::WebhookEndpoint;
use crate::domain::causes::root;
use crate::domain::time::Timestamp;
use crate::notifier::certificate::{CertificateKeys, certificate_fault, certificate_in_words};
use crate::notifier::text::one_line;
use crate::secret::without_known;

/// What a person sets for a webhook.
const KEYS: CertificateKeys = CertificateKeys { ca_file: "the webhook's ca_file", host: "the webhook's url" };
/// How much of an answer is read: enough to keep the connection, and to show what was said.
const LONGEST_ANSWER: usize = 16 * 1024;
/// How much of it is kept in words.
const LONGEST_WORDS: usize = 240;
/// The longest pause that a receiver can ask for.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// What is sent: the same bytes under the same id at every attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookMessage {
    /// `webhook-id`.
    pub id: String,
    /// A JSON document.
    pub body: Vec<u8>,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// A 2xx: the receiver has it.
    Taken,
    /// 410: the receiver wants no more, whatever is sent.
    Gone(String),
    /// Another answer: this one was not taken.
    Refused(String),
    /// 429, or a 5xx that names a time: nothing is wanted for so long.
    Busy {
        /// How long, where it said.
        pause: Option<Duration>,
        /// In words.
        why: String,
    },
    /// No answer that can be read: it may have been taken.
    Unreachable(String),
}

impl WebhookEndpoint {
    /// Sends `message` once. `now` is signed, so that a receiver can refuse what somebody repeats later.
    pub async fn post(&self, message: &WebhookMessage, now: Timestamp) -> Posted {
        let settings = self.settings();
        let timestamp = now.as_millis().div_euclid(1000);
        let signature = settings.secrets.sign(&message.id, timestamp, &message.body);
        let request = self
            .client
            .post(settings.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signature)
            .body(message.body.clone());
        match request.send().await {
            Ok(response) => judge(response, now).await,
            Err(error) => Posted::Unreachable(words(error)),
        }
    }

    /// Whether anybody answers there, whatever it answers; nothing is sent.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn knock(&self) -> Result<u16, String> {
        let response = self.client.head(self.settings().url.clone()).send().await.map_err(words)?;
        Ok(response.status().as_u16())
    }
}

async fn judge(mut response: Response, now: Timestamp) -> Posted {
    let status = response.status();
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| pause(value.to_str().ok()?, now));
    let mut said = Vec::new();
    while said.len() < LONGEST_ANSWER {
        match response.chunk().await {
            Ok(Some(chunk)) => said.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    // What is left unread ends with the connection.
    drop(response);
    if status.is_success() {
        return Posted::Taken;
    }
    let why = answer_in_words(status.as_u16(), status.canonical_reason(), &said);
    match status.as_u16() {
        410 => Posted::Gone(why),
        429 => Posted::Busy { pause: asked, why },
        500..=599 if asked.is_some() => Posted::Busy { pause: asked, why },
        300..=399 => Posted::Refused(format!("{why}; redirects are not followed")),
        _ => Posted::Refused(why),
    }
}

fn answer_in_words(status: u16, reason: Option<&str>, said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let said = one_line(&without_known(&said), LONGEST_WORDS);
    let status = reason.map_or_else(|| status.to_string(), |reason| format!("{status} {reason}"));
    if said.is_empty() { status } else { format!("{status}: {said}") }
}

/// What `Retry-After` asks for: seconds, or an HTTP date.
fn pause(text: &str, now: Timestamp) -> Option<Duration> {
    let seconds = text.trim();
    if let Ok(seconds) = seconds.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST_PAUSE));
    }
    let at = httpdate::parse_http_date(seconds).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let at = Timestamp::from_millis(i64::try_from(at.as_millis()).ok()?);
    Some(at.since(now).min(LONGEST_PAUSE))
}

/// A failure in words, without the URL: its path may hold a secret.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    if let Some(fault) = certificate_fault(&error) {
        return one_line(&certificate_in_words(fault, KEYS), LONGEST_WORDS);
    }
    let cause = error.source().map_or_else(|| "no reason given".to_owned(), |cause| root(cause).to_string());
    let words = match (error.is_connect(), error.is_timeout()) {
        (true, true) => "connecting took too long".to_owned(),
        (true, false) => format!("no connection: {cause}"),
        (false, true) => "the answer took too long".to_owned(),
        (false, false) => format!("no answer that can be read: {cause}"),
    };
    one_line(&without_known(&words), LONGEST_WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_seconds_or_a_date_and_has_an_end() {
        let now = Timestamp::from_seconds(1_700_000_000);
        for (text, seconds) in [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("99999999999", Some(86_400)),
            ("Tue, 14 Nov 2023 22:14:20 GMT", Some(60)),
            ("Tue, 14 Nov 2000 22:14:20 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
        ] {
            assert_eq!(pause(text, now).map(|pause| pause.as_secs()), seconds, "{text}");
        }
    }

    #[test]
    fn an_answer_is_one_short_line() {
        assert_eq!(answer_in_words(500, Some("Internal Server Error"), b""), "500 Internal Server Error");
        let long = answer_in_words(400, Some("Bad Request"), "a\r\nb\u{202e}".repeat(1000).as_bytes());
        assert!(long.chars().count() < 270 && !long.contains(['\n', '\r', '\u{202e}']), "{long}");
        assert_eq!(answer_in_words(499, None, b"\xff\xfe"), "499: \u{fffd}\u{fffd}");
    }
}
