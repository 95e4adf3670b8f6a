//! The locks: one daemon a file, whatever its name is; and what tells an absent ledger from one that never was.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::error::{Error, Result};

/// As many links as the kernel follows.
const LINKS: u32 = 40;

pub(super) fn sidecar_path(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The file that `path` means, all links followed: SQLite names the sidecars after this one, and so does the lock file.
pub(super) fn real_path(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        if let Ok(real) = std::fs::canonicalize(&path) {
            return real;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match (std::fs::read_link(&path), std::fs::canonicalize(folder), path.file_name()) {
            // A link to a file that is not there yet.
            (Ok(target), ..) => path = folder.join(target),
            (Err(_), Ok(folder), Some(name)) => return folder.join(name),
            _ => break,
        }
    }
    path
}

/// Refuses a file with several names (hard links): SQLite keeps a log for each name, and what is in the log of one name
/// is missing under the others.
pub(super) fn refuse_second_name(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.nlink() > 1 => {
            Err(Error::SeveralNames { path: path.to_owned(), names: meta.nlink() })
        }
        _ => Ok(()),
    }
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

/// Which file a path means.
pub(super) type Inode = (u64, u64);

/// What keeps every other daemon off the ledger, for as long as it is held.
///
/// The ledger itself is locked by `flock`, so that no name of it (a link, another mount) leads around the lock. SQLite's
/// own locks on the file are of another kind (`fcntl`), and the kernel drops all of those that a process has on a file as
/// soon as the process closes any descriptor of it. So this descriptor is opened before SQLite's, and closed after the last
/// of them: [`super::writer::close`].
///
/// The file beside it holds the ledger's id, which tells a lost ledger from one that never was. It is locked as well:
/// earlier versions know this lock only, and a ledger that is being made has no other.
#[derive(Debug, Default)]
pub(super) struct LedgerLock {
    // In this order: whoever sees the second one free finds the first one free, too.
    ledger: Option<File>,
    beside: Option<File>,
}

impl LedgerLock {
    /// Takes what there is to lock; makes nothing, and changes nothing. `path` is the ledger's real path.
    pub(super) fn take(path: &Path) -> Result<Self> {
        let beside = held(path, &sidecar_path(path, ".lock"), false)?;
        let ledger = held(path, path, false)?;
        Ok(Self { ledger, beside })
    }

    /// Makes what is missing, a new ledger as an empty file, and holds that too.
    pub(super) fn complete(&mut self, path: &Path) -> Result<()> {
        if self.beside.is_none() {
            self.beside = held(path, &sidecar_path(path, ".lock"), true)?;
        }
        if self.ledger.is_none() {
            self.ledger = held(path, path, true)?;
        }
        Ok(())
    }

    /// The id of the ledger that was here before, as the lock file says it; empty where it says none.
    pub(super) fn says(&self, path: &Path) -> Result<String> {
        let Some(mut file) = self.beside.as_ref() else { return Ok(String::new()) };
        let mut said = String::new();
        let read = file.rewind().and_then(|()| file.read_to_string(&mut said));
        read.map_err(|source| Error::Io {
            doing: "cannot read the lock file",
            path: sidecar_path(path, ".lock"),
            source,
        })?;
        Ok(said.trim().to_owned())
    }

    /// Whether the lock file names another ledger than this.
    pub(super) fn refuse_other(&self, path: &Path, ledger_id: &str) -> Result<()> {
        let said = self.says(path)?;
        if said.is_empty() || said == ledger_id {
            return Ok(());
        }
        Err(Error::Unreadable(format!(
            "this is not the ledger that {} names; restore that one, or remove the lock file to go on with this one",
            sidecar_path(path, ".lock").display()
        )))
    }

    /// From now on an absent ledger is a loss, not a beginning: the lock file says so.
    pub(super) fn remember(&self, path: &Path, ledger_id: &str) -> Result<()> {
        self.refuse_other(path, ledger_id)?;
        let Some(mut file) =
            self.beside.as_ref().filter(|_| self.says(path).is_ok_and(|said| said.is_empty()))
        else {
            return Ok(());
        };
        file.write_all(format!("{ledger_id}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(|source| {
            Error::Io { doing: "cannot write the lock file", path: sidecar_path(path, ".lock"), source }
        })
    }

    /// Which files are held: the ledger and its lock file.
    pub(super) fn inodes(&self) -> Result<(Inode, Inode)> {
        let inode = |file: &Option<File>| -> Result<Inode> {
            let meta = file.as_ref().ok_or(Error::Closed)?.metadata();
            let meta =
                meta.map_err(|error| Error::Untrusted(format!("its lock cannot be looked at: {error}")))?;
            Ok((meta.dev(), meta.ino()))
        };
        Ok((inode(&self.ledger)?, inode(&self.beside)?))
    }

    /// Lets others have the ledger while SQLite still has it open here: the lock goes, the descriptor stays until the
    /// process ends.
    pub(super) fn let_go(mut self) {
        if let Some(file) = self.ledger.take() {
            if let Err(error) = file.unlock() {
                tracing::debug!(%error, "the ledger stays locked until this process ends");
            }
            std::mem::forget(file);
        }
    }
}

/// Opens `what` and locks it; `None` where it is not there and must not be made.
fn held(path: &Path, what: &Path, make: bool) -> Result<Option<File>> {
    let io = |doing| {
        let path = what.to_owned();
        move |source| Error::Io { doing, path, source }
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(make).truncate(false).mode(0o644);
    let file = match options.open(what) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !make => return Ok(None),
        opened => opened.map_err(io("cannot open"))?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path: path.to_owned(), lock: what.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io("cannot lock")(source)),
    }
}
