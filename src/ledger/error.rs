//! What can go wrong with the ledger.

use std::path::PathBuf;

use crate::domain::causes;

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
    /// Whoever asks may not read it.
    #[error("you may not {what}: {hint}")]
    Forbidden {
        /// What is not allowed, on which file or folder.
        what: String,
        /// Whose it is, and what to do.
        hint: String,
    },
    /// Another daemon works on it.
    #[error("the ledger {path} is in use by another depositd ({lock} is locked)")]
    InUse {
        /// The ledger.
        path: PathBuf,
        /// The file that the other one has locked.
        lock: PathBuf,
    },
    /// The file has several names (hard links): SQLite keeps a log for each of them.
    #[error(
        "the ledger {path} has {names} names (hard links), and the latest entries are found under one of them alone; keep the \
         name that the daemon uses, and remove the others (find -samefile {path})"
    )]
    SeveralNames {
        /// The ledger.
        path: PathBuf,
        /// How many.
        names: u64,
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
    /// The books' zone is another one than that of months that are closed.
    #[error(
        "books.time_zone: the books are kept in {kept}, and {month} is closed: its days and months stand, so the zone \
         cannot become {asked} any more; write time_zone = \"{kept}\""
    )]
    ZoneFixed {
        /// The zone of the closed months.
        kept: String,
        /// The other one.
        asked: String,
        /// The latest closed month.
        month: String,
    },
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

    /// True where another program holds the file just now (SQLITE_BUSY).
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Database { source, .. } if Self::code(source).is_some_and(|code| code & 0xff == 5))
    }

    /// True where the file cannot be read before somebody who may write it has: what was cut off must be undone first
    /// (SQLITE_READONLY_RECOVERY, SQLITE_READONLY_ROLLBACK), or its log cannot be opened.
    pub(crate) fn needs_a_writer(&self) -> bool {
        matches!(self, Self::Database { source, .. } if matches!(Self::code(source), Some(264 | 776)))
            || self.cannot_open()
    }

    /// True where the file, or the log beside it, cannot be opened (SQLITE_CANTOPEN, and SQLITE_READONLY for reasons of
    /// the log's: CANTLOCK, CANTINIT, DIRECTORY).
    pub(crate) fn cannot_open(&self) -> bool {
        let Self::Database { source, .. } = self else { return false };
        Self::code(source).is_some_and(|code| code & 0xff == 14 || matches!(code, 520 | 1288 | 1544))
    }

    /// The error and its causes on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        causes::chain(self)
    }
}

/// A statement that only reads has failed.
impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        Self::database("read")(source)
    }
}

/// What the ledger's calls return. Where a call says nothing else, its errors are [`Error::Database`] where the file
/// cannot be read or written now (nothing is written then; try again later), [`Error::Untrusted`] or
/// [`Error::Unreadable`] where a person has to see to the file, and [`Error::Closed`] after the end.
pub type Result<T> = std::result::Result<T, Error>;
