//! How one key becomes one typed value: the same rules for the file, where values have types, and for the environment, where all are text.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};
use rust_decimal::Decimal;

use super::cron::CronExpression;
use super::error::{Error, quoted};
use super::layers::{Found, Layers};
use super::secret::SecretSource;
use super::suspects::suspect_path;
use super::values::{self, LONGEST};
use crate::secret::is_plain;

/// Reads typed values out of the merged layers; `None` is a key that nobody wrote.
impl Layers {
    /// An error about a key, at the place where it is written.
    pub(crate) fn fault(&self, key: &str, problem: impl Into<String>) -> Error {
        let origin = self.find(key).map_or_else(|| self.origin(), |found| found.origin);
        Error::at(&origin, key, problem)
    }

    /// A text that `parse` makes something of.
    pub(crate) fn parsed<T>(
        &self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Error> {
        let Some(found) = self.find(key) else { return Ok(None) };
        let text = match &found.value {
            Value::String(_, text) => text,
            other => return Err(wrong_type(&found, key, expected, other)),
        };
        parse(text).map(Some).map_err(|problem| Error::at(&found.origin, key, problem))
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, Error> {
        self.parsed(key, "a text in quotes", plain)
    }

    /// A name that may have been written as a number.
    pub(crate) fn name(&self, key: &str) -> Result<Option<String>, Error> {
        if let Some(Value::Num(_, number)) = self.find(key).map(|found| found.value)
            && let Some(number) = whole(number)
        {
            return Ok(Some(number.to_string()));
        }
        self.text(key)
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, Error> {
        let all: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let expected = all.join(" or ");
        self.parsed(key, &expected, |text| {
            let known = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
            known.ok_or_else(|| format!("expected {expected}, found {}", quoted(text)))
        })
    }

    pub(crate) fn boolean(&self, key: &str) -> Result<Option<bool>, Error> {
        match self.find(key) {
            None => Ok(None),
            Some(Found { value: Value::Bool(_, value), .. }) => Ok(Some(value)),
            Some(found) if !found.in_environment => {
                Err(wrong_type(&found, key, "true or false", &found.value))
            }
            Some(_) => self.word(key, &[("true", true), ("false", false)]),
        }
    }

    /// A whole number within bounds.
    pub(crate) fn number<T: TryFrom<i128>>(
        &self,
        key: &str,
        bounds: RangeInclusive<i128>,
    ) -> Result<Option<T>, Error> {
        let Some(found) = self.find(key) else { return Ok(None) };
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let number = match &found.value {
            Value::Num(_, number) => whole(*number),
            Value::String(_, text) if found.in_environment => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| wrong_type(&found, key, &expected, &found.value))?;
        let within = Some(number).filter(|number| bounds.contains(number)).and_then(|n| T::try_from(n).ok());
        within.map(Some).ok_or_else(|| {
            Error::at(&found.origin, key, format!("expected {expected}, found {}", quoted_number(number)))
        })
    }

    /// A number, whole or fractional, exactly as it is written.
    pub(crate) fn decimal(
        &self,
        key: &str,
        expected: &str,
        allowed: impl FnOnce(Decimal) -> bool,
    ) -> Result<Option<Decimal>, Error> {
        let Some(found) = self.find(key) else { return Ok(None) };
        let text = match &found.value {
            // The shortest text of a float is what was written, up to its 15 exact digits.
            Value::Num(_, number) => match whole(*number) {
                Some(number) => Some(number.to_string()),
                None => number.to_f64().filter(|float| float.is_finite()).map(|float| float.to_string()),
            },
            Value::String(_, text) if found.in_environment => {
                let plain = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
                Some(text.trim().to_owned()).filter(|text| text.chars().all(plain))
            }
            _ => None,
        };
        let number = text.and_then(|text| Decimal::from_str_exact(&text).ok());
        let number = number.ok_or_else(|| wrong_type(&found, key, expected, &found.value))?;
        if allowed(number) {
            Ok(Some(number.normalize()))
        } else {
            let problem = format!("expected {expected}, found {}", quoted_number(number));
            Err(Error::at(&found.origin, key, problem))
        }
    }

    pub(crate) fn duration(&self, key: &str) -> Result<Option<Duration>, Error> {
        self.duration_within(key, LONGEST)
    }

    pub(crate) fn duration_within(&self, key: &str, longest: Duration) -> Result<Option<Duration>, Error> {
        self.parsed(key, "a duration in quotes such as \"15s\"", |text| values::duration(text, longest))
    }

    pub(crate) fn cron(&self, key: &str) -> Result<Option<CronExpression>, Error> {
        self.parsed(
            key,
            "a cron expression of six fields in quotes such as \"0 */15 * * * *\"",
            CronExpression::parse,
        )
    }

    /// True where an environment variable gives the key.
    pub(crate) fn is_in_environment(&self, key: &str) -> bool {
        self.find(key).is_some_and(|found| found.in_environment)
    }

    /// A path, made absolute against the folder of whoever wrote it.
    pub(crate) fn path(&self, key: &str) -> Result<Option<PathBuf>, Error> {
        let in_environment = self.find(key).is_some_and(|found| found.in_environment);
        let text = self.parsed(key, "a path in quotes", plain)?;
        let path = text.map(|text| self.resolve(Path::new(&text), in_environment));
        path.as_deref().inspect(|path| suspect_path(path));
        Ok(path)
    }

    /// A list of texts; in the environment with commas between, or in TOML's brackets.
    pub(crate) fn list(&self, key: &str) -> Result<Option<Vec<String>>, Error> {
        const EXPECTED: &str = "a list of texts such as [\"one\", \"two\"]";
        let Some(found) = self.find(key) else { return Ok(None) };
        let value = match &found.value {
            Value::String(_, text) if found.in_environment && !text.trim_start().starts_with('[') => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                return Ok(Some(parts.map(str::to_owned).collect()));
            }
            _ => array(&found, key, EXPECTED)?,
        };
        texts(&value).map(Some).ok_or_else(|| wrong_type(&found, key, EXPECTED, &found.value))
    }

    /// A table of texts, in the order of its names; in the environment in TOML's braces.
    pub(crate) fn text_table(&self, key: &str) -> Result<Vec<(String, String)>, Error> {
        const EXPECTED: &str =
            "a table of texts such as { \"assets:prepaid:smsonline\" = \"Assets:Current:SMSOnline\" }";
        let Some(found) = self.find(key) else { return Ok(Vec::new()) };
        let written = match &found.value {
            Value::String(_, text) if found.in_environment => {
                let read = Toml::from_str::<Dict>(&format!("value = {}", text.trim())).ok();
                read.and_then(|mut dict| dict.remove("value"))
            }
            value => Some(value.clone()),
        };
        let texts = written.as_ref().and_then(Value::as_dict).and_then(|dict| {
            let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
            dict.iter().map(text).collect::<Option<Vec<_>>>()
        });
        texts.ok_or_else(|| wrong_type(&found, key, EXPECTED, &found.value))
    }

    /// A list of tables, one for each `[[section]]`.
    pub(crate) fn tables(&self, key: &str) -> Result<Vec<Dict>, Error> {
        let expected = format!("tables written [[{key}]]");
        let Some(found) = self.find(key) else { return Ok(Vec::new()) };
        let items = array(&found, key, &expected)?;
        let tables = items.iter().map(|item| item.as_dict().cloned());
        tables.collect::<Option<_>>().ok_or_else(|| wrong_type(&found, key, &expected, &found.value))
    }

    /// Where a secret comes from: its key, the file that another key names, or a systemd credential.
    pub(super) fn secret_source(
        &self,
        key: &'static str,
        file_key: &str,
        credential: &'static str,
    ) -> Result<SecretSource, Error> {
        let (inline, place) = self.secret(key).unzip();
        let written_in = place.as_deref().filter(|place| !place.starts_with("DEPOSITD_")).map(Into::into);
        let file = self.path(file_key)?;
        let mut source = SecretSource { inline, written_in, file, credential, loaded_from: None, key };
        if let Some(place) = place.filter(|_| source.file.is_some()) {
            // Given in two ways: the environment's overrides the file's, and in one place it is a contradiction.
            let inline_in_environment = place.starts_with("DEPOSITD_");
            match (inline_in_environment, self.is_in_environment(file_key)) {
                (true, false) => source.file = None,
                (false, true) => source.inline = None,
                _ => {
                    let problem = format!("{} ({key} by {place})", source.given_twice());
                    return Err(self.fault(file_key, problem));
                }
            }
        }
        Ok(source)
    }
}

/// A number as an error shows it, where it is no longer than a figure that somebody meant.
fn quoted_number(number: impl std::fmt::Display) -> String {
    let text = number.to_string();
    if is_plain(&text, 8) { text } else { "that is not shown, since it could be a secret".to_owned() }
}

/// The texts of an array, where it holds nothing else.
pub(crate) fn texts(values: &[Value]) -> Option<Vec<String>> {
    values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}

fn array(found: &Found, key: &str, expected: &str) -> Result<Vec<Value>, Error> {
    match &found.value {
        Value::Array(_, values) => Ok(values.clone()),
        Value::String(_, text) if found.in_environment => {
            let read = Toml::from_str::<Dict>(&format!("value = {}", text.trim())).ok();
            let value = read.and_then(|mut dict| dict.remove("value"));
            value.and_then(Value::into_array).ok_or_else(|| {
                Error::at(&found.origin, key, format!("expected {expected}, in TOML's brackets"))
            })
        }
        other => Err(wrong_type(found, key, expected, other)),
    }
}

fn plain(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("expected a text that is not empty".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("expected a text without control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn whole(number: figment::value::Num) -> Option<i128> {
    number.to_i128().or_else(|| number.to_u128().and_then(|number| i128::try_from(number).ok()))
}

fn wrong_type(found: &Found, key: &str, expected: &str, value: &Value) -> Error {
    let what = match value {
        Value::String(_, text) if found.in_environment => quoted(text),
        Value::String(..) | Value::Char(..) => "a text".to_owned(),
        Value::Bool(_, value) => value.to_string(),
        Value::Num(_, number) => {
            let text = match whole(*number) {
                Some(number) => number.to_string(),
                None => number.to_f64().unwrap_or_default().to_string(),
            };
            format!("the number {}", quoted_number(text))
        }
        Value::Empty(..) => "nothing".to_owned(),
        Value::Dict(_, dict) if dict.keys().any(|key| key.starts_with("$__toml")) => "a date".to_owned(),
        Value::Dict(..) => "a table".to_owned(),
        Value::Array(..) => "a list that does not fit".to_owned(),
    };
    Error::at(&found.origin, key, format!("expected {expected}, found {what}"))
}

/// A decimal that stands in the code.
pub(crate) fn constant(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap_or_default()
}
