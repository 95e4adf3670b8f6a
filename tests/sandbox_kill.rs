//! The sandbox as a program, killed without warning at many points: the same story, told to its end all the same.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use depositd::ledger::{Access, Ledger, LedgerSettings};
use serde_json::Value;

const DEPOSITS: usize = 20;

fn sandbox(dir: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_depositd"))
        .args(["--json", "sandbox", "--seed", "77", "--speed", "1200", "--deposits"])
        .arg(DEPOSITS.to_string())
        .arg("--dir")
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills the sandbox once it has said so many lines; true where it ended by itself before.
fn killed_after(dir: &Path, lines: usize) -> bool {
    let mut child = sandbox(dir);
    let heard = BufReader::new(child.stdout.take().unwrap()).lines().take(lines).count();
    let ended = heard < lines;
    if !ended {
        child.kill().unwrap();
    }
    child.wait().unwrap();
    ended
}

/// Lets it finish; gives its last line.
fn told(dir: &Path) -> Value {
    let mut child = sandbox(dir);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let last = lines.by_ref().map(Result::unwrap).last().unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}\n{last}\n{errors}");
    serde_json::from_str(&last).unwrap()
}

#[tokio::test]
async fn a_sandbox_killed_at_any_point_finishes_the_same_story() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("box");
    // Before it has said anything; among the requests; before and in the outage; among the late and the refunded.
    let moments = [0, 1, 2, 3, 5, 4, 7, 9, 6, 12, 8, 15, 10, 11, 14, 9, 13];
    let ended = moments.iter().map(|lines| killed_after(&dir, *lines)).filter(|ended| *ended).count();
    assert!(ended < moments.len() / 2, "most of the kills came too late to prove anything");
    let summary = told(&dir);
    assert_eq!(summary["mismatches"], serde_json::json!([]));
    assert_eq!(summary["deposits"], DEPOSITS);
    assert_eq!(summary["identity"]["difference_cents"], 0);
    assert!(summary["waiting"]["case"].is_number(), "{}", summary["waiting"]);

    let settings = LedgerSettings {
        path: dir.join("ledger.db"),
        create_if_missing: false,
        mail_domain: "example.com".to_owned(),
    };
    let ledger = Ledger::open(settings, Access::Read).await.unwrap();
    let proof = ledger.verify(|_, _| {}).await.unwrap();
    assert_eq!((proof.findings, proof.deposits), (Vec::new(), DEPOSITS as u64));
    let letters: u64 = summary["letters"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    let files = std::fs::read_dir(dir.join("mail")).unwrap();
    let files = files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "eml"));
    assert_eq!((proof.mails, files.count() as u64), (letters, letters));
    // Twice the same end: nothing moves any more.
    assert_eq!(told(&dir)["head_hash"], summary["head_hash"]);
}
