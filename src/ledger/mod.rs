//! The books on disk: the only module that knows SQLite. Its verbs are the ledger's, not SQL's.

mod append;
mod attempts;
mod backup;
mod case_seal;
mod cases;
mod chain;
mod decisions;
mod deliveries;
mod deposit_rows;
mod deposits;
mod digest;
mod export;
mod history;
mod invoices;
mod open;
mod outbox;
mod periods;
mod poll_cache;
mod poll_queue;
mod record;
mod rollup;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sqlx::SqlitePool;
use tokio::sync::watch;

use crate::domain::time::Timestamp;

pub use attempts::Attempt;
pub use backup::{BackupReport, CopyHead};
pub use cases::{Case, CaseChange, NewCase};
pub(crate) use decisions::RESTORED;
pub use decisions::{Acceptance, Closing, Decision, NewAcceptance, Restore};
pub use deliveries::Delivery;
pub use deposits::{DepositFilter, DepositHistory, HistoryCall, HistoryMail, HistoryPosting};
pub use digest::{CaseAge, Ended, OpenState, PeriodTotals, Settled, Unsent};
pub use export::{DepositLine, Earlier, Entries, EntryLine, Period};
pub use history::EventRow;
pub use invoices::{
    ForeignOrders, GoodRun, IncompleteRuns, Known, KnownRow, NAMED_ROWS, Pages, RowChange, RowStaging, Run,
    RunFigures, Scope, StagedRow, Sums, Tally, Total, UnknownWord, UnreadRow,
};
pub use open::{Access, LedgerSettings};
pub use outbox::{DueMails, MailRow, OwedMail, WaitingMail};
pub use periods::ClosedMonth;
pub use poll_queue::{LeasedDeposit, QueueCursor, QueueEntry, Requeue, ResponseFingerprint};
pub use record::{AccountEvent, AttemptEnd, AttemptOutcome, DepositWrite, EvidenceNote, Opening, Recorded};
pub use verify::{Finding, Verification};

/// What can go wrong with the ledger; a variant exists only where somebody acts differently on it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no ledger where one is expected.
    #[error("there is no ledger at {path}: {hint}")]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// What to do.
        hint: String,
    },
    /// Another daemon works on it.
    #[error("the ledger {path} is in use by another depositd (its lock {path}.lock is held)")]
    InUse {
        /// The ledger.
        path: PathBuf,
    },
    /// A newer program has written it.
    #[error(
        "the ledger {path} was written by a newer depositd ({reason}); install that version or a newer one"
    )]
    Newer {
        /// The ledger.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// An older program has written it, and nobody who may write has opened it since.
    #[error(
        "the ledger {path} was written by an older depositd ({reason}); start the daemon once, it brings it up to date"
    )]
    Older {
        /// The ledger.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A first start was cut off before the ledger was made, or a later one while it opened or closed the file. Only
    /// who may write can finish that.
    #[error(
        "the ledger {path} was left in the midst of a start or a stop; start the daemon once, it finishes that"
    )]
    Unfinished {
        /// The ledger.
        path: PathBuf,
    },
    /// The file is no longer what it was: deleted, replaced, or rolled back under the running daemon.
    #[error("the ledger can no longer be trusted: {0}")]
    Untrusted(String),
    /// It could not be read or written now: a full disk, a lock, an I/O error.
    #[error("the ledger could not be {doing}")]
    Database {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: sqlx::Error,
    },
    /// A file beside the ledger could not be used.
    #[error("{doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The file, or a row of it, holds what this program would never have written.
    #[error("the ledger cannot be read: {0}")]
    Unreadable(String),
    /// The writer has stopped.
    #[error("the ledger is closed")]
    Closed,
}

impl Error {
    pub(crate) fn database(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| match Self::code(&source) {
            // Corrupt, not a database, or shorter than it says: somebody else has written it. A failed fsync (of the
            // file, of its folder): what is on disk now, nobody can say, and asking again would be answered from memory.
            Some(code) if matches!(code & 0xff, 11 | 26) || matches!(code, 522 | 1034 | 1290) => {
                Self::Untrusted(format!("it could not be {doing}: {source}"))
            }
            _ => Self::Database { doing, source },
        }
    }

    /// SQLite's extended result code.
    pub(crate) fn code(source: &sqlx::Error) -> Option<i32> {
        source.as_database_error()?.code()?.parse().ok()
    }

    /// The error and its causes on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let words = cause.to_string();
            // The library's errors repeat what lies below them.
            if !text.contains(&words) {
                text = format!("{text}: {words}");
            }
            source = cause.source();
        }
        text
    }
}

/// What the ledger's calls return.
pub type Result<T> = std::result::Result<T, Error>;

/// The books. Cheap to clone; all clones share one writer and a few readers.
#[derive(Debug, Clone)]
pub struct Ledger {
    readers: SqlitePool,
    writer: Option<writer::Writer>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// A random name for this ledger, part of every Message-ID.
    ledger_id: String,
    /// The domain of every Message-ID.
    mail_domain: String,
    /// The number of the last event on disk.
    head: watch::Sender<i64>,
    /// The end of the last closed month, in milliseconds since 1970.
    books_open_from: AtomicI64,
    /// Deposits that were looked at lately.
    poll_cache: poll_cache::PollCache,
    /// Held for as long as the daemon lives; `None` for readers.
    /// Never read: it locks for as long as it is held.
    _lock: Option<std::fs::File>,
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

    /// Follows the number of the last event that this process has written.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<i64> {
        self.shared.head.subscribe()
    }

    /// The Message-ID (without brackets) that all letters about one subject answer to.
    #[must_use]
    pub fn thread_id(&self, subject: &str) -> String {
        format!("{subject}.{}@{}", self.shared.ledger_id, self.shared.mail_domain)
    }
}
