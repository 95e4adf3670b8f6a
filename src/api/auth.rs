//! Who may come in: whoever knows a token, by TCP, or may connect to a unix socket; and what gives a web page away.

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method, Request, Uri};

use super::access::{KnownToken, LiveAccess};
use super::problem::{Problem, ProblemKind};

/// Said by browsers of every request that a page makes.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// True for a refused request that showed a token, and so a wrong one; who shows none guesses nothing.
pub(super) fn is_guess<B>(request: &Request<B>, refusal: &Problem) -> bool {
    refusal.kind() == ProblemKind::Unauthorized && request.headers().contains_key(AUTHORIZATION)
}

/// The check at one listener.
#[derive(Debug)]
pub(super) enum Authenticator {
    /// A unix socket: whoever could connect may come in. What they may do there is said by their groups.
    Permissions(LiveAccess),
    /// TCP: whoever knows a token, unless a web page asks.
    Tokens(LiveAccess),
    /// TCP: everybody may come in; the router behind this listener asks who it is.
    Router(LiveAccess),
}

impl Authenticator {
    /// Lets a request in, or says why not. Gives whose token it shows, where it needs one.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<Option<KnownToken>, Problem> {
        let Self::Tokens(access) = self else { return Ok(None) };
        if request.uri().path() == "/healthz" && [Method::GET, Method::HEAD].contains(request.method()) {
            return Ok(None);
        }
        let Some(token) = access.token(bearer(request.headers()).unwrap_or_default()) else {
            return Err(Problem::new(ProblemKind::Unauthorized, "send `Authorization: Bearer TOKEN`"));
        };
        no_web_page(request.headers(), request.uri()).map(|()| Some(token))
    }

    /// What may be done here, and by whom.
    pub(super) fn access(&self) -> &LiveAccess {
        let (Self::Permissions(access) | Self::Tokens(access) | Self::Router(access)) = self;
        access
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (given.next()?.as_bytes(), given.next()) else { return None };
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// A browser that was lured sends where it comes from, or a name that was made to mean this machine (DNS rebinding):
/// what calls us calls us by address, or `localhost`.
fn no_web_page(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let forbidden = |why: &str| Err(Problem::new(ProblemKind::Forbidden, why));
    let from_site = headers.get(FETCH_SITE).is_some_and(|site| site != "none");
    if from_site || headers.contains_key(ORIGIN) {
        return forbidden("requests that a web page makes are not answered");
    }
    let named = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    if named.chain(uri.authority().map(|authority| authority.as_str())).all(is_local_name) {
        return Ok(());
    }
    forbidden("the Host must be an IP address or localhost")
}

/// True for an address, and for `localhost`: names that nobody else can make to mean this machine.
pub(crate) fn is_local_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::Ipv4Addr>().is_ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NamedToken, Role};

    fn verdict(path: &str, headers: &[(&str, &str)]) -> Option<ProblemKind> {
        let token = NamedToken { name: "shop".to_owned(), role: Role::Read, secret: "s3cret".into() };
        let authenticator = Authenticator::Tokens(LiveAccess::new(&[token], &[]));
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        authenticator.check(&request.body(()).unwrap()).err().map(|problem| problem.kind())
    }

    #[test]
    fn the_token_opens_and_nothing_else_does() {
        assert_eq!(verdict("/v1/deposits", &[("authorization", "Bearer s3cret")]), None);
        assert_eq!(verdict("/v1/deposits", &[("authorization", "bearer  s3cret ")]), None);
        assert_eq!(verdict("/healthz", &[]), None);
        assert_eq!(verdict("/healthz", &[("host", "evil.example")]), None);
        for headers in [
            &[][..],
            &[("authorization", "")],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer ")],
            &[("authorization", "Bearer s3cre")],
            &[("authorization", "Bearer s3crets")],
            &[("authorization", "Basic s3cret")],
            &[("authorization", "s3cret")],
            &[("authorization", "Bearer s3cret"), ("authorization", "Bearer x")],
        ] {
            for path in ["/v1/deposits", "/healthz/", "/Healthz", "/nowhere", "/metrics"] {
                assert_eq!(verdict(path, headers), Some(ProblemKind::Unauthorized), "{path} {headers:?}");
            }
        }
    }

    #[test]
    fn web_pages_are_turned_away() {
        let token = ("authorization", "Bearer s3cret");
        for host in ["127.0.0.1", "127.0.0.1:8787", "localhost:1", "LOCALHOST", "[::1]:8787", "10.0.0.7:80"] {
            assert_eq!(verdict("/v1/deposits", &[token, ("host", host)]), None, "{host}");
        }
        for host in
            ["evil.example", "evil.example:8787", "127.0.0.1.evil.example", "localhost.evil.example", ""]
        {
            assert_eq!(
                verdict("/v1/deposits", &[token, ("host", host)]),
                Some(ProblemKind::Forbidden),
                "{host}"
            );
        }
        for header in
            [("origin", "http://127.0.0.1:8787"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
        {
            assert_eq!(verdict("/v1/deposits", &[token, header]), Some(ProblemKind::Forbidden), "{header:?}");
        }
        assert_eq!(verdict("http://evil.example/v1/deposits", &[token]), Some(ProblemKind::Forbidden));
    }
}
