//! A ledger that is held and not opened yet: everything that may refuse a start is asked before anything is changed.

use std::path::{Path, PathBuf};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::ledger::books;
use crate::ledger::connect::{LedgerSettings, connect_options, has_begun, known_id, known_schema};
use crate::ledger::error::{Error, Result};
use crate::ledger::lock::{LedgerLock, real_path, refuse_second_name, refuse_unless_fresh, sidecar_path};
use crate::ledger::place;

/// A ledger that no other daemon can open any more. Nothing on disk has changed: who may only read it still can, and a start
/// that is refused after all leaves no trace. [`super::Ledger::open_reserved`] goes on.
#[derive(Debug)]
pub struct Reservation {
    pub(super) settings: LedgerSettings,
    /// The file itself, links followed.
    pub(super) real: PathBuf,
    pub(super) lock: LedgerLock,
    /// False for a beginning: there is no file, or an empty one.
    pub(super) is_there: bool,
}

impl Reservation {
    /// Takes the lock, and looks whether the file can be opened.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::InUse`], [`Error::SeveralNames`], [`Error::Newer`], what is no ledger or not this one, or
    /// whatever the disk says.
    pub async fn take(settings: LedgerSettings) -> Result<Self> {
        let real = real_path(&settings.path);
        // An empty file is no ledger: what was in it is lost, or was never there.
        let is_there = place::find(&settings.path)?.is_some_and(|meta| meta.len() > 0);
        if is_there {
            refuse_second_name(&real)?;
        } else {
            refuse_unless_fresh(&real, settings.create_if_missing, &sidecar_path(&real, ".lock"))?;
        }
        let lock = LedgerLock::take(&real)?;
        if is_there {
            place::refuse_unreadable(&real)?;
            place::refuse_foreign(&real).await?;
        }
        let reserved = Self { settings, real, lock, is_there };
        if let Some(mut connection) = reserved.reader().await? {
            let inspected = reserved.inspect(&mut connection).await;
            done(connection).await;
            unless_unreadable(inspected)?;
        }
        Ok(reserved)
    }

    /// Where it is, as it was asked for.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.settings.path
    }

    /// What the ledger remembers under `key`; `None` also where that cannot be known yet.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn recall(&self, key: &str) -> Result<Option<String>> {
        let Some(mut connection) = self.reader().await? else { return Ok(None) };
        let recalled = self.recall_from(&mut connection, key).await;
        done(connection).await;
        Ok(unless_unreadable(recalled)?.flatten())
    }

    /// Whether the books can be kept in the zone called `asked`.
    ///
    /// # Errors
    /// [`Error::ZoneFixed`] where months of another zone are closed; whatever the disk says.
    pub async fn refuse_other_zone(&self, asked: &str) -> Result<()> {
        let Some(mut connection) = self.reader().await? else { return Ok(()) };
        let asked = books::refuse_other_zone(&mut connection, asked).await;
        done(connection).await;
        unless_unreadable(asked).map(|_| ())
    }

    async fn inspect(&self, connection: &mut SqliteConnection) -> Result<()> {
        let path = &self.settings.path;
        if has_begun(path, connection).await?
            && known_schema(path, connection).await? > 0
            && let Some(ledger_id) = known_id(connection).await?
        {
            self.lock.refuse_other(&self.real, &ledger_id)?;
        }
        Ok(())
    }

    async fn recall_from(&self, connection: &mut SqliteConnection, key: &str) -> Result<Option<String>> {
        let path = &self.settings.path;
        if !has_begun(path, connection).await? || known_schema(path, connection).await? == 0 {
            return Ok(None);
        }
        sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
            .bind(key)
            .fetch_optional(connection)
            .await
            .map_err(Error::database("read"))
    }

    /// A connection that cannot write; `None` where there is nothing to read.
    async fn reader(&self) -> Result<Option<SqliteConnection>> {
        if !self.is_there {
            return Ok(None);
        }
        let opened = connect_options(&self.real).read_only(true).connect().await;
        unless_unreadable(opened.map_err(Error::database("opened")))
    }
}

/// `None` where only who may write can read the file: after a write that was cut off.
fn unless_unreadable<T>(asked: Result<T>) -> Result<Option<T>> {
    match asked {
        Err(error) if error.needs_a_writer() => Ok(None),
        asked => asked.map(Some),
    }
}

async fn done(connection: SqliteConnection) {
    // It was only read: there is nothing that could be lost.
    let _ = connection.close().await;
}
