//! What it costs that nothing leaves before the replica has it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark may fail loudly")]

#[path = "../tests/support/line.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "shared with the tests"
)]
mod line;
#[path = "../tests/support/replica.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "shared with the tests"
)]
mod replica;
mod support;

use std::sync::Arc;
use std::time::Duration;

use depositd::clock::SystemClock;
use depositd::config;
use depositd::daemon::Daemon;
use depositd::flow::{self, Flow, NewDeposit};
use line::Line;
use replica::{Litestream, Store};
use serde_json::json;
use support::server::{self, Server};
use support::{Args, machine, median, millis, now, quantile, scratch};
use tokio::task::JoinSet;

const ABOUT: &str = "The daemon without a replica, with one in a store on this machine (SeaweedFS, by Litestream), and with the way to the
store made longer: how long one change waits for the replica, how soon an address is given out, how many addresses and
how many requests are accepted in a second.";
const OPTIONS: &[(&str, &str, &str)] = &[
    (
        "changes",
        "200",
        "how many changes wait for the replica one after the other, and how many addresses are asked for",
    ),
    ("burst", "2000", "how many addresses, and how many requests, by 64 callers at once"),
    ("added", "0,100", "milliseconds added to the way to the store and back"),
    (
        "restored",
        "0",
        "how many settled deposits a ledger holds that is copied and restored; 520000 are about 1 GB",
    ),
];
/// How many callers there are at once.
const CALLERS: usize = 64;

fn main() {
    server::serve_if_asked();
    let args = Args::read(ABOUT, OPTIONS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let store = Store::start();
    println!("replica: {}", machine());
    let (changes, burst) = (args.get("changes", 200), args.get("burst", 2000));
    runtime.block_on(measure("no replica", None, changes, burst));
    for added in args.get("added", "0,100".to_owned()).split(',') {
        let line = Line::to(store.port());
        line.slow_down(Duration::from_millis(added.parse().unwrap()));
        runtime.block_on(measure(&format!("replica, {added} ms added"), Some(&line), changes, burst));
    }
    let restored = args.get("restored", 0);
    if restored > 0 {
        runtime.block_on(restore(store.port(), restored));
    }
}

/// A ledger of this many deposits is copied to the store, and restored from it on a machine that has nothing of it.
async fn restore(port: u16, deposits: u32) {
    let (folder, other) = (scratch(), scratch());
    let path = support::path(&folder, "ledger.db");
    support::cast::open(&path).await.close().await.unwrap();
    support::books::fill(&path, deposits, 1).await;
    let mut litestream = Litestream::prepare(folder.path(), &path, port, "restored");
    let begun = now();
    litestream.start(1);
    while litestream.sync().is_none() {
        assert!(begun.elapsed() < Duration::from_mins(10), "{}", litestream.log());
    }
    let copied = begun.elapsed().as_secs_f64();
    drop(litestream);
    let machine = Litestream::prepare(other.path(), &path, port, "restored");
    let copy = support::path(&other, "ledger.db");
    let begun = now();
    let output = machine.restore(1, &copy);
    let took = begun.elapsed().as_secs_f64();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = std::fs::metadata(&copy).unwrap().len();
    assert_eq!(bytes, std::fs::metadata(&path).unwrap().len());
    println!("a ledger of {} MB: copied in {copied:.1} s, restored in {took:.1} s", bytes / 1_000_000);
    support::line(&json!({ "bench": "replica", "what": "restore", "bytes": bytes, "seconds": took }));
}

async fn measure(what: &str, line: Option<&Line>, changes: usize, burst: usize) {
    let server = Server::start(Duration::ZERO, false);
    let folder = scratch();
    let path = support::daemon::configuration(folder.path(), &server.base_url);
    let mut litestream = None;
    if let Some(line) = line {
        let place = format!("place-{}", line.port());
        let mut running =
            Litestream::prepare(folder.path(), &folder.path().join("ledger.db"), line.port(), &place);
        running.start(1);
        let text = std::fs::read_to_string(&path).unwrap();
        let more = format!("[ledger.replica]\nsocket = \"{}\"\n\n[reconcile]", running.socket().display());
        std::fs::write(&path, text.replace("[reconcile]", &more)).unwrap();
        litestream = Some(running);
    }
    let config = config::load(Some(&path)).unwrap();
    let daemon = Daemon::start(&config, Arc::new(SystemClock::new())).await.unwrap();
    let flow = daemon.flow().clone();
    let client =
        reqwest::Client::builder().unix_socket(support::daemon::socket(folder.path())).build().unwrap();
    post(&client).await;
    let (mut waits, mut addresses) = (Vec::new(), Vec::new());
    for round in 0..changes {
        flow.ledger.remember("bench", round.to_string()).await.unwrap();
        let begun = now();
        flow.replica.pass(flow.replica.mark()).await.unwrap();
        waits.push(millis(begun.elapsed()));
        let begun = now();
        post(&client).await;
        addresses.push(millis(begun.elapsed()));
    }
    let begun = now();
    at_once(burst, || {
        let client = client.clone();
        async move { post(&client).await }
    })
    .await;
    let addresses_a_second = rate(burst, begun.elapsed());
    let begun = now();
    at_once(burst, || {
        let flow = flow.clone();
        async move {
            accept(&flow).await;
            flow.replica.pass(flow.replica.mark()).await.unwrap();
        }
    })
    .await;
    let requests_a_second = rate(burst, begun.elapsed());
    daemon.stop().await.unwrap();
    drop(litestream);
    let (half, most) = (median(&mut waits), quantile(&mut waits, 0.95));
    let (address, late) = (median(&mut addresses), quantile(&mut addresses, 0.95));
    println!(
        "{what:<22} one change {half:>7.2} ms, 95 % {most:>7.2} ms; address {address:>7.2} ms, 95 % {late:>7.2} ms; \
         {addresses_a_second:>6.0} addresses/s; {requests_a_second:>6.0} requests/s"
    );
    support::line(&json!({
        "bench": "replica", "what": what, "sync_ms": half, "sync_p95_ms": most, "address_ms": address,
        "address_p95_ms": late, "addresses_per_second": addresses_a_second, "requests_per_second": requests_a_second,
    }));
}

fn rate(count: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / took.as_secs_f64()
}

/// Does it `count` times, by all callers at once.
async fn at_once<F: Future<Output = ()> + Send + 'static>(count: usize, work: impl Fn() -> F) {
    let mut running = JoinSet::new();
    for _ in 0..count {
        if running.len() >= CALLERS {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(work());
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

/// A request is written down; its wallet is asked for meanwhile.
async fn accept(flow: &Flow) {
    let new = NewDeposit {
        currency: Some("USDT".to_owned()),
        network: Some("BSC".to_owned()),
        amount: "25".to_owned(),
        ..NewDeposit::default()
    };
    flow::open(flow, new).await.unwrap_or_else(|error| panic!("{error}"));
}

async fn post(client: &reqwest::Client) {
    let body = json!({ "currency": "USDT", "network": "BSC", "amount": "25" }).to_string();
    let request = client.post("http://depositd/v1/deposits").header("content-type", "application/json");
    let answer = request.body(body).send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status == 201, "{status}: {text}");
}
