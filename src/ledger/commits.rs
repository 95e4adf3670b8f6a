//! Which transactions have begun, and which have ended: what was read from the ledger at some moment can show all that had
//! begun by then, and a copy that is made now has all that have ended.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// Counts the writer's transactions. One that only moves deposits in the queue is not counted: nobody is told of it.
#[derive(Debug)]
pub(super) struct Commits {
    begun: AtomicU64,
    ended: watch::Sender<u64>,
}

impl Default for Commits {
    /// What the file held when it was opened counts as one.
    fn default() -> Self {
        Self { begun: AtomicU64::new(1), ended: watch::Sender::new(1) }
    }
}

impl Commits {
    /// A transaction begins; there is one at a time.
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    /// It has ended, either way.
    pub(super) fn end(&self) {
        self.ended.send_replace(self.begun.load(Ordering::SeqCst));
    }

    /// How many have begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Follows how many have ended.
    pub(super) fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }
}
