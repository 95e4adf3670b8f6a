//! What a letter is made of, and what it is: the event and its facts go in, a subject, a text and a page come out.

use serde_json::Value;

use super::text;
use crate::domain::deposit::{Facts, Request};
use crate::domain::event::EventName;
use crate::domain::ids::DepositId;
use crate::domain::time::Timestamp;

/// A deposit as a letter shows it: the facts are those right after the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepositView {
    /// Our name for it.
    pub id: DepositId,
    /// What was asked for.
    pub request: Request,
    /// What had become of it.
    pub facts: Facts,
}

/// Everything that one letter to one recipient is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct LetterInput {
    /// What happened.
    pub event: EventName,
    /// When: the letter's `Date`.
    pub at: Timestamp,
    /// Why, in words, where the event says so. Untrusted: it may quote the upstream.
    pub reason: Option<String>,
    /// The deposit, for a deposit's event.
    pub deposit: Option<DepositView>,
    /// The facts of an event that is no deposit's (`discrepancy_*`, `digest`, `upstream_*`); every member is optional.
    pub notice: Option<Value>,
    /// The `Message-ID` without angle brackets, the same at every attempt.
    pub message_id: String,
    /// The `Message-ID` of the conversation's first letter.
    pub thread_id: Option<String>,
    /// The one recipient.
    pub to: String,
    /// What the letter is judged by, where it goes to a payer in words of its own.
    pub payer: Option<PayerView>,
}

/// What decides whether a payer may still be asked to pay: a letter can be late, and a deposit can have moved on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayerView {
    /// The deposit's facts as they stand now.
    pub latest: Facts,
    /// When the letter is written.
    pub now: Timestamp,
}

impl LetterInput {
    /// Why it happened, or why the deposit is flagged: one harmless line.
    pub(super) fn because(&self) -> Option<String> {
        let review = self.deposit.as_ref().and_then(|view| view.facts.review.as_ref());
        let reason = self.reason.as_deref().or(review.map(|review| review.reason.as_str()));
        reason.map(text::untrusted).filter(|reason| !reason.is_empty())
    }
}

/// A letter in words, before it becomes a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line, free of control characters.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as a page.
    pub html: String,
    /// A picture that the page shows.
    pub inline: Option<InlineImage>,
}

impl Letter {
    /// The page by itself, with its picture inside: for a browser, which knows no other part of the message.
    #[must_use]
    pub fn html_alone(&self) -> String {
        match &self.inline {
            None => self.html.clone(),
            Some(image) => {
                let data = format!("data:image/png;base64,{}", text::base64(&image.png));
                self.html.replace(&format!("cid:{}", image.content_id), &data)
            }
        }
    }
}

/// A picture inside a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineImage {
    /// What the page calls it (`cid:`).
    pub content_id: String,
    /// PNG.
    pub png: Vec<u8>,
}
