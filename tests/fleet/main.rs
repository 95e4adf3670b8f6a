//! The books of many ledgers in a real PostgreSQL, and through a real DuckDB: the same to the cent, and never overwritten.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "test code: a broken expectation is a failed test, and other programs take real time"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../books/story.rs"]
#[expect(dead_code, reason = "a part of it is for other programs that read books")]
mod story;

mod duck;
mod living;
mod refusing;
mod same;
mod server;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::house::House;

/// What a statement of SQLite gives, as its own program prints it.
pub(crate) fn sqlite(path: &Path, statement: &str) -> String {
    let output = Command::new("sqlite3").arg("-bail").arg(path).arg(statement).output().unwrap();
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A copy of the house's ledger as it stands, which says it is the ledger `id`, or the same one.
pub(crate) fn copy(house: &House, name: &str, id: Option<&str>) -> PathBuf {
    let path = house.file(name);
    sqlite(&house.ledger_path(), &format!("VACUUM INTO '{}'", path.display()));
    if let Some(id) = id {
        sqlite(&path, &format!("UPDATE meta SET value = '{id}' WHERE key = 'ledger_id'"));
    }
    path
}
