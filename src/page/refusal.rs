//! Why a page is not shown or an act not done: the API's problems, on their way to become a page.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::api::{Problem, ProblemKind};
use crate::flow::{CaseError, ReconcileFailed};
use crate::ledger;

/// What a person is told, and with which status.
#[derive(Debug, Clone)]
pub(super) struct PageRefusal {
    pub(super) status: StatusCode,
    pub(super) title: String,
    pub(super) detail: String,
    /// The form's field that it is about.
    pub(super) field: Option<String>,
}

impl PageRefusal {
    /// A form's field that does not fit.
    pub(super) fn invalid(field: &str, why: impl std::fmt::Display) -> Self {
        Self { field: Some(field.to_owned()), ..Problem::invalid(field, why).into() }
    }

    pub(super) fn not_found(what: impl Into<String>) -> Self {
        Problem::not_found(what).into()
    }

    pub(super) fn of(kind: ProblemKind, why: impl Into<String>) -> Self {
        Problem::new(kind, why).into()
    }
}

impl From<Problem> for PageRefusal {
    fn from(problem: Problem) -> Self {
        let (status, title) = (problem.status(), problem.kind().title().to_owned());
        Self { status, title, detail: problem.detail().to_owned(), field: None }
    }
}

impl From<ledger::Error> for PageRefusal {
    fn from(error: ledger::Error) -> Self {
        Problem::from(error).into()
    }
}

impl From<CaseError> for PageRefusal {
    fn from(error: CaseError) -> Self {
        match error {
            CaseError::Unknown(_) => Self::not_found(error.to_string()),
            CaseError::Note(why) => Self::invalid("note", why),
            CaseError::Refused(why) => Self::of(ProblemKind::InvalidRequest, why),
            CaseError::Ledger(error) => error.into(),
        }
    }
}

impl From<ReconcileFailed> for PageRefusal {
    fn from(error: ReconcileFailed) -> Self {
        match error {
            ReconcileFailed::Incomplete(_) => Self::of(ProblemKind::ReconciliationVoid, error.to_string()),
            ReconcileFailed::Ledger(error) => error.into(),
        }
    }
}

impl IntoResponse for PageRefusal {
    /// In words; the guard makes a page of what is with it.
    fn into_response(self) -> Response {
        let mut response = (self.status, self.detail.clone()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
