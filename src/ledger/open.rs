//! How a ledger is found, made, locked, migrated and closed; when its absence is an error.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::watch;

use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};
use crate::ledger::lock::{lock, refuse_unless_fresh, remember, sidecar_path};
use crate::ledger::periods::books_open_from;
use crate::ledger::place;
use crate::ledger::poll_queue::lease::PollQueue;
use crate::ledger::shared::LedgerState;
use crate::ledger::sql::{begin, commit};
use crate::ledger::writer::Writer;
use crate::metrics::CommitMetrics;

/// The schema's whole history, forward only.
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// What the writer may keep of the file in memory, at most: it touches rows and indexes all over a large ledger.
const WRITER_CACHE_KIB: &str = "-32768";
/// So many pages (32 MiB) gather in the WAL before they are carried over: a page that many commits change is carried
/// over once, and the file is synced that much less often. Durability is the WAL's either way.
const WAL_PAGES: &str = "8192";

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

impl Ledger {
    /// Opens the ledger.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::InUse`], [`Error::Newer`], [`Error::Unfinished`], or whatever the disk says.
    pub async fn open(settings: LedgerSettings, access: Access) -> Result<Self> {
        match access {
            Access::Write => open_writing(settings).await,
            Access::Read => open_reading(settings).await,
        }
    }

    /// How large the log beside the file is. It is written back as it grows, unless somebody has been reading on one and
    /// the same view all the while.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        std::fs::metadata(sidecar_path(&self.shared.path, "-wal")).map_or(0, |meta| meta.len())
    }

    /// Closes the ledger for good: the last writes are done, and the file is left as one whole file that anybody
    /// with read permission can open.
    ///
    /// # Errors
    /// Whatever the disk says; the ledger is safe even then.
    pub async fn close(self) -> Result<()> {
        self.readers.close().await;
        if let Some(writer) = self.writer {
            writer.close().await?;
        }
        Ok(())
    }
}

async fn open_writing(settings: LedgerSettings) -> Result<Ledger> {
    let lock_path = sidecar_path(&settings.path, ".lock");
    // An empty file is no ledger: what was in it is lost, or was never there.
    let exists = place::find(&settings.path)?.is_some_and(|meta| meta.len() > 0);
    if exists {
        place::refuse_unreadable(&settings.path)?;
        place::refuse_foreign(&settings.path).await?;
    } else {
        refuse_unless_fresh(&settings.path, settings.create_if_missing, &lock_path)?;
    }
    let mut lock = lock(&settings.path, &lock_path)?;
    let options = connect_options(&settings.path)
        .create_if_missing(!exists)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", WRITER_CACHE_KIB)
        .pragma("wal_autocheckpoint", WAL_PAGES)
        // What a statement would undo, should it fail halfway: pages that need not go through a file.
        .pragma("temp_store", "MEMORY")
        .pragma("journal_size_limit", "67108864");
    let mut connection = options.connect().await.map_err(Error::database("opened"))?;
    if exists {
        has_begun(&settings.path, &mut connection).await?;
    }
    MIGRATIONS
        .run_direct(None, &mut connection, false)
        .await
        .map_err(|error| migration_error(&settings.path, error))?;
    let ledger_id = ledger_id(&mut connection).await?;
    // From now on an absent ledger is a loss, not a beginning: the lock file says so.
    remember(&mut lock, &lock_path, &ledger_id)?;
    let head = sqlx::query_scalar!(r#"SELECT max(seq) AS "seq: i64" FROM event"#)
        .fetch_one(&mut connection)
        .await?
        .unwrap_or(0);
    let head = watch::Sender::new(head);
    let books_open_from = books_open_from(&mut connection).await?;
    let shared = Arc::new(LedgerState {
        path: settings.path.clone(),
        ledger_id,
        mail_domain: settings.mail_domain,
        head,
        books_open_from: AtomicI64::new(books_open_from.as_millis()),
        poll_queue: PollQueue::default(),
        metrics: CommitMetrics::default(),
        _lock: Some(lock),
    });
    let writer = Writer::start(connection, Arc::clone(&shared))?;
    let readers = readers(&settings.path, 4).await?;
    Ok(Ledger { readers, writer: Some(writer), shared })
}

async fn open_reading(settings: LedgerSettings) -> Result<Ledger> {
    let Some(found) = place::find(&settings.path)? else {
        let hint = "start the daemon once, or name the right file under [ledger] path".to_owned();
        return Err(Error::Missing { path: settings.path, hint });
    };
    place::refuse_unreadable(&settings.path)?;
    if found.len() > 0 {
        place::refuse_foreign(&settings.path).await?;
    }
    let readers = readers(&settings.path, 2).await?;
    let mut connection = readers.acquire().await?;
    match has_begun(&settings.path, &mut connection).await {
        Ok(true) => {}
        Ok(false) => return Err(unfinished(settings.path)),
        // SQLITE_READONLY_RECOVERY, SQLITE_READONLY_ROLLBACK: what was cut off must be undone by who may write.
        Err(Error::Database { source, .. }) if matches!(Error::code(&source), Some(264 | 776)) => {
            return Err(Error::Unfinished { path: settings.path });
        }
        Err(error) => return Err(error),
    }
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let version = sqlx::query_scalar::<_, i64>("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await
        .map_err(Error::database("read as a ledger"))?;
    if version > newest {
        let reason = format!("its schema is {version}, this program knows {newest}");
        return Err(Error::Newer { path: settings.path, reason });
    }
    if version == 0 {
        return Err(unfinished(settings.path));
    }
    if version < newest {
        let reason = format!("its schema is {version}, this program reads {newest}");
        return Err(Error::Older { path: settings.path, reason });
    }
    let Some(ledger_id) = known_id(&mut connection).await? else {
        return Err(unfinished(settings.path));
    };
    drop(connection);
    let shared = Arc::new(LedgerState {
        path: settings.path,
        ledger_id,
        mail_domain: settings.mail_domain,
        head: watch::Sender::new(0),
        books_open_from: AtomicI64::new(0),
        poll_queue: PollQueue::default(),
        metrics: CommitMetrics::default(),
        _lock: None,
    });
    Ok(Ledger { readers, writer: None, shared })
}

fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .disable_statement_logging()
}

async fn readers(path: &Path, most: u32) -> Result<sqlx::SqlitePool> {
    SqlitePoolOptions::new()
        .max_connections(most)
        .min_connections(0)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(connect_options(path).read_only(true))
        .await
        .map_err(Error::database("opened for reading"))
}

/// Whether our first table is there. Another program's database is refused: it must not become a ledger.
async fn has_begun(path: &Path, connection: &mut sqlx::SqliteConnection) -> Result<bool> {
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

/// What a reader says of a file that is not a ledger yet: the lock file tells whether it has been one.
fn unfinished(path: PathBuf) -> Error {
    let lock_path = sidecar_path(&path, ".lock");
    if std::fs::metadata(&lock_path).is_ok_and(|meta| meta.len() > 0) {
        let (path, lock_path) = (path.display(), lock_path.display());
        return Error::Untrusted(format!(
            "{path} is not the ledger that {lock_path} names any more; restore it from a backup"
        ));
    }
    Error::Unfinished { path }
}

/// The ledger's name, given to it as the last step of its making. It is looked for as if it were to be written: a ledger
/// that cannot be is not open.
async fn ledger_id(connection: &mut sqlx::SqliteConnection) -> Result<String> {
    begin(connection).await?;
    let ledger_id = match known_id(connection).await? {
        Some(known) => known,
        None => {
            let fresh = uuid::Uuid::new_v4().simple().to_string();
            sqlx::query!("INSERT INTO meta (key, value) VALUES ('ledger_id', ?)", fresh)
                .execute(&mut *connection)
                .await
                .map_err(Error::database("written"))?;
            fresh
        }
    };
    commit(connection).await?;
    Ok(ledger_id)
}

/// `None` in a ledger that was never finished being made: one that has events has a name.
async fn known_id(connection: &mut sqlx::SqliteConnection) -> Result<Option<String>> {
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

fn migration_error(path: &Path, error: sqlx::migrate::MigrateError) -> Error {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::VersionMissing(version) => Error::Newer {
            path: path.to_owned(),
            reason: format!("its schema version {version} is not known here"),
        },
        MigrateError::VersionMismatch(version) => {
            Error::Untrusted(format!("schema version {version} is not the one that was released"))
        }
        MigrateError::Execute(source) => Error::Database { doing: "migrated", source },
        other => Error::Unreadable(format!("migration: {other}")),
    }
}
