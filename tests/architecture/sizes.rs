//! Small files, tests included: one that has grown has a seam along which it wants to be two.

use crate::source::files_of;

/// The most lines of a file.
const MOST: usize = 400;

#[test]
fn no_file_is_long() {
    let long: Vec<String> = files_of(&["src", "tests", "benches", "fuzz/fuzz_targets"])
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "more than {MOST} lines:\n{}", long.join("\n"));
}
