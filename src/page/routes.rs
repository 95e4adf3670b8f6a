//! Which address is which page, and for whom: one table.

use std::sync::Arc;

use axum::http::{StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use super::guard::{dress, guarded, own_name};
use super::refusal::PageRefusal;
use super::state::SharedPage;
use super::visitor::Visitor;
use super::{
    assets, books, cases, closing, deposit, deposits, exports, live, login, now, outbox, reconciliation,
    request,
};
use crate::api::clip;
use crate::config::Role;

/// Who may have a page: anybody, or whoever has this role.
type Needs = Option<Role>;

const ANYBODY: Needs = None;
const READ: Needs = Some(Role::Read);
const REQUEST: Needs = Some(Role::Request);
const OPERATE: Needs = Some(Role::Operate);

type Route = (&'static str, &'static str, Needs, MethodRouter<SharedPage>);

/// Every page and every act.
fn table() -> Vec<Route> {
    vec![
        ("GET", "/", READ, get(now::show)),
        ("GET", "/deposits", READ, get(deposits::list)),
        ("GET", "/deposits/new", REQUEST, get(request::form)),
        ("POST", "/deposits", REQUEST, post(request::open)),
        ("GET", "/deposits/{id}", READ, get(deposit::show)),
        ("POST", "/deposits/{id}/review", OPERATE, post(deposit::review)),
        ("POST", "/deposits/{id}/match", OPERATE, post(deposit::match_row)),
        ("POST", "/deposits/{id}/unmatch", OPERATE, post(deposit::unmatch_row)),
        ("GET", "/books", READ, get(books::show)),
        ("GET", "/books/export", READ, get(exports::export)),
        ("GET", "/books/close", OPERATE, get(closing::ask)),
        ("POST", "/books/close/try", OPERATE, post(closing::try_out)),
        ("POST", "/books/close", OPERATE, post(closing::close)),
        ("GET", "/cases", READ, get(cases::list)),
        ("GET", "/cases/{id}", READ, get(cases::show)),
        ("POST", "/cases/{id}/act", OPERATE, post(cases::act)),
        ("GET", "/reconciliation", READ, get(reconciliation::show)),
        ("POST", "/reconciliation", OPERATE, post(reconciliation::run)),
        ("GET", "/outbox", READ, get(outbox::list)),
        ("POST", "/outbox/letters", OPERATE, post(outbox::retry_letters)),
        ("POST", "/outbox/webhooks", OPERATE, post(outbox::retry_webhooks)),
        ("POST", "/outbox/webhooks/enable", OPERATE, post(outbox::enable_webhook)),
        ("GET", "/letters/{id}", READ, get(outbox::letter)),
        ("GET", "/letters/{id}/html", READ, get(outbox::letter_html)),
        ("GET", "/webhooks/{id}", READ, get(outbox::delivery)),
        ("GET", "/live", READ, get(live::nudges)),
        ("GET", "/login", ANYBODY, get(login::form)),
        ("POST", "/login", ANYBODY, post(login::enter)),
        ("POST", "/logout", ANYBODY, post(login::leave)),
        ("GET", "/page.css", ANYBODY, get(assets::css)),
        ("GET", "/page.js", ANYBODY, get(assets::js)),
        ("GET", "/icon.svg", ANYBODY, get(assets::icon)),
    ]
}

/// Every page, behind everything that guards it.
pub(super) fn router(page: SharedPage) -> Router {
    let routes = table().into_iter().fold(
        Router::new(),
        |router: Router<SharedPage>, (method, path, needs, answer)| {
            let answer = match needs {
                Some(role) => guarded(&page, role, method, path, answer),
                None => answer,
            };
            router.route(path, answer)
        },
    );
    let nothing = guarded(&page, Role::Read, "GET", "a page", get(nothing).post(nothing));
    let mut csrf = CsrfLayer::new();
    if let Some(public) = &page.public {
        // A proxy may call us by another name than people do.
        csrf = csrf.clone().add_trusted_origin(public).unwrap_or(csrf);
    }
    routes
        .fallback_service(nothing.with_state(Arc::clone(&page)))
        .layer(csrf.with_rejection_response(foreign))
        .layer(from_fn_with_state(Arc::clone(&page), own_name))
        .layer(from_fn(dress))
        .with_state(page)
}

async fn nothing(Extension(_): Extension<Visitor>, uri: Uri) -> PageRefusal {
    PageRefusal::not_found(format!("there is no page at {}", clip(uri.path())))
}

/// A form that was sent from somebody else's page.
fn foreign(_: ProtectionError) -> Response {
    (StatusCode::FORBIDDEN, "This form was sent from another site, and nothing was done.").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_needs_to_read_and_what_changes_anything_more() {
        for (method, path, needs, _) in table() {
            let expected = match (method, path) {
                (_, "/login" | "/logout" | "/page.css" | "/page.js" | "/icon.svg") => ANYBODY,
                (_, "/deposits/new") | ("POST", "/deposits") => REQUEST,
                (_, "/books/close") | ("POST", _) => OPERATE,
                _ => READ,
            };
            assert_eq!(needs, expected, "{method} {path}");
        }
    }
}
