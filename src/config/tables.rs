//! Tables that may stand several times, such as `[[mail.rules]]`: their keys, each read by the same rules.

use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::value::{Dict, Value};

use super::error::{Error, quoted};
use super::layers::Layers;
use super::reader::texts;
use super::suspects::suspect_path;
use super::values::{self, LONGEST};
use crate::domain::asset::{Currency, Network};
use crate::domain::event::EventName;
use crate::domain::glob::glob_matches;

/// The longest name of a token or a webhook.
const LONGEST_NAME: usize = 32;

/// One kind of such tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableKind {
    /// As it is written: `mail.rules`.
    pub(super) section: &'static str,
    /// What one of them is called in errors.
    pub(super) noun: &'static str,
    /// The keys that each must have.
    pub(super) needed: &'static [&'static str],
    /// The keys that it may have.
    pub(super) optional: &'static [&'static str],
    /// How many there may be.
    pub(super) most: usize,
}

/// One table of a kind.
pub(super) struct ConfigTable<'a> {
    layers: &'a Layers,
    kind: TableKind,
    number: usize,
    values: Dict,
}

/// All tables of a kind. None has a key that is not known.
pub(super) fn tables(layers: &Layers, kind: TableKind) -> Result<Vec<ConfigTable<'_>>, Error> {
    let found = layers.tables(kind.section)?;
    if found.len() > kind.most {
        let problem = format!("expected at most {} of them, found {}", kind.most, found.len());
        return Err(layers.fault(kind.section, problem));
    }
    let mut tables = Vec::with_capacity(found.len());
    for (number, values) in (1_usize..).zip(found) {
        let table = ConfigTable { layers, kind, number, values };
        let is_known = |key: &&String| kind.needed.iter().chain(kind.optional).any(|known| known == *key);
        if let Some(stranger) = table.values.keys().find(|key| !is_known(key)) {
            let perhaps = match kind.optional {
                [] => String::new(),
                optional => format!(", and perhaps {}", optional.join(", ")),
            };
            let (stranger, needed) = (quoted(stranger), kind.needed.join(" and "));
            return Err(table.fault(format!("unknown key {stranger}; expected {needed}{perhaps}")));
        }
        tables.push(table);
    }
    Ok(tables)
}

impl ConfigTable<'_> {
    /// An error about this table.
    pub(super) fn fault(&self, problem: impl AsRef<str>) -> Error {
        let TableKind { section, noun, .. } = self.kind;
        self.layers.fault(section, format!("in {noun} {}: {}", self.number, problem.as_ref()))
    }

    /// A text, where it is written.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, Error> {
        let Some(value) = self.values.get(key) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| self.fault(format!("expected {key} = a text in quotes")))?;
        let is_plain = !text.trim().is_empty() && !text.chars().any(char::is_control);
        if is_plain {
            Ok(Some(text))
        } else {
            Err(self.fault(format!("expected {key} = a text that is not empty, without control characters")))
        }
    }

    /// A text that must be there.
    pub(super) fn needed(&self, key: &str, example: &str) -> Result<&str, Error> {
        self.text(key)?.ok_or_else(|| self.fault(format!("missing {key}; write {key} = {example:?}")))
    }

    /// Its name: what it is called in events, in the log and on the command line.
    pub(super) fn name(&self) -> Result<String, Error> {
        let name = self.needed("name", "shop")?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if name.len() > LONGEST_NAME || !starts || !name.chars().all(fits) {
            let problem = format!(
                "expected name = a letter or digit, and up to {} more of letters, digits, - _ and ., found {}",
                LONGEST_NAME.saturating_sub(1),
                quoted(name)
            );
            return Err(self.fault(problem));
        }
        Ok(name.to_owned())
    }

    /// A path, made absolute against the folder of whoever wrote it.
    pub(super) fn path(&self, key: &str) -> Result<Option<PathBuf>, Error> {
        let path = self.text(key)?.map(|text| {
            let in_environment = self.layers.is_in_environment(self.kind.section);
            self.layers.resolve(Path::new(text), in_environment)
        });
        path.as_deref().inspect(|path| suspect_path(path));
        Ok(path)
    }

    /// Whether a key is written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// A duration, where it is written.
    pub(super) fn duration(&self, key: &str) -> Result<Option<Duration>, Error> {
        let read =
            |text| values::duration(text, LONGEST).map_err(|problem| self.fault(format!("{key}: {problem}")));
        self.text(key)?.map(read).transpose()
    }

    /// A list of texts that must be there.
    pub(super) fn list(&self, key: &str) -> Result<Vec<String>, Error> {
        let values = self.values.get(key).and_then(Value::as_array).and_then(texts);
        values
            .ok_or_else(|| self.fault(format!("expected {key} = a list of texts such as [\"one\", \"two\"]")))
    }

    /// Globs of what a deposit is: one text, a list of them, or none.
    pub(super) fn globs(&self, key: &str) -> Result<Vec<String>, Error> {
        match self.values.get(key) {
            None => Ok(Vec::new()),
            Some(value) => value.as_str().map_or_else(|| self.list(key), |one| Ok(vec![one.to_owned()])),
        }
    }

    /// Globs of currencies; each fits at least one.
    pub(super) fn currencies(&self) -> Result<Vec<String>, Error> {
        self.known_globs("currency", Currency::ALL.iter().map(|one| one.as_str()).collect())
    }

    /// Globs of networks; each fits at least one.
    pub(super) fn networks(&self) -> Result<Vec<String>, Error> {
        self.known_globs("network", Network::ALL.iter().map(|one| one.as_str()).collect())
    }

    fn known_globs(&self, key: &str, known: Vec<&str>) -> Result<Vec<String>, Error> {
        let globs = self.globs(key)?;
        let lower = |text: &str| text.to_lowercase();
        let idle = |glob: &&String| !known.iter().any(|word| glob_matches(&lower(glob), &lower(word)));
        match globs.iter().find(idle) {
            Some(idle) => {
                Err(self.fault(format!("{key} = {} fits none of {}", quoted(idle), known.join(", "))))
            }
            None => Ok(globs),
        }
    }

    /// The events that `patterns` name, each once; at least one pattern.
    pub(super) fn events(
        &self,
        patterns: &[String],
        read: impl Fn(&str) -> Result<Vec<EventName>, String>,
    ) -> Result<Vec<EventName>, Error> {
        if patterns.is_empty() {
            return Err(self.fault("expected at least one event"));
        }
        let mut events = Vec::new();
        for pattern in patterns {
            events.extend(read(pattern).map_err(|problem| self.fault(problem))?);
        }
        events.sort_unstable();
        events.dedup();
        Ok(events)
    }
}
