//! Guards the floors: reads the sources and fails where a module looks upwards or names a library that is not its own.
//!
//! Test code is exempt: what stands behind `#[cfg(test)]`, and the files `tests.rs`, `*_tests.rs`, `tests/`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::path::Path;

/// A module may use what is on a floor below its own.
const FLOORS: &[(&str, u8)] = &[
    ("domain", 0),
    ("clock", 0),
    ("secret", 0),
    ("ledger", 1),
    ("upstream", 1),
    ("notifier", 1),
    ("flow", 2),
    ("scheduler", 3),
    ("config", 4),
    ("api", 4),
    ("cli", 4),
    ("daemon", 4),
    ("sandbox", 4),
    ("main", 5),
];

/// On one floor, only these use each other: who, and whom.
const NEIGHBOURS: &[(&str, &str)] = &[
    ("clock", "domain"),
    ("daemon", "config"),
    ("daemon", "api"),
    ("cli", "daemon"),
    ("sandbox", "daemon"),
    ("cli", "config"),
    ("cli", "api"),
    ("cli", "sandbox"),
    ("sandbox", "config"),
    ("api", "config"),
];

/// A path that only the modules behind it may name.
const OWNED: &[(&str, &[&str])] = &[
    ("sqlx", &["ledger"]),
    ("reqwest", &["upstream"]),
    ("lettre", &["notifier"]),
    ("tokio_cron_scheduler", &["scheduler"]),
    ("sd_notify", &["scheduler"]),
    ("figment", &["config"]),
    ("axum", &["api", "sandbox"]),
    ("clap", &["cli", "main"]),
    ("anyhow", &["cli"]),
    ("rustix", &["cli"]),
    ("SystemTime::now", &["clock"]),
    ("Instant::now", &["clock"]),
    ("jiff::Timestamp::now", &["clock"]),
    ("jiff::Zoned::now", &["clock"]),
];

/// What the pure floor may not name.
const IMPURE: &[&str] = &[
    "tokio",
    "tracing",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

#[test]
fn every_module_keeps_to_its_floor() {
    let mut faults = Vec::new();
    let mut cron_files = Vec::new();
    for (path, text) in sources() {
        faults.extend(violations(&path, &text));
        if names_library(&path, &text, "tokio_cron_scheduler") {
            cron_files.push(path);
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert!(cron_files.len() <= 1, "tokio_cron_scheduler belongs in one file, not in {cron_files:?}");
}

#[test]
fn every_file_says_first_what_it_knows() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{path} does not open with a sentence");
    }
}

#[test]
fn planted_violations_are_caught() {
    for (path, text, part) in [
        ("src/ledger/mod.rs", "use crate::flow::open;", "ledger (floor 1) uses flow (floor 2)"),
        ("src/ledger/mod.rs", "use crate::upstream::Client;", "ledger (floor 1) uses upstream (floor 1)"),
        ("src/ledger/mod.rs", "use super::upstream::Client;", "ledger (floor 1) uses upstream"),
        ("src/ledger/read/due.rs", "use super::super::super::flow;", "ledger (floor 1) uses flow"),
        ("src/domain/poll.rs", "use crate::{domain::time, clock::{Clock, SharedClock}};", "uses clock"),
        (
            "src/flow/open.rs",
            "fn f() { crate::scheduler::wake(); }",
            "flow (floor 2) uses scheduler (floor 3)",
        ),
        ("src/config/mod.rs", "use crate::cli;", "config (floor 4) uses cli (floor 4)"),
        ("src/attic.rs", "", "attic has no floor"),
        ("src/flow/open.rs", "use crate::attic::x;", "attic, which has no floor"),
        ("src/flow/open.rs", "use sqlx;", "names sqlx"),
        ("src/flow/open.rs", "use {std::fs, sqlx::{Row, query}};", "names sqlx"),
        ("src/flow/open.rs", "#[derive(clap::Parser)] struct A;", "names clap"),
        ("src/api/mod.rs", "fn f() -> ::anyhow::Result<()> { todo() }", "names anyhow"),
        (
            "src/upstream/mod.rs",
            "use std::time::SystemTime;\nfn f() { SystemTime::now(); }",
            "names SystemTime::now",
        ),
        ("src/upstream/mod.rs", "fn f() { tokio::time::Instant::now(); }", "names Instant::now"),
        ("src/domain/ids.rs", "use std::{fmt, fs};", "names std::fs"),
        ("src/domain/ids.rs", "use std::time::{Duration, Instant};", "names std::time::Instant"),
        ("src/domain/ids.rs", "fn f() { tracing::info!(\"x\"); }", "names tracing"),
        ("src/domain/ids.rs", "#[cfg(test)] mod tests { use tokio::x; }\nuse tokio::y;", "names tokio"),
        ("src/domain/ids.rs", "#[cfg(test)]\nmod tests;\nuse std::net::IpAddr;", "names std::net"),
        ("src/domain/ids.rs", "const Q: char = '\"'; use tokio::y; const R: char = '\"';", "names tokio"),
    ] {
        let found = violations(path, text);
        assert!(
            found.iter().any(|fault| fault.contains(part) && fault.starts_with(path)),
            "{text}\n{found:?}"
        );
    }
}

#[test]
fn what_is_allowed_is_left_alone() {
    for (path, text) in [
        (
            "src/ledger/mod.rs",
            "use crate::{clock, domain::deposit::Deposit}; use crate::ledger::x; use sqlx::Row;",
        ),
        ("src/ledger/read/due.rs", "use super::super::write; use super::flow;"),
        (
            "src/cli/mod.rs",
            "use crate::config::Config; use crate::api; use anyhow::Context; use clap::Parser;",
        ),
        ("src/clock.rs", "use crate::domain::time::Timestamp; fn f() { SystemTime::now(); }"),
        ("src/main.rs", "fn main() { depositd::cli::main() }"),
        (
            "src/flow/open.rs",
            "// use sqlx::x\n/* crate::api */ /// [`crate::cli`]\nconst X: &str = \"sqlx::y\";",
        ),
        ("src/flow/open.rs", "const X: &str = r#\"crate::api \"sqlx::y\" \"#; fn f<'a>(x: &'a str) {}"),
        ("src/flow/open.rs", "use crate::domain::x; #[cfg(test)] mod tests { use sqlx::x; fn f() { {} } }"),
        ("src/flow/tests.rs", "use sqlx::x;"),
        ("src/flow/open_tests.rs", "use sqlx::x;"),
        ("src/flow/tests/open.rs", "use sqlx::x;"),
        ("src/domain/ids.rs", "use std::time::Duration; use std::fmt;"),
        ("src/flow/open.rs", "fn f() { self.axum.clap(); }"),
    ] {
        assert_eq!(violations(path, text), Vec::<String>::new(), "{text}");
    }
}

/// Everything that the file at `path` does against the rules.
fn violations(path: &str, text: &str) -> Vec<String> {
    let Some(module) = module_of(path) else { return Vec::new() };
    let Some(own) = floor(&module) else {
        return vec![format!("{path}: {module} has no floor; give it one")];
    };
    let mut faults = Vec::new();
    for names in paths(&words(text)) {
        if let Some(used) = used_module(path, &names) {
            let neighbours = NEIGHBOURS.contains(&(module.as_str(), used));
            match floor(used) {
                None => faults.push(format!("{path}: uses {used}, which has no floor; give it one")),
                Some(other) if used != module && other >= own && !neighbours => {
                    faults.push(format!("{path}: {module} (floor {own}) uses {used} (floor {other})"));
                }
                Some(_) => {}
            }
        }
        for (name, owners) in OWNED {
            if is_at(&names, name) && !owners.contains(&module.as_str()) {
                faults.push(format!("{path}: names {name}, which belongs to {}", owners.join(" and ")));
            }
        }
        if module == "domain"
            && let Some(name) = IMPURE.iter().find(|name| is_at(&names, name))
        {
            faults.push(format!("{path}: names {name}; the domain is pure"));
        }
    }
    faults
}

fn names_library(path: &str, text: &str, library: &str) -> bool {
    module_of(path).is_some() && paths(&words(text)).iter().any(|names| is_at(names, library))
}

/// A library's path is one from its root; the type names of the clock may stand behind any path.
fn is_at(names: &[String], wanted: &str) -> bool {
    let wanted: Vec<&str> = wanted.split("::").collect();
    let ends = wanted.last() == Some(&"now")
        && names.ends_with(&wanted.iter().map(ToString::to_string).collect::<Vec<_>>());
    ends || (names.len() >= wanted.len() && names.iter().zip(&wanted).all(|(a, b)| a == b))
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// The module that a file belongs to; `None` for `lib.rs`, which names them all, and for tests.
fn module_of(path: &str) -> Option<String> {
    let inner = path.strip_prefix("src/").unwrap();
    let is_test = inner == "tests.rs"
        || inner.ends_with("/tests.rs")
        || inner.ends_with("_tests.rs")
        || inner.contains("/tests/");
    let first = inner.split('/').next().unwrap().trim_end_matches(".rs");
    (!is_test && first != "lib").then(|| first.to_owned())
}

/// The top module that a path leads to, when it leads to one of ours.
fn used_module<'a>(path: &str, names: &'a [String]) -> Option<&'a str> {
    let root = match names.first()?.as_str() {
        "crate" | "depositd" => 1,
        "super" => {
            let inside = path.strip_prefix("src/").unwrap().trim_end_matches(".rs");
            let inside = inside.trim_end_matches("/mod");
            let depth = inside.split('/').count();
            let up = names.iter().take_while(|name| *name == "super").count();
            (up == depth).then_some(up)?
        }
        _ => return None,
    };
    names.get(root).map(String::as_str)
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
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
fn words(text: &str) -> Vec<String> {
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
fn paths(words: &[String]) -> Vec<Vec<String>> {
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

fn is_word(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
}
