//! What pages are drawn with: one style sheet, one script, one picture.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

const CSS: &str = include_str!("assets/page.css");
const JS: &str = include_str!("assets/page.js");
const ICON: &str = include_str!("assets/icon.svg");

/// `GET /page.css`
pub(super) async fn css() -> Response {
    asset("text/css; charset=utf-8", CSS)
}

/// `GET /page.js`
pub(super) async fn js() -> Response {
    asset("text/javascript; charset=utf-8", JS)
}

/// `GET /icon.svg`
pub(super) async fn icon() -> Response {
    asset("image/svg+xml", ICON)
}

/// The address bears the version, so that a browser may keep it for a while.
fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "private, max-age=600")], text).into_response()
}
