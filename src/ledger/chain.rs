//! How events are chained: each hash covers the one before it, the event, its evidence and its postings.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::domain::deposit::Request;
use crate::domain::journal::Posting;

/// What stands before the first event.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Everything that an event's hash covers, in this order, as one canonical JSON array.
#[derive(Debug, Serialize)]
pub(super) struct ChainLink<'a> {
    pub(super) previous: &'a str,
    pub(super) seq: i64,
    pub(super) deposit_id: Option<&'a str>,
    pub(super) version: Option<i64>,
    pub(super) at: &'a str,
    pub(super) name: &'a str,
    pub(super) from_state: Option<&'a str>,
    pub(super) to_state: Option<&'a str>,
    pub(super) upstream_status: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
    pub(super) facts: &'a str,
    pub(super) mail_to: &'a str,
    /// SHA-256 of the evidence's body.
    pub(super) evidence: Option<&'a str>,
    /// The request as it was made; with a deposit's first event only.
    pub(super) request: Option<&'a Request>,
    pub(super) postings: &'a [Posting],
}

impl ChainLink<'_> {
    /// SHA-256 in lower-case hex.
    pub(super) fn hash(&self) -> Result<String, serde_json::Error> {
        Ok(digest(&serde_json::to_vec(self)?))
    }
}

/// SHA-256 of anything, in lower-case hex.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
