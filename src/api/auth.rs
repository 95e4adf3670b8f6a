//! Who may come in, and by what they are known: the token of TCP callers, the user of a unix socket; and what gives a
//! web page away.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method, Request, Uri};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::problem::{Problem, ProblemKind};

/// Said by browsers of every request that a page makes.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// How long it may take to find a user's name.
const NAME_TIME: Duration = Duration::from_secs(2);

/// Who asks: a user of this machine, or somebody who knows the token.
#[derive(Debug, Clone)]
pub(super) struct Principal {
    origin: Origin,
}

/// True for a refused request that showed a token, and so a wrong one; who shows none guesses nothing.
pub(super) fn is_guess<B>(request: &Request<B>, refusal: &Problem) -> bool {
    refusal.kind() == ProblemKind::Unauthorized && request.headers().contains_key(AUTHORIZATION)
}

/// Who has a share of what is bounded: a user of this machine, or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// By number, where the system knows it.
    User(Option<u32>),
    /// Where it connects from.
    Address(IpAddr),
}

impl Principal {
    /// Somebody at this address who knows the token.
    pub(super) fn with_token(address: IpAddr) -> Self {
        Self { origin: Origin::Address(address.to_canonical()) }
    }

    /// A user of this machine, by number.
    pub(super) fn at_socket(uid: Option<u32>) -> Self {
        Self { origin: Origin::User(uid) }
    }

    /// In words, for the record of what a person did: a user by the name that this machine has for the number. The
    /// name may come from a directory service on the network; one that does not answer leaves the number.
    pub(super) async fn words(&self) -> String {
        let uid = match self.origin {
            Origin::Address(_) => return "API token".to_owned(),
            Origin::User(None) => return "unix socket".to_owned(),
            Origin::User(Some(uid)) => uid,
        };
        let named = tokio::task::spawn_blocking(move || unix_user(uid));
        match tokio::time::timeout(NAME_TIME, named).await {
            Ok(Ok(words)) => words,
            _ => format!("unix user {uid}"),
        }
    }

    /// Whose share its requests count against.
    pub(super) fn origin(&self) -> Origin {
        self.origin
    }
}

/// A user of this machine in words, by name where there is one for the number. Blocks.
pub(crate) fn unix_user(uid: u32) -> String {
    match uzers::get_user_by_uid(uid) {
        Some(user) => format!("unix user {}", user.name().to_string_lossy()),
        None => format!("unix user {uid}"),
    }
}

/// The token that TCP callers must show, as a digest, so that comparing tells nothing of its length. It may be replaced
/// while they call; all clones share it.
#[derive(Debug, Clone)]
pub struct LiveToken(Arc<RwLock<[u8; 32]>>);

impl LiveToken {
    pub(super) fn new(token: &SecretString) -> Self {
        Self(Arc::new(RwLock::new(digest(token.expose_secret().as_bytes()))))
    }

    /// From the next request on this one is asked for, and the one before is refused.
    pub fn replace(&self, token: &SecretString) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = digest(token.expose_secret().as_bytes());
    }

    fn fits(&self, shown: &[u8]) -> bool {
        let wanted = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        bool::from(digest(shown).ct_eq(&wanted))
    }
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The check at one listener.
#[derive(Debug)]
pub(super) enum Authenticator {
    /// A unix socket: whoever could connect may come in.
    Permissions,
    /// TCP: whoever knows the token, unless a web page asks.
    Token(LiveToken),
}

impl Authenticator {
    /// Lets a request in, or says why not.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Problem> {
        let Self::Token(wanted) = self else { return Ok(()) };
        if request.uri().path() == "/healthz" && [Method::GET, Method::HEAD].contains(request.method()) {
            return Ok(());
        }
        if !wanted.fits(bearer(request.headers()).unwrap_or_default()) {
            return Err(Problem::new(ProblemKind::Unauthorized, "send `Authorization: Bearer TOKEN`"));
        }
        no_web_page(request.headers(), request.uri())
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

fn is_local_name(host: &str) -> bool {
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

    fn verdict(path: &str, headers: &[(&str, &str)]) -> Option<ProblemKind> {
        let authenticator = Authenticator::Token(LiveToken::new(&SecretString::from("s3cret".to_owned())));
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
    fn another_token_opens_as_soon_as_it_has_taken_the_place_of_the_one_before() {
        let token = LiveToken::new(&SecretString::from("s3cret".to_owned()));
        let shared = token.clone();
        assert!(token.fits(b"s3cret") && !token.fits(b"n3w"));
        shared.replace(&SecretString::from("n3w".to_owned()));
        assert!(!token.fits(b"s3cret") && token.fits(b"n3w"));
    }

    #[tokio::test]
    async fn callers_are_known_by_the_way_they_came_in() {
        let caller = Principal::with_token("::ffff:10.0.0.7".parse().unwrap());
        assert_eq!(caller.words().await, "API token");
        assert_eq!(caller.origin(), Origin::Address([10, 0, 0, 7].into()));
        assert_eq!(Principal::at_socket(None).words().await, "unix socket");
        assert_eq!(Principal::at_socket(Some(0)).words().await, "unix user root");
        assert_eq!(Principal::at_socket(Some(4_000_000_000)).words().await, "unix user 4000000000");
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
