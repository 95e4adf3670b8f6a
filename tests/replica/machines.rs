//! Two machines: one dies with its disk, the other goes on; and the first comes back.

use std::path::Path;
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::sandbox::upstream::Action;

use super::litestream::{Running, config, configure, litestream};
use super::program::Program;
use super::{LIMIT, ask, call, until, with_replica};

/// Names Litestream's program and configuration, as a machine's own configuration does.
fn named(program: &mut Program) {
    let path = config(program).display().to_string();
    program.set("DEPOSITD_LEDGER__REPLICA__PROGRAM", &litestream());
    program.set("DEPOSITD_LEDGER__REPLICA__CONFIG", &path);
}

/// What is in the ledger's folder goes to `to`.
fn take_away(program: &Program, to: &Path) {
    for entry in std::fs::read_dir(program.out()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("ledger.db") || name.starts_with(".ledger.db") {
            std::fs::rename(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// Makes a backup of `ledger`, and the machine's ledger of that; then all is as it was before.
fn put_back(program: &Program, ledger: &Path, backup: &Path) {
    let into = format!("VACUUM INTO '{}'", backup.display());
    assert!(std::process::Command::new("sqlite3").arg(ledger).arg(into).status().unwrap().success());
    let (second, third) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    take_away(program, second.path());
    let output =
        program.run(&["promote", "--from", backup.to_str().unwrap(), "--note", "the replica is damaged"]);
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(words.contains("generation 3 is in place"), "{words}");
    program.verify();
    take_away(program, third.path());
    for entry in std::fs::read_dir(second.path()).unwrap().flatten() {
        std::fs::rename(entry.path(), program.out().join(entry.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_dies_with_its_disk_and_another_goes_on() {
    let mut program = with_replica(&[]).await;
    let (store, attic) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    configure(&program, store.path());
    named(&mut program);
    let promote = |program: &Program| {
        let output = program.run(&["--json", "promote", "--note", "db1 is off"]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (exit, _, words) = promote(&program);
    assert_eq!(exit, 2, "{words}");
    assert!(words.contains("the store holds nothing"), "{words}");

    let running = Running::start(&program, 1);
    program.start_logging("info");
    let (status, deposit) = ask(&program, "25");
    assert_eq!(status, 201, "{deposit}");
    let (exit, _, words) = promote(&program);
    assert_eq!(exit, 2, "{words}");
    assert!(words.contains("a promotion replaces nothing"), "{words}");

    // The machine is gone, with everything on it.
    program.kill();
    running.signal("-KILL");
    drop(running);
    take_away(&program, attic.path());
    let (exit, promoted, words) = promote(&program);
    assert_eq!(exit, 0, "{promoted} {words}");
    assert!(promoted.contains("\"generation\": 2") || promoted.contains("\"generation\":2"), "{promoted}");
    let env = std::fs::read_to_string(program.out().join("replica.env")).unwrap();
    assert!(env.ends_with("DEPOSITD_GENERATION=2\n"), "{env}");
    let running = Running::start(&program, 2);
    program.start_logging("info");
    let id = deposit["id"].as_str().unwrap();
    let (status, shown) = call(&program, "GET", &format!("/v1/deposits/{id}"), "");
    assert_eq!((status, &shown["address"]), (200, &deposit["address"]), "{shown}");
    program.simulator.act(deposit["order_id"].as_str().unwrap(), Action::Pay { amount_usd: None }).unwrap();
    until("it settles here", || program.sql("SELECT state FROM accounting_deposits") == "settled");
    let output = program.run(&["drill"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let ready = call(&program, "GET", "/readyz", "").1;
    assert_eq!(ready["replica"]["generation"], 2, "{ready}");
    let checked = String::from_utf8_lossy(&program.run(&["check"]).stdout).into_owned();
    assert!(checked.contains("it has everything; generation 2 is the newest"), "{checked}");
    program.stop();
    drop(running);
    let reasons = program.sql("SELECT reason FROM event WHERE name = 'decided'");
    assert!(reasons.contains("promoted to generation 2") && reasons.ends_with("db1 is off"), "{reasons}");

    // A backup of the first generation is put back, as the third.
    let backup = attic.path().join("backup.db");
    put_back(&program, &attic.path().join("ledger.db"), &backup);

    // The old machine comes back, with the ledger that it had, and Litestream as it was set up there.
    let later = tempfile::tempdir().unwrap();
    take_away(&program, later.path());
    for entry in std::fs::read_dir(attic.path()).unwrap().flatten() {
        if entry.path() == backup {
            continue;
        }
        std::fs::rename(entry.path(), program.out().join(entry.file_name())).unwrap();
    }
    let _running = Running::start(&program, 1);
    let refused = program.run(&["run"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{words}");
    assert!(words.contains("this ledger is generation 1, and the store holds generation 2"), "{words}");
}

/// A machine that was only cut off, and runs on while another was promoted, tells nobody anything once the line is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_was_cut_off_ends_when_it_sees_that_another_was_promoted() {
    let mut program = with_replica(&[]).await;
    let store = tempfile::tempdir().unwrap();
    configure(&program, store.path());
    named(&mut program);
    let running = Running::start(&program, 1);
    program.start_logging("info");
    assert_eq!(ask(&program, "25").0, 201);
    running.signal("-STOP");
    until("it is silent", || ask(&program, "26").0 == 503);
    // Meanwhile, elsewhere.
    std::fs::create_dir_all(store.path().join("generation-2")).unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([store.path().join("generation-1/ltx"), store.path().join("generation-2/ltx")])
        .status()
        .unwrap();
    assert!(copied.success());
    running.signal("-CONT");
    let clock = SystemClock::new();
    while !program.has_ended() {
        assert!(clock.monotonic() < LIMIT, "it goes on: {}", program.log());
        clock.sleep(Duration::from_millis(20)).await;
    }
    let ended = program.wait();
    let log = program.log();
    assert!(!ended.success(), "{log}");
    assert!(log.contains("the store holds generation 2"), "{log}");
}
