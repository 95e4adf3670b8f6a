//! How events are chained: each hash covers the one before it, the event, its evidence and its postings.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::domain::deposit::Request;
use crate::domain::journal::Posting;

/// What stands before the first event.
pub(in crate::ledger) const GENESIS: &str =
    "0000000000000000000000000000000000000000000000000000000000000000";

/// Everything that an event's hash covers, in this order, as one canonical JSON array.
#[derive(Debug, Serialize)]
pub(in crate::ledger) struct ChainLink<'a> {
    pub(in crate::ledger) previous: &'a str,
    pub(in crate::ledger) seq: i64,
    pub(in crate::ledger) deposit_id: Option<&'a str>,
    pub(in crate::ledger) version: Option<i64>,
    pub(in crate::ledger) at: &'a str,
    pub(in crate::ledger) name: &'a str,
    pub(in crate::ledger) from_state: Option<&'a str>,
    pub(in crate::ledger) to_state: Option<&'a str>,
    pub(in crate::ledger) upstream_status: Option<&'a str>,
    pub(in crate::ledger) reason: Option<&'a str>,
    pub(in crate::ledger) facts: &'a str,
    pub(in crate::ledger) mail_to: &'a str,
    /// SHA-256 of the evidence's body.
    pub(in crate::ledger) evidence: Option<&'a str>,
    /// The request as it was made; with a deposit's first event only.
    pub(in crate::ledger) request: Option<&'a Request>,
    pub(in crate::ledger) postings: &'a [Posting],
    /// Who did it; left out where nobody is named, as of all events before there was this field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::ledger) acted_by: Option<&'a str>,
}

impl ChainLink<'_> {
    /// SHA-256 in lower-case hex.
    pub(in crate::ledger) fn hash(&self) -> Result<String, serde_json::Error> {
        Ok(digest(&serde_json::to_vec(self)?))
    }
}

/// SHA-256 of anything, in lower-case hex.
pub(in crate::ledger) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
