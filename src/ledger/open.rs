//! How a ledger is made, migrated, opened and closed by the one who writes; when its absence is an error.

use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use sqlx::sqlite::SqliteSynchronous;
use sqlx::{ConnectOptions as _, SqliteConnection};
use tokio::sync::watch;

use crate::clock::{Clock as _, SystemClock};
use crate::domain::book_zone::BookZone;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::books::kept_zone;
use crate::ledger::connect::{
    Access, LedgerSettings, MIGRATIONS, connect_options, has_begun, known_id, other_history, readers,
};
use crate::ledger::error::{Error, Result};
use crate::ledger::lock::{real_path, sidecar_path};
use crate::ledger::periods::books_open_from;
use crate::ledger::poll_queue::lease::PollQueue;
use crate::ledger::reading::read_only;
use crate::ledger::reserve::Reservation;
use crate::ledger::shared::LedgerState;
use crate::ledger::sql::{begin, commit};
use crate::ledger::writer::{self, Writer};
use crate::metrics::CommitMetrics;

/// What the writer may keep of the file in memory, at most: it touches rows and indexes all over a large ledger.
const WRITER_CACHE_KIB: &str = "-32768";
/// So many pages (32 MiB) gather in the WAL before they are carried over: a page that many commits change is carried
/// over once, and the file is synced that much less often. Durability is the WAL's either way.
const WAL_PAGES: &str = "8192";

/// How long, and how often, a file is tried that another program is setting to WAL mode.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

impl Ledger {
    /// Opens the ledger.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::InUse`], [`Error::Newer`], [`Error::Unfinished`], or whatever the disk says.
    pub async fn open(settings: LedgerSettings, access: Access) -> Result<Self> {
        match access {
            Access::Write => open_reserved(Reservation::take(settings).await?).await,
            Access::Read => open_reading(settings).await,
        }
    }

    /// Opens a ledger that is held already, for writing. From here on it is changed: where it cannot be opened after all, it
    /// is left as a stop leaves it.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub async fn open_reserved(reserved: Reservation) -> Result<Self> {
        open_reserved(reserved).await
    }

    /// How large the log beside the file is. It is written back as it grows, unless somebody has been reading on one and
    /// the same view all the while.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        std::fs::metadata(sidecar_path(&self.shared.real, "-wal")).map_or(0, |meta| meta.len())
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

async fn open_reserved(reserved: Reservation) -> Result<Ledger> {
    let Reservation { settings, real, mut lock, is_there } = reserved;
    lock.complete(&real)?;
    let options = connect_options(&real)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", WRITER_CACHE_KIB)
        .pragma("wal_autocheckpoint", WAL_PAGES)
        // What a statement would undo, should it fail halfway: pages that need not go through a file.
        .pragma("temp_store", "MEMORY")
        .pragma("journal_size_limit", "67108864");
    let mut connection = options.connect().await.map_err(Error::database("opened"))?;
    let prepared = match prepare(&mut connection, &settings.path, is_there).await {
        Ok(prepared) => lock.remember(&real, &prepared.ledger_id).map(|()| prepared),
        Err(error) => Err(error),
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            if let Err(left) = writer::close(connection, lock).await {
                tracing::warn!("the ledger could not be closed in order: {}", left.chain());
            }
            return Err(error);
        }
    };
    let shared = Arc::new(LedgerState {
        path: settings.path,
        real,
        ledger_id: prepared.ledger_id,
        mail_domain: settings.mail_domain,
        head: watch::Sender::new(prepared.head),
        books_open_from: AtomicI64::new(prepared.books_open_from.as_millis()),
        book_zone: RwLock::new(Arc::new(prepared.book_zone)),
        poll_queue: PollQueue::default(),
        commits: Arc::default(),
        metrics: CommitMetrics::default(),
    });
    let readers = match shared.commits.count(&mut connection).await {
        Ok(()) => readers(&shared.real, 4).await,
        Err(error) => Err(error),
    };
    let writer = Writer::start(connection, lock, Arc::clone(&shared))?;
    match readers {
        Ok(readers) => Ok(Ledger { readers, writer: Some(writer), shared }),
        Err(error) => {
            writer.close().await?;
            Err(error)
        }
    }
}

/// What is read while the ledger is being opened.
struct Prepared {
    ledger_id: String,
    head: i64,
    books_open_from: Timestamp,
    book_zone: BookZone,
}

/// Sets the file to WAL mode. SQLite does not wait there for whoever does the same just now, as Litestream does at its start.
async fn keep_a_log(connection: &mut SqliteConnection) -> Result<()> {
    let clock = SystemClock::new();
    loop {
        let set = sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *connection).await;
        match set.map_err(Error::database("opened")) {
            Err(error) if error.is_busy() && clock.monotonic() < PATIENCE => clock.sleep(PAUSE).await,
            set => return set.map(|_| ()),
        }
    }
}

/// Brings the file up to date, in WAL mode.
async fn prepare(connection: &mut SqliteConnection, path: &Path, is_there: bool) -> Result<Prepared> {
    if is_there {
        has_begun(path, connection).await?;
    }
    keep_a_log(connection).await?;
    MIGRATIONS
        .run_direct(None, &mut *connection, false)
        .await
        .map_err(|error| migration_error(path, error))?;
    let ledger_id = ledger_id(connection).await?;
    let head = sqlx::query_scalar!(r#"SELECT max(seq) AS "seq: i64" FROM event"#)
        .fetch_one(&mut *connection)
        .await?
        .unwrap_or(0);
    let book_zone = kept_zone(connection).await?;
    Ok(Prepared { ledger_id, head, books_open_from: books_open_from(connection).await?, book_zone })
}

async fn open_reading(settings: LedgerSettings) -> Result<Ledger> {
    let (readers, ledger_id) = read_only(&settings).await?;
    let book_zone = kept_zone(&mut *readers.acquire().await?).await?;
    let shared = Arc::new(LedgerState {
        real: real_path(&settings.path),
        path: settings.path,
        ledger_id,
        mail_domain: settings.mail_domain,
        head: watch::Sender::new(0),
        books_open_from: AtomicI64::new(0),
        book_zone: RwLock::new(Arc::new(book_zone)),
        poll_queue: PollQueue::default(),
        commits: Arc::default(),
        metrics: CommitMetrics::default(),
    });
    Ok(Ledger { readers, writer: None, shared })
}

/// The ledger's name, given to it as the last step of its making. It is looked for as if it were to be written: a ledger
/// that cannot be is not open.
async fn ledger_id(connection: &mut SqliteConnection) -> Result<String> {
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

fn migration_error(path: &Path, error: sqlx::migrate::MigrateError) -> Error {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::VersionMissing(version) => Error::Newer {
            path: path.to_owned(),
            reason: format!("its schema version {version} is not known here"),
        },
        MigrateError::VersionMismatch(version) => other_history(version),
        MigrateError::Execute(source) => Error::Database { doing: "migrated", source },
        other => Error::Unreadable(format!("migration: {other}")),
    }
}
