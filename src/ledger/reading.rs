//! How the ledger is opened by who may only read it, and what is said where that cannot be.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlitePool;

use crate::clock::{Clock as _, SystemClock};
use crate::ledger::connect::{LedgerSettings, MIGRATIONS, has_begun, known_id, known_schema, readers};
use crate::ledger::error::{Error, Result};
use crate::ledger::lock::{real_path, refuse_second_name, sidecar_path};
use crate::ledger::place;

/// How often, and how far apart, a file is tried that only a writer could open: a daemon that is just starting or stopping
/// is one. For a moment the file has neither its log nor the mark that it needs none; and a reader that saw the daemon's
/// journal and finds it gone takes it for one that must be undone (pagerHasHotJournal in SQLite's pager.c). A busy disk
/// makes such a moment long.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Opens the ledger at `settings.path` for reading; gives its id as well.
pub(super) async fn read_only(settings: &LedgerSettings) -> Result<(SqlitePool, String)> {
    let path = &settings.path;
    let real = real_path(path);
    let Some(found) = place::find(path)? else {
        let hint = "start the daemon once, or name the right file under [ledger] path".to_owned();
        return Err(Error::Missing { path: path.clone(), hint });
    };
    place::refuse_unreadable(&real)?;
    if found.len() > 0 {
        place::refuse_foreign(&real).await?;
    }
    let clock = SystemClock::new();
    let mut tries = 0_u32;
    loop {
        tries = tries.saturating_add(1);
        let opened = try_open(path, &real).await;
        if opened.as_ref().is_err_and(Error::needs_a_writer) {
            // Under a second name there is no log: that is another reason than a stop in its midst.
            refuse_second_name(&real)?;
        }
        match opened {
            Err(error) if error.needs_a_writer() && tries < TRIES => clock.sleep(PAUSE).await,
            Err(error) if error.needs_a_writer() => {
                return Err(Error::Unfinished { path: path.clone() });
            }
            opened => return opened,
        }
    }
}

async fn try_open(path: &Path, real: &Path) -> Result<(SqlitePool, String)> {
    let readers = readers(real, 2).await?;
    let mut connection = readers.acquire().await?;
    // A copy has no log, and is whole under any name.
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    if mode == "wal" {
        refuse_second_name(real)?;
    }
    if !has_begun(path, &mut connection).await? {
        return Err(unfinished(path.to_owned()));
    }
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let version = known_schema(path, &mut connection).await?;
    if version == 0 {
        return Err(unfinished(path.to_owned()));
    }
    if version < newest {
        let reason = format!("its schema is {version}, this program reads {newest}");
        return Err(Error::Older { path: path.to_owned(), reason });
    }
    let Some(ledger_id) = known_id(&mut connection).await? else {
        return Err(unfinished(path.to_owned()));
    };
    drop(connection);
    Ok((readers, ledger_id))
}

/// What a reader says of a file that is not a ledger yet: the lock file tells whether it has been one.
fn unfinished(path: PathBuf) -> Error {
    let lock_path = sidecar_path(&real_path(&path), ".lock");
    if std::fs::metadata(&lock_path).is_ok_and(|meta| meta.len() > 0) {
        let (path, lock_path) = (path.display(), lock_path.display());
        return Error::Untrusted(format!(
            "{path} is not the ledger that {lock_path} names any more; restore it from a backup"
        ));
    }
    Error::Unfinished { path }
}
