//! Which transactions have come to their commit, and which have ended: what was read from the ledger at some moment can show
//! all that had come to theirs by then, and a copy that is made now has all that have ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sqlx::SqliteConnection;
use tokio::sync::watch;

use super::error::{Error, Result};

/// Counts the writer's commits. One that only moves deposits in the queue is not counted: nobody is told of it.
#[derive(Debug)]
pub(super) struct Commits {
    begun: AtomicU64,
    ended: watch::Sender<u64>,
    /// Whether anybody may be told of what is being written.
    is_told: AtomicBool,
}

impl Default for Commits {
    /// What the file held when it was opened counts as one.
    fn default() -> Self {
        Self { begun: AtomicU64::new(1), ended: watch::Sender::new(1), is_told: AtomicBool::new(true) }
    }
}

impl Commits {
    /// Counts the commits of the writing connection from now on. SQLite calls this before readers can see anything of one.
    pub(super) async fn count(self: &Arc<Self>, connection: &mut SqliteConnection) -> Result<()> {
        let own = Arc::clone(self);
        let mut handle = connection.lock_handle().await.map_err(Error::database("opened"))?;
        handle.set_commit_hook(move || {
            if own.is_told.load(Ordering::SeqCst) {
                own.begun.fetch_add(1, Ordering::SeqCst);
            }
            true
        });
        Ok(())
    }

    /// What is written next: whether anybody may be told of it.
    pub(super) fn next_is_told(&self, is_told: bool) {
        self.is_told.store(is_told, Ordering::SeqCst);
    }

    /// What was being written has ended, either way.
    pub(super) fn end(&self) {
        let begun = self.begun();
        self.ended.send_if_modified(|ended| std::mem::replace(ended, begun) != begun);
    }

    /// How many have come to their commit.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Follows how many have ended.
    pub(super) fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }
}
