//! How a copy is made while the daemon runs, and proven before it counts.

use std::path::Path;

use futures_util::future::BoxFuture;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::ledger::error::{Error, Result};
use crate::ledger::open::{Access, LedgerSettings};
use crate::ledger::{Ledger, Verification};

/// A copy that was made.
#[derive(Debug, Clone, serde::Serialize)]
pub struct BackupReport {
    /// Where it is.
    pub path: std::path::PathBuf,
    /// How large it is.
    pub bytes: u64,
    /// What was proven of it.
    pub verification: Verification,
}

/// So many files of a backup folder are looked into, the latest first.
const COPIES: usize = 16;

/// Where a copy of the ledger ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyHead {
    /// Which file.
    pub path: std::path::PathBuf,
    /// The number of its last event.
    pub head_seq: i64,
    /// The hash of that.
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
        let io = |doing| {
            let path = path.to_owned();
            move |source| Error::Io { doing, path, source }
        };
        if path.exists() {
            let why = "there is a file of that name; choose another name, or move that file away first";
            let exists = std::io::Error::new(std::io::ErrorKind::AlreadyExists, why);
            return Err(io("will not overwrite")(exists));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = std::path::PathBuf::from(partial);
        if partial.exists() {
            std::fs::remove_file(&partial).map_err(io("cannot remove the unfinished copy of"))?;
        }
        // SQLite would only say that it cannot open it; an empty file is all that it may find there.
        std::fs::File::create_new(&partial).map_err(io("cannot make"))?;
        let copied = self.prove_copy(path, &partial).await;
        if copied.is_err() {
            // What is left of a failed copy helps nobody.
            let _ = std::fs::remove_file(&partial);
        }
        copied
    }

    async fn prove_copy(&self, path: &Path, partial: &Path) -> Result<BackupReport> {
        let io = |doing| {
            let path = path.to_owned();
            move |source| Error::Io { doing, path, source }
        };
        let target = partial.to_string_lossy().into_owned();
        sqlx::query("VACUUM INTO ?")
            .bind(target)
            .execute(&self.readers)
            .await
            .map_err(Error::database("copied"))?;
        let settings = LedgerSettings {
            path: partial.to_owned(),
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
        let file = std::fs::File::open(partial).map_err(io("cannot open the copy for"))?;
        file.sync_all().map_err(io("cannot store"))?;
        let bytes = file.metadata().map_err(io("cannot measure"))?.len();
        std::fs::rename(partial, path).map_err(io("cannot name"))?;
        // The name is on disk too, before anybody counts on it.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io("cannot store the name of"))?;
        Ok(BackupReport { path: path.to_owned(), bytes, verification })
    }

    /// A copy named after `now` in `directory`; of the copies made this way the newest `keep` stay.
    ///
    /// # Errors
    /// As [`Ledger::backup`]; older copies are removed only after a new one has been proven.
    pub async fn scheduled_backup(
        &self,
        directory: &Path,
        keep: usize,
        now: crate::domain::time::Timestamp,
    ) -> Result<BackupReport> {
        let io = |doing| {
            let path = directory.to_owned();
            move |source| Error::Io { doing, path, source }
        };
        std::fs::create_dir_all(directory).map_err(io("cannot make"))?;
        let stamp = now.to_seconds_text().replace([':', '-'], "");
        let report = self.backup(&directory.join(format!("ledger-{stamp}.db"))).await?;
        let mut copies: Vec<std::path::PathBuf> = std::fs::read_dir(directory)
            .map_err(io("cannot list"))?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| {
                let name =
                    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                name.starts_with("ledger-") && name.ends_with("Z.db")
            })
            .collect();
        copies.sort();
        let surplus = copies.len().saturating_sub(keep.max(1));
        for old in copies.into_iter().take(surplus) {
            std::fs::remove_file(&old).map_err(io("cannot remove an old copy in"))?;
        }
        Ok(report)
    }

    /// Of the copies of this very ledger in `directory`, the one that knows most; `None` where there is none that can be
    /// read.
    pub async fn newest_copy(&self, directory: &Path) -> Option<CopyHead> {
        let entries = std::fs::read_dir(directory).ok()?;
        let mut files: Vec<(std::time::SystemTime, std::path::PathBuf)> = entries
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
    async fn head_of_copy(&self, path: std::path::PathBuf) -> Option<CopyHead> {
        let options = SqliteConnectOptions::new().filename(&path).read_only(true).immutable(true);
        let mut connection = options.disable_statement_logging().connect().await.ok()?;
        let (id, head_seq, head_hash): (String, i64, String) = sqlx::query_as(
            "SELECT m.value, e.seq, e.hash FROM meta m, event e WHERE m.key = 'ledger_id' ORDER BY e.seq DESC LIMIT 1",
        )
        .fetch_optional(&mut connection)
        .await
        .ok()??;
        (id == self.shared.ledger_id).then_some(CopyHead { path, head_seq, head_hash })
    }
}
