//! How SQLite is asked to open the file, and what the file says of itself: whether it is a ledger, and of which version.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::ledger::error::{Error, Result};

/// The schema's whole history, forward only.
pub(super) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// How the ledger is opened.
#[derive(Debug, Clone)]
pub struct LedgerSettings {
    /// The file.
    pub path: PathBuf,
    /// Whether a first start may make it.
    pub create_if_missing: bool,
    /// The domain of the Message-IDs of owed mails.
    pub mail_domain: String,
}

/// Who opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The daemon: one at a time, it makes and migrates the file.
    Write,
    /// Anybody who may read the file, at any time.
    Read,
}

pub(super) fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .disable_statement_logging()
}

pub(super) async fn readers(path: &Path, most: u32) -> Result<sqlx::SqlitePool> {
    SqlitePoolOptions::new()
        .max_connections(most)
        .min_connections(0)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(connect_options(path).read_only(true))
        .await
        .map_err(Error::database("opened for reading"))
}

/// Whether our first table is there. Another program's database is refused: it must not become a ledger.
pub(super) async fn has_begun(path: &Path, connection: &mut sqlx::SqliteConnection) -> Result<bool> {
    let (ours, tables) = sqlx::query_as::<_, (i64, i64)>(
        "SELECT count(*) FILTER (WHERE name = '_sqlx_migrations'), count(*) FROM sqlite_master",
    )
    .fetch_one(connection)
    .await?;
    if ours == 0 && tables > 0 {
        let path = path.display();
        return Err(Error::Unreadable(format!(
            "{path} is a database of another program, not a depositd ledger"
        )));
    }
    Ok(ours > 0)
}

/// Refuses what a newer program, or another history, has made of the schema; gives its version, 0 for none.
pub(super) async fn known_schema(path: &Path, connection: &mut sqlx::SqliteConnection) -> Result<i64> {
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations ORDER BY version")
            .fetch_all(connection)
            .await
            .map_err(Error::database("read as a ledger"))?;
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    for (version, checksum) in &applied {
        match MIGRATIONS.iter().find(|migration| migration.version == *version) {
            None => {
                let reason = format!("its schema is {version}, this program knows {newest}");
                return Err(Error::Newer { path: path.to_owned(), reason });
            }
            Some(known) if *known.checksum != **checksum => return Err(other_history(*version)),
            Some(_) => {}
        }
    }
    Ok(applied.last().map_or(0, |(version, _)| *version))
}

/// What is said where a version of the schema is not the one that this program knows by its number.
pub(super) fn other_history(version: i64) -> Error {
    Error::Untrusted(format!("schema version {version} is not the one that was released"))
}

/// `None` in a ledger that was never finished being made: one that has events has a name.
pub(super) async fn known_id(connection: &mut sqlx::SqliteConnection) -> Result<Option<String>> {
    let row = sqlx::query!(
        r#"SELECT (SELECT value FROM meta WHERE key = 'ledger_id') AS "ledger_id: String",
                  EXISTS (SELECT 1 FROM event) AS "used!: bool""#
    )
    .fetch_one(connection)
    .await?;
    match row.ledger_id {
        None if row.used => Err(Error::Untrusted("its name, meta's ledger_id, is gone".to_owned())),
        ledger_id => Ok(ledger_id),
    }
}
