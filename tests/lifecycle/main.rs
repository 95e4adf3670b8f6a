//! The real program as a system runs it: one daemon a ledger, starts that are refused, signals, readers throughout.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test code: a broken expectation is a failed test"
)]

#[path = "../program/mod.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;

mod books;
mod copies;
mod names;
mod readers;
mod refused;
mod reload;
mod signals;

use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use program::{Program, Source};

/// Nothing here takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A program whose folder others may look into, as at a real ledger's.
async fn prepared() -> Program {
    let program = Program::prepare(Source::File).await;
    open_up(&program);
    program
}

fn open_up(program: &Program) {
    use std::os::unix::fs::PermissionsExt as _;
    let out = program.out();
    for folder in [out.parent().unwrap(), &out] {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Waits until `wanted`.
fn until(what: &str, mut wanted: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    let began = clock.monotonic();
    while !wanted() {
        assert!(clock.monotonic() - began < LIMIT, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal.
fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "{name} to {pid}");
}

/// Waits for the end of a process, and kills it where it does not come.
fn ended(mut child: Child) -> std::process::ExitStatus {
    let clock = SystemClock::new();
    let began = clock.monotonic();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if clock.monotonic() - began > LIMIT {
            child.kill().unwrap();
            panic!("it does not end: {}", child.wait().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sets one key by the environment.
fn with(mut command: Command, key: &str, value: &str) -> Command {
    command.env(format!("DEPOSITD_{}", key.replace('.', "__").to_uppercase()), value);
    command
}

/// A second daemon on this ledger, with addresses of its own; how it ended.
fn second(program: &Program, ledger: &Path) -> Output {
    let command = with(program.command(&["run"]), "ledger.path", &ledger.display().to_string());
    with(command, "api.listen", "unix:second.sock").env("RUST_LOG", "info").output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn is_root() -> bool {
    let root = Command::new("id").arg("-u").output().unwrap().stdout.starts_with(b"0\n");
    if !root {
        println!("not root: another user cannot be tried");
    }
    root
}

/// The same command as a user who may read and not write.
fn as_reader(command: &Command) -> Command {
    let mut reader = Command::new("setpriv");
    reader.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(command.get_program());
    reader.args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        reader.current_dir(folder);
    }
    reader.env_clear();
    reader.envs(command.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
    reader
}

/// Asks for how many deposits there are: another program, and ours.
fn read_as_reader(ledger: &Path) -> [Output; 2] {
    let mut theirs = Command::new("sqlite3");
    theirs.args(["-readonly", "-cmd", ".timeout 10000"]).arg(ledger);
    theirs.arg("SELECT count(*) FROM accounting_deposits");
    let mut ours = Command::new(env!("CARGO_BIN_EXE_depositd"));
    ours.current_dir("/").args(["--json", "list"]).env("DEPOSITD_LEDGER__PATH", ledger);
    [as_reader(&theirs).output().unwrap(), as_reader(&ours).output().unwrap()]
}

/// Both read the ledger.
fn can_read(ledger: &Path, when: &str) {
    for read in read_as_reader(ledger) {
        assert!(read.status.success(), "{when}: {}", said(&read));
    }
}

/// Asks for a deposit.
fn request(program: &Program, amount: &str) -> String {
    let asked = program.command(&["--json", "request", "USDT", "TRON", amount]).output().unwrap();
    assert!(asked.status.success(), "{}", said(&asked));
    let deposit: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap();
    deposit["order_id"].as_str().unwrap().to_owned()
}
