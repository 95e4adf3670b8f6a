//! The meaning of an answer's HTTP status, call by call (docs/contract.md, sections 1 to 5); pure.

use super::transport::HttpReply;
use super::wire;

/// The five calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallKind {
    Create { with_coupon: bool },
    Poll,
    Invoices,
    Balance,
    Coupons,
}

/// What to make of an answer, before its body has been read or when it need not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The body tells.
    Decode,
    /// Nothing was taken.
    NotTaken,
    /// Nothing can be known; why.
    Unknown(String),
    /// It came whole and with a status of success, and its body cannot be read; why.
    Unreadable(String),
    /// The call's own kind of no.
    No,
    /// The account or its key is not accepted.
    Denied,
}

impl CallKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Poll => "look",
            Self::Invoices => "invoices",
            Self::Balance => "balance",
            Self::Coupons => "coupons",
        }
    }

    /// Its name in metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            other => other.name(),
        }
    }

    /// Reads the status; `words` are those of the body.
    pub(super) fn meaning(self, reply: &HttpReply, words: impl FnOnce() -> Option<String>) -> Meaning {
        if matches!(reply.status, 429 | 503) {
            return Meaning::NotTaken;
        }
        if let Some(why) = &reply.broken {
            return Meaning::Unknown(why.clone());
        }
        let unknown = |words: Option<String>| {
            let said = words.map(|words| format!(": {words}")).unwrap_or_default();
            Meaning::Unknown(format!("{}{said}", status_words(reply.status)))
        };
        match (reply.status, self) {
            (200..=299, _) => Meaning::Decode,
            (300..=399, _) => Meaning::Unknown(format!("{}: not followed", status_words(reply.status))),
            // A proxy on the way gave up waiting for our request, by its own words.
            (408, _) => unknown(words()),
            (400 | 401, Self::Create { .. }) => Meaning::No,
            // The coupon's refusal unless the text says otherwise; without a coupon an outage.
            (500, Self::Create { with_coupon: true }) => match words() {
                Some(words) if !words.to_ascii_lowercase().contains("coupon") => unknown(Some(words)),
                _ => Meaning::No,
            },
            (404, Self::Create { .. }) if !wire::says_no(&reply.body) => unknown(words()),
            // A page instead of JSON: it comes from something between us and the upstream.
            (400..=499, Self::Create { .. }) if is_page(&reply.body) => unknown(words()),
            (400..=499, Self::Create { .. }) | (404, Self::Poll) => Meaning::No,
            (401 | 403, _) => Meaning::Denied,
            (400..=499, _) if wire::says_no(&reply.body) => Meaning::No,
            _ => unknown(words()),
        }
    }
}

fn is_page(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
}

/// A status as people know it: `404 Not Found`.
pub(super) fn status_words(status: u16) -> String {
    match reqwest::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()) {
        Some(reason) => format!("{status} {reason}"),
        None => format!("status {status}"),
    }
}
