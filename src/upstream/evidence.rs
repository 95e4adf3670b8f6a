//! The evidence of a call: its raw answer, stored cheaply and shown without the key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::secret::ApiKey;
use crate::domain::time::Timestamp;

/// How much of an answer is stored; what is shown is cut after masking, so it is less.
pub(super) const KEPT: usize = 8 * 1024;
/// A longer answer is not compared with the next one.
const COMPARED: usize = 1024;
/// How much of an answer is shown.
const SHOWN: usize = 4 * 1024;

/// A value that the upstream gave, and the answer it was read from.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// What was read.
    pub value: T,
    /// The upstream's own clock when it answered, where the answer has a date.
    pub date: Option<Timestamp>,
    /// The answer itself.
    pub evidence: Evidence,
}

/// One call and its raw answer. Cheap to make and to clone; it is rendered only when somebody asks.
#[derive(Clone)]
pub struct Evidence {
    /// Which call: `create`, `look`, `invoices`, `balance` or `coupons`.
    pub call: &'static str,
    /// The status of the answer; `None` where none came.
    pub http_status: Option<u16>,
    /// From the first byte sent to the last received, on the injected clock.
    pub took: Duration,
    body: Arc<Vec<u8>>,
    key: Arc<ApiKey>,
}

impl Evidence {
    pub(super) fn new(
        call: &'static str,
        http_status: Option<u16>,
        took: Duration,
        mut body: Vec<u8>,
        key: Arc<ApiKey>,
    ) -> Self {
        if body.len() > KEPT {
            body.truncate(KEPT);
            body.shrink_to_fit();
        }
        Self { call, http_status, took, body: Arc::new(body), key }
    }

    /// The answer's body, the API key masked in every spelling, cut to 4 KiB.
    #[must_use]
    pub fn text(&self) -> String {
        let redacted = self.key.redact(&self.body);
        let mut text = String::from_utf8_lossy(&redacted).into_owned();
        text.truncate(text.floor_char_boundary(SHOWN));
        text
    }

    /// The answer's body as it came, for the next poll to compare with; `None` for one that is too long for that. It
    /// may hold the key: never to be shown or stored.
    #[must_use]
    pub fn whole(&self) -> Option<Arc<Vec<u8>>> {
        (self.body.len() <= COMPARED).then(|| Arc::clone(&self.body))
    }

    /// The first [`KEPT`] bytes as they came. They may hold the key.
    pub(super) fn raw(&self) -> &[u8] {
        &self.body
    }
}

impl fmt::Debug for Evidence {
    /// Never the body: answers do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("call", &self.call)
            .field("http_status", &self.http_status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
