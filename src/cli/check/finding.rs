//! How one thing was found: in order, worth a look, or wrong; and how that is printed.

use serde::Serialize;

use crate::cli::output::{Output, Paint};
use crate::cli::table::{plain, width};
use crate::secret::without_known;

/// The longest name of a check, and the longest word for how it was found.
const NAME: usize = 13;
const WORD: usize = 6;
/// Where the words begin.
const INDENT: usize = NAME + WORD + 4;

/// How one thing was found.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// What was tried.
    pub(super) name: &'static str,
    /// `None` where it is neither right nor wrong.
    pub(super) ok: Option<bool>,
    /// What was found.
    pub(super) detail: String,
    /// What does not keep the daemon from running, and should be looked at.
    pub(super) warnings: Vec<String>,
}

impl Check {
    /// One thing that was right or wrong.
    pub(super) fn of(name: &'static str, found: Result<String, String>) -> Self {
        let ok = Some(found.is_ok());
        Self { name, ok, detail: found.unwrap_or_else(|why| why), warnings: Vec::new() }
    }

    /// Something that could not be tried, or need not be there.
    pub(super) fn open(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, ok: None, detail: detail.into(), warnings: Vec::new() }
    }

    /// The same, with this to be looked at besides.
    pub(super) fn with_warnings(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// The same, with nothing in it that is a secret or could be one.
    pub(super) fn without_secrets(mut self) -> Self {
        for words in std::iter::once(&mut self.detail).chain(&mut self.warnings) {
            *words = without_known(words);
        }
        self
    }

    /// Prints it: a line, and one more for each warning.
    pub(super) fn print(&self, out: &mut Output) {
        let (word, paint) = match self.ok {
            Some(true) => ("ok", Paint::Good),
            Some(false) => ("FAILED", Paint::Bad),
            None => ("-", Paint::Faint),
        };
        let mut lines = self.detail.split('\n');
        self.line(out, word, paint, lines.next().unwrap_or_default());
        for more in lines {
            out.line(format_args!("{:INDENT$}{}", "", plain(more)));
        }
        for warning in &self.warnings {
            self.line(out, "warn", Paint::Open, warning);
        }
        out.flush();
    }

    fn line(&self, out: &mut Output, word: &str, paint: Paint, text: &str) {
        let gap = |text: &str, columns: usize| " ".repeat(columns.saturating_sub(width(text)));
        let (shown, name) = (out.paint(paint, word), self.name);
        let text = plain(text);
        out.line(format_args!("{name}{}  {shown}{}  {text}", gap(name, NAME), gap(word, WORD)));
    }
}

/// What was found of several things of one kind.
#[derive(Debug, Default)]
pub(super) struct Findings {
    good: Vec<String>,
    wrong: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    /// One that is in order.
    pub(super) fn good(&mut self, what: impl Into<String>) {
        self.good.push(what.into());
    }

    /// One that would keep the daemon from running, or from doing its work.
    pub(super) fn wrong(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }

    /// One that should be looked at.
    pub(super) fn warn(&mut self, what: impl Into<String>) {
        self.warnings.push(what.into());
    }

    /// True where nothing was found yet.
    pub(super) fn is_empty(&self) -> bool {
        self.good.is_empty() && self.wrong.is_empty() && self.warnings.is_empty()
    }

    /// All of them as one check, those in order on lines of their own.
    pub(super) fn list(self, name: &'static str) -> Check {
        Check::of(name, Ok(self.good.join("\n"))).with_warnings(self.warnings)
    }

    /// All of them as one check: wrong where one is.
    pub(super) fn check(self, name: &'static str) -> Check {
        let found = if self.wrong.is_empty() { Ok(self.good.join("; ")) } else { Err(self.wrong.join("; ")) };
        Check::of(name, found).with_warnings(self.warnings)
    }
}

/// A number of things, in words.
pub(super) fn counted(count: impl std::fmt::Display, what: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {what}{plural}")
}
