//! The lock beside the ledger: one daemon a file, and what tells an absent ledger from one that never was.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::error::{Error, Result};

pub(super) fn sidecar_path(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A missing file is a beginning only where one is allowed and nothing tells of an earlier ledger.
pub(super) fn refuse_unless_fresh(path: &Path, create_if_missing: bool, lock_path: &Path) -> Result<()> {
    let missing = |hint: String| Err(Error::Missing { path: path.to_path_buf(), hint });
    if !create_if_missing {
        return missing(
            "restore it from a backup; only for a first start set [ledger] create_if_missing = true"
                .to_owned(),
        );
    }
    if path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return missing("its folder is not there; make it, or name another under [ledger] path".to_owned());
    }
    // A first start that was cut off had its lock and an empty file: what lies beside them is its own.
    let is_empty = |path: &Path| std::fs::metadata(path).is_ok_and(|meta| meta.len() == 0);
    if is_empty(path) && is_empty(lock_path) {
        return Ok(());
    }
    for suffix in ["-wal", "-shm", "-journal"] {
        let trace = sidecar_path(path, suffix);
        if trace.exists() {
            return missing(format!(
                "but {} is left of an earlier one; restore the ledger, or move that file away",
                trace.display()
            ));
        }
    }
    if std::fs::metadata(lock_path).is_ok_and(|meta| meta.len() > 0) {
        return missing(format!(
            "but {} says that there was one; restore the ledger from a backup, or remove that file to begin afresh",
            lock_path.display()
        ));
    }
    Ok(())
}

pub(super) fn lock(path: &Path, lock_path: &Path) -> Result<File> {
    let io = |doing| {
        let path = lock_path.to_owned();
        move |source| Error::Io { doing, path, source }
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(lock_path)
        .map_err(io("cannot open the lock file"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(io("cannot lock")(source)),
    }
}

pub(super) fn remember(lock: &mut File, lock_path: &Path, ledger_id: &str) -> Result<()> {
    let io = |source| Error::Io { doing: "cannot write the lock file", path: lock_path.to_owned(), source };
    let mut held = String::new();
    lock.read_to_string(&mut held).map_err(io)?;
    if !held.is_empty() && held.trim() != ledger_id {
        return Err(Error::Unreadable(format!(
            "this is not the ledger that {} names; restore that one, or remove the lock file to go on with this one",
            lock_path.display()
        )));
    }
    if held.is_empty() {
        lock.write_all(format!("{ledger_id}\n").as_bytes()).map_err(io)?;
        lock.sync_all().map_err(io)?;
    }
    Ok(())
}
