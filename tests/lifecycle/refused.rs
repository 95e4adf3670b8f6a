//! A start that is refused leaves everything as it was, however often it is tried.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};

use super::{can_read, is_root, prepared, program::Program, request, said, with};

/// What lies in a folder: each file's inode, mode and bytes.
fn picture(folder: &Path) -> BTreeMap<String, (u64, u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        let bytes = if meta.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        let name = entry.file_name().into_string().unwrap();
        // What the program says is kept there as well.
        if !name.starts_with("said-") && !name.ends_with(".log") {
            found.insert(name, (meta.ino(), meta.mode(), bytes));
        }
    }
    found
}

fn run(program: &Program, key: &str, value: &str) -> Output {
    with(program.command(&["run"]), key, value).env("RUST_LOG", "info").output().unwrap()
}

fn sqlite(ledger: &Path, statement: &str) {
    assert!(Command::new("sqlite3").arg(ledger).arg(statement).status().unwrap().success());
}

/// Every way to be refused at this moment of the ledger's life: key, value, exit status, and what is said.
fn ways(program: &Program, taken: &TcpListener) -> Vec<(&'static str, String, i32, &'static str)> {
    let secrets = program.secrets().display().to_string();
    vec![
        (
            "api.listen",
            format!("127.0.0.1:{}", taken.local_addr().unwrap().port()),
            1,
            "Address already in use",
        ),
        ("api.listen", "unix:a-file".to_owned(), 1, "that is a file, and no socket"),
        ("api.listen", "unix:answers.sock".to_owned(), 1, "another program answers there"),
        ("api.listen", "unix:nowhere/d.sock".to_owned(), 1, "No such file or directory"),
        ("upstream.user_id", "67890".to_owned(), 2, "belongs to the upstream account \"12345\""),
        ("upstream.api_key_file", format!("{secrets}/nothing"), 2, "upstream.api_key"),
        ("upstream.timeout", "soon".to_owned(), 2, "upstream.timeout"),
        ("mail.templates", format!("{secrets}/nothing"), 2, "mail.templates"),
        ("mail.transport", "smtp".to_owned(), 2, "mail.smtp.host"),
    ]
}

fn stage(program: &Program) -> (TcpListener, UnixListener) {
    fs::write(program.out().join("a-file"), "precious").unwrap();
    let answers = UnixListener::bind(program.out().join("answers.sock")).unwrap();
    (TcpListener::bind("127.0.0.1:0").unwrap(), answers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_clean_stop_a_refused_start_changes_nothing_and_readers_read_on() {
    let mut program = prepared().await;
    program.start();
    request(&program, "5");
    program.stop();
    let (taken, _answers) = stage(&program);
    let ledger = program.out().join("ledger.db");
    let before = picture(&program.out());
    assert!(!before.contains_key("ledger.db-wal"));
    for _ in 0..3 {
        for (key, value, status, words) in ways(&program, &taken) {
            let refused = run(&program, key, &value);
            assert_eq!(refused.status.code(), Some(status), "{key} = {value}: {}", said(&refused));
            assert!(said(&refused).contains(words), "{key} = {value}: {}", said(&refused));
            assert_eq!(picture(&program.out()), before, "{key} = {value}");
        }
    }
    if is_root() {
        can_read(&ledger, "after many refused starts");
    }
    // Another's lock; a newer schema; another history; another ledger in its place.
    let lock = fs::File::open(program.out().join("ledger.db.lock")).unwrap();
    lock.try_lock().unwrap();
    let refused = run(&program, "log.level", "info");
    assert!(said(&refused).contains("ledger.db.lock is locked"), "{}", said(&refused));
    drop(lock);
    let lock = fs::File::open(&ledger).unwrap();
    lock.try_lock().unwrap();
    let refused = run(&program, "log.level", "info");
    assert!(said(&refused).contains("ledger.db is locked"), "{}", said(&refused));
    drop(lock);
    assert_eq!(picture(&program.out()), before, "locked by others");
    for (harm, undo, words) in [
        (
            "INSERT INTO _sqlx_migrations VALUES (9999, 'x', CURRENT_TIMESTAMP, 1, x'00', 0)",
            "DELETE FROM _sqlx_migrations WHERE version = 9999",
            "was written by a newer depositd",
        ),
        (
            "CREATE TABLE kept AS SELECT checksum FROM _sqlx_migrations WHERE version = 1; \
             UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1",
            "UPDATE _sqlx_migrations SET checksum = (SELECT checksum FROM kept) WHERE version = 1; DROP TABLE kept",
            "is not the one that was released",
        ),
        (
            "UPDATE meta SET value = value || 'x' WHERE key = 'ledger_id'",
            "UPDATE meta SET value = substr(value, 1, length(value) - 1) WHERE key = 'ledger_id'",
            "this is not the ledger that",
        ),
    ] {
        sqlite(&ledger, harm);
        let before = picture(&program.out());
        let refused = run(&program, "log.level", "info");
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        assert!(said(&refused).contains(words), "{}", said(&refused));
        assert_eq!(picture(&program.out()), before, "{words}");
        sqlite(&ledger, undo);
    }
    program.start();
    request(&program, "6");
    program.stop();
    program.verify();
}

/// Killed, the ledger has its log beside it; a refused start leaves that to readers as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_a_refused_start_leaves_the_log_where_it_is() {
    let mut program = prepared().await;
    program.start();
    request(&program, "5");
    program.kill();
    let (taken, _answers) = stage(&program);
    let ledger = program.out().join("ledger.db");
    let before = picture(&program.out());
    for (key, value, status, words) in ways(&program, &taken) {
        let refused = run(&program, key, &value);
        assert_eq!(refused.status.code(), Some(status), "{key} = {value}: {}", said(&refused));
        assert!(said(&refused).contains(words), "{key} = {value}: {}", said(&refused));
        let mut after = picture(&program.out());
        for name in ["ledger.db", "ledger.db-wal"] {
            assert_eq!(after.remove(name).as_ref(), before.get(name), "{key} = {value}: {name}");
        }
        if is_root() {
            can_read(&ledger, key);
        }
    }
    program.start();
    assert_eq!(program.sql("SELECT count(*) FROM deposit"), "1");
    program.stop();
    program.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_that_is_refused_begins_nothing() {
    let program = prepared().await;
    let (taken, _answers) = stage(&program);
    let before = picture(&program.out());
    for (key, value, _, words) in ways(&program, &taken) {
        // There is no ledger yet that could be another account's.
        if key == "upstream.user_id" {
            continue;
        }
        let refused = run(&program, key, &value);
        assert!(!refused.status.success() && said(&refused).contains(words), "{}", said(&refused));
        assert_eq!(picture(&program.out()), before, "{key} = {value}");
    }
    symlink("nowhere/ledger.db", program.out().join("link.db")).unwrap();
    let before = picture(&program.out());
    let link = program.out().join("link.db").display().to_string();
    let refused = run(&program, "ledger.path", &link);
    assert!(said(&refused).contains("its folder is not there"), "{}", said(&refused));
    assert_eq!(picture(&program.out()), before);
}
