//! The floors: reads the sources and fails where a module looks upwards or names a library that is not its own.
//!
//! Test code is exempt: what stands behind `#[cfg(test)]`, and the files `tests.rs`, `*_tests.rs`, `tests/`.

use crate::source::{module_of, paths, sources, words};

/// A module may use what is on a floor below its own.
const FLOORS: &[(&str, u8)] = &[
    ("domain", 0),
    ("clock", 0),
    ("secret", 0),
    ("metrics", 0),
    ("ledger", 1),
    ("upstream", 1),
    ("notifier", 1),
    ("replica", 1),
    ("fleet", 2),
    ("flow", 2),
    ("scheduler", 3),
    ("api_types", 3),
    ("export", 3),
    ("config", 4),
    ("api", 4),
    ("page", 4),
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
    ("daemon", "page"),
    ("cli", "daemon"),
    ("sandbox", "daemon"),
    ("cli", "config"),
    ("cli", "api"),
    ("cli", "sandbox"),
    ("sandbox", "config"),
    ("api", "config"),
    ("page", "api"),
    ("page", "config"),
];

/// A path that only the modules behind it may name.
const OWNED: &[(&str, &[&str])] = &[
    ("sqlx", &["fleet", "ledger"]),
    ("reqwest", &["notifier", "upstream"]),
    ("aws_lc_rs", &["notifier"]),
    ("lettre", &["notifier"]),
    ("rustls", &["notifier"]),
    ("tokio_rustls", &["notifier"]),
    ("rustls_platform_verifier", &["notifier"]),
    ("tokio_cron_scheduler", &["scheduler"]),
    ("sd_notify", &["scheduler"]),
    ("figment", &["config"]),
    ("axum", &["api", "page", "sandbox"]),
    ("tower_http", &["page"]),
    ("clap", &["cli", "main"]),
    ("clap_complete", &["cli"]),
    ("anyhow", &["cli"]),
    ("rustix", &["api", "cli", "notifier"]),
    ("prometheus_client", &["metrics"]),
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
        ("src/fleet/mod.rs", "use crate::flow::open;", "fleet (floor 2) uses flow (floor 2)"),
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
