//! How somebody comes in and goes: a named token against a session that is new each time.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use minijinja::context;

use super::forms::Form;
use super::guard::{keep, own_address, session, to};
use super::refusal::PageRefusal;
use super::state::{PageState, SharedPage};
use crate::api::{Origin, Principal, RawBody};
use crate::clock::Clock as _;

const WRONG: &str =
    "That is no token of this daemon. Each stands in the file that [[api.tokens]] names, or api.token_file.";
const BUSY: &str = "Too many wrong tokens are being shown: try again in a moment.";

/// `GET /login`
pub(super) async fn form(State(page): State<SharedPage>, uri: Uri) -> Result<Response, PageRefusal> {
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let next = query.filter(|(name, _)| name == "next").last().map(|(_, next)| next.into_owned());
    show(&page, own_address(next.as_deref().unwrap_or("/")), None)
}

fn show(page: &PageState, next: &str, wrong: Option<&str>) -> Result<Response, PageRefusal> {
    page.html("login", &context! { next, wrong, version => env!("CARGO_PKG_VERSION") })
}

/// `POST /login`. A wrong token's answer waits, by the address that it comes from; a right one never does.
pub(super) async fn enter(
    State(page): State<SharedPage>,
    Extension(caller): Extension<Principal>,
    headers: HeaderMap,
    body: RawBody,
) -> Result<Response, PageRefusal> {
    let form = Form::read(&body)?;
    let next = own_address(form.text("next").unwrap_or("/"));
    let shown = form.text("token").unwrap_or_default().trim();
    if let Some(id) = page.sessions.begin(shown, page.clock.monotonic()) {
        // What the browser had before is of no use any more, whoever gave it.
        if let Some(before) = session(&headers) {
            page.sessions.end(&before);
        }
        let mut response = to(next);
        keep(&mut response, Some(&id));
        return Ok(response);
    }
    if shown.is_empty() {
        return refused(&page, next, StatusCode::UNPROCESSABLE_ENTITY, "Write a token.");
    }
    let Ok(_place) = page.waiting.try_acquire() else {
        return refused(&page, next, StatusCode::TOO_MANY_REQUESTS, BUSY);
    };
    if let Origin::Address(address) = caller.origin() {
        let wait = page.clock.sleep(page.api.wrong_tokens.add(address));
        page.api.stop.run_until_cancelled(wait).await;
    }
    refused(&page, next, StatusCode::FORBIDDEN, WRONG)
}

fn refused(page: &PageState, next: &str, status: StatusCode, why: &str) -> Result<Response, PageRefusal> {
    let mut response = show(page, next, Some(why))?;
    *response.status_mut() = status;
    Ok(response)
}

/// `POST /logout`
pub(super) async fn leave(State(page): State<SharedPage>, headers: HeaderMap) -> Response {
    if let Some(id) = session(&headers) {
        page.sessions.end(&id);
    }
    let mut response = to("/login");
    keep(&mut response, None);
    response
}
