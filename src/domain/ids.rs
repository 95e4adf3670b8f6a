//! The name of a deposit: a UUIDv7 of ours, made once and never reused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Our name for a deposit, a UUID (version 7, so that ids sort by the time of the request).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DepositId(Uuid);

impl DepositId {
    /// Wraps a UUID that the caller made.
    #[must_use]
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for DepositId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for DepositId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

/// True where two names of the upstream's are the same: UUIDs compare without case, anything else letter by letter.
#[must_use]
pub fn same_id(one: &str, other: &str) -> bool {
    one == other || (one.eq_ignore_ascii_case(other) && uuid::Uuid::parse_str(one).is_ok())
}
