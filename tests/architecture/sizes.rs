//! Small files: one that has grown has a seam along which it wants to be two.

use crate::source::{module_of, sources};

/// The most lines of a file.
const MOST: usize = 400;

#[test]
fn no_file_is_long() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|(path, _)| module_of(path).is_some())
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "more than {MOST} lines:\n{}", long.join("\n"));
}
