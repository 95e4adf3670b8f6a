//! How a configuration error is worded: where it stands, which key, what was expected, on one line, and never a secret.

use strsim::levenshtein;

use crate::secret::is_plain;

/// The longest word that is shown of a value that is wrong.
const LONGEST_WORD: usize = 8;
/// What is said instead of a value.
const NOT_SHOWN: &str = "a text that is not shown, since it could be a secret";

/// Something in the configuration is wrong. Its text names the file or the environment variable, the key, and what
/// was expected instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {}{problem}", key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default())]
pub struct Error {
    origin: String,
    key: Option<String>,
    problem: String,
}

impl Error {
    pub(crate) fn at(origin: &str, key: &str, problem: impl Into<String>) -> Self {
        Self { origin: one_line(origin), key: Some(one_line(key)), problem: one_line(&problem.into()) }
    }

    pub(crate) fn of(origin: &str, problem: impl Into<String>) -> Self {
        Self { origin: one_line(origin), key: None, problem: one_line(&problem.into()) }
    }

    /// The same error with the reason for what was expected.
    pub(crate) fn because(mut self, reason: &str) -> Self {
        self.problem = one_line(&format!("{reason}: {}", self.problem));
        self
    }

    /// The file or the environment variable that holds the fault.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The full name of the key, such as `mail.smtp.host`, where the fault has one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What was expected, alone.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A value as an error shows it. Only what is plain is shown: anything else could be a secret that was pasted into the
/// wrong place.
pub(crate) fn quoted(text: &str) -> String {
    if is_plain(text, LONGEST_WORD) { format!("{text:?}") } else { NOT_SHOWN.to_owned() }
}

/// The candidate that was most probably meant, if one is near enough.
pub(crate) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase().replace('-', "_");
    let allowed = written.chars().count().div_ceil(3).min(3);
    candidates
        .into_iter()
        .map(|candidate| (levenshtein(&written, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found_and_strangers_are_not() {
        let keys = ["timeout", "user_id", "base_url"];
        for (written, meant) in [
            ("time_out", Some("timeout")),
            ("userid", Some("user_id")),
            ("user-id", Some("user_id")),
            ("baseurl", Some("base_url")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, keys), meant, "{written}");
        }
        assert_eq!(levenshtein("kitten", "sitting"), 3);
    }

    #[test]
    fn an_error_is_one_line() {
        let error = Error::at("a\nb", "c", "d\r\ne");
        assert_eq!(error.to_string(), "a b: c: d  e");
        assert_eq!((error.origin(), error.key()), ("a b", Some("c")));
        assert_eq!(Error::of("f", "g").to_string(), "f: g");
        assert_eq!(quoted("2h"), "\"2h\"");
        assert_eq!(quoted(&"x".repeat(100)), NOT_SHOWN);
    }
}
