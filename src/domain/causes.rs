//! An error and its causes in words.

use std::error::Error;

/// The error and its causes on one line. Words that a library's error repeats from below itself stand there once.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let words = deeper.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = deeper.source();
    }
    text
}

/// The last of an error's causes, or the error itself where it has none.
#[must_use]
pub fn root<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut root = error;
    while let Some(deeper) = root.source() {
        root = deeper;
    }
    root
}
