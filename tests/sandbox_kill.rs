//! The sandbox as a program, killed without warning at many points: the same story, told to its end all the same.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use depositd::domain::time::Timestamp;
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

/// The binary with its temporary files in `temp`; gives its last line.
fn told_in(temp: &Path, args: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_depositd"));
    let output = command.args(["--json", "sandbox"]).args(args).env("TMPDIR", temp).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn a_seed_twice_is_two_stories_in_two_folders_that_are_the_users_own() {
    let temp = tempfile::tempdir().unwrap();
    let args = ["--seed", "5", "--deposits", "1", "--speed", "4000"];
    let folders = [0, 1].map(|_| {
        let summary = told_in(temp.path(), &args);
        assert_eq!(
            (&summary["resumed"], &summary["deposits"]),
            (&Value::Bool(false), &1.into()),
            "{summary}"
        );
        summary["folder"].as_str().unwrap().to_owned()
    });
    assert_ne!(folders[0], folders[1]);
    for folder in &folders {
        assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700, "{folder}");
    }
    // Where the folder is named, it is the same story.
    let again = told_in(temp.path(), &["--dir", &folders[0]]);
    assert_eq!((&again["resumed"], &again["folder"]), (&Value::Bool(true), &folders[0].clone().into()));
}

#[test]
fn while_it_is_stopped_its_time_stands() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_depositd"))
        .args(["--json", "sandbox", "--seed", "3", "--speed", "450", "--deposits", "1", "--dir"])
        .arg(folder.path().join("box"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id().to_string();
    let signal = |name: &str| assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut event = |name: &str| -> Timestamp {
        let named = format!("\"event\":\"{name}\"");
        let line = lines.by_ref().map(Result::unwrap).find(|line| line.contains(&named));
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        Timestamp::parse(event["at"].as_str().unwrap()).unwrap()
    };
    let made = event("wallet_created");
    signal("-STOP");
    // Half an hour and more of its time, if that went on.
    std::thread::sleep(Duration::from_secs(5));
    signal("-CONT");
    let passed = event("confirming").since(made);
    assert!(passed < Duration::from_mins(20), "seen on the chain after 3 to 8 minutes, and not {passed:?}");
    event("settled");
    assert!(lines.map(Result::unwrap).last().unwrap().contains("head_hash"));
    assert!(child.wait().unwrap().success());
}
