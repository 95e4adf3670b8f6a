//! The answers that have a shape of their own: lists, pages, and what was done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::DepositObject;
use crate::domain::time::Timestamp;
use crate::flow::{ClosePlan, Correction};
use crate::ledger::{
    Case, ClosedMonth, DepositHistory, EventRow, HistoryCall, HistoryMail, HistoryPosting, MailRow, Statement,
};

/// `GET /v1/deposits`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DepositPage {
    /// Newest first.
    pub deposits: Vec<DepositObject>,
    /// How to ask for the next page, if there is one.
    pub next_cursor: Option<String>,
}

/// `GET /v1/deposits/{id}/events`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventList {
    /// Oldest first.
    pub events: Vec<EventRow>,
}

/// `GET /v1/deposits/{id}/story`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Story {
    /// As it stands.
    pub deposit: DepositObject,
    /// What happened, oldest first.
    pub events: Vec<EventRow>,
    /// The attempts to make its wallet, and the answers that changed it.
    pub calls: Vec<HistoryCall>,
    /// What was booked.
    pub postings: Vec<HistoryPosting>,
    /// Who was, or is, owed a mail.
    pub mails: Vec<HistoryMail>,
    /// Differences with the upstream.
    pub cases: Vec<Case>,
}

impl From<DepositHistory> for Story {
    fn from(history: DepositHistory) -> Self {
        Self {
            deposit: DepositObject::from(&history.deposit),
            events: history.events,
            calls: history.calls,
            postings: history.postings,
            mails: history.mails,
            cases: history.cases,
        }
    }
}

/// `GET /v1/cases`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaseList {
    /// Open ones first, newest first within.
    pub cases: Vec<Case>,
}

/// What was done to a case, and what was booked by it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaseAfter {
    /// As it stands now.
    #[serde(flatten)]
    pub case: Case,
    /// What was booked, or would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Correction>,
}

/// `POST /v1/corrections`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CorrectionList {
    /// One a deposit.
    pub corrections: Vec<Correction>,
}

/// `GET` and `POST /v1/baseline`
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Baseline {
    /// What the total held before the first run, in cents; `None` while it is not known.
    pub baseline_cents: Option<i64>,
}

/// `POST /v1/restored`
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct RestoredSpan {
    /// The last event of the copy.
    pub since: Timestamp,
    /// The start after it.
    pub until: Timestamp,
}

/// `GET /v1/mails`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MailList {
    /// Newest first.
    pub mails: Vec<MailRow>,
}

/// `POST /v1/mails/retry`
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct MailsRetried {
    /// How many are sent again.
    pub retried: u64,
}

/// `POST /v1/mails/test`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MailRecipients {
    /// To whom a test message is owed.
    pub recipients: Vec<String>,
}

/// `GET /v1/periods`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MonthList {
    /// Oldest first.
    pub periods: Vec<ClosedMonth>,
}

/// `POST /v1/periods/{month}/close`
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum CloseAnswer {
    /// It is closed.
    Closed(ClosedMonth),
    /// It was only tried.
    Plan(Box<ClosePlan>),
}

/// What stands in the figures of a [`ClosedMonth`], as far as people are shown it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ClosedFigures {
    /// When the run was that the close rests on.
    pub reconciled_at: String,
    /// The last event that was proven.
    pub head_seq: i64,
    /// Its hash.
    pub head_hash: String,
    /// The month's statement; an empty one of what earlier versions closed.
    pub statement: Statement,
    /// What every account held at the end of the month.
    pub balances: Vec<AccountBalance>,
}

/// One account in one commodity.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AccountBalance {
    /// Chart of accounts.
    pub account: String,
    /// What it is called in the books of their owner, where that is another name.
    pub account_mapped: Option<String>,
    /// USD or a ticker.
    pub commodity: String,
    /// Its worth, in millionths of a dollar.
    pub usd_micros: i64,
}

/// What stands in the evidence of a [`crate::flow::Report`], as far as people are shown it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RunEvidence {
    /// The list that was read.
    pub invoices: ListEvidence,
}

/// The list that was read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ListEvidence {
    /// How long it was.
    pub bytes: u64,
    /// What it hashes to.
    pub sha256: String,
}

/// `GET /healthz`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Liveness {
    /// `ok`.
    pub status: String,
    /// The daemon's version.
    pub version: String,
}

/// `GET /readyz`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceReadiness {
    /// The ledger can be written and every task is alive.
    pub ready: bool,
    /// What makes it unready.
    pub reasons: Vec<String>,
    /// What is out of order outside.
    pub warnings: Vec<String>,
    /// The age in seconds of the last good reconciliation.
    pub last_reconciliation_age_seconds: Option<u64>,
    /// How many reconciliations in a row were void, up to now.
    pub void_reconciliations: i64,
    /// How the upstream has been doing.
    pub upstream: UpstreamReadiness,
    /// How the replica stands; `None` where there is none.
    pub replica: Option<ReplicaReadiness>,
    /// Each task's last rounds, by its name.
    pub tasks: BTreeMap<String, Value>,
    /// The name of the ledger that it works on; empty where a daemon does not say.
    pub ledger_id: String,
    /// The daemon's version.
    pub version: String,
}

/// How the replica stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicaReadiness {
    /// Nothing leaves before the replica has it.
    pub required: bool,
    /// When it last confirmed that it has everything.
    pub confirmed_at: Option<Timestamp>,
    /// How old what it has can be, in seconds; 0 where it has everything.
    pub age_seconds: u64,
    /// Since when it does not confirm; `None` while it does.
    pub silent_since: Option<Timestamp>,
    /// Why not.
    pub last_error: Option<String>,
    /// The ledger's generation: one more with each promotion of a stand-by.
    pub generation: u64,
    /// How long ago the last drill was, in seconds; `None` where there was none.
    pub drill_age_seconds: Option<u64>,
    /// Whether it found nothing wrong.
    pub drill_ok: Option<bool>,
}

/// How the upstream has been doing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UpstreamReadiness {
    /// Since when it gives no readable answer; `None` while it does.
    pub failing_since: Option<Timestamp>,
    /// How many calls in a row.
    pub failures: u32,
    /// When it last answered readably.
    pub last_success: Option<Timestamp>,
    /// What the latest failure was; stays when it answers again.
    pub last_error: Option<String>,
}
