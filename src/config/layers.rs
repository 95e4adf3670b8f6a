//! Which layer says what: the file, and over it the environment, merged with every value still knowing its origin.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use secrecy::SecretString;

use super::error::Error;
use super::keys::{KEYS, PREFIX, SECRETS, SECTIONS, known, meant, meant_by_single_underscores, variable};
use super::secret;
use crate::secret::is_plain;

/// A configuration file is not longer.
const LONGEST_FILE: u64 = 1024 * 1024;
/// No word of a key's name is longer.
const LONGEST_KEY: usize = 16;
const ENVIRONMENT: &str = "environment";

/// What the process was started in: kept apart from the process, so that tests can say it.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) variables: Vec<(OsString, OsString)>,
    pub(crate) folder: PathBuf,
    pub(crate) fallback: PathBuf,
}

impl Surroundings {
    pub(crate) fn of_process() -> Result<Self, Error> {
        let folder = std::env::current_dir()
            .map_err(|error| Error::of(".", format!("cannot tell the current folder: {error}")))?;
        let fallback = PathBuf::from("/etc/depositd/daemon.toml");
        Ok(Self { variables: std::env::vars_os().collect(), folder, fallback })
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&OsString> {
        self.variables.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }
}

/// The merged layers, secrets aside.
pub(crate) struct Layers {
    figment: Figment,
    secrets: BTreeMap<&'static str, Said>,
    file: Option<PathBuf>,
    /// What relative paths of the file start from.
    file_folder: PathBuf,
    /// What relative paths of the environment start from.
    folder: PathBuf,
}

/// A value and where it was said.
pub(crate) struct Found {
    pub(crate) value: Value,
    pub(crate) origin: String,
    pub(crate) in_environment: bool,
}

/// A secret and where it was said.
type Said = (SecretString, String);

struct Layer {
    name: &'static str,
    values: Dict,
    secrets: BTreeMap<&'static str, Said>,
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

impl Layers {
    pub(crate) fn gather(around: &Surroundings, file: Option<&Path>) -> Result<Self, Error> {
        let below = match file {
            Some(path) => from_file(path)?,
            None => Layer { name: "file", values: Dict::new(), secrets: BTreeMap::new() },
        };
        let above = from_environment(around)?;
        let figment = Figment::from(&below).merge(&above);
        let mut secrets = below.secrets;
        secrets.extend(above.secrets);
        let file_folder = file.and_then(Path::parent).unwrap_or(&around.folder).to_path_buf();
        Ok(Self {
            figment,
            secrets,
            file: file.map(Path::to_path_buf),
            file_folder,
            folder: around.folder.clone(),
        })
    }

    /// What `text` would say if it were the file, with no environment over it.
    pub(crate) fn of_text(text: &str, file: &Path) -> Result<Self, Error> {
        let layer = from_text(text, &file.display().to_string())?;
        let folder = file.parent().unwrap_or(Path::new(".")).to_path_buf();
        Ok(Self {
            figment: Figment::from(&layer),
            secrets: layer.secrets,
            file: Some(file.to_path_buf()),
            file_folder: folder.clone(),
            folder,
        })
    }

    pub(crate) fn find(&self, key: &str) -> Option<Found> {
        let value = self.figment.find_value(key).ok()?;
        let said = self.figment.get_metadata(value.tag());
        let in_environment = said.is_some_and(|layer| layer.name == ENVIRONMENT);
        let origin = if in_environment { variable(key) } else { self.origin() };
        Some(Found { value, origin, in_environment })
    }

    pub(crate) fn secret(&self, key: &'static str) -> Option<Said> {
        self.secrets.get(key).cloned()
    }

    /// True when anything of a section is said.
    pub(crate) fn has_section(&self, section: &str) -> bool {
        let prefix = format!("{section}.");
        self.figment.contains(section) || self.secrets.keys().any(|key| key.starts_with(&prefix))
    }

    /// The file, as errors name it.
    pub(crate) fn origin(&self) -> String {
        self.file.as_ref().map_or_else(|| "environment".to_owned(), |path| path.display().to_string())
    }

    pub(crate) fn resolve(&self, path: &Path, in_environment: bool) -> PathBuf {
        if in_environment { self.folder.join(path) } else { self.file_folder.join(path) }
    }

    /// Where paths that nobody wrote, the defaults, start from.
    pub(crate) fn default_path(&self, path: &str) -> PathBuf {
        self.file_folder.join(path)
    }
}

fn from_file(path: &Path) -> Result<Layer, Error> {
    let origin = path.display().to_string();
    let text = read(path).map_err(|problem| Error::of(&origin, problem))?;
    from_text(&text, &origin)
}

fn from_text(text: &str, origin: &str) -> Result<Layer, Error> {
    let mut values = Toml::from_str::<Dict>(text).map_err(|error| {
        // Only the message: the whole error would print the line, and there may be a secret in it.
        let before = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(before).filter(|b| *b == b'\n').count().saturating_add(1);
        Error::of(origin, format!("line {line} is not TOML: {}", error.message()))
    })?;
    let mut secrets = BTreeMap::new();
    take_secrets(&mut values, "", origin, &mut secrets)?;
    check_names(&values, "", origin)?;
    Ok(Layer { name: "file", values, secrets })
}

fn read(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot read the configuration: {error}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.is_dir() {
        return Err("expected a configuration file, found a folder".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE.saturating_add(1)).read_to_end(&mut bytes).map_err(cannot)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LONGEST_FILE {
        return Err("expected a configuration file of at most 1 MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "expected a configuration file in UTF-8".to_owned())
}

/// Moves the secrets out of the tree before anything that could print it sees it.
fn take_secrets(
    values: &mut Dict,
    prefix: &str,
    origin: &str,
    secrets: &mut BTreeMap<&'static str, Said>,
) -> Result<(), Error> {
    let names: Vec<String> = values.keys().cloned().collect();
    for name in names {
        let key = format!("{prefix}{name}");
        if let Some(secret) = known(SECRETS, &key) {
            match values.remove(&name) {
                Some(Value::String(_, text)) => {
                    let text =
                        secret::checked(&text).map_err(|problem| Error::at(origin, secret, problem))?;
                    secrets.insert(secret, (text, origin.to_owned()));
                }
                _ => {
                    return Err(Error::at(origin, secret, "expected a text in quotes, found something else"));
                }
            }
        } else if let Some(Value::Dict(_, inner)) = values.get_mut(&name) {
            take_secrets(inner, &format!("{key}."), origin, secrets)?;
        }
    }
    Ok(())
}

fn check_names(values: &Dict, prefix: &str, origin: &str) -> Result<(), Error> {
    for (name, value) in values {
        let key = format!("{prefix}{name}");
        if known(KEYS, &key).is_some() {
            continue;
        }
        if known(SECTIONS, &key).is_none() && !is_plain(name, LONGEST_KEY) {
            let section = prefix.trim_end_matches('.');
            let problem = "unknown key, whose name is not shown, since it could be a secret";
            return Err(if section.is_empty() {
                Error::of(origin, problem)
            } else {
                Error::at(origin, section, problem)
            });
        }
        if known(SECTIONS, &key).is_none() {
            let hint = meant(&key).map(|meant| format!(" (did you mean {meant}?)")).unwrap_or_default();
            return Err(Error::at(origin, &key, format!("unknown key{hint}")));
        }
        match value {
            Value::Dict(_, inner) => check_names(inner, &format!("{key}."), origin)?,
            _ => return Err(Error::at(origin, &key, format!("expected a section, written [{key}]"))),
        }
    }
    Ok(())
}

fn from_environment(around: &Surroundings) -> Result<Layer, Error> {
    let mut layer = Layer { name: ENVIRONMENT, values: Dict::new(), secrets: BTreeMap::new() };
    for (name, value) in &around.variables {
        let name = name.to_string_lossy();
        let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| *rest != "CONFIG") else { continue };
        let is_section = known(KEYS, &rest.to_lowercase()).is_some();
        if !rest.contains("__") && !is_section {
            // Not one of ours, unless it is one of ours misspelt.
            if let Some(key) = meant_by_single_underscores(rest) {
                let hint = format!("unknown variable (did you mean {}?)", variable(key));
                return Err(Error::of(&name, hint));
            }
            continue;
        }
        let key = rest.to_lowercase().replace("__", ".");
        let value = value.to_str().ok_or_else(|| Error::at(&name, &key, "expected text in UTF-8"))?;
        if let Some(secret) = known(SECRETS, &key) {
            let text = secret::checked(value).map_err(|problem| Error::at(&name, secret, problem))?;
            layer.secrets.insert(secret, (text, name.to_string()));
        } else if known(KEYS, &key).is_some() {
            insert(&mut layer.values, &key, value);
        } else {
            let meant = meant(&key).filter(|key| known(SECTIONS, key).is_none());
            let hint = meant.map(|key| format!(" (did you mean {}?)", variable(key))).unwrap_or_default();
            return Err(Error::of(&name, format!("unknown variable: no such key as {key}{hint}")));
        }
    }
    Ok(layer)
}

/// Values of the environment stay the texts they are: each key knows how to read its own.
fn insert(values: &mut Dict, key: &str, text: &str) {
    match key.split_once('.') {
        None => {
            values.insert(key.to_owned(), Value::from(text));
        }
        Some((section, rest)) => {
            let inner = values.entry(section.to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, text);
            }
        }
    }
}
