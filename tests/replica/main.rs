//! A machine may die: nothing leaves the real program before the replica has it, and another machine goes on from there.
//! The real Litestream, with a folder as its store; and one that only says what it is told to, for what a real one rarely
//! does.

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

mod drills;
mod litestream;
mod machines;
mod output;
mod strange;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::sandbox::upstream::Fate;
use program::{Program, Source};
use serde_json::Value;

/// Nothing here takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// The program, prepared to have a replica, with these lines in the environment.
async fn with_replica(more: &[(&str, &str)]) -> Program {
    let mut program = Program::prepare(Source::File).await;
    program.simulator.set_default_fate(Fate::Manual);
    let socket = program.out().join("litestream.sock").display().to_string();
    program.set("DEPOSITD_LEDGER__REPLICA__SOCKET", &socket);
    program.set("DEPOSITD_LEDGER__REPLICA__TIMEOUT", "2s");
    // Copies are another story.
    program.set("DEPOSITD_LEDGER__BACKUP_SCHEDULE", "0 0 0 1 1 *");
    for (name, value) in more {
        program.set(name, value);
    }
    program
}

/// One call of the API: the status and the body.
fn call(program: &Program, method: &str, path: &str, body: &str) -> (u16, Value) {
    let (status, text) = plain_call(program, method, path, body);
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn plain_call(program: &Program, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(program.socket()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: application/json\r\nPrefer: wait=10\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn ask(program: &Program, amount: &str) -> (u16, Value) {
    let body = format!(r#"{{"currency":"USDT","network":"TRON","amount":"{amount}"}}"#);
    call(program, "POST", "/v1/deposits", &body)
}

/// Waits until `wanted`.
fn until(what: &str, mut wanted: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    let began = clock.monotonic();
    while !wanted() {
        assert!(clock.monotonic() - began < LIMIT, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The letters that have left.
fn letters(program: &Program) -> Vec<String> {
    let Ok(folder) = std::fs::read_dir(program.out().join("mail")) else { return Vec::new() };
    let texts = folder.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    texts.filter(|text| text.contains("\n\n") || text.contains("\r\n\r\n")).collect()
}
