//! What a call that did not succeed means for the caller: each variant is a different thing to do next.

use std::time::Duration;

use super::evidence::Evidence;

/// Why a call gave no value. The words never hold the API key, nor an address it travelled in; the client's own
/// error is not kept as a source, because it prints the URL.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Stop: the settings cannot work.
    #[error("{0}")]
    Settings(String),
    /// Try later: nothing was taken (no connection, 429, 503).
    #[error("the upstream took nothing: {words}")]
    NotTaken {
        /// What happened.
        words: String,
        /// How long the upstream asked to wait; the whole budget is already paused for it.
        retry_after: Option<Duration>,
        /// The answer, if one came.
        evidence: Evidence,
    },
    /// It cannot be known whether the upstream acted, or what it meant: a timeout, a break, a 5xx.
    #[error("the upstream gave no answer to rely on: {words}")]
    Unknown {
        /// What happened.
        words: String,
        /// An order that the answer named all the same.
        order_id: Option<String>,
        /// What came of the answer.
        evidence: Evidence,
    },
    /// It answered, with a status of success, and what it says cannot be read.
    #[error("the upstream answers, and cannot be read: {words}")]
    Unreadable {
        /// What is wrong with the answer.
        words: String,
        /// An order that the answer named all the same.
        order_id: Option<String>,
        /// The answer.
        evidence: Evidence,
    },
    /// Final: the upstream will not make this wallet.
    #[error("the upstream refused: {words}")]
    Refused {
        /// The upstream's own words, or the status when it had none.
        words: String,
        /// The status of the answer.
        http_status: u16,
        /// The answer.
        evidence: Evidence,
    },
    /// The upstream knows no such order.
    #[error("the upstream does not know the order: {words}")]
    UnknownOrder {
        /// The upstream's own words, or the status when it had none.
        words: String,
        /// The answer.
        evidence: Evidence,
    },
    /// The account or its key is not accepted: only a person can change that.
    #[error("the upstream denied access: {words}")]
    Denied {
        /// The upstream's own words, or the status when it had none.
        words: String,
        /// The answer.
        evidence: Evidence,
    },
}

impl Error {
    /// The call and what came of its answer; `None` where no call was made.
    #[must_use]
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Settings(_) => None,
            Self::NotTaken { evidence, .. }
            | Self::Unknown { evidence, .. }
            | Self::Unreadable { evidence, .. }
            | Self::Refused { evidence, .. }
            | Self::UnknownOrder { evidence, .. }
            | Self::Denied { evidence, .. } => Some(evidence),
        }
    }

    /// How long the upstream asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotTaken { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// An order that a broken answer to `create` named: its wallet is shown to nobody.
    #[must_use]
    pub fn order_id(&self) -> Option<&str> {
        match self {
            Self::Unknown { order_id, .. } | Self::Unreadable { order_id, .. } => order_id.as_deref(),
            _ => None,
        }
    }

    /// What happened, without what it means.
    #[must_use]
    pub fn words(&self) -> &str {
        match self {
            Self::Settings(words)
            | Self::NotTaken { words, .. }
            | Self::Unknown { words, .. }
            | Self::Unreadable { words, .. }
            | Self::Refused { words, .. }
            | Self::UnknownOrder { words, .. }
            | Self::Denied { words, .. } => words,
        }
    }
}
