//! The drill: whether the replica could take over now, told in words.

use std::path::{Path, PathBuf};

use super::litestream::{Running, config, configure};
use super::program::Program;
use super::{ask, call, letters, until, with_replica};
use serde_json::Value;

fn drill(program: &Program) -> (i32, Value, String) {
    let output = program.run(&["--json", "drill"]);
    let document = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), document, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_proves_the_replica_and_says_what_it_lacks() {
    let mut program = with_replica(&[]).await;
    let (store, another) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    configure(&program, store.path());
    let running = Running::start(&program, 1);
    program.set("PATH", &std::env::var("PATH").unwrap());
    program.start_logging("info");
    assert_eq!(ask(&program, "25").0, 201);

    // By the daemon, which finds the program and its configuration by itself; and remembered.
    let (exit, report, words) = drill(&program);
    assert_eq!((exit, &report["ok"]), (0, &true.into()), "{report} {words}");
    assert_eq!(report["replica_head_seq"], report["ledger_head_seq"]);
    let ready = call(&program, "GET", "/readyz", "").1;
    assert_eq!(ready["replica"]["drill_ok"], true, "{ready}");
    let text = program.run(&["drill"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.starts_with("the replica is whole, and continues this ledger"), "{text}");

    // The store's disk rots.
    let files = files_below(&store.path().join("generation-1"));
    files.iter().for_each(|file| std::fs::write(file, "rotten").unwrap());
    let (exit, report, words) = drill(&program);
    assert_eq!(exit, 6, "{report} {words}");
    assert!(report["findings"].to_string().contains("the replica cannot be restored"), "{report}");
    until("somebody is told", || {
        letters(&program).iter().any(|letter| letter.contains("could not take over"))
    });
    let ready = call(&program, "GET", "/readyz", "").1;
    assert_eq!(ready["replica"]["drill_ok"], false, "{ready}");
    // Begun anew.
    drop(running);
    std::fs::remove_dir_all(store.path().join("generation-1")).unwrap();
    std::fs::remove_dir_all(program.out().join(".ledger.db-litestream")).unwrap();
    let running = Running::start(&program, 1);
    let (exit, report, words) = drill(&program);
    assert_eq!(exit, 0, "{report} {words}");

    // By the command itself, where no daemon runs; and a copy that lacks what came last.
    program.stop();
    let (exit, report, words) = drill(&program);
    assert_eq!(exit, 0, "{report} {words}");
    assert!(words.contains("not remembered"), "{words}");
    drop(running);
    let (exit, report, words) = drill(&program);
    assert_eq!(exit, 6, "nothing says where the store is: {report} {words}");
    assert!(report["findings"].to_string().contains("name it in ledger.replica.program"), "{report}");

    // The place of another ledger.
    let mut other = with_replica(&[]).await;
    configure(&other, another.path());
    let _running = Running::start(&other, 1);
    other.start_logging("info");
    assert_eq!(ask(&other, "31").0, 201);
    let text = std::fs::read_to_string(config(&program)).unwrap();
    std::fs::write(
        config(&program),
        text.replace(store.path().to_str().unwrap(), another.path().to_str().unwrap()),
    )
    .unwrap();
    program.set("DEPOSITD_LEDGER__REPLICA__PROGRAM", &super::litestream::litestream());
    program.set("DEPOSITD_LEDGER__REPLICA__CONFIG", config(&program).to_str().unwrap());
    let (exit, report, words) = drill(&program);
    assert_eq!(exit, 6, "{report} {words}");
    let findings = report["findings"].to_string();
    assert!(findings.contains("the replica holds another ledger"), "{findings}");
    assert!(findings.contains("Litestream cannot be reached"), "{findings}");
}
