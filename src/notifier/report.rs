//! What became of a letter that was handed over: it was taken, or why it was not.

use super::text::one_line;

/// The longest explanation of a failure that is stored.
pub(super) const MAX_WHY: usize = 300;

/// A letter that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryReport {
    /// The server's words, or the file: one line.
    pub response: String,
}

/// What a refusal for good is about, as far as the server's digits tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Culprit {
    /// This recipient: there is no such mailbox, or it is full.
    Recipient,
    /// This recipient, most likely.
    PerhapsRecipient,
    /// This message: too large, not to be read.
    Message,
    /// This letter, or us. Whether the server takes the next one will tell.
    Unclear,
}

/// Why a letter was not taken. No text holds a mail address or a secret; each is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Not now: this letter should be tried again later; others may go on.
    #[error("not now: {why}")]
    Temporary {
        /// In words.
        why: String,
    },
    /// Never: this letter will be refused each time.
    #[error("refused: {why}")]
    Permanent {
        /// What that is about.
        culprit: Culprit,
        /// In words.
        why: String,
    },
    /// The way out is closed; this says nothing of the letter. Pause the whole transport.
    #[error("the mail transport is out of order: {why}")]
    Unreachable {
        /// The server takes no more at a time, or in a while: fewer may go on.
        busy: bool,
        /// In words.
        why: String,
    },
}

impl SendError {
    pub(super) fn temporary(why: &str) -> Self {
        Self::Temporary { why: harmless(why) }
    }

    pub(super) fn permanent(culprit: Culprit, why: &str) -> Self {
        Self::Permanent { culprit, why: harmless(why) }
    }

    pub(super) fn unreachable(why: &str) -> Self {
        Self::Unreachable { busy: false, why: harmless(why) }
    }

    pub(super) fn busy(why: &str) -> Self {
        Self::Unreachable { busy: true, why: harmless(why) }
    }

    /// The explanation alone.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Temporary { why } | Self::Permanent { why, .. } | Self::Unreachable { why, .. } => why,
        }
    }
}

/// One short line, every mail address in it left out: servers like to repeat them.
pub(super) fn harmless(text: &str) -> String {
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|word| if word.trim_matches('@').contains('@') { "(address)" } else { word })
        .collect();
    one_line(&words.join(" "), MAX_WHY.saturating_sub(1))
}
