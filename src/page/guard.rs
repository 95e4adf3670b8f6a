//! Who may look: the names by which the pages may be called, the session behind a cookie, the role that a page needs; and
//! the headers that bind browsers.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{COOKIE, HOST, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use super::refusal::PageRefusal;
use super::sessions::LONGEST;
use super::state::SharedPage;
use super::visitor::Visitor;
use crate::api::{Principal, Problem, is_local_name, through};
use crate::clock::Clock as _;
use crate::config::Role;

/// `__Host-`: a browser keeps it for this host alone, sent by https, and no other page can set it.
const NAME: &str = "__Host-depositd";
/// Said by our own script of what it fetches by itself: nobody need be there.
pub(super) const REFRESH: HeaderName = HeaderName::from_static("depositd-refresh");
/// The longest address that somebody is sent to after logging in.
const LONGEST_NEXT: usize = 500;

/// What every answer says to browsers: nothing from elsewhere, nothing inline, in nobody's frame, kept nowhere.
const HEADERS: [(&str, &str); 8] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("cache-control", "no-store"),
];

/// Adds the headers to every answer that does not say otherwise itself.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Refuses a request for another host: a name that was made to mean this machine (DNS rebinding). What a proxy adds is not
/// looked at.
pub(super) async fn own_name(State(page): State<SharedPage>, request: Request, next: Next) -> Response {
    let public = page.public.as_deref().and_then(|url| url.split_once("://")).map(|(_, host)| host);
    let fits =
        |host: &str| is_local_name(host) || public.is_some_and(|public| host.eq_ignore_ascii_case(public));
    let mut hosts = request.headers().get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let named = hosts.next();
    if named.is_some_and(fits) && hosts.next().is_none() && request.uri().authority().is_none() {
        return next.run(request).await;
    }
    let words =
        "This address is not one of these pages: ask for page.public_url, localhost, or an IP address.";
    (StatusCode::MISDIRECTED_REQUEST, words).into_response()
}

/// Asks for a session, and for a role that is enough.
pub(super) fn guarded(
    page: &SharedPage,
    role: Role,
    method: &'static str,
    path: &'static str,
    answer: MethodRouter<SharedPage>,
) -> MethodRouter<SharedPage> {
    let page = SharedPage::clone(page);
    let guard = move |Extension(caller): Extension<Principal>, mut request: Request, next: Next| {
        let page = SharedPage::clone(&page);
        async move {
            let acts = !request.headers().contains_key(REFRESH);
            let now = page.clock.monotonic();
            let ticket = session(request.headers()).and_then(|id| page.sessions.find(&id, now, acts));
            let Some(ticket) = ticket else { return to_login(&request) };
            let visitor = Visitor::new(&caller, ticket);
            let uri = request.uri().clone();
            if let Err(problem) = visitor.principal.require(role, &format!("{method} {path}")).await {
                return page.refusal(&visitor, &uri, &PageRefusal::from(problem));
            }
            request.extensions_mut().insert(visitor.clone());
            let asked = request.method().clone();
            let mut response = through(&page.api.flow.replica, (&asked, path), next.run(request)).await;
            let problem = response.extensions_mut().remove::<Problem>().map(PageRefusal::from);
            match response.extensions_mut().remove::<PageRefusal>().or(problem) {
                Some(refusal) => page.refusal(&visitor, &uri, &refusal),
                None => response,
            }
        }
    };
    answer.route_layer(from_fn(guard))
}

fn to_login(request: &Request) -> Response {
    let next = match *request.method() {
        Method::GET => request.uri().path_and_query().map_or("/", |next| next.as_str()),
        _ => "/",
    };
    match own_address(next) {
        "/" => to("/login"),
        next => {
            let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            to(&format!("/login?next={next}"))
        }
    }
}

/// Sends a browser to one of our own addresses.
pub(super) fn to(location: &str) -> Response {
    let location = HeaderValue::try_from(location).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}

/// `next` where it leads to a page of ours, else the first one.
pub(super) fn own_address(next: &str) -> &str {
    let is_own = next.starts_with('/') && !next.starts_with("//");
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own && is_plain && next.len() <= LONGEST_NEXT { next } else { "/" }
}

/// The id of the session that a browser shows; of two it shows none.
pub(super) fn session(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut own = pairs.filter(|(name, _)| *name == NAME).map(|(_, value)| value);
    let (id, None) = (own.next()?, own.next()) else { return None };
    Some(id.to_owned())
}

/// Has the browser keep `id`, or forget what it has.
pub(super) fn keep(response: &mut Response, id: Option<&str>) {
    let age = id.map_or(0, |_| LONGEST.as_secs());
    let cookie = format!(
        "{NAME}={}; Path=/; Max-Age={age}; Secure; HttpOnly; SameSite=Strict",
        id.unwrap_or_default()
    );
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_a_page_of_ours_or_to_the_first() {
        for own in ["/", "/cases/7", "/deposits?q=a%20b&state=settled"] {
            assert_eq!(own_address(own), own);
        }
        for foreign in
            ["", "cases", "//evil.example", "/\\evil.example", "https://evil.example", "/a b", "/\r\nX: y"]
        {
            assert_eq!(own_address(foreign), "/", "{foreign:?}");
        }
        assert_eq!(own_address(&format!("/{}", "x".repeat(LONGEST_NEXT))), "/");
    }

    #[test]
    fn of_two_sessions_none_is_taken() {
        let shown = |cookies: &[&str]| {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                headers.append(COOKIE, HeaderValue::from_str(cookie).unwrap());
            }
            session(&headers)
        };
        assert_eq!(shown(&["a=b; __Host-depositd=x; c=d"]).as_deref(), Some("x"));
        assert_eq!(shown(&["__Host-depositd=x; __Host-depositd=y"]), None);
        assert_eq!(shown(&["__Host-depositd=x", "__Host-depositd=y"]), None);
        assert_eq!(shown(&["depositd=x", "__host-depositd=y"]), None);
        assert_eq!(shown(&[]), None);
    }
}
