//! How a copy is made while the daemon runs, and proven before it counts.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::open::{Access, Settings};
use super::{Error, Ledger, Result, Verification};

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

impl Ledger {
    /// Copies the ledger as it stands at one moment to `path`, proves the copy, and only then gives it its name.
    ///
    /// # Errors
    /// Where `path` exists already, cannot be written, or the copy does not prove whole.
    pub async fn backup(&self, path: &Path) -> Result<BackupReport> {
        let io = |doing| {
            let path = path.to_owned();
            move |source| Error::Io { doing, path, source }
        };
        if path.exists() {
            let exists = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(io("will not overwrite")(exists));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = std::path::PathBuf::from(partial);
        if partial.exists() {
            std::fs::remove_file(&partial).map_err(io("cannot remove the unfinished copy of"))?;
        }
        let mut source = SqliteConnectOptions::new()
            .filename(&self.shared.path)
            .read_only(true)
            .disable_statement_logging()
            .connect()
            .await
            .map_err(Error::database("opened for reading"))?;
        let target = partial.to_string_lossy().into_owned();
        let copied = sqlx::query("VACUUM INTO ?").bind(target).execute(&mut source).await;
        source.close().await.map_err(Error::database("closed"))?;
        copied.map_err(Error::database("copied"))?;
        let settings = Settings {
            path: partial.clone(),
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
        let file = std::fs::File::open(&partial).map_err(io("cannot open the copy for"))?;
        file.sync_all().map_err(io("cannot store"))?;
        let bytes = file.metadata().map_err(io("cannot measure"))?.len();
        std::fs::rename(&partial, path).map_err(io("cannot name"))?;
        Ok(BackupReport { path: path.to_owned(), bytes, verification })
    }
}
