//! What may be done over the API, and by whom: the tokens of TCP callers, and the groups of those at the unix socket.
//! Both may be replaced while callers ask.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::{GroupConfig, NamedToken, Role};

/// How long it may take to find a user's groups.
const GROUPS_TIME: Duration = Duration::from_secs(2);

/// A token that somebody has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownToken {
    pub(crate) name: Arc<str>,
    pub(crate) role: Role,
}

/// Who may do what; all clones share it.
#[derive(Debug, Clone)]
pub struct LiveAccess(Arc<RwLock<Arc<Access>>>);

#[derive(Debug)]
struct Access {
    /// Tokens as digests, so that comparing tells nothing of their length.
    tokens: Vec<([u8; 32], KnownToken)>,
    groups: Vec<GroupConfig>,
}

impl Access {
    fn new(tokens: &[NamedToken], groups: &[GroupConfig]) -> Self {
        let known = |token: &NamedToken| {
            let named = KnownToken { name: token.name.as_str().into(), role: token.role };
            (digest(token.secret.expose_secret().as_bytes()), named)
        };
        Self { tokens: tokens.iter().map(known).collect(), groups: groups.to_vec() }
    }
}

impl LiveAccess {
    pub(crate) fn new(tokens: &[NamedToken], groups: &[GroupConfig]) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(Access::new(tokens, groups)))))
    }

    /// From the next request on these hold, and a token that is not among them is refused. A connection to the unix socket
    /// keeps the role that it began with.
    pub fn replace(&self, tokens: &[NamedToken], groups: &[GroupConfig]) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Access::new(tokens, groups));
    }

    fn current(&self) -> Arc<Access> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whose token this is. Each is compared, whichever fits.
    pub(super) fn token(&self, shown: &[u8]) -> Option<KnownToken> {
        self.holder(&digest(shown))
    }

    /// Whose token has this digest: a session ends where nobody's has it any more.
    pub(crate) fn holder(&self, shown: &[u8; 32]) -> Option<KnownToken> {
        let mut found = None;
        for (wanted, token) in &self.current().tokens {
            if bool::from(shown.ct_eq(wanted)) {
                found = Some(token.clone());
            }
        }
        found
    }

    /// What a user of this machine may do at the unix socket: everything, where no groups are configured, and for root and
    /// the daemon's own user; otherwise what the user's groups may. `None` for nothing.
    pub(super) async fn role_of(&self, uid: Option<u32>, gid: Option<u32>) -> Option<Role> {
        let access = self.current();
        let own = rustix::process::geteuid().as_raw();
        if access.groups.is_empty() || uid == Some(0) || uid == Some(own) {
            return Some(Role::Operate);
        }
        let (uid, gid) = (uid?, gid?);
        let names = tokio::task::spawn_blocking(move || groups_of(uid, gid));
        match tokio::time::timeout(GROUPS_TIME, names).await {
            Ok(Ok(names)) => allowed(&access.groups, &names),
            _ => {
                tracing::warn!("the groups of user {uid} could not be found out in time: it may do nothing");
                None
            }
        }
    }
}

/// The most that one of these groups may.
fn allowed(groups: &[GroupConfig], names: &[String]) -> Option<Role> {
    groups.iter().filter(|group| names.contains(&group.name)).map(|group| group.role).max()
}

/// The names of a user's groups. Blocks.
fn groups_of(uid: u32, gid: u32) -> Vec<String> {
    let groups = match uzers::get_user_by_uid(uid) {
        Some(user) => uzers::get_user_groups(user.name(), gid).unwrap_or_default(),
        None => uzers::get_group_by_gid(gid).into_iter().collect(),
    };
    groups.iter().map(|group| group.name().to_string_lossy().into_owned()).collect()
}

/// What is kept of a secret that somebody shows.
pub(crate) fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, role: Role, secret: &str) -> NamedToken {
        NamedToken { name: name.to_owned(), role, secret: secret.to_owned().into() }
    }

    #[test]
    fn tokens_are_replaced_as_a_whole_and_known_by_name() {
        let access = LiveAccess::new(&[token("api", Role::Operate, "s3cret")], &[]);
        let shared = access.clone();
        let known = |shown: &str| access.token(shown.as_bytes()).map(|token| token.name.to_string());
        assert_eq!((known("s3cret").as_deref(), known("n3w")), (Some("api"), None));
        shared.replace(&[token("shop", Role::Read, "n3w"), token("api", Role::Operate, "s3cret")], &[]);
        assert_eq!((known("s3cret").as_deref(), known("n3w").as_deref()), (Some("api"), Some("shop")));
        shared.replace(&[token("shop", Role::Read, "n3w")], &[]);
        assert_eq!((known("s3cret"), known("n3w").as_deref()), (None, Some("shop")));
        assert_eq!(known(""), None);
    }

    #[tokio::test]
    async fn groups_give_roles_where_they_are_configured() {
        let group = |name: &str, role| GroupConfig { name: name.to_owned(), role };
        let groups = [group("shop", Role::Request), group("audit", Role::Read)];
        let allowed = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            super::allowed(&groups, &names)
        };
        assert_eq!(allowed(&["audit", "shop", "users"]), Some(Role::Request));
        assert_eq!(allowed(&["audit"]), Some(Role::Read));
        assert_eq!(allowed(&["users"]), None);
        let open = LiveAccess::new(&[], &[]);
        assert_eq!(open.role_of(Some(4_000_000_000), Some(1)).await, Some(Role::Operate));
        let closed = LiveAccess::new(&[], &groups);
        assert_eq!(closed.role_of(Some(4_000_000_000), Some(4_000_000_000)).await, None);
        assert_eq!(closed.role_of(Some(0), Some(0)).await, Some(Role::Operate));
        // The group of number 0 is there on every machine.
        let root = LiveAccess::new(&[], &[group("root", Role::Read)]);
        assert_eq!(root.role_of(Some(4_000_000_000), Some(0)).await, Some(Role::Read));
    }
}
