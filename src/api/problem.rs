//! The error responses of the API: one shape for all (RFC 9457), with a stable `type` for each kind that callers act
//! on.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::api_types::ProblemBody;
pub(crate) use crate::api_types::ProblemKind;
use crate::ledger;

/// An error on its way to the caller.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    kind: ProblemKind,
    detail: String,
    members: Map<String, Value>,
    retry_after_seconds: Option<u32>,
}

impl Problem {
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let passing = matches!(
            kind,
            ProblemKind::LedgerUnavailable
                | ProblemKind::ReplicaUnavailable
                | ProblemKind::Busy
                | ProblemKind::TooManyRequests
        );
        let retry_after_seconds = passing.then_some(1);
        Self { kind, detail: detail.into(), members: Map::new(), retry_after_seconds }
    }

    /// 422 that names the field.
    pub(crate) fn invalid(field: &str, why: impl std::fmt::Display) -> Self {
        Self::new(ProblemKind::InvalidRequest, format!("{field}: {why}")).with("field", field.into())
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotFound, what)
    }

    /// 503 for a limit that is reached.
    pub(crate) fn busy(detail: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self { retry_after_seconds: Some(retry_after_seconds), ..Self::new(ProblemKind::Busy, detail) }
    }

    /// An error of the ledger. It is logged here, once. `lost` is what the caller has to know about its request.
    pub(crate) fn of_ledger(error: &ledger::Error, lost: &str) -> Self {
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
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// What went wrong.
    pub(crate) fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// What is wrong here, and what would be right.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The answer's body.
    pub(crate) fn to_json(&self) -> Value {
        let body = ProblemBody::new(self.kind, self.detail.clone(), self.members.clone());
        serde_json::to_value(body).unwrap_or_default()
    }

    /// The answer's status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<ledger::Error> for Problem {
    fn from(error: ledger::Error) -> Self {
        Self::of_ledger(&error, "")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.to_json().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.kind == ProblemKind::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // Whoever answers people makes a page of it.
        response.extensions_mut().insert(self);
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
