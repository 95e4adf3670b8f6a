//! The manual pages, as two readers of such pages judge them.

#![allow(clippy::expect_used, reason = "a program of Debian that .ci/test installs")]

use std::path::Path;
use std::process::{Command, Stdio};

use super::bench::Bench;

fn judged(page: &Path) {
    let man = Command::new("man")
        .args(["--warnings", "-l"])
        .arg(page)
        .env("LC_ALL", "C.UTF-8")
        .env("MANWIDTH", "100")
        .stdout(Stdio::null())
        .output()
        .expect("man, of Debian's man-db");
    let said = String::from_utf8_lossy(&man.stderr);
    // A table that is narrower than its longest word is no fault of the page.
    let faults = said.lines().filter(|line| !line.contains("div '3tbd"));
    assert_eq!(faults.collect::<Vec<_>>(), Vec::<&str>::new(), "{}", page.display());
    let mandoc =
        Command::new("mandoc").args(["-T", "lint", "-W", "error"]).arg(page).output().expect("mandoc");
    assert!(mandoc.status.success(), "{}", String::from_utf8_lossy(&mandoc.stdout));
}

#[test]
fn every_page_is_one_that_man_and_mandoc_read_without_a_complaint() {
    let bench = Bench::new();
    let written = bench.json(&["manuals", "pages"]);
    let pages: Vec<&str> =
        written["pages"].as_array().unwrap().iter().map(|page| page.as_str().unwrap()).collect();
    for expected in ["depositd.1", "depositd-cases.1", "depositd-request.1", "daemon.toml.5"] {
        assert!(pages.contains(&expected), "{pages:?}");
    }
    for page in &pages {
        judged(&bench.file("pages").join(page));
    }
    assert_eq!(std::fs::read_dir(bench.file("pages")).unwrap().count(), pages.len());
    std::fs::write(bench.file("taken"), "a file").unwrap();
    let refused = bench.run(&["manuals", "taken"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("taken"), "{}", refused.stderr);
}

#[test]
fn the_page_about_the_books_is_made_of_their_document() {
    let bench = Bench::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/accounting-manual");
    let made = Command::new(script).arg("2026-11-22").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = String::from_utf8(made.stdout.clone()).unwrap();
    assert!(text.contains(".SH NAME\ndepositd-accounting \\- "), "whatis finds it");
    for view in
        ["accounting_deposits", "accounting_entries", "accounting_monthly", "accounting_trial_balance"]
    {
        assert!(text.contains(view), "{view}");
    }
    std::fs::write(bench.file("depositd-accounting.7"), made.stdout).unwrap();
    judged(&bench.file("depositd-accounting.7"));
}
