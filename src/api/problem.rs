//! The error responses of the API: one shape for all (RFC 9457), with a stable `type` for each kind that callers act
//! on.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::ledger;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $status:ident, $title:literal;)+) => {
        /// What went wrong, as far as callers act differently on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum ProblemKind { $($(#[$doc])* $variant),+ }

        impl ProblemKind {
            /// All of them.
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable word, `type` in the answer.
            pub(super) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            pub(super) const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}

kinds! {
    MalformedJson = "malformed-json", BAD_REQUEST, "The body is not JSON";
    BadRequest = "bad-request", BAD_REQUEST, "The request could not be read";
    Unauthorized = "unauthorized", UNAUTHORIZED, "A bearer token is needed";
    Forbidden = "forbidden", FORBIDDEN, "Requests from web pages are not answered";
    NotFound = "not-found", NOT_FOUND, "There is no such thing";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "This address has no such method";
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "The body did not arrive in time";
    IdempotencyConflict = "idempotency-conflict", CONFLICT, "The key was used for another request";
    PayloadTooLarge = "payload-too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    InvalidRequest = "invalid-request", UNPROCESSABLE_ENTITY, "The request is ruled out";
    UpstreamRefused = "upstream-refused", UNPROCESSABLE_ENTITY, "The upstream refused the deposit";
    NothingToReview = "nothing-to-review", UNPROCESSABLE_ENTITY, "The deposit carries no review flag";
    CaseClosed = "case-closed", UNPROCESSABLE_ENTITY, "The case has been closed";
    BooksNotClean = "books-not-clean", CONFLICT, "The books are not clean";
    Internal = "internal-error", INTERNAL_SERVER_ERROR, "Something is wrong here";
    BackupFailed = "backup-failed", INTERNAL_SERVER_ERROR, "The copy could not be made";
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, "Too many requests of yours are waiting";
    ReconciliationVoid = "reconciliation-void", BAD_GATEWAY, "The reconciliation could not be carried out";
    LedgerUnavailable = "ledger-unavailable", SERVICE_UNAVAILABLE, "The ledger cannot be used now";
    Busy = "busy", SERVICE_UNAVAILABLE, "Too much is going on already";
}

/// An error on its way to the caller.
#[derive(Debug)]
pub(super) struct Problem {
    kind: ProblemKind,
    detail: String,
    members: Map<String, Value>,
    retry_after_seconds: Option<u32>,
}

impl Problem {
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let passing =
            matches!(kind, ProblemKind::LedgerUnavailable | ProblemKind::Busy | ProblemKind::TooManyRequests);
        let retry_after_seconds = passing.then_some(1);
        Self { kind, detail: detail.into(), members: Map::new(), retry_after_seconds }
    }

    /// 422 that names the field.
    pub(super) fn invalid(field: &str, why: impl std::fmt::Display) -> Self {
        Self::new(ProblemKind::InvalidRequest, format!("{field}: {why}")).with("field", field.into())
    }

    pub(super) fn not_found(what: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotFound, what)
    }

    /// 503 for a limit that is reached.
    pub(super) fn busy(detail: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self { retry_after_seconds: Some(retry_after_seconds), ..Self::new(ProblemKind::Busy, detail) }
    }

    /// An error of the ledger. It is logged here, once. `lost` is what the caller has to know about its request.
    pub(super) fn of_ledger(error: &ledger::Error, lost: &str) -> Self {
        tracing::error!("a request could not be answered: {}", error.chain());
        match error {
            ledger::Error::Unreadable(_) => Self::new(ProblemKind::Internal, error.to_string()),
            ledger::Error::Closed => Self::new(
                ProblemKind::LedgerUnavailable,
                "the daemon is stopping; ask again, with the same Idempotency-Key where there is one",
            ),
            _ => Self::new(ProblemKind::LedgerUnavailable, format!("{}{lost}", error.chain())),
        }
    }

    /// Adds a member beside the standard ones.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    #[cfg(test)]
    pub(super) fn kind(&self) -> ProblemKind {
        self.kind
    }

    #[cfg(test)]
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// The answer's body.
    pub(super) fn to_json(&self) -> Value {
        let mut json = Map::new();
        json.insert("type".to_owned(), self.kind.word().into());
        json.insert("title".to_owned(), self.kind.title().into());
        json.insert("status".to_owned(), self.kind.status().as_u16().into());
        json.insert("detail".to_owned(), self.detail.clone().into());
        json.extend(self.members.clone());
        Value::Object(json)
    }
}

impl From<ledger::Error> for Problem {
    fn from(error: ledger::Error) -> Self {
        Self::of_ledger(&error, "")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status(), self.to_json().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.kind == ProblemKind::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_written_as_the_standard_says() {
        let response = Problem::invalid("amount", "it is zero").into_response();
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let json = Problem::invalid("amount", "it is zero").to_json();
        assert_eq!(json["type"], "invalid-request");
        assert_eq!((&json["field"], &json["detail"]), (&"amount".into(), &"amount: it is zero".into()));
        assert_eq!(json["status"], 422);
        let busy = Problem::busy("no", 7).into_response();
        assert_eq!((busy.status().as_u16(), &busy.headers()[RETRY_AFTER]), (503, &HeaderValue::from(7)));
        assert_eq!(
            Problem::new(ProblemKind::Unauthorized, "").into_response().headers()[WWW_AUTHENTICATE],
            "Bearer"
        );
    }

    #[test]
    fn no_two_kinds_share_a_word() {
        let words: std::collections::HashSet<_> = ProblemKind::ALL.iter().map(|kind| kind.word()).collect();
        assert_eq!(words.len(), ProblemKind::ALL.len());
    }
}
