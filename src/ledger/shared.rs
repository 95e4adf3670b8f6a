//! What the ledger's handles and its writer share.

use std::path::PathBuf;
use std::sync::atomic::AtomicI64;

use tokio::sync::watch;

use super::poll_queue::lease::PollQueue;
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
    /// Which deposit is acted on next.
    pub(super) poll_queue: PollQueue,
    /// How long transactions take.
    pub(super) metrics: CommitMetrics,
}
