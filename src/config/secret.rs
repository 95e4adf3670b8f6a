//! Where a secret may come from, and how it is read: late, bounded, and never into a message.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::error::Error;

/// No secret here is longer.
pub(crate) const LONGEST: usize = 4096;
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
    /// The file that systemd would take the credential from; `check` looks for it where systemd has not started it.
    pub loaded_from: Option<PathBuf>,
    /// The key it is configured by, `upstream.api_key`; the file's key is the same with `_file`.
    pub key: &'static str,
}

/// The same place. What is in a file there may have changed all the same.
impl PartialEq for SecretSource {
    fn eq(&self, other: &Self) -> bool {
        let inline = |source: &Self| source.inline.as_ref().map(|text| text.expose_secret().to_owned());
        inline(self) == inline(other) && self.file == other.file && self.key == other.key
    }
}

impl Eq for SecretSource {}

impl SecretSource {
    /// The secret; `None` where none is configured.
    ///
    /// # Errors
    /// When it is given twice, cannot be read, is empty, longer than 4 KiB, or more than one line of text.
    pub fn read(&self) -> Result<Option<SecretString>, Error> {
        self.read_with(credentials_directory().as_deref())
    }

    /// True when there is something to read, with systemd's credentials in this folder.
    pub(crate) fn is_configured_with(&self, credentials: Option<&Path>) -> bool {
        self.inline.is_some()
            || self.file.is_some()
            || self.loaded_from.is_some()
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
        match self.place_with(credentials) {
            Some((file, key)) => read_file(&file, &key).map(Some),
            None => Ok(None),
        }
    }

    /// The file that it is read from, where it is read from one.
    #[must_use]
    pub fn place(&self) -> Option<PathBuf> {
        match &self.inline {
            Some(_) => None,
            None => self.place_with(credentials_directory().as_deref()).map(|(file, _)| file),
        }
    }

    /// The file, and what gave it, for errors.
    fn place_with(&self, credentials: Option<&Path>) -> Option<(PathBuf, String)> {
        if let Some(file) = &self.file {
            return Some((file.clone(), self.file_key()));
        }
        let passed = credentials.map(|folder| folder.join(self.credential)).filter(|file| file.exists());
        let file = passed.or_else(|| self.loaded_from.clone())?;
        Some((file, format!("{} (systemd credential)", self.key)))
    }

    /// The key of the file: `upstream.api_key_file`.
    fn file_key(&self) -> String {
        format!("{}_file", self.key)
    }

    /// The key that it is given by.
    pub(crate) fn given_by(&self) -> String {
        if self.inline.is_none() && self.file.is_some() { self.file_key() } else { self.key.to_owned() }
    }

    pub(crate) fn given_twice(&self) -> String {
        format!("expected either {0} or {0}_file; both are given", self.key)
    }
}

/// A file that holds a secret, or one a line: that of a table which may stand several times. What it holds is not read
/// before it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Where.
    pub path: PathBuf,
    /// What errors call it.
    pub key: String,
}

impl SecretFile {
    /// The one secret.
    ///
    /// # Errors
    /// When it cannot be read, is empty, longer than 4 KiB, or more than one line of text.
    pub fn read(&self) -> Result<SecretString, Error> {
        read_file(&self.path, &self.key)
    }

    /// One secret a line; empty lines are left out.
    ///
    /// # Errors
    /// When it cannot be read, is empty or longer than 4 KiB, or a line is not plain text.
    pub fn read_lines(&self) -> Result<Vec<SecretString>, Error> {
        let fault = |problem: String| Error::at(&self.path.display().to_string(), &self.key, problem);
        let text = read_text(&self.path, &self.key)?;
        if text.len() > LONGEST {
            return Err(fault(format!("expected at most {LONGEST} bytes")));
        }
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| checked(line).map_err(fault)).collect()
    }
}

fn read_file(path: &Path, key: &str) -> Result<SecretString, Error> {
    let fault = |problem: String| Error::at(&path.display().to_string(), key, problem);
    checked(&read_text(path, key)?).map_err(fault)
}

fn read_text(path: &Path, key: &str) -> Result<String, Error> {
    let fault = |problem: String| Error::at(&path.display().to_string(), key, problem);
    let cannot = |error: std::io::Error| fault(format!("cannot read the secret: {error}"));
    // Before it is opened: a pipe would never open.
    let found = std::fs::metadata(path).map_err(cannot)?;
    if found.is_dir() {
        return Err(fault("expected a file that holds the secret, found a folder".to_owned()));
    }
    if !found.is_file() && !found.file_type().is_char_device() {
        return Err(fault("expected a file that holds the secret, found something else".to_owned()));
    }
    let file = File::open(path).map_err(cannot)?;
    warn_of_others(path, &found);
    let mut bytes = Vec::with_capacity(LONGEST);
    let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(3);
    file.take(limit).read_to_end(&mut bytes).map_err(cannot)?;
    // The error of from_utf8 would carry the bytes along.
    String::from_utf8(bytes).map_err(|_| fault("expected text in UTF-8".to_owned()))
}

/// True for a file that every user of this machine can reach.
pub(crate) fn is_open_to_others(found: &std::fs::Metadata) -> bool {
    found.is_file() && found.permissions().mode() & 0o007 != 0
}

fn warn_of_others(path: &Path, found: &std::fs::Metadata) {
    if is_open_to_others(found) {
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
        let (written_in, loaded_from) = (None, None);
        let (credential, key) = ("upstream-api-key", "upstream.api_key");
        SecretSource { inline, written_in, file, credential, loaded_from, key }
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
        let outside = SecretSource { loaded_from: Some(file.clone()), ..source(None, None) };
        assert_eq!(shown(outside.read_with(None)), Ok(Some("from-file".to_owned())));
        assert_eq!(shown(outside.read_with(credentials)), Ok(Some("from-credential".to_owned())));
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
        assert!(missing.contains("upstream.api_key_file: "), "the key that was written: {missing}");
        assert!(shown(source(None, Some("/".into())).read_with(None)).unwrap_err().contains("folder"));
        assert!(!format!("{:?}", source(Some("hunter2"), None)).contains("hunter2"));
    }
}
