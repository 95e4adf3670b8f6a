//! What stands at the ledger's place before it is opened: nothing, a ledger, something else, or what may not be read.
//! Nothing is written, and no file is made, until that is known.

use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::error::{Error, Result};
use super::lock::{real_path, sidecar_path};

/// What every SQLite file begins with, and where its header says that a log belongs to it (SQLite's "Database File
/// Format", section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const READ_VERSION: usize = 19;
const WITH_LOG: u8 = 2;
const HEADER: usize = 100;

/// The file at `path`; `None` where there is none.
///
/// # Errors
/// [`Error::Forbidden`] where a folder on the way may not be entered, [`Error::Unreadable`] where it is no file at all.
pub(super) fn find(path: &Path) -> Result<Option<Metadata>> {
    let met = match fs::metadata(path) {
        Ok(met) => met,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(forbidden_folder(path)),
        // Whatever else it is, opening it says so.
        Err(_) => return Ok(None),
    };
    let kind = met.file_type();
    let what = match kind {
        _ if kind.is_file() => return Ok(Some(met)),
        _ if kind.is_dir() => "a folder",
        _ if kind.is_fifo() => "a pipe",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(Error::Unreadable(format!("{} is {what}, not a depositd ledger", path.display())))
}

/// Refuses a file that may not be read, or whose log may not be.
pub(super) fn refuse_unreadable(path: &Path) -> Result<()> {
    for file in [path.to_owned(), sidecar_path(path, "-wal"), sidecar_path(path, "-shm")] {
        match File::open(&file) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let met = fs::metadata(&file).ok();
                return Err(Error::Forbidden { what: format!("read {}", file.display()), hint: hint(met) });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refuses a file that is no database, and a database of another program: it must not become a ledger, and is left as it
/// is. What cannot be told yet, because it stands in a log, is let through.
pub(super) async fn refuse_foreign(path: &Path) -> Result<()> {
    let shown = path.display();
    if !header(path).is_some_and(|header| header.starts_with(MAGIC)) {
        return Err(Error::Unreadable(format!("{shown} is not a depositd ledger")));
    }
    // Read as if nobody ever wrote to it: without a lock, a log, or a file beside it.
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
    let Ok(mut connection) = options.disable_statement_logging().connect().await else { return Ok(()) };
    let tables = sqlx::query_as::<_, (i64, i64)>(
        "SELECT count(*) FILTER (WHERE name IN ('event', 'deposit', 'meta')),
                count(*) FILTER (WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~' AND name NOT LIKE '~_%' ESCAPE '~')
         FROM sqlite_master WHERE type = 'table'",
    )
    .fetch_one(&mut connection)
    .await;
    let is_foreign = match tables {
        Ok((ours, all)) => all > 0 && ours < 3,
        Err(_) => false,
    };
    // All that it has may still stand in its log: ours has a lock beside it then.
    let is_unknown = matches!(tables, Ok((_, 0)))
        && fs::metadata(sidecar_path(path, "-wal")).is_ok_and(|log| log.len() > 0)
        && !sidecar_path(path, ".lock").exists();
    if is_foreign || is_unknown {
        return Err(Error::Unreadable(format!(
            "{shown} is a database of another program, not a depositd ledger"
        )));
    }
    Ok(())
}

/// True for a ledger whose log is not beside it, though it has one: the file was copied or mounted by itself while the
/// daemon ran, and what was written last is missing.
#[must_use]
pub fn is_without_log(path: &Path) -> bool {
    let path = &real_path(path);
    let has_log = header(path)
        .is_some_and(|header| header.starts_with(MAGIC) && header.get(READ_VERSION) == Some(&WITH_LOG));
    let log = fs::metadata(sidecar_path(path, "-wal")).map(|log| log.len());
    // An empty one is made by whoever reads; beside the daemon's own there is its lock.
    let is_missing = match log {
        Ok(0) => !sidecar_path(path, ".lock").exists(),
        Ok(_) => false,
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    has_log && is_missing
}

fn header(path: &Path) -> Option<[u8; HEADER]> {
    // A pipe would never open.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut header = [0; HEADER];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    Some(header)
}

/// The first folder on the way that may not be entered.
fn forbidden_folder(path: &Path) -> Error {
    let way: Vec<&Path> = path.ancestors().skip(1).collect();
    let shut = way.into_iter().find_map(|folder| Some((folder, fs::metadata(folder).ok()?)));
    let (folder, met) = match shut {
        Some((folder, met)) => (folder.to_owned(), Some(met)),
        None => (PathBuf::from(path), None),
    };
    Error::Forbidden { what: format!("look into {}", folder.display()), hint: hint(met) }
}

/// What to do about it: whose it is, and which group to join.
fn hint(met: Option<Metadata>) -> String {
    let Some(met) = met else { return "ask whoever runs the daemon".to_owned() };
    let user = uzers::get_user_by_uid(met.uid()).map(|user| user.name().to_string_lossy().into_owned());
    let group = uzers::get_group_by_gid(met.gid()).map(|group| group.name().to_string_lossy().into_owned());
    let (user, group) =
        (user.unwrap_or_else(|| met.uid().to_string()), group.unwrap_or_else(|| met.gid().to_string()));
    let mode = met.mode() & 0o7777;
    let of_group = if met.is_dir() { 0o010 } else { 0o040 };
    let what = if mode & of_group == 0 {
        format!("ask {user}")
    } else {
        format!("join the group {group} (`adduser NAME {group}`) and log in again")
    };
    format!("it belongs to {user}:{group}, mode {mode:04o}: {what}")
}
