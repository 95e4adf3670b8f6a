//! What may stand where the ledger should be: something else, left exactly as it was; or a ledger that may not be read.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use super::bench::{Bench, Run, as_another};
use super::books;

/// A configuration that is complete, so that `run` gets as far as the ledger.
const WHOLE: &str = "[upstream]\nbase_url = \"http://127.0.0.1:1\"\nuser_id = \"1\"\napi_key = \"hunter2\"\n\
                     [ledger]\npath = \"place/ledger.db\"\n\
                     [mail]\ntransport = \"file\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\n";

/// All that can be seen of a folder: names, bytes, times, modes.
fn state(folder: &Path) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let met = entry.path().symlink_metadata().unwrap();
            let bytes = if met.is_file() { std::fs::read(entry.path()).unwrap() } else { Vec::new() };
            format!("{:?} {:o} {}.{} {bytes:?}", entry.file_name(), met.mode(), met.mtime(), met.mtime_nsec())
        })
        .collect();
    found.sort();
    found
}

/// `run` and the commands that read refuse what is there, with these words, and leave everything as it was.
fn refused(bench: &Bench, words: &str) {
    let folder = bench.file("place");
    let before = state(&folder);
    for args in [&["run"][..], &["list"], &["verify"], &["check"], &["backup", "copy.db"]] {
        let mut command = bench.command(args);
        // A pipe would hold it up for ever.
        let run = Run::of(&command.stdin(Stdio::null()).output().unwrap());
        // For a proof it is something wrong that it found.
        let code = if args == ["verify"] { 6 } else { 1 };
        assert_eq!(run.code, code, "{args:?}: {}{}", run.stdout, run.stderr);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains(words), "{args:?}: {said}");
        assert_eq!(state(&folder), before, "{args:?} has changed something");
    }
}

fn sqlite(file: &Path, sql: &str) {
    let done = Command::new("sqlite3").arg(file).arg(sql).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn place() -> Bench {
    let bench = Bench::new();
    std::fs::write(bench.file("daemon.toml"), WHOLE).unwrap();
    std::fs::create_dir(bench.file("place")).unwrap();
    bench
}

#[test]
fn a_database_of_another_program_is_left_exactly_as_it_was() {
    const FOREIGN: &str = "is a database of another program, not a depositd ledger";
    for (mode, sql) in [
        ("delete", "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);"),
        ("wal", "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);"),
        // Kept with the same library, or with tables that are called alike.
        ("wal", "CREATE TABLE _sqlx_migrations (version); CREATE TABLE users (x);"),
        ("delete", "CREATE TABLE event (x); CREATE TABLE meta (x);"),
    ] {
        let bench = place();
        sqlite(&bench.file("place/ledger.db"), &format!("PRAGMA journal_mode = {mode}; {sql}"));
        refused(&bench, FOREIGN);
    }
    // In use by its own program, all that it has still in its log.
    let bench = place();
    let theirs = bench.file("place/ledger.db");
    let mut child =
        Command::new("sqlite3").arg(&theirs).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    {
        use std::io::{Read as _, Write as _};
        let sql = b"PRAGMA journal_mode = wal; CREATE TABLE theirs (x); SELECT 'made';\n";
        child.stdin.as_mut().unwrap().write_all(sql).unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 8]).unwrap();
    }
    refused(&bench, FOREIGN);
    child.kill().unwrap();
    child.wait().unwrap();
    // Left behind by a program that was killed in the midst of writing.
    refused(&bench, FOREIGN);
}

#[test]
fn what_is_no_database_is_refused_whatever_it_is() {
    let bench = place();
    let ledger = bench.file("place/ledger.db");
    for bytes in [&b"precious words"[..], b"SQLite format 3\0", &[0; 4096], b"\n"] {
        std::fs::write(&ledger, bytes).unwrap();
        refused(&bench, "ledger.db is not a depositd ledger");
    }
    std::fs::remove_file(&ledger).unwrap();
    std::fs::create_dir(&ledger).unwrap();
    refused(&bench, "ledger.db is a folder, not a depositd ledger");
    std::fs::remove_dir(&ledger).unwrap();
    assert!(Command::new("mkfifo").arg(&ledger).status().unwrap().success());
    refused(&bench, "ledger.db is a pipe, not a depositd ledger");
    std::fs::remove_file(&ledger).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(&ledger).unwrap();
    refused(&bench, "ledger.db is a socket, not a depositd ledger");
    drop(socket);
    std::fs::remove_file(&ledger).unwrap();
    std::os::unix::fs::symlink("/dev/null", &ledger).unwrap();
    refused(&bench, "ledger.db is a device, not a depositd ledger");
}

/// An empty file is no ledger: a daemon that may make one begins there, a reader is told so.
#[test]
fn an_empty_file_is_nothing_to_read() {
    let bench = place();
    std::fs::write(bench.file("place/ledger.db"), "").unwrap();
    let before = state(&bench.file("place"));
    let run = bench.run(&["list"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stderr.contains("start the daemon once"), "{}", run.stderr);
    assert_eq!(state(&bench.file("place")), before);
}

#[tokio::test]
async fn who_may_not_read_is_told_whose_it_is_and_what_to_do() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    let set = |name: &str, mode: u32| {
        std::fs::set_permissions(bench.file(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    if as_another(&bench, &["list"]).is_none() {
        println!("not root: another user cannot be tried");
        return;
    }
    let told = |words: &[&str]| {
        for args in [&["list"][..], &["verify"], &["export", "--format", "csv"]] {
            let run = as_another(&bench, args).unwrap();
            assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{args:?}: {}", run.stderr);
            for part in words {
                assert!(run.stderr.contains(part), "{args:?}: {part}: {}", run.stderr);
            }
            assert!(!run.stderr.contains("code: 14") && run.stderr.lines().count() == 1, "{}", run.stderr);
        }
    };
    // While the daemon has it open, and once it has stopped.
    set("ledger.db", 0o640);
    told(&["you may not read", "ledger.db", "root:root, mode 0640", "join the group root"]);
    set("ledger.db", 0o600);
    told(&["you may not read", "ask root"]);
    set("ledger.db", 0o644);
    set("ledger.db-wal", 0o640);
    told(&["you may not read", "ledger.db-wal", "join the group root"]);
    set("ledger.db-wal", 0o644);
    ledger.close().await.unwrap();
    set("ledger.db", 0o640);
    told(&["you may not read", "join the group root"]);
    set("ledger.db", 0o644);
    assert_eq!(as_another(&bench, &["list"]).unwrap().code, 0);
    // A folder on the way.
    std::fs::create_dir_all(bench.file("inner/most")).unwrap();
    std::fs::rename(bench.file("ledger.db"), bench.file("inner/most/ledger.db")).unwrap();
    std::fs::write(bench.file("daemon.toml"), "[ledger]\npath = \"inner/most/ledger.db\"\n").unwrap();
    set("inner", 0o750);
    told(&["you may not look into", "/inner: ", "mode 0750", "join the group root"]);
}

#[tokio::test]
async fn a_file_that_was_copied_by_itself_is_warned_of() {
    let bench = Bench::new();
    let ledger = books::fill(&bench).await;
    let alone = bench.file("alone");
    std::fs::create_dir(&alone).unwrap();
    std::fs::copy(bench.file("ledger.db"), alone.join("ledger.db")).unwrap();
    let at = |file: &Path, args: &[&str]| {
        let output = bench.command(args).env("DEPOSITD_LEDGER__PATH", file).output().unwrap();
        Run::of(&output)
    };
    let copied = alone.join("ledger.db");
    // Twice: the first reader may leave an empty log beside it.
    for _ in 0..2 {
        let run = at(&copied, &["list"]);
        assert!(run.stderr.contains("warning: ") && run.stderr.contains("-wal beside it"), "{}", run.stderr);
    }
    let check = at(&copied, &["check"]);
    assert!(check.stdout.lines().any(|line| line.starts_with("database       warn")), "{}", check.stdout);
    // The ledger itself, and a copy that was made as copies are made, are whole.
    assert_eq!(at(&bench.file("ledger.db"), &["list"]).stderr, "");
    assert_eq!(at(&bench.file("ledger.db"), &["backup", "copy.db"]).code, 0);
    assert_eq!(at(&bench.file("copy.db"), &["list"]).stderr, "");
    ledger.close().await.unwrap();
    assert_eq!(at(&bench.file("ledger.db"), &["list"]).stderr, "");
}
