//! The books of many ledgers in one PostgreSQL database: a follower that copies every event after it has proven it, and the
//! rows of the accountants' views beside them.
//!
//! The only module that knows PostgreSQL. It reads ledgers through the ledger's own verbs, and writes to none.

mod batch;
mod copy_text;
mod error;
mod follower;
mod looking;
mod store;

use std::path::PathBuf;

use secrecy::SecretString;

pub use error::{Error, FleetResult};
pub use follower::Follower;
pub use looking::{LedgerReport, status};

/// What a follower is told.
#[derive(Debug, Clone)]
pub struct FleetSettings {
    /// Where the database is, and who logs in there.
    pub database_url: SecretString,
    /// What the server calls this program among those that are logged in.
    pub called: String,
    /// The ledgers; no two have one name.
    pub ledgers: Vec<FollowedLedger>,
}

/// One ledger that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowedLedger {
    /// What it is called in the database.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}
