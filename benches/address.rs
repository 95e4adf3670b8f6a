//! How soon a payer's address is known after it was asked for, beside the time that the upstream itself takes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark may fail loudly")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use depositd::clock::SystemClock;
use depositd::config;
use depositd::daemon::Daemon;
use depositd::flow::{self, Flow, NewDeposit, Opened};
use serde_json::json;
use support::server::{self, Server};
use support::{Args, machine, median, millis, now, quantile, scratch};

const ABOUT: &str = "The time from asking for a deposit to its address, through the whole daemon (request, attempt and wallet are three
durable writes, WAL, synchronous=FULL), beside a bare PUT to the same server: the difference is our own.
Once by flow::open until the ledger has the wallet, and once by POST /v1/deposits over the daemon's socket.";
const OPTIONS: &[(&str, &str, &str)] = &[
    ("requests", "200", "how many addresses are asked for in each way, one after the other"),
    ("delays", "0,50", "how long the server takes to answer, in milliseconds"),
];

fn main() {
    server::serve_if_asked();
    let args = Args::read(ABOUT, OPTIONS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("address: {}", machine());
        for delay in args.get("delays", "0,50".to_owned()).split(',') {
            let delay: u64 = delay.parse().unwrap();
            measure(Duration::from_millis(delay), args.get("requests", 200)).await;
        }
    });
}

async fn measure(delay: Duration, requests: usize) {
    let server = Server::start(delay, false);
    let folder = scratch();
    let path = support::daemon::configuration(folder.path(), &server.base_url);
    let config = config::load(Some(&path)).unwrap();
    let daemon = Daemon::start(&config, Arc::new(SystemClock::new())).await.unwrap();
    let upstream = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap();
    let ours =
        reqwest::Client::builder().unix_socket(support::daemon::socket(folder.path())).build().unwrap();
    let put = format!("{}/v3/customers/12345/cryptomus/direct/USDT/BSC/25", server.base_url);
    let (mut bare, mut by_flow, mut by_api) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=requests {
        let begun = now();
        let body = json!({ "apiKey": support::daemon::KEY }).to_string();
        upstream.put(&put).body(body).send().await.unwrap().bytes().await.unwrap();
        let their = begun.elapsed();
        let begun = now();
        ask(daemon.flow()).await;
        let through_flow = begun.elapsed();
        let begun = now();
        post(&ours).await;
        let through_api = begun.elapsed();
        // The first of each opens the connections.
        if round > 0 {
            bare.push(millis(their));
            by_flow.push(millis(through_flow));
            by_api.push(millis(through_api));
        }
    }
    daemon.stop().await.unwrap();
    let sync = support::fdatasync(&support::path(&folder, "page"));
    let upstream_ms = median(&mut bare);
    println!(
        "\nthe upstream answers after {upstream_ms:.2} ms at the median; one fdatasync here takes {sync:.2} ms"
    );
    for (way, took) in [("flow::open", &mut by_flow), ("POST /v1/deposits", &mut by_api)] {
        let (half, most) = (median(took), quantile(took, 0.95));
        let own = half - upstream_ms;
        println!(
            "{way:<18} {half:>8.2} ms at the median, {most:>8.2} ms at 95 %; own {own:>6.2} ms     target 20 ms"
        );
        support::line(&json!({
            "bench": "address", "way": way, "upstream_ms": round(upstream_ms), "median_ms": round(half),
            "p95_ms": round(most), "own_median_ms": round(own), "target_own_ms": 20, "fdatasync_ms": round(sync),
        }));
    }
}

fn round(ms: f64) -> f64 {
    (ms * 100.0).round() / 100.0
}

/// Asks for a deposit, and waits until the ledger has its wallet.
async fn ask(flow: &Flow) {
    let mut head = flow.ledger.head();
    let new = NewDeposit {
        currency: Some("USDT".to_owned()),
        network: Some("BSC".to_owned()),
        amount: "25".to_owned(),
        ..NewDeposit::default()
    };
    let Opened::New(deposit) = flow::open(flow, new).await.unwrap() else { panic!("not a new one") };
    let id = deposit.id.to_string();
    loop {
        head.mark_unchanged();
        let found = flow.ledger.find(&id).await.unwrap().unwrap();
        if found.facts.wallet.is_some() {
            return;
        }
        head.changed().await.unwrap();
    }
}

async fn post(client: &reqwest::Client) {
    let body = json!({ "currency": "USDT", "network": "BSC", "amount": "25" }).to_string();
    let answer = client
        .post("http://depositd/v1/deposits")
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status == 201 && text.contains("0x"), "{status}: {text}");
}
