//! How a page leaves: its values with what every page has, written by its template.

use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use minijinja::{Value, context};
use rand::TryRngCore as _;

use super::refusal::PageRefusal;
use super::state::PageState;
use super::visitor::Visitor;
use crate::api::ProblemKind;
use crate::config::Role;

/// What is said above a page after an act that led to it, by the word in its address.
const DONE: &[(&str, &str)] = &[
    ("accepted", "The difference is accepted as it is."),
    ("closed", "The case is closed."),
    ("corrected", "The correction is booked."),
    ("enabled", "The webhook is sent to again."),
    ("explained", "The explanation is kept; the case stays open."),
    ("matched", "The row is the deposit's from now on."),
    ("month-closed", "The month is closed for good."),
    ("reconciled", "The reconciliation has run."),
    ("requested", "The deposit is accepted."),
    ("retried", "It is sent again at once."),
    ("reviewed", "The review flag is cleared."),
    ("unaccepted", "The acceptance is taken back."),
    ("uncorrected", "The correction is taken back."),
    ("unmatched", "The row is not the deposit's any more."),
];

impl PageState {
    /// The page `name` for `visitor`, who asked for `uri`.
    pub(super) fn page(
        &self,
        name: &str,
        visitor: &Visitor,
        uri: &Uri,
        values: Value,
    ) -> Result<Response, PageRefusal> {
        let done = uri.query().and_then(|query| query.split('&').find_map(|part| part.strip_prefix("done=")));
        let done = done.and_then(|word| DONE.iter().find(|(known, _)| *known == word)).map(|(_, text)| *text);
        let values = context! {
            visitor => context! {
                name => &visitor.name,
                role => visitor.role.as_str(),
                may_request => visitor.may(Role::Request),
                may_operate => visitor.may(Role::Operate),
            },
            here => uri.path(),
            page => name,
            done => done,
            form_key => form_key()?,
            now => self.api.flow.clock.now().to_string(),
            version => env!("CARGO_PKG_VERSION"),
            ..values
        };
        self.html(name, &values)
    }

    /// What `values` make of the template `name`.
    pub(super) fn html(&self, name: &str, values: &Value) -> Result<Response, PageRefusal> {
        match self.pages.write(&format!("{name}.html"), values) {
            Ok(text) => Ok(([(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()),
            Err(error) => {
                tracing::error!(
                    "the page {name} could not be written: {}",
                    crate::domain::causes::chain(&error)
                );
                Err(PageRefusal::of(ProblemKind::Internal, "the page could not be written; the log says why"))
            }
        }
    }

    /// The page that says why something was not done.
    pub(super) fn refusal(&self, visitor: &Visitor, uri: &Uri, refusal: &PageRefusal) -> Response {
        let values = context! { title => &refusal.title, detail => &refusal.detail };
        let mut response = match self.page("refusal", visitor, uri, values) {
            Ok(response) => response,
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, refusal.detail.clone()).into_response(),
        };
        *response.status_mut() = refusal.status;
        response
    }
}

/// What a form is known by when it is sent twice.
fn form_key() -> Result<String, PageRefusal> {
    let mut key = [0; 16];
    let made = rand::rngs::OsRng.try_fill_bytes(&mut key);
    made.map_err(|_| PageRefusal::of(ProblemKind::Internal, "this machine gives no random numbers now"))?;
    Ok(hex::encode(key))
}
