//! Where a letter's layout comes from: the built-in templates, or an operator's files in their place, tried before use.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use minijinja::{Environment, UndefinedBehavior, Value};

use super::content::Content;
use super::letter::LetterInput;
use super::words::Words;
use super::{emails, jinja, samples, values};
use crate::domain::causes::chain;
use crate::domain::event::EventName;

/// The longest template of an operator's.
const LONGEST: u64 = 256 * 1024;
/// What the names of templates for payers' letters begin with.
const PAYER: &str = "payer.";

/// The parts of a letter that a template can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Subject,
    Text,
    Html,
}

impl Part {
    const ALL: [Self; 3] = [Self::Subject, Self::Text, Self::Html];

    const fn ending(self) -> &'static str {
        match self {
            Self::Subject => "subject.txt",
            Self::Text => "txt",
            Self::Html => "html",
        }
    }
}

/// What is wrong with an operator's template.
#[derive(Debug, thiserror::Error)]
#[error("{file}{at}: {problem}", file = .file.display(), at = .line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct TemplateError {
    /// Which file.
    pub file: PathBuf,
    /// In which line, where that is known.
    pub line: Option<usize>,
    /// What is wrong, in words.
    pub problem: String,
}

/// The templates of all letters.
#[derive(Debug)]
pub struct Templates {
    words: Words,
    /// What lays the words out: the built-in texts and pages, and the operator's.
    environment: Environment<'static>,
    /// The operator's own, by file name.
    own: BTreeSet<String>,
    folder: PathBuf,
}

impl Templates {
    /// The built-in ones alone.
    ///
    /// # Errors
    /// None in a program that passes its tests.
    pub fn builtin() -> Result<Self, TemplateError> {
        let folder = PathBuf::from("(built in)");
        let failed = |error: &minijinja::Error| unfit(&folder, error, None);
        let words = Words::builtin().map_err(|error| failed(&error))?;
        let mut environment =
            jinja::environment(UndefinedBehavior::Strict).map_err(|error| failed(&error))?;
        for (name, source) in emails::LAYOUTS {
            environment.add_template(name, source).map_err(|error| failed(&error))?;
        }
        for email in emails::all() {
            environment.add_template_owned(page_of(email), email.html).map_err(|error| failed(&error))?;
        }
        Ok(Self { words, environment, own: BTreeSet::new(), folder })
    }

    /// The built-in ones, and over them the files of `folder`: `EVENT.subject.txt`, `EVENT.txt` and `EVENT.html` for
    /// one event, `letter.subject.txt`, `letter.txt` and `letter.html` for all others, and `_NAME.txt` or
    /// `_NAME.html` for what they include. Each is tried with samples of every event that it is for.
    ///
    /// # Errors
    /// The first file that is unfit, where, and why.
    pub fn load(folder: &Path) -> Result<Self, TemplateError> {
        let mut templates = Self { folder: folder.to_path_buf(), ..Self::builtin()? };
        for name in files_of(folder)? {
            let path = folder.join(&name);
            let failed = |problem: String| TemplateError { file: path.clone(), line: None, problem };
            let size = std::fs::metadata(&path).map_err(|error| failed(error.to_string()))?.len();
            if size > LONGEST {
                return Err(failed(format!("it is longer than {LONGEST} bytes")));
            }
            let source = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
            templates
                .environment
                .add_template_owned(name.clone(), source)
                .map_err(|error| unfit(&templates.folder, &error, Some(&name)))?;
            templates.own.insert(name);
        }
        templates.check()?;
        Ok(templates)
    }

    /// How many files are the operator's.
    #[must_use]
    pub fn own(&self) -> usize {
        self.own.len()
    }

    /// Writes each letter of each event that has a template of the operator's, from samples.
    fn check(&self) -> Result<(), TemplateError> {
        if self.own.is_empty() {
            return Ok(());
        }
        for event in EventName::ALL.iter().filter(|event| event.has_letter()) {
            for input in samples::samples(*event, false).into_iter().chain(samples::samples(*event, true)) {
                let facts = values::facts(&input, "12345");
                let content =
                    self.content(&input, &facts).map_err(|error| unfit(&self.folder, &error, None))?;
                let values = values::with_words(&facts, &content, None);
                for part in Part::ALL {
                    let Some(name) = self.own_name(&input, part) else { continue };
                    let written = self.write_with(&name, &values);
                    let mut text = written.map_err(|error| {
                        let mut error = unfit(&self.folder, &error, Some(&name));
                        error.problem = format!("{} (tried with a sample of {event})", error.problem);
                        error
                    })?;
                    text.retain(|c| !c.is_whitespace());
                    if text.is_empty() {
                        let file = self.folder.join(&name);
                        let problem = format!("it writes nothing for a sample of {event}");
                        return Err(TemplateError { file, line: None, problem });
                    }
                }
            }
        }
        Ok(())
    }

    /// The operator's template for this part of this letter. What is meant for operators goes to no payer.
    fn own_name(&self, input: &LetterInput, part: Part) -> Option<String> {
        let whose = if input.payer.is_some() { PAYER } else { "" };
        [input.event.as_str(), "letter"]
            .iter()
            .map(|stem| format!("{whose}{stem}.{}", part.ending()))
            .find(|name| self.own.contains(name))
    }

    /// The words of the letter about `input`, from its `facts`.
    pub(super) fn content(&self, input: &LetterInput, facts: &Value) -> Result<Content, minijinja::Error> {
        self.words.content(input, facts)
    }

    /// Writes one part; `None` where no template is for it (a subject is not, unless an operator has one). Where an
    /// operator's template fails in spite of its trial, the built-in one writes it: a letter that is owed goes.
    pub(super) fn write(
        &self,
        input: &LetterInput,
        part: Part,
        values: &Value,
    ) -> Result<Option<String>, minijinja::Error> {
        if let Some(name) = self.own_name(input, part) {
            match self.write_with(&name, values) {
                Ok(text) => return Ok(Some(text)),
                Err(error) => {
                    let error = unfit(&self.folder, &error, Some(&name));
                    tracing::error!(event = %input.event, "a template failed, the built-in one is used: {error}");
                }
            }
        }
        match part {
            Part::Subject => Ok(None),
            Part::Text if input.payer.is_some() => self.write_with("builtin/payer.txt", values).map(Some),
            Part::Text => self.write_with("builtin/letter.txt", values).map(Some),
            Part::Html => self.write_with(&page_of(emails::of(input)), values).map(Some),
        }
    }

    fn write_with(&self, name: &str, values: &Value) -> Result<String, minijinja::Error> {
        self.environment.get_template(name)?.render(values)
    }
}

/// The names of the templates in `folder`; a file that is none, and looks as if it should be, is a mistake.
fn files_of(folder: &Path) -> Result<Vec<String>, TemplateError> {
    let failed = |problem: String| TemplateError { file: folder.to_path_buf(), line: None, problem };
    let entries =
        std::fs::read_dir(folder).map_err(|error| failed(format!("the folder cannot be read: {error}")))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| failed(error.to_string()))?.file_name();
        let Some(name) = name.to_str().map(str::to_owned) else {
            return Err(failed("a file's name is no UTF-8".to_owned()));
        };
        if !(name.ends_with(".txt") || name.ends_with(".html")) || name.starts_with('.') {
            continue;
        }
        let stem = Part::ALL.iter().find_map(|part| name.strip_suffix(&format!(".{}", part.ending())));
        let known = |stem: &str| match stem.strip_prefix(PAYER) {
            Some("letter") => true,
            Some(event) => EventName::parse(event).is_some_and(EventName::is_told_to_payers),
            None => stem == "letter" || EventName::parse(stem).is_some_and(EventName::has_letter),
        };
        if !name.starts_with('_') && !stem.is_some_and(known) {
            let events: Vec<_> = EventName::ALL
                .iter()
                .filter(|event| event.has_letter())
                .map(|event| event.as_str())
                .collect();
            let problem = format!(
                "no letter is called so: expected EVENT.txt, EVENT.html or EVENT.subject.txt with EVENT being letter or one of {}; \
                 payer.EVENT.txt and so on for payers; parts to include begin with _",
                events.join(", ")
            );
            return Err(TemplateError { file: folder.join(name), line: None, problem });
        }
        names.push(name);
    }
    names.sort();
    Ok(names)
}

/// The error with the file and line that it is about.
pub(crate) fn unfit(folder: &Path, error: &minijinja::Error, name: Option<&str>) -> TemplateError {
    let file = error.name().or(name).map_or_else(|| folder.to_path_buf(), |name| folder.join(name));
    let mut problem = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    if let Some(cause) = std::error::Error::source(error) {
        problem = format!("{problem}: {}", chain(cause));
    }
    TemplateError { file, line: error.line(), problem }
}

/// What the page of a built-in letter is called.
fn page_of(email: &emails::Email) -> String {
    format!("builtin/{}/body.html", email.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifier::render::compose;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn an_operators_files_replace_what_they_are_named_after() {
        let folder = folder(&[
            ("settled.subject.txt", "Geld da: {{ deposit.credited_usd }} – {{ deposit.reference }}\n"),
            ("settled.txt", "{{ content.lead }}\n{% include '_sign.txt' %}"),
            ("_sign.txt", "Ihre Buchhaltung\n"),
            (
                "letter.html",
                "{% extends 'builtin/letter.html' %}{% block footer %}<p>ACME & Co {{ event }}</p>{% endblock %}",
            ),
            ("README.md", "not a template"),
        ]);
        let templates = Templates::load(folder.path()).unwrap();
        assert_eq!(templates.own(), 4);
        let letter = compose(&templates, &samples::sample(EventName::Settled), "12345").unwrap();
        assert_eq!(letter.subject, "Geld da: 5.00 – invoice 42");
        assert!(
            letter.text.ends_with("Ihre Buchhaltung\n") && !letter.text.contains("Deposit id"),
            "{}",
            letter.text
        );
        assert!(
            letter.html.contains("ACME & Co settled") && letter.html.contains("Deposit id"),
            "{}",
            letter.html
        );
        let other = compose(&templates, &samples::sample(EventName::Expired), "12345").unwrap();
        assert!(other.subject.starts_with("Deposit expired") && other.text.contains("Deposit id"));
        assert!(other.html.contains("ACME & Co expired"));
    }

    #[test]
    fn what_an_operator_writes_escapes_as_ours_does() {
        let folder = folder(&[
            ("settled.html", "<b>{{ deposit.reference }}</b>"),
            ("settled.subject.txt", "a\n{{ deposit.reference }}\r\nBcc: x@example.com"),
        ]);
        let templates = Templates::load(folder.path()).unwrap();
        let mut input = samples::sample(EventName::Settled);
        input.deposit.as_mut().unwrap().request.reference = Some("<script>\r\nX: y".to_owned());
        let letter = compose(&templates, &input, "12345").unwrap();
        assert!(
            letter.html.contains("&lt;script&gt;") && !letter.html.contains("<script>"),
            "{}",
            letter.html
        );
        assert!(!letter.subject.contains(['\r', '\n']), "{}", letter.subject);
    }

    #[test]
    fn a_broken_template_is_named_with_its_line_and_reason() {
        for (name, text, line, part) in [
            ("settled.txt", "one\ntwo {{ deposit.amont }}\n", Some(2), "undefined"),
            ("settled.txt", "{% if x %}\n", None, "unexpected end"),
            ("expired.html", "<p>\n{{ content.lead | shout }}\n", Some(2), "shout"),
            ("letter.txt", "a\nb\n{{ notice.kind }} {{ deposit.id }}", Some(3), "(tried with a sample of"),
            ("held.html", "{% include '_missing.html' %}", Some(1), "_missing.html"),
            ("held.txt", " \n\t", None, "nothing"),
            ("setled.txt", "x", None, "wallet_created, "),
            (
                "held.txt",
                "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
                None,
                "",
            ),
        ] {
            let folder = folder(&[(name, text)]);
            let error = Templates::load(folder.path()).unwrap_err();
            let shown = error.to_string();
            assert_eq!(error.file, folder.path().join(name), "{shown}");
            assert!(line.is_none() || error.line == line, "{shown}");
            assert!(shown.contains(part), "{shown}");
        }
        let missing = Templates::load(Path::new("/nowhere/templates")).unwrap_err();
        assert!(
            missing.to_string().starts_with("/nowhere/templates: the folder cannot be read"),
            "{missing}"
        );
    }
}
