//! Whether the ledger's paths still lead to the files that were opened: a path can come to mean another file.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::ledger::error::{Error, Result};
use crate::ledger::lock::{Inode, LedgerLock, sidecar_path};
use crate::ledger::shared::LedgerState;

/// Which file is locked, and which lock file: paths can come to mean other ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    ledger: Inode,
    lock: Inode,
}

impl Identity {
    /// What is held.
    pub(super) fn of(lock: &LedgerLock) -> Result<Self> {
        let (ledger, lock) = lock.inodes()?;
        Ok(Self { ledger, lock })
    }

    /// What the paths mean now. Only asked of the paths: to open and close the file here would drop SQLite's locks.
    fn now(shared: &LedgerState) -> Result<Self> {
        let look = |path: &Path| {
            let gone = |error| Error::Untrusted(format!("{} is gone: {error}", path.display()));
            std::fs::metadata(path).map_err(gone)
        };
        let ledger = look(&shared.path)?;
        if ledger.len() == 0 {
            return Err(Error::Untrusted(format!("{} has been emptied", shared.path.display())));
        }
        let lock = look(&sidecar_path(&shared.real, ".lock"))?;
        Ok(Self { ledger: (ledger.dev(), ledger.ino()), lock: (lock.dev(), lock.ino()) })
    }

    /// Whether the paths still lead to what is held.
    pub(super) fn check(self, shared: &LedgerState) -> Result<()> {
        let now = Self::now(shared)?;
        if now.ledger != self.ledger {
            return Err(Error::Untrusted(format!(
                "{} has been replaced by another file",
                shared.path.display()
            )));
        }
        if now.lock != self.lock {
            let why = "has been replaced: another daemon may work on the ledger";
            return Err(Error::Untrusted(format!("{}.lock {why}", shared.real.display())));
        }
        Ok(())
    }
}
