//! Who asks, by which name it is recorded, and what it may do.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::access::KnownToken;
use super::problem::{Problem, ProblemKind};
use crate::config::Role;

/// How long it may take to find a user's name.
const NAME_TIME: Duration = Duration::from_secs(2);

/// Who asks: a user of this machine, or somebody who knows a token.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    origin: Origin,
    token: Option<Arc<str>>,
    role: Option<Role>,
    /// A user's name, once it was looked up: once for a connection.
    name: Arc<OnceCell<String>>,
}

/// Who has a share of what is bounded: a user of this machine, or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// By number, where the system knows it.
    User(Option<u32>),
    /// Where it connects from.
    Address(IpAddr),
}

impl Principal {
    /// Somebody at this address, of whom nothing else is known yet.
    pub(super) fn at_address(address: IpAddr) -> Self {
        Self {
            origin: Origin::Address(address.to_canonical()),
            token: None,
            role: None,
            name: Arc::default(),
        }
    }

    /// A user of this machine, by number, and what it may do.
    pub(super) fn at_socket(uid: Option<u32>, role: Option<Role>) -> Self {
        Self { origin: Origin::User(uid), token: None, role, name: Arc::default() }
    }

    /// The same, who has shown this token.
    pub(crate) fn with_token(&self, token: KnownToken) -> Self {
        Self { token: Some(token.name), role: Some(token.role), ..self.clone() }
    }

    /// In words, for the record of what a person did: a token by its name, a user by the name that this machine has for the
    /// number. That may come from a directory service on the network; one that does not answer leaves the number.
    pub(crate) async fn words(&self) -> String {
        let uid = match (&self.token, self.origin) {
            (Some(name), _) => return format!("API token {name}"),
            (None, Origin::Address(_)) => return "somebody without a token".to_owned(),
            (None, Origin::User(None)) => return "unix socket".to_owned(),
            (None, Origin::User(Some(uid))) => uid,
        };
        let find = || async move {
            let named = tokio::task::spawn_blocking(move || unix_user(uid));
            match tokio::time::timeout(NAME_TIME, named).await {
                Ok(Ok(words)) => words,
                _ => format!("unix user {uid}"),
            }
        };
        self.name.get_or_init(find).await.clone()
    }

    /// Whose share its requests count against.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// Says why it may not do what needs this role, where it may not; `what` is what it asks for.
    pub(crate) async fn require(&self, needed: Role, what: &str) -> Result<(), Problem> {
        if self.role.is_some_and(|role| role >= needed) {
            return Ok(());
        }
        let (who, needed) = (self.words().await, needed.as_str());
        let has = match (self.role, &self.token) {
            (Some(role), _) => format!("has the role {}", role.as_str()),
            (None, Some(_)) => "has no role".to_owned(),
            (None, None) => "is in no group of [[api.groups]]".to_owned(),
        };
        Err(Problem::new(ProblemKind::Forbidden, format!("{who} {has}; {what} needs the role {needed}")))
    }
}

/// A user of this machine in words, by name where there is one for the number. Blocks.
pub(crate) fn unix_user(uid: u32) -> String {
    match uzers::get_user_by_uid(uid) {
        Some(user) => format!("unix user {}", user.name().to_string_lossy()),
        None => format!("unix user {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn callers_are_known_by_the_way_they_came_in() {
        let caller = Principal::at_address("::ffff:10.0.0.7".parse().unwrap());
        assert_eq!(caller.origin(), Origin::Address([10, 0, 0, 7].into()));
        let shop = caller.with_token(KnownToken { name: "shop".into(), role: Role::Request });
        assert_eq!(shop.words().await, "API token shop");
        let at_socket = |uid| Principal::at_socket(uid, Some(Role::Operate));
        assert_eq!(at_socket(None).words().await, "unix socket");
        assert_eq!(at_socket(Some(0)).words().await, "unix user root");
        assert_eq!(at_socket(Some(4_000_000_000)).words().await, "unix user 4000000000");
    }

    #[tokio::test]
    async fn each_role_may_do_what_those_before_it_may_and_no_more() {
        let caller = Principal::at_address([127, 0, 0, 1].into());
        for (has, allowed) in [(Role::Read, 1), (Role::Request, 2), (Role::Operate, 3)] {
            let caller = caller.with_token(KnownToken { name: "shop".into(), role: has });
            for (needed, number) in Role::ALL.iter().zip(1..) {
                let refused = caller.require(*needed, "POST /x").await;
                assert_eq!(refused.is_ok(), number <= allowed, "{has:?} for {needed:?}");
                if let Err(problem) = refused {
                    let words = format!(
                        "API token shop has the role {}; POST /x needs the role {}",
                        has.as_str(),
                        needed.as_str()
                    );
                    assert_eq!((problem.kind(), problem.detail()), (ProblemKind::Forbidden, words.as_str()));
                }
            }
        }
        let nobody = Principal::at_socket(Some(0), None).require(Role::Read, "GET /x").await.unwrap_err();
        assert!(nobody.detail().starts_with("unix user root is in no group of [[api.groups]]"));
        assert!(caller.require(Role::Read, "GET /x").await.is_err());
    }
}
