//! A Litestream that cannot be relied on: each is named in words, and nothing leaves. And strange places that are good.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};

use super::litestream::{Pretender, Running, Words, config, configure};
use super::program::Program;
use super::{ask, call, until, with_replica};

/// Has a shell's script stand for Litestream's program.
fn pretend_program(program: &mut Program, script: &str) {
    let path = program.out().join("pretended-litestream");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    program.set("DEPOSITD_LEDGER__REPLICA__PROGRAM", &path.display().to_string());
    program.set("DEPOSITD_LEDGER__REPLICA__CONFIG", &config(program).display().to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_relied_on_is_named_and_nothing_leaves() {
    let mut program = with_replica(&[]).await;
    let with = |change: fn(&mut Words)| {
        let mut words = Words::good();
        change(&mut words);
        words
    };
    let cases: [(Words, &str); 6] = [
        (with(|words| words.info.1 = r#"{"version":"0.5.9"}"#.to_owned()), "Litestream 0.5.9 is too old"),
        (
            with(|words| {
                words.info = (404, "404 page not found".to_owned());
                words.sync = words.info.clone();
            }),
            "Litestream without /sync is too old",
        ),
        (
            with(|words| {
                words.sync = (404, r#"{"error":"database not found: x"}"#.to_owned());
                words.list = r#"{"databases":[{"path":"/srv/other.db"}]}"#.to_owned();
            }),
            "it replicates /srv/other.db",
        ),
        (
            with(|words| words.sync = (404, r#"{"error":"database not found: x"}"#.to_owned())),
            "it replicates nothing",
        ),
        (with(|words| words.sync = (200, "garbage".to_owned())), "its answer is none to this question"),
        (
            with(|words| words.sync = (500, r#"{"error":"access denied"}"#.to_owned())),
            "could not copy to the store: access denied",
        ),
    ];
    let pretender = Pretender::start(&program, cases[0].0.clone());
    program.start_logging("info");
    for (words, expected) in cases {
        pretender.say(|own| *own = words);
        until(expected, || {
            let (status, ready) = call(&program, "GET", "/readyz", "");
            status == 503 && ready["reasons"].to_string().contains(expected)
        });
        let (status, refusal) = ask(&program, "25");
        assert_eq!((status, &refusal["type"]), (503, &"replica-unavailable".into()), "{expected}: {refusal}");
    }
    assert!(program.simulator.orders().is_empty(), "no wallet was asked for");
    // What is written while it copies is not in the store yet, and what was there before is.
    pretender.say(|words| {
        *words = Words::good();
        words.sync.1 = r#"{"status":"synced","txid":7,"replicated_txid":6}"#.to_owned();
        words.info = (404, "404 page not found".to_owned());
    });
    until("it is accepted", || ask(&program, "25").0 == 201);
    program.stop();
}

/// Litestream has the ledger by its real path, and the daemon by a link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_behind_a_link_is_found_by_its_real_path() {
    let mut program = with_replica(&[]).await;
    let store = tempfile::tempdir().unwrap();
    configure(&program, store.path());
    let link = program.out().join("link");
    symlink(program.out(), &link).unwrap();
    program.set("DEPOSITD_LEDGER__PATH", &link.join("ledger.db").display().to_string());
    let _running = Running::start(&program, 1);
    program.start_logging("info");
    assert_eq!(ask(&program, "25").0, 201);
    assert_eq!(call(&program, "GET", "/readyz", "").0, 200);
    program.stop();
}

/// The newest generation is the one that is promoted: early ones may have been removed, and the list of each may be long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_generation_is_found_behind_gaps_and_in_long_lists() {
    let mut program = with_replica(&[]).await;
    configure(&program, &program.out());
    pretend_program(
        &mut program,
        r#"[ $1 = restore ] && { echo "generation $DEPOSITD_GENERATION was asked for" >&2; exit 1; }
        case $DEPOSITD_GENERATION in
            3|9) yes '{"level":0,"min_txid":"1","max_txid":"2"},' | head -c 3000000 ;;
            *) echo '[]' ;;
        esac"#,
    );
    let output = program.run(&["promote", "--note", "it is off"]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("generation 9 was asked for"), "{words}");
    assert!(!program.out().join("ledger.db").exists(), "nothing is in place");
    let left: Vec<_> =
        std::fs::read_dir(program.out()).unwrap().flatten().map(|file| file.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".depositd-promote")), "{left:?}");
}

/// A store that hangs delays a start for a moment, nothing leaves meanwhile, and it holds up no stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_hangs_holds_up_no_start_and_no_stop() {
    let mut program = with_replica(&[]).await;
    configure(&program, &program.out());
    pretend_program(&mut program, "exec sleep 600");
    let _pretender = Pretender::start(&program, Words::good());
    let clock = SystemClock::new();
    program.start_logging("info");
    until("it answers", || {
        call(&program, "GET", "/readyz", "").1["reasons"].to_string().contains("replica: nothing leaves")
    });
    let (status, refusal) = ask(&program, "25");
    assert_eq!((status, &refusal["type"]), (503, &"replica-unavailable".into()), "{refusal}");
    let asked = clock.monotonic();
    program.stop();
    assert!(clock.monotonic() - asked < Duration::from_secs(10), "{}", program.log());
}
