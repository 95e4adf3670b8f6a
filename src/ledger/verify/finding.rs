//! What a proof of the ledger comes to.

/// The most findings that are named; the first is what matters.
const MOST_FINDINGS: usize = 50;

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// In which table.
    pub table: &'static str,
    /// Which row.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
}

/// What was proven.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verification {
    /// Events in the chain.
    pub events: u64,
    /// Deposits held against their events.
    pub deposits: u64,
    /// Transactions of the journal.
    pub transactions: u64,
    /// Owed mails held against their events.
    pub mails: u64,
    /// Owed webhooks held against their events.
    pub webhooks: u64,
    /// The number of the last event.
    pub head_seq: i64,
    /// Its hash: an outsider who holds it can tell later whether the past was changed.
    pub head_hash: String,
    /// What does not fit; empty when the ledger is whole.
    pub findings: Vec<Finding>,
}

impl Verification {
    pub(super) fn find(&mut self, table: &'static str, row: impl ToString, what: impl Into<String>) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { table, row: row.to_string(), what: what.into() });
        }
    }
}
