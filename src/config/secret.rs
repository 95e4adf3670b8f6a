//! Where a secret may come from, and how it is read: late, bounded, and never into a message.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::error::Error;

/// No secret here is longer.
const LONGEST: usize = 4096;
/// Where systemd puts the credentials of a unit.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Where one secret comes from. Nothing is read before [`SecretSource::read`]: commands that only look into the
/// ledger run for users who may not read secrets.
#[derive(Debug, Clone)]
pub struct SecretSource {
    /// Written in the configuration file or given by an environment variable.
    pub inline: Option<SecretString>,
    /// The configuration file, where it is written there.
    pub written_in: Option<PathBuf>,
    /// The file that holds it.
    pub file: Option<PathBuf>,
    /// The name of the systemd credential that is taken where neither is given.
    pub credential: &'static str,
    /// The key it is configured by, `upstream.api_key`; the file's key is the same with `_file`.
    pub key: &'static str,
}

impl SecretSource {
    /// The secret; `None` where none is configured.
    ///
    /// # Errors
    /// When it is given twice, cannot be read, is empty, longer than 4 KiB, or more than one line of text.
    pub fn read(&self) -> Result<Option<SecretString>, Error> {
        self.read_with(credentials_directory().as_deref())
    }

    /// True when [`SecretSource::read`] would find something to read.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.is_configured_with(credentials_directory().as_deref())
    }

    pub(crate) fn is_configured_with(&self, credentials: Option<&Path>) -> bool {
        self.inline.is_some()
            || self.file.is_some()
            || credentials.is_some_and(|folder| folder.join(self.credential).exists())
    }

    pub(crate) fn read_with(&self, credentials: Option<&Path>) -> Result<Option<SecretString>, Error> {
        if let Some(inline) = &self.inline {
            if self.file.is_some() {
                return Err(Error::of(self.key, self.given_twice()));
            }
            if let Some(file) = &self.written_in
                && let Ok(found) = std::fs::metadata(file)
            {
                warn_of_others(file, &found);
            }
            return checked(inline.expose_secret()).map(Some).map_err(|problem| Error::of(self.key, problem));
        }
        if let Some(file) = &self.file {
            return self.read_file(file).map(Some);
        }
        match credentials.map(|folder| folder.join(self.credential)) {
            Some(file) if file.exists() => self.read_file(&file).map(Some),
            _ => Ok(None),
        }
    }

    pub(crate) fn given_twice(&self) -> String {
        format!("expected either {0} or {0}_file; both are given", self.key)
    }

    fn read_file(&self, path: &Path) -> Result<SecretString, Error> {
        let fault = |problem: String| Error::at(&path.display().to_string(), self.key, problem);
        let cannot = |error: std::io::Error| fault(format!("cannot read the secret: {error}"));
        let file = File::open(path).map_err(cannot)?;
        let found = file.metadata().map_err(cannot)?;
        if found.is_dir() {
            return Err(fault("expected a file that holds the secret, found a folder".to_owned()));
        }
        warn_of_others(path, &found);
        let mut bytes = Vec::with_capacity(LONGEST);
        let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(3);
        file.take(limit).read_to_end(&mut bytes).map_err(cannot)?;
        // The error of from_utf8 would carry the bytes along.
        let text = String::from_utf8(bytes).map_err(|_| fault("expected text in UTF-8".to_owned()))?;
        checked(&text).map_err(fault)
    }
}

fn warn_of_others(path: &Path, found: &std::fs::Metadata) {
    if found.is_file() && found.permissions().mode() & 0o007 != 0 {
        tracing::warn!(file = %path.display(), "every user of this machine can reach this secret: chmod 0640 or 0600 it");
    }
}

pub(crate) fn credentials_directory() -> Option<PathBuf> {
    std::env::var_os(CREDENTIALS).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Takes off one trailing newline and checks what is left. No error repeats any of it.
pub(crate) fn checked(text: &str) -> Result<SecretString, String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.trim().is_empty() {
        return Err("expected a secret, found nothing".to_owned());
    }
    if text.len() > LONGEST {
        return Err(format!("expected a secret of at most {LONGEST} bytes, found more"));
    }
    if text.chars().any(char::is_control) {
        return Err("expected a secret of one line without control characters".to_owned());
    }
    let secret = SecretString::from(text.to_owned());
    crate::secret::remember(&secret);
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(inline: Option<&str>, file: Option<PathBuf>) -> SecretSource {
        let inline = inline.map(|text| SecretString::from(text.to_owned()));
        let written_in = None;
        SecretSource { inline, written_in, file, credential: "upstream-api-key", key: "upstream.api_key" }
    }

    fn shown(read: Result<Option<SecretString>, Error>) -> Result<Option<String>, String> {
        read.map(|found| found.map(|secret| secret.expose_secret().to_owned())).map_err(|e| e.to_string())
    }

    #[test]
    fn inline_then_file_then_credential() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("upstream-api-key"), "from-credential\n").unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "from-file\r\n").unwrap();
        let credentials = Some(folder.path());
        assert_eq!(shown(source(Some("in"), None).read_with(credentials)), Ok(Some("in".to_owned())));
        assert_eq!(
            shown(source(None, Some(file.clone())).read_with(credentials)),
            Ok(Some("from-file".to_owned()))
        );
        assert_eq!(shown(source(None, None).read_with(credentials)), Ok(Some("from-credential".to_owned())));
        assert_eq!(shown(source(None, None).read_with(None)), Ok(None));
        assert_eq!(shown(source(None, None).read_with(Some(Path::new("/nowhere")))), Ok(None));
        assert!(shown(source(Some("in"), Some(file)).read_with(None)).unwrap_err().contains("either"));
    }

    #[test]
    fn bad_secrets_are_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        for (content, part) in [
            (b"".to_vec(), "found nothing"),
            (b" \n".to_vec(), "found nothing"),
            (b"hunter2\nhunter2".to_vec(), "one line"),
            (b"hunter2\xff".to_vec(), "UTF-8"),
            (b"hunter2".repeat(600), "at most 4096"),
        ] {
            std::fs::write(&file, content).unwrap();
            let error = shown(source(None, Some(file.clone())).read_with(None)).unwrap_err();
            assert!(error.contains(part) && error.contains("upstream.api_key"), "{error}");
            assert!(error.contains(&file.display().to_string()) && !error.contains("hunter2"), "{error}");
        }
        std::fs::write(&file, "x".repeat(4096) + "\n").unwrap();
        assert!(source(None, Some(file)).read_with(None).is_ok());
        let missing = shown(source(None, Some("/nowhere/key".into())).read_with(None)).unwrap_err();
        assert!(missing.contains("/nowhere/key") && missing.contains("No such file"), "{missing}");
        assert!(shown(source(None, Some("/".into())).read_with(None)).unwrap_err().contains("folder"));
        assert!(!format!("{:?}", source(Some("hunter2"), None)).contains("hunter2"));
    }
}
