//! The template language as all letters speak it.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use super::text;
use crate::domain::time::Timestamp;

/// The most that one template may do: no letter needs more.
const FUEL: u64 = 200_000;

/// An environment without templates; `undefined` says what becomes of names that nobody knows.
pub(crate) fn environment(undefined: UndefinedBehavior) -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?;
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
    });
    environment.add_filter("padded", |text: &str, width: usize| {
        let missing = width.saturating_sub(text.chars().count());
        format!("{text}{}", " ".repeat(missing.min(200)))
    });
    environment.add_filter("folded", |line: &str| text::folded(line, 76));
    environment.add_filter("minute", minute);
    environment.add_filter("counted", counted);
    environment.add_filter("label", |word: &str| text::label(word));
    Ok(environment)
}

/// `2025-05-30 13:00:07 UTC` without its seconds; what is no such instant stays as it is.
fn minute(instant: &str) -> String {
    let written = instant.replacen(' ', "T", 1).replace(" UTC", "Z");
    Timestamp::parse(&written).map_or_else(|_| instant.to_owned(), text::minute)
}

/// `1 letter`, `2 letters`.
fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
