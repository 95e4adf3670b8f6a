//! The templates of the pages: the built-in ones, or an operator's files in their place, tried before use.

use std::path::{Path, PathBuf};

use minijinja::{Environment, Output, State, UndefinedBehavior, Value, escape_formatter};

use super::samples::samples;
use crate::domain::money::{UsdMicros, dollars};
use crate::domain::time::Timestamp;
use crate::notifier::{self, TemplateError, is_invisible};

/// The longest template of an operator's.
const LONGEST: u64 = 256 * 1024;

macro_rules! templates {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("templates/", $name)))),+] };
}

/// Every built-in template: the pages, and what they share.
const BUILTIN: [(&str, &str); 19] = templates![
    "_parts.html",
    "layout.html",
    "book.html",
    "case.html",
    "cases.html",
    "close.html",
    "delivery.html",
    "deposit.html",
    "deposits.html",
    "letter.html",
    "login.html",
    "now.html",
    "outbox.html",
    "plan.html",
    "reconciliation.html",
    "refusal.html",
    "request.html",
    "_chart.html",
    "_deposits.html",
];

/// The templates of all pages.
#[derive(Debug)]
pub struct PageTemplates {
    builtin: Environment<'static>,
    own: Option<OwnPages>,
}

/// The same with an operator's files over them.
#[derive(Debug)]
struct OwnPages {
    environment: Environment<'static>,
    folder: PathBuf,
}

impl PageTemplates {
    /// The built-in ones alone.
    ///
    /// # Errors
    /// None in a program that passes its tests.
    pub fn builtin() -> Result<Self, TemplateError> {
        let folder = Path::new("(built in)");
        let builtin = environment().map_err(|error| notifier::unfit(folder, &error, None))?;
        Ok(Self { builtin, own: None })
    }

    /// The built-in ones, and over them the files of `folder`: `NAME.html` in place of the page of that name, `_NAME.html`
    /// for what they include. `builtin/NAME.html` is always the built-in one. Each page is tried with samples.
    ///
    /// # Errors
    /// The first file that is unfit, where, and why.
    pub fn load(folder: &Path) -> Result<Self, TemplateError> {
        let failed = |error: &minijinja::Error| notifier::unfit(folder, error, None);
        let mut environment = environment().map_err(|error| failed(&error))?;
        for (name, source) in BUILTIN {
            environment
                .add_template_owned(format!("builtin/{name}"), source)
                .map_err(|error| failed(&error))?;
        }
        for (name, source) in files_of(folder)? {
            environment
                .add_template_owned(name.clone(), source)
                .map_err(|error| notifier::unfit(folder, &error, Some(&name)))?;
        }
        let pages =
            Self { own: Some(OwnPages { environment, folder: folder.to_owned() }), ..Self::builtin()? };
        pages.check()?;
        Ok(pages)
    }

    /// The names of the templates that are pages of their own.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        let is_page = |name: &&str| !name.starts_with('_') && *name != "layout.html";
        BUILTIN.iter().map(|(name, _)| *name).filter(is_page)
    }

    /// Writes each page of each sample.
    fn check(&self) -> Result<(), TemplateError> {
        let Some(own) = &self.own else { return Ok(()) };
        for (name, values) in samples() {
            let unfit = |error| {
                let mut unfit = notifier::unfit(&own.folder, &error, Some(&name));
                unfit.problem = format!("{} (tried with a sample of {name})", unfit.problem);
                unfit
            };
            write(&own.environment, &name, &values).map_err(unfit)?;
        }
        Ok(())
    }

    /// Writes a page. Where an operator's template fails in spite of its trial, the built-in one writes it.
    pub(super) fn write(&self, name: &str, values: &Value) -> Result<String, minijinja::Error> {
        if let Some(own) = &self.own {
            match write(&own.environment, name, values) {
                Ok(text) => return Ok(text),
                Err(error) => {
                    let error = notifier::unfit(&own.folder, &error, Some(name));
                    tracing::error!("a page's template failed, the built-in one is used: {error}");
                }
            }
        }
        write(&self.builtin, name, values)
    }
}

fn write(environment: &Environment<'_>, name: &str, values: &Value) -> Result<String, minijinja::Error> {
    environment.get_template(name)?.render(values)
}

/// The templates of an operator's in `folder`, by name; a file that is none, and looks as if it should be, is a mistake.
fn files_of(folder: &Path) -> Result<Vec<(String, String)>, TemplateError> {
    let failed = |file: PathBuf, problem: String| TemplateError { file, line: None, problem };
    let unreadable =
        |error: std::io::Error| failed(folder.to_owned(), format!("the folder cannot be read: {error}"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !name.ends_with(".html") || name.starts_with('.') {
            continue;
        }
        if !name.starts_with('_')
            && name != "layout.html"
            && !PageTemplates::names().any(|known| known == name)
        {
            let problem = format!(
                "no page is called so: expected layout.html or one of {}; parts to include begin with _",
                PageTemplates::names().collect::<Vec<_>>().join(", ")
            );
            return Err(failed(path, problem));
        }
        let size = std::fs::metadata(&path).map_err(|error| failed(path.clone(), error.to_string()))?.len();
        if size > LONGEST {
            return Err(failed(path, format!("it is longer than {LONGEST} bytes")));
        }
        let source =
            std::fs::read_to_string(&path).map_err(|error| failed(path.clone(), error.to_string()))?;
        files.push((name, source));
    }
    files.sort();
    Ok(files)
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = notifier::template_environment(UndefinedBehavior::Strict)?;
    environment.set_formatter(harmless);
    environment.add_filter("usd", |micros: i64| UsdMicros::new(micros).to_string());
    environment.add_filter("cents", dollars);
    environment.add_filter("at", at);
    environment.add_filter("short", short);
    environment.add_filter("clipped", clipped);
    for (name, source) in BUILTIN {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

/// Writes a value into a page: what is nothing as nothing, and a text without marks that reorder or hide it. HTML is
/// escaped after that; both hold for whatever any template writes.
fn harmless(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    if value.is_none() {
        return Ok(());
    }
    match value.as_str().filter(|_| !value.is_safe()) {
        Some(text) if text.chars().any(is_unfit) => {
            let shown = text.chars().filter(|c| !is_invisible(*c));
            let clean: String = shown.map(|c| if is_unfit(c) { ' ' } else { c }).collect();
            escape_formatter(out, state, &Value::from(clean))
        }
        _ => escape_formatter(out, state, value),
    }
}

fn is_unfit(c: char) -> bool {
    is_invisible(c) || (c.is_control() && c != '\n')
}

/// `2026-05-30T15:32:57.000Z` as `2026-05-30 15:32`; what is no such instant stays as it is.
fn at(instant: &str) -> String {
    let Ok(at) = Timestamp::parse(instant) else { return instant.to_owned() };
    at.to_seconds_text().chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// The beginning of an identifier.
fn short(id: &str) -> String {
    id.chars().take(13).collect()
}

/// A long text, cut.
fn clipped(text: &str, most: usize) -> String {
    let mut cut: String = text.chars().take(most).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}
