//! How a copy is made while the daemon runs, and proven before it counts.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use url::Url;

use crate::domain::time::Timestamp;
use crate::ledger::connect::{Access, LedgerSettings};
use crate::ledger::error::{Error, Result};
use crate::ledger::lock::{real_path, sidecar_path};
use crate::ledger::{Ledger, Verification};

/// What SQLite adds to the name of a file for those beside it.
const SIDECARS: &[&str] = &["-wal", "-shm", "-journal"];
/// A copy that nobody has written to for so long will not be finished any more: the program was killed.
const UNFINISHED: Duration = Duration::from_hours(24);

/// A copy that was made.
#[derive(Debug, Clone, serde::Serialize)]
pub struct BackupReport {
    /// Where it is.
    pub path: PathBuf,
    /// How large it is.
    pub bytes: u64,
    /// What was proven of it.
    pub verification: Verification,
}

/// What the ledger remembers of the schedule: when it last made a copy.
const LAST_BACKUP: &str = "last_backup_at";
/// So many files of a backup folder are looked into, the latest first.
const COPIES: usize = 16;

/// Where a copy of the ledger ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyHead {
    /// Which file.
    pub path: PathBuf,
    /// The number of its last event; 0 where there is none.
    pub head_seq: i64,
    /// The hash of that; empty where there is none.
    pub head_hash: String,
}

impl Ledger {
    /// Copies the ledger as it stands at one moment to `path`, proves the copy, and only then gives it its name.
    ///
    /// # Errors
    /// Where `path` exists already, cannot be written, or the copy does not prove whole.
    pub fn backup<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<BackupReport>> {
        Box::pin(self.copy_to(path))
    }

    async fn copy_to(&self, path: &Path) -> Result<BackupReport> {
        self.refuse_target(path)?;
        let partial = Partial::beside(path, &self.shared.real)?;
        sqlx::query("VACUUM INTO ?")
            .bind(partial.uri()?)
            .execute(&self.readers)
            .await
            .map_err(Error::database("copied"))?;
        let settings = LedgerSettings {
            path: partial.path.clone(),
            create_if_missing: false,
            mail_domain: self.shared.mail_domain.clone(),
        };
        let copy = Self::open(settings, Access::Read).await?;
        let verification = copy.verify(|_, _| {}).await?;
        copy.close().await?;
        if let Some(finding) = verification.findings.first() {
            return Err(Error::Untrusted(format!(
                "the copy does not prove whole: {} {}: {}",
                finding.table, finding.row, finding.what
            )));
        }
        let bytes = partial.name(path)?;
        Ok(BackupReport { path: path.to_owned(), bytes, verification })
    }

    /// A copy takes the place of nothing, and no name that means something to SQLite: not the ledger's, and none under
    /// which it would look for the log of another file, or take another file for the log of the copy.
    fn refuse_target(&self, path: &Path) -> Result<()> {
        let refused = |doing, kind, why: String| {
            Err(Error::Io { doing, path: path.to_owned(), source: std::io::Error::new(kind, why) })
        };
        if path.symlink_metadata().is_ok() {
            let why = "there is a file of that name; choose another name, or move that file away first";
            return refused("will not overwrite", ErrorKind::AlreadyExists, why.to_owned());
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let taken = SIDECARS.iter().chain(&[".lock"]).find(|suffix| name.ends_with(**suffix));
        if let Some(suffix) = taken {
            let why =
                format!("a name with {suffix} at its end belongs to the file without it; choose another");
            return refused("will not write", ErrorKind::InvalidInput, why);
        }
        if real_path(path) == self.shared.real {
            let why = "that is where the ledger belongs; choose another name".to_owned();
            return refused("will not write", ErrorKind::InvalidInput, why);
        }
        let beside = SIDECARS.iter().map(|suffix| sidecar_path(path, suffix));
        if let Some(found) = beside.into_iter().find(|beside| beside.symlink_metadata().is_ok()) {
            let why = format!("{} would be taken for a part of it; choose another name", found.display());
            return refused("will not write", ErrorKind::AlreadyExists, why);
        }
        Ok(())
    }

    /// A copy named after `now` in `directory`. Of the copies that were made this way of this ledger, the `keep` stay that
    /// know most, the new one among them; what only bears such a name is left alone.
    ///
    /// # Errors
    /// As [`Ledger::backup`]; older copies are removed only after a new one has been proven.
    pub async fn scheduled_backup(
        &self,
        directory: &Path,
        keep: usize,
        now: Timestamp,
    ) -> Result<BackupReport> {
        let io = |doing| {
            let path = directory.to_owned();
            move |source| Error::Io { doing, path, source }
        };
        std::fs::create_dir_all(directory).map_err(io("cannot make"))?;
        let stamp = now.to_seconds_text().replace([':', '-'], "");
        let report = self.backup(&directory.join(format!("ledger-{stamp}.db"))).await?;
        let (mut copies, mut unfinished) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(directory).map_err(io("cannot list"))?.flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let Some(meta) = entry.metadata().ok().filter(std::fs::Metadata::is_file) else { continue };
            if !name.starts_with("ledger-") || path == report.path {
                continue;
            }
            let written = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if name.ends_with("Z.db") {
                copies.push((written, path));
            } else if Partial::is_named(&name) && is_before(written, now.minus(UNFINISHED)) {
                unfinished.push(path);
            }
        }
        let surplus = self.surplus(copies, keep).await?;
        self.remember(LAST_BACKUP, now.to_string()).await?;
        for old in surplus.into_iter().chain(unfinished) {
            std::fs::remove_file(&old).map_err(io("cannot remove an old copy in"))?;
        }
        Ok(report)
    }

    /// When a copy was last made by the schedule and proven; `None` before the first.
    pub async fn last_backup(&self) -> Result<Option<Timestamp>> {
        let read = |at: String| Timestamp::parse(&at).map_err(|error| Error::Unreadable(error.to_string()));
        self.recall(LAST_BACKUP).await?.map(read).transpose()
    }

    /// Of these, with a new copy beside them, the ones that are too many: those that know least of this ledger.
    async fn surplus(&self, copies: Vec<(SystemTime, PathBuf)>, keep: usize) -> Result<Vec<PathBuf>> {
        let mut own = Vec::new();
        for (written, path) in copies {
            let Some(copy) = self.head_of_copy(path).await else { continue };
            // A copy that knows another past than the ledger is not older: it was restored since.
            let shared =
                sqlx::query_scalar::<_, i64>("SELECT count(*) FROM event WHERE seq = ? AND hash = ?")
                    .bind(copy.head_seq)
                    .bind(&copy.head_hash)
                    .fetch_one(&self.readers)
                    .await?;
            if (shared > 0 || copy.head_seq == 0) && copy.path != self.shared.real {
                own.push((copy.head_seq, written, copy.path));
            }
        }
        own.sort_unstable();
        let surplus = own.len().saturating_add(1).saturating_sub(keep.max(1));
        Ok(own.into_iter().take(surplus).map(|(_, _, path)| path).collect())
    }

    /// Of the copies of this very ledger in `directory`, the one that knows most; `None` where there is none that can be
    /// read.
    pub async fn newest_copy(&self, directory: &Path) -> Option<CopyHead> {
        let entries = std::fs::read_dir(directory).ok()?;
        let mut files: Vec<(SystemTime, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let path = entry.path();
                let is_copy = path.extension().is_some_and(|extension| extension == "db");
                is_copy.then_some((entry.metadata().ok()?.modified().ok()?, path))
            })
            .collect();
        files.sort_unstable_by(|one, other| other.cmp(one));
        let mut newest: Option<CopyHead> = None;
        for (_, path) in files.into_iter().take(COPIES) {
            if let Some(head) = self.head_of_copy(path).await
                && newest.as_ref().is_none_or(|newest| newest.head_seq < head.head_seq)
            {
                newest = Some(head);
            }
        }
        newest
    }

    /// Where a copy ends, whatever version wrote it; `None` for a file that is none of this ledger.
    async fn head_of_copy(&self, path: PathBuf) -> Option<CopyHead> {
        let options = SqliteConnectOptions::new().filename(&path).read_only(true).immutable(true);
        let mut connection = options.disable_statement_logging().connect().await.ok()?;
        let (id, head_seq, head_hash): (String, i64, String) = sqlx::query_as(
            "SELECT m.value, coalesce(e.seq, 0), coalesce(e.hash, '') FROM meta m
             LEFT JOIN event e ON e.seq = (SELECT max(seq) FROM event) WHERE m.key = 'ledger_id'",
        )
        .fetch_optional(&mut connection)
        .await
        .ok()??;
        (id == self.shared.ledger_id).then_some(CopyHead { path, head_seq, head_hash })
    }
}

/// A copy that has no name yet: removed, unless it gets one.
#[derive(Debug)]
struct Partial {
    path: PathBuf,
}

impl Partial {
    /// An empty file beside `path` under a name that nobody else has, as readable as the ledger at `like`.
    fn beside(path: &Path, like: &Path) -> Result<Self> {
        let partial = sidecar_path(path, &format!(".{}.partial", uuid::Uuid::new_v4().simple()));
        let mode = std::fs::metadata(like).map_or(0o600, |meta| meta.mode() & 0o666);
        let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial);
        made.map_err(|source| Error::Io { doing: "cannot make", path: path.to_owned(), source })?;
        Ok(Self { path: partial })
    }

    /// What SQLite opens. It makes no file of its own: one that was given up meanwhile would come back.
    fn uri(&self) -> Result<String> {
        let io = |source| Error::Io { doing: "cannot make", path: self.path.clone(), source };
        let place = std::path::absolute(&self.path).map_err(io)?;
        let uri = Url::from_file_path(place).map_err(|()| io(ErrorKind::InvalidFilename.into()))?;
        Ok(format!("{uri}?mode=rw"))
    }

    /// Whether a file is called as only this program calls a copy that is being made.
    fn is_named(name: &str) -> bool {
        let name = SIDECARS.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let stem = name.strip_suffix(".partial").and_then(|stem| stem.rsplit_once('.'));
        stem.is_some_and(|(_, id)| uuid::Uuid::try_parse(id).is_ok())
    }

    /// Has it be called `path` from now on, and be on disk by that name; gives how large it is.
    fn name(self, path: &Path) -> Result<u64> {
        let io = |doing| {
            let path = path.to_owned();
            move |source| Error::Io { doing, path, source }
        };
        let file = std::fs::File::open(&self.path).map_err(io("cannot open the copy for"))?;
        file.sync_all().map_err(io("cannot store"))?;
        let bytes = file.metadata().map_err(io("cannot measure"))?.len();
        // A rename would take the place of what has come to that name meanwhile; a second name does not.
        match std::fs::hard_link(&self.path, path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(io("will not overwrite")(error));
            }
            // A disk without hard links: the place is taken first, by a file that is surely ours.
            Err(_) => {
                std::fs::File::create_new(path).map_err(io("cannot name"))?;
                if let Err(error) = std::fs::rename(&self.path, path) {
                    let _ = std::fs::remove_file(path);
                    return Err(io("cannot name")(error));
                }
            }
        }
        drop(self);
        // The name is on disk too, before anybody counts on it.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io("cannot store the name of"))?;
        Ok(bytes)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // What is left of a failed copy helps nobody; where it was renamed there is none. While SQLite is still at it, its
        // journal lies beside it.
        for suffix in SIDECARS.iter().chain(&[""]) {
            let _ = std::fs::remove_file(sidecar_path(&self.path, suffix));
        }
    }
}

fn is_before(written: SystemTime, limit: Timestamp) -> bool {
    let since = written.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).is_ok_and(|millis| millis < limit.as_millis())
}
