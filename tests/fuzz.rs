//! Bytes from outside, bent at random: everything that reads them answers or refuses, and never breaks, hangs, or makes
//! money of nonsense. The bending starts from the kept corpus (`tests/corpus`), where every input that once found a
//! fault is kept too.
//!
//! A short run is part of every test run. A long one: `DEPOSITD_FUZZ_ROUNDS=1000000 cargo test --test fuzz -- --nocapture`;
//! a seed again: `DEPOSITD_FUZZ_SEED=...`.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test code: a broken expectation is a failed test"
)]

#[path = "api/bench.rs"]
mod bench;
#[path = "fuzz/bend.rs"]
mod bend;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench::Bench;
use bend::{Bender, corpus};
use depositd::clock::{ManualClock, SharedClock};
use depositd::domain::address;
use depositd::domain::asset::{Asset, Network};
use depositd::domain::deposit::{Deposit, Request, State};
use depositd::domain::ids::DepositId;
use depositd::domain::money::Amount;
use depositd::domain::observe::Observation;
use depositd::domain::poll::Policy;
use depositd::domain::time::Timestamp;
use depositd::upstream::{Error, NewOrder, Priority, Settings, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};

#[test]
fn amounts_are_exact_or_refused() {
    let mut bender = Bender::start("amounts", 20_000);
    while let Some(bytes) = bender.next() {
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        let (any, asked) = (Amount::parse(text), Amount::parse_request(text));
        if let Ok(amount) = &any {
            assert_eq!(amount.as_str(), text, "digit for digit; {bender}");
            assert!(text.bytes().all(|b| b.is_ascii_digit() || b == b'.'), "{text:?} {bender}");
            let again = Amount::parse(&amount.canonical()).unwrap();
            assert_eq!(again.value(), amount.value(), "{text:?} {bender}");
            if let Some(exact) = amount.to_usd_micros() {
                assert_eq!(amount.to_usd_micros_floor(), Some(exact), "{text:?} {bender}");
            }
            assert!(
                amount.to_usd_micros_floor().is_none_or(|micros| !micros.is_negative()),
                "{text:?} {bender}"
            );
        }
        if let Ok(asked) = asked {
            let (whole, part) = text.split_once('.').unwrap_or((text, ""));
            assert!(whole.len() <= 12 && part.len() <= 6, "{text:?} {bender}");
            assert!(asked.to_usd_micros().is_some() && any.is_ok(), "{text:?} {bender}");
        }
    }
}

#[test]
fn texts_are_read_or_refused() {
    let mut bender = Bender::start("texts", 20_000);
    while let Some(bytes) = bender.next() {
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(instant) = Timestamp::parse(&text) {
            let again = Timestamp::parse(&instant.to_string()).unwrap();
            assert_eq!(again, instant, "{text:?} {bender}");
        }
        for network in Network::ALL {
            let _ = address::check(*network, &text);
        }
        if text.len() < 200
            && let Ok(cron) = depositd::config::Cron::parse(&text)
        {
            let now = Timestamp::from_seconds(1_772_355_600);
            assert!(cron.next_after(now).is_none_or(|next| next > now), "{text:?} {bender}");
        }
        let _ = Asset::parse(&text, "BSC").is_ok();
        let _ = text.parse::<DepositId>().is_ok();
    }
}

#[test]
fn configurations_are_read_or_refused_in_one_line_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daemon.toml");
    let mut bender = Bender::start("configuration", 3000);
    while let Some(bytes) = bender.next() {
        std::fs::write(&file, &bytes).unwrap();
        match depositd::config::load(Some(&file)) {
            Ok(config) => {
                let _ = config.validate_for_daemon();
                // Bent, a secret may stand where none belongs.
                assert!(!bender.is_kept() || !format!("{config:?}").contains("hunter2"), "{bender}");
            }
            Err(error) => {
                let said = error.to_string();
                assert!(!bender.is_kept() || !said.contains("hunter2"), "{said} {bender}");
                assert!(said.contains("daemon.toml") && !said.contains('\n'), "{said:?} {bender}");
            }
        }
    }
}

/// A server that answers every request with the bytes at hand.
async fn answering(bytes: Arc<Mutex<Vec<u8>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let bytes = bytes.lock().unwrap().clone();
            tokio::spawn(async move {
                let mut scrap = vec![0; 4096];
                let _ = stream.read(&mut scrap).await;
                let _ = stream.write_all(&bytes).await;
            });
        }
    });
    url
}

fn upstream(url: &str) -> Upstream {
    let settings = Settings {
        base_url: url.to_owned(),
        user_id: "12345".to_owned(),
        requests_per_second: None,
        max_in_flight: 4,
        timeout: Duration::from_secs(20),
        utc_offset_seconds: 3600,
    };
    // Time goes on a thousand times as fast, so that no pause and no breaker holds the run up.
    let clock: SharedClock =
        Arc::new(depositd::clock::SystemClock::quickened(Timestamp::from_seconds(1_772_355_600), 100_000));
    Upstream::new(settings, "hunter2-of-the-fuzz".to_owned().into(), clock).unwrap()
}

fn waiting_deposit() -> Deposit {
    let clock = ManualClock::new(Timestamp::from_seconds(1_772_355_600));
    let now = depositd::clock::Clock::now(&clock);
    let request = Request {
        asset: Asset::parse("USDT", "BSC").unwrap(),
        amount: Amount::parse("5.15").unwrap(),
        coupon: None,
        reference: None,
        notify: Vec::new(),
        requested_at: now,
    };
    let opened = Deposit::open("019ca8a0-3e80-7980-932f-f091474d2c4f".parse().unwrap(), request).deposit;
    let report = depositd::domain::report::OrderReport {
        order_id: Some("af161c5a-936c-4294-b656-6da12b77e232".to_owned()),
        address: Some("0x66b928a82377d75ced043e95738372e9e9607f1f".to_owned()),
        currency: Some("USDT".to_owned()),
        network: Some("bsc".to_owned()),
        amount_usd: Some(Amount::parse("5.00").unwrap()),
        amount_crypto: Some(Amount::parse("4.99").unwrap()),
        expire_at: Some(now.plus(Duration::from_secs(3600))),
        ..Default::default()
    };
    let wallet = opened.observe(Observation::Wallet(Box::new(report)), now, &Policy::default());
    wallet.unwrap().deposit
}

/// One answer to a look: what it does to a deposit that waits.
fn judge(
    deposit: &Deposit,
    answered: Result<depositd::domain::report::OrderReport, Error>,
    bytes: &[u8],
    bender: &Bender,
) {
    let said = String::from_utf8_lossy(bytes);
    let Ok(report) = answered else {
        assert!(!format!("{answered:?}").contains("hunter2"), "{bender}");
        return;
    };
    for figure in [&report.amount_usd, &report.payment_amount_usd].into_iter().flatten() {
        let plain = said.contains(figure.as_str()) || said.contains(['e', 'E', '\\']);
        assert!(plain, "{figure:?} was never said; {bender}");
    }
    let now = deposit.updated_at.plus(Duration::from_secs(60));
    let step =
        deposit.clone().observe(Observation::Looked(Box::new(report)), now, &Policy::default()).unwrap();
    if step.deposit.facts.state == State::Settled {
        let paid = said.to_ascii_lowercase().contains("paid") || said.contains("\\u");
        assert!(paid, "money of nothing; {bender}");
    }
    for event in &step.events {
        let sum: i64 = event.postings.iter().map(|posting| posting.amount_usd_micros.get()).sum();
        assert_eq!(sum, 0, "{bender}");
    }
}

#[tokio::test]
async fn answers_of_the_upstream_are_read_or_refused() {
    let bytes = Arc::<Mutex<Vec<u8>>>::default();
    let upstream = upstream(&answering(Arc::clone(&bytes)).await);
    let deposit = waiting_deposit();
    let amount = Amount::parse("5.15").unwrap();
    let order = NewOrder { asset: deposit.request.asset, amount: &amount, coupon: Some("C") };
    let mut bender = Bender::start("answers", 1500);
    while let Some(bent) = bender.next() {
        // What begins with a head is sent as it is; a body gets a good head.
        let whole = bent.starts_with(b"HTTP/");
        let answer = if whole {
            bent.clone()
        } else {
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", bent.len());
            [head.as_bytes(), &bent].concat()
        };
        *bytes.lock().unwrap() = answer;
        let looked = upstream.look(upstream.admit(Priority::Look).await, "af161c5a").await;
        judge(&deposit, looked.map(|answer| *answer.value), &bent, &bender);
        let created = upstream.create(upstream.admit(Priority::Create).await, &order).await;
        assert!(!format!("{created:?}").contains("hunter2"), "{bender}");
        let invoices = upstream.invoices(upstream.admit(Priority::Reconcile).await, Vec::new()).await;
        let balance = upstream.balance(upstream.admit(Priority::Reconcile).await).await;
        let coupons = upstream.coupons(upstream.admit(Priority::Reconcile).await).await;
        let longest = [invoices.err(), balance.err(), coupons.err(), created.err()];
        for error in longest.iter().flatten() {
            assert!(error.retry_after().is_none_or(|wait| wait <= Duration::from_secs(3600)), "{bender}");
            assert!(!error.words().chars().any(char::is_control), "{:?} {bender}", error.words());
        }
    }
}

/// Sends a request as it stands, with a good one behind it, and gives the status of the first answer; `None` where more
/// is waited for.
async fn send(bench: &Bench, bytes: &[u8]) -> Option<u16> {
    let mut stream = UnixStream::connect(bench.socket()).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    let mut answer = vec![0; 64];
    let read = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut answer)).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&answer[..read]).into_owned();
    text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

#[tokio::test]
async fn requests_are_answered_or_refused_and_nothing_breaks() {
    let bench = Bench::start().await;
    let mut bender = Bender::start("requests", 1000);
    let mut made = 0;
    loop {
        // Many at once: some wait for more than comes.
        let batch: Vec<Vec<u8>> = std::iter::from_fn(|| bender.next()).take(100).map(whole_request).collect();
        if batch.is_empty() {
            break;
        }
        let answers = futures_util::future::join_all(batch.iter().map(|request| send(&bench, request))).await;
        for (request, status) in batch.iter().zip(answers) {
            let text = request.escape_ascii();
            assert!(status.is_none_or(|status| status < 500 || status == 501), "{status:?} {text} {bender}");
            made += u32::from(matches!(status, Some(201 | 202)));
        }
    }
    assert!(made > 0, "some were still requests");
    assert_eq!(bench.get("/healthz").await.0, 200);
    let proof = bench.flow.ledger.verify(|_, _| {}).await.unwrap();
    assert_eq!(proof.findings, Vec::new());
    assert!(proof.deposits >= u64::from(made));
}

/// What begins as JSON gets a head.
fn whole_request(bent: Vec<u8>) -> Vec<u8> {
    if !bent.starts_with(b"{") {
        return bent;
    }
    let length = bent.len();
    let head = format!(
        "POST /v1/deposits HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=0\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), &bent].concat()
}

#[test]
fn the_corpus_is_there() {
    for name in ["amounts", "texts", "configuration", "answers", "requests"] {
        assert!(corpus(name).len() >= 5, "{name}");
    }
}
