//! What the ledger's handles and its writer share.

use std::path::PathBuf;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::commits::Commits;
use super::poll_queue::lease::PollQueue;
use crate::domain::book_zone::BookZone;
use crate::metrics::CommitMetrics;

/// One for each opened file.
#[derive(Debug)]
pub(super) struct LedgerState {
    /// As it was asked for.
    pub(super) path: PathBuf,
    /// The file itself, links followed: SQLite's own files lie beside this one.
    pub(super) real: PathBuf,
    /// A random name for this ledger, part of every Message-ID.
    pub(super) ledger_id: String,
    /// The domain of every Message-ID.
    pub(super) mail_domain: String,
    /// The number of the last event on disk.
    pub(super) head: watch::Sender<i64>,
    /// The end of the last closed month, in milliseconds since 1970.
    pub(super) books_open_from: AtomicI64,
    /// The zone of the books' days and months.
    pub(super) book_zone: RwLock<Arc<BookZone>>,
    /// Which deposit is acted on next.
    pub(super) poll_queue: PollQueue,
    /// Which transactions have begun and ended.
    pub(super) commits: Arc<Commits>,
    /// How long transactions take.
    pub(super) metrics: CommitMetrics,
}

impl LedgerState {
    /// The zone of the books' days and months.
    pub(super) fn book_zone(&self) -> Arc<BookZone> {
        Arc::clone(&self.book_zone.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on days and months are those of `zone`.
    pub(super) fn set_book_zone(&self, zone: BookZone) {
        *self.book_zone.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(zone);
    }
}
