//! The real program under more than it can take: bursts, crowds, callers that read nothing. Memory stays bounded, what is
//! refused is refused clearly, and what was accepted is in the ledger even after a kill.
//!
//! CI runs a scaled form. The whole: `DEPOSITD_BURST=100000 DEPOSITD_CROWD=10000 cargo test --release --test limits --
//! --nocapture`, with `ulimit -n 20000`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test code: a broken expectation is a failed test"
)]

#[path = "program/mod.rs"]
mod program;

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use program::{Program, Source, TOKEN};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, UnixStream};
use tokio::task::JoinHandle;

/// Far more than it needs, far less than what is thrown at it.
const MOST_MEMORY_KIB: u64 = 256 * 1024;
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn scaled(variable: &str, small: usize) -> usize {
    std::env::var(variable).ok().map_or(small, |text| text.parse().unwrap())
}

/// Connects even where the queue of those who wait to be accepted is full for a moment.
async fn connect(program: &Program) -> UnixStream {
    loop {
        match UnixStream::connect(program.socket()).await {
            Ok(stream) => return stream,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                SystemClock::new().sleep(Duration::from_millis(1)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Asks once on a connection of its own: the answer, and how long it took.
async fn ask(program: &Program, request: &[u8]) -> (String, Duration) {
    let clock = SystemClock::new();
    let started = clock.monotonic();
    let mut stream = connect(program).await;
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await.unwrap();
    (String::from_utf8_lossy(&answer).into_owned(), clock.monotonic() - started)
}

/// Another program that holds the ledger for writing, until it is told to let go.
struct Hold(std::process::Child);

impl Hold {
    fn take(program: &Program) -> Self {
        let mut child = Command::new("sqlite3")
            .arg(program.out().join("ledger.db"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It may be the daemon's turn just now.
        let words = b".timeout 5000\nBEGIN IMMEDIATE;\nSELECT 'held';\n";
        child.stdin.as_mut().unwrap().write_all(words).unwrap();
        let mut said = [0; 4];
        child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
        assert_eq!(&said, b"held");
        Self(child)
    }

    fn release(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// Asks for a deposit on a connection of its own and gives the status, whether it is to be tried again, and the id.
async fn open<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> (u16, bool, Option<String>) {
    let body = r#"{"currency":"USDT","network":"BSC","amount":5}"#;
    let head = format!(
        "POST /v1/deposits HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nPrefer: wait=0\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let body: Value = serde_json::from_str(body).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let again = head.to_ascii_lowercase().contains("\r\nretry-after: 1\r\n");
    (status, again, body["id"].as_str().map(str::to_owned))
}

type Asked = JoinHandle<(u16, bool, Option<String>)>;

/// Waits until this many have been answered, and gives what they were told.
async fn answered(asked: &mut Vec<Asked>, count: usize) -> Vec<(u16, bool, Option<String>)> {
    let (clock, mut told) = (SystemClock::new(), Vec::new());
    let started = clock.monotonic();
    while told.len() < count {
        assert!(clock.monotonic() - started < Duration::from_secs(8), "{} answers, {told:?}", told.len());
        clock.sleep(Duration::from_millis(5)).await;
        while let Some(at) = asked.iter().position(JoinHandle::is_finished) {
            told.push(asked.swap_remove(at).await.unwrap());
        }
    }
    told
}

/// The ids in the ledger, read as an accountant would.
fn ids(program: &Program) -> HashSet<String> {
    program.sql("SELECT id FROM accounting_deposits").lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_taken_or_refused_and_nothing_taken_is_lost() {
    let burst = scaled("DEPOSITD_BURST", 3000);
    let mut program = Program::prepare(Source::File).await;
    program.simulator.set_outage(true);
    program.start();
    let client = reqwest::Client::builder().unix_socket(program.socket()).build().unwrap();
    let left = Arc::new(AtomicUsize::new(burst));
    let callers: Vec<_> = (0..200)
        .map(|_| {
            let (client, left) = (client.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                let (mut taken, mut refused) = (Vec::new(), 0);
                while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
                    let body = r#"{"currency":"USDT","network":"BSC","amount":5}"#;
                    let call =
                        client.post("http://localhost/v1/deposits").header("Prefer", "wait=0").body(body);
                    let response = call.send().await.unwrap();
                    match response.status().as_u16() {
                        201 | 202 => {
                            let deposit: Value = response.json().await.unwrap();
                            taken.push(deposit["id"].as_str().unwrap().to_owned());
                        }
                        429 | 503 => {
                            assert!(response.headers().contains_key("retry-after"));
                            refused += 1;
                        }
                        other => panic!("{other}: {}", response.text().await.unwrap()),
                    }
                }
                (taken, refused)
            })
        })
        .collect();
    let (mut taken, mut refused) = (HashSet::new(), 0);
    for caller in callers {
        let (ids, no) = caller.await.unwrap();
        for id in ids {
            assert!(taken.insert(id), "an id was given twice");
        }
        refused += no;
    }
    let memory = program.peak_memory_kib();
    program.kill();
    assert_eq!(taken.len() + refused, burst);
    assert!(taken.len() > burst / 2, "most of it is taken: {}", taken.len());
    assert_eq!(ids(&program), taken, "what was accepted is there, and nothing else");
    assert!(memory < MOST_MEMORY_KIB, "{memory} KiB");
    program.verify();
    println!("burst: {burst} requests, {} taken, {refused} refused, peak {memory} KiB", taken.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_can_be_written_each_caller_has_its_share_and_no_more() {
    // For this test and for the daemon: more connections than there is room for their requests.
    let own = std::process::id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &own, "--nofile=8192:"]).status().unwrap();
    assert!(raised.success() && program::open_files() >= 8192);
    let mut program = Program::prepare(Source::File).await;
    program.simulator.set_outage(true);
    program.start_logging("info");
    let port = program.port();
    let hold = Hold::take(&program);
    // One user asks 800 times at once: 768 of them are its share.
    let mut local: Vec<Asked> = Vec::new();
    for _ in 0..800 {
        local.push(tokio::spawn(open(connect(&program).await)));
    }
    let refused = answered(&mut local, 32).await;
    assert!(refused.iter().all(|told| *told == (429, true, None)), "{refused:?}");
    // Another caller has room still, until there is none for anybody.
    let mut remote: Vec<Asked> = Vec::new();
    for _ in 0..300 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
        remote.push(tokio::spawn(open(stream)));
    }
    let busy = answered(&mut remote, 44).await;
    assert!(busy.iter().all(|told| *told == (503, true, None)), "{busy:?}");
    let (answer, _) = ask(&program, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "who only reads is answered: {answer}");
    assert_eq!((local.len(), remote.len()), (768, 256), "everybody else waits");
    // Half of them have had enough; what they asked for is carried out all the same.
    let gone = local.split_off(384);
    gone.iter().for_each(JoinHandle::abort);
    hold.release();
    let mut taken = HashSet::new();
    for asked in local.into_iter().chain(remote) {
        let (status, _, id) = asked.await.unwrap();
        assert_eq!(status, 202);
        assert!(taken.insert(id.unwrap()), "an id was given twice");
    }
    let (status, _, id) = open(connect(&program).await).await;
    assert_eq!(status, 202, "there is room again");
    taken.insert(id.unwrap());
    let memory = program.peak_memory_kib();
    program.kill();
    let written = ids(&program);
    assert!(written.is_superset(&taken), "what was accepted is there");
    assert_eq!(written.len(), taken.len() + gone.len(), "and what was refused is not");
    assert!(memory < MOST_MEMORY_KIB, "{memory} KiB");
    program.verify();
    println!("stalled: 1100 requests, 1024 taken, 32 told 429, 44 told 503, peak {memory} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_says_nothing_keeps_nobody_out() {
    let room = program::open_files().saturating_sub(500);
    let crowd = scaled("DEPOSITD_CROWD", 3000).min(room);
    let mut program = Program::prepare(Source::File).await;
    program.start();
    let mut held = Vec::with_capacity(crowd);
    let mut slowest = Duration::ZERO;
    for number in 0..crowd {
        let mut stream = connect(&program).await;
        // A third says nothing, a third has begun to ask, a third has asked and stays.
        match number % 3 {
            0 => {}
            1 => drop(stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: lo").await),
            _ => drop(stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await),
        }
        held.push(stream);
        if number % (crowd / 20).max(1) == 0 {
            let (answer, took) = ask(&program, HEALTH).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "after {number}: {answer:?}");
            slowest = slowest.max(took);
        }
    }
    let (answer, took) = ask(&program, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let slowest = slowest.max(took);
    assert!(slowest < Duration::from_secs(3), "somebody waited for {slowest:?}");
    let memory = program.peak_memory_kib();
    assert!(memory < MOST_MEMORY_KIB, "{memory} KiB");
    println!("crowd: {crowd} connections, others answered within {slowest:?}, peak {memory} KiB");
    drop(held);
    program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_read_nothing_are_cut_and_cost_little() {
    let mut program = Program::prepare(Source::File).await;
    program.start();
    let (whole, _) =
        ask(&program, b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    let (pipelined, callers) = (400, 200);
    let mut held = Vec::new();
    for _ in 0..callers {
        let mut stream = connect(&program).await;
        let requests = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(pipelined);
        // It stops reading our questions when we do not read its answers.
        let asking = stream.write_all(requests.as_bytes());
        let _ = tokio::time::timeout(Duration::from_millis(50), asking).await;
        held.push(stream);
    }
    let (answer, _) = ask(&program, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "others are answered meanwhile: {answer}");
    // They are cut by the daemon alone: its side of each connection is gone.
    let clock = SystemClock::new();
    let started = clock.monotonic();
    while program.sockets() > 20 {
        assert!(
            clock.monotonic() - started < Duration::from_secs(40),
            "{} are held on to",
            program.sockets()
        );
        clock.sleep(Duration::from_millis(200)).await;
    }
    let mut got = Vec::new();
    let _ = held[0].read_to_end(&mut got).await;
    assert!(got.len() < whole.len() * pipelined / 2, "{} bytes were kept for it", got.len());
    let memory = program.peak_memory_kib();
    assert!(memory < MOST_MEMORY_KIB, "{memory} KiB");
    println!(
        "slow readers: {callers}, each asking for {} KiB; peak {memory} KiB",
        whole.len() * pipelined / 1024
    );
    program.stop();
}
