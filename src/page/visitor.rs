//! Who looks at a page: a token's name and role, and what they have sent already.

use crate::api::Principal;
use crate::config::Role;

use super::sessions::{SentForms, Ticket};

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    pub(super) principal: Principal,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) sent: SentForms,
}

impl Visitor {
    /// Whoever asks, with the session that was found for it.
    pub(super) fn new(caller: &Principal, ticket: Ticket) -> Self {
        let Ticket { token, sent } = ticket;
        let (name, role) = (token.name.to_string(), token.role);
        Self { principal: caller.with_token(token), name, role, sent }
    }

    /// Whether the token's role is enough.
    pub(super) fn may(&self, role: Role) -> bool {
        self.role >= role
    }
}
