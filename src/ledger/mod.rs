//! The books on disk: the only module that knows SQLite. Its verbs are the ledger's, not SQL's.

mod attempts;
mod backup;
mod batch;
mod books;
mod cases;
mod commit;
mod commits;
mod connect;
mod deliveries;
mod error;
mod identity;
mod invoices;
mod lock;
mod open;
mod periods;
mod place;
mod poll_queue;
mod read;
mod reading;
mod request_row;
mod reserve;
mod shared;
mod sql;
#[cfg(test)]
mod tests;
mod verify;
mod webhook_deliveries;
mod writer;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::SqlitePool;
use tokio::sync::watch;

use self::shared::LedgerState;
use self::writer::Writer;
use crate::domain::time::Timestamp;
use crate::metrics::CommitMetrics;

pub use attempts::Attempt;
pub use backup::{BackupReport, CopyHead};
pub use batch::{
    AccountEvent, AttemptEnd, AttemptOutcome, DepositWrite, EvidenceNote, Opening, QueueEntry, Recorded,
    Requeue, ResponseFingerprint,
};
pub use books::BookSettings;
pub(crate) use cases::RESTORED;
pub use cases::{Acceptance, Case, CaseChange, Closing, Decision, NewAcceptance, NewCase, Restore};
pub use connect::{Access, LedgerSettings};
pub use deliveries::Delivery;
pub use error::{Error, Result};
pub use invoices::{
    ForeignOrders, GoodRun, IncompleteRuns, Known, KnownRow, NAMED_ROWS, Pages, RowChange, RowStaging, Run,
    RunFigures, Scope, StagedRow, Sums, Tally, Total, UnknownWord, UnreadRow,
};
pub use periods::ClosedMonth;
pub use place::is_without_log;
pub use poll_queue::{LeasedDeposit, QueueCursor};
pub use read::{
    AccountDay, AccountOpening, BOOK_SOURCES, BalanceRise, BookMark, BookRow, BookSource, BookValue, COUNTED,
    CaseAge, ChainPlace, ChainView, ChainedEvent, DEPOSIT_COLUMNS, DayBalance, DepositFilter, DepositHistory,
    DepositLine, DueMails, DueWebhooks, ENTRY_COLUMNS, Earlier, ElsewhereLine, Ended, Entries, EntryLine,
    EventPage, EventRow, ExportValue, HistoryCall, HistoryMail, HistoryPosting, MailRow, MailTroubles,
    MonthLine, MonthSum, NamedRow, OpenLink, OpenState, OwedMail, OwedWebhook, Period, PeriodTotals, Settled,
    SourceChanges, StateCount, Statement, TrialBalanceLine, Unsent, WaitingMail, WebhookRow, WebhookSummary,
};
pub use reserve::Reservation;
pub use verify::{Finding, Verification};
pub use webhook_deliveries::EndedWebhook;

/// The books. Cheap to clone; all clones share one writer and a few readers.
#[derive(Debug, Clone)]
pub struct Ledger {
    readers: SqlitePool,
    writer: Option<Writer>,
    shared: Arc<LedgerState>,
}

impl Ledger {
    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.shared.path
    }

    /// A random name for this ledger, made once.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.shared.ledger_id
    }

    /// The end of the last closed month: nothing is booked before it. 1970 where none is closed.
    #[must_use]
    pub fn books_open_from(&self) -> Timestamp {
        Timestamp::from_millis(self.shared.books_open_from.load(Ordering::Relaxed))
    }

    /// How long this process's transactions took.
    #[must_use]
    pub fn metrics(&self) -> &CommitMetrics {
        &self.shared.metrics
    }

    /// Follows the number of the last event that this process has written.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<i64> {
        self.shared.head.subscribe()
    }

    /// How many transactions had come to their commit by now. Whatever was read before this call is of no later one. What
    /// only moves deposits in the queue is not counted.
    #[must_use]
    pub fn commits_begun(&self) -> u64 {
        self.shared.commits.begun()
    }

    /// Follows how many of them have ended: a copy that is begun then has them all.
    #[must_use]
    pub fn commits_ended(&self) -> watch::Receiver<u64> {
        self.shared.commits.ended()
    }

    /// The Message-ID (without brackets) that all letters about one subject answer to.
    #[must_use]
    pub fn thread_id(&self, subject: &str) -> String {
        format!("{subject}.{}@{}", self.shared.ledger_id, self.shared.mail_domain)
    }
}

impl Ledger {
    /// Writes steps and what belongs to them: all of each, or nothing of it. On disk when this returns.
    pub async fn record(&self, writes: Vec<DepositWrite>) -> Result<Vec<Recorded>> {
        self.writer()?.record(writes, Vec::new()).await
    }

    /// Writes events of the whole account.
    pub async fn announce(&self, notices: Vec<AccountEvent>) -> Result<()> {
        self.writer()?.record(Vec::new(), notices).await.map(|_| ())
    }

    /// Proves that the file is still the one that was opened, can be written, and ends where this program left it.
    ///
    /// # Errors
    /// [`Error::Untrusted`] where it is not; whatever the disk says where it cannot be written now.
    pub async fn check(&self) -> Result<()> {
        self.writer()?.check().await
    }

    fn writer(&self) -> Result<&Writer> {
        self.writer.as_ref().ok_or(Error::Closed)
    }
}
