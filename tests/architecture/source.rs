//! The sources of the program as words and paths, without comments, literals and tests.

use std::path::Path;

/// The module that a file belongs to; `None` for `lib.rs`, which names them all, and for tests.
pub(crate) fn module_of(path: &str) -> Option<String> {
    let inner = path.strip_prefix("src/").unwrap();
    let is_test = inner == "tests.rs"
        || inner.ends_with("/tests.rs")
        || inner.ends_with("_tests.rs")
        || inner.contains("/tests/");
    let first = inner.split('/').next().unwrap().trim_end_matches(".rs");
    (!is_test && first != "lib").then(|| first.to_owned())
}

/// The files of the program, by path.
pub(crate) fn sources() -> Vec<(String, String)> {
    files_of(&["src"])
}

/// The Rust files in these folders, by path.
pub(crate) fn files_of(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(found.len() > 10, "the sources were not found");
    found.sort();
    found
}

/// The words and signs of a source text, without comments, literals and test items.
pub(crate) fn words(text: &str) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut words) = (0, Vec::new());
    while at < text.len() {
        let rest = &text[at..];
        let next = rest.get(1).copied().unwrap_or(' ');
        match rest[0] {
            '/' if next == '/' => at += end_of(rest, "\n"),
            '/' if next == '*' => at += end_of(rest, "*/"),
            '"' => at += end_of_string(rest),
            'r' if (next == '"' || next == '#') && raw_string(rest).is_some() => {
                at += raw_string(rest).unwrap();
            }
            // A character, and not a lifetime.
            '\'' if next == '\\' => at += 2 + end_of(&rest[2..], "'").max(1),
            '\'' if rest.get(2) == Some(&'\'') => at += 3,
            c if c.is_alphanumeric() || c == '_' => {
                let word: String = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                at += word.chars().count();
                words.push(word);
            }
            ':' if next == ':' => {
                words.push("::".to_owned());
                at += 2;
            }
            c => {
                if !c.is_whitespace() {
                    words.push(c.to_string());
                }
                at += 1;
            }
        }
    }
    without_tests(&words)
}

fn end_of(rest: &[char], mark: &str) -> usize {
    let mark: Vec<char> = mark.chars().collect();
    rest.windows(mark.len()).position(|window| window == mark).map_or(rest.len(), |found| found + mark.len())
}

fn end_of_string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let mark = format!("\"{}", "#".repeat(hashes));
    Some(2 + hashes + end_of(&rest[2 + hashes..], &mark))
}

/// Drops each item behind `#[cfg(test)]`: up to its semicolon, or to the end of its braces.
fn without_tests(words: &[String]) -> Vec<String> {
    let mark: Vec<String> = ["#", "[", "cfg", "(", "test", ")", "]"].map(str::to_owned).to_vec();
    let (mut at, mut kept) = (0, Vec::new());
    while at < words.len() {
        if !words[at..].starts_with(&mark) {
            kept.push(words[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        at += mark.len();
        while at < words.len() {
            match words[at].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 && [";", "}"].contains(&words[at - 1].as_str()) {
                break;
            }
        }
    }
    kept
}

/// Every path in the text, groups unfolded: `use a::{b, c::d}` is `a::b` and `a::c::d`. A word alone is a path only
/// behind `use`.
pub(crate) fn paths(words: &[String]) -> Vec<Vec<String>> {
    let (mut at, mut found) = (0, Vec::new());
    let mut in_use = false;
    while at < words.len() {
        match words[at].as_str() {
            "use" => in_use = true,
            ";" => in_use = false,
            _ => {}
        }
        let behind_dot = at > 0 && words[at - 1] == ".";
        if !behind_dot && is_word(&words[at]) && words[at] != "use" {
            let before = found.len();
            at = path_from(words, at, &[], &mut found);
            if !in_use {
                let long: Vec<_> =
                    found.drain(before..).filter(|path: &Vec<String>| path.len() > 1).collect();
                found.extend(long);
            }
        } else {
            at += 1;
        }
    }
    found
}

fn path_from(words: &[String], start: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let (mut at, mut path) = (start, prefix.to_vec());
    loop {
        match words.get(at).map(String::as_str) {
            Some("{") if at > start || !prefix.is_empty() => {
                at += 1;
                while at < words.len() && words[at] != "}" {
                    at = if is_word(&words[at]) { path_from(words, at, &path, found) } else { at + 1 };
                }
                return at + 1;
            }
            Some(word) if is_word(word) => path.push(word.to_owned()),
            _ => break,
        }
        at += 1;
        if words.get(at).map(String::as_str) != Some("::") {
            break;
        }
        at += 1;
    }
    found.push(path);
    at.max(start + 1)
}

pub(crate) fn is_word(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
}
