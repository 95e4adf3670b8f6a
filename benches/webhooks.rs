//! How many webhooks a second go the whole way: owed in the ledger, composed, signed, sent, and marked as sent.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a benchmark may fail loudly, and its numbers are small"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use depositd::clock::{ManualClock, SharedClock, SystemClock};
use depositd::domain::event::Recipient;
use depositd::domain::poll::Policy;
use depositd::flow::{self, Flow};
use depositd::ledger::DepositWrite;
use depositd::notifier::{
    MailBackend, Mailer, MailerSettings, Rules, Secrets, WebhookEndpoint, WebhookSettings, parse_webhook_url,
};
use depositd::upstream::{Upstream, UpstreamSettings};
use support::server::{self, Server};
use support::{Args, cast, line, machine, median, now, rate, scratch};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const ABOUT: &str = "Webhooks a second through the whole path: read from the ledger, composed, signed, sent over HTTP to a receiver
on this machine that answers at once, and marked as sent (WAL, synchronous=FULL). One webhook, and four. Then a receiver
that was down: what is owed to it goes out when it is back, while deposits are polled at a steady rate; how long a round
of polls takes meanwhile stands beside how long it takes with nothing owed.";
const OPTIONS: &[(&str, &str, &str)] = &[
    ("webhooks", "20000", "how many deliveries in a round"),
    ("rounds", "3", "how many rounds of each kind"),
    ("backlog", "100000", "how many are owed to the receiver that was down"),
];
/// Deposits that are polled ten times a second while the backlog goes out.
const POLLED: usize = 20;

fn main() {
    server::serve_if_asked();
    let args = Args::read(ABOUT, OPTIONS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(&args));
}

async fn run(args: &Args) {
    let (count, rounds) = (args.get("webhooks", 20_000_usize), args.get("rounds", 3_usize));
    println!("webhooks: {count} deliveries a round; {}", machine());
    let taken = Arc::new(AtomicUsize::new(0));
    let port = receive(Arc::clone(&taken)).await;
    for lanes in [1_usize, 4] {
        let mut rates = Vec::new();
        for _ in 0..rounds {
            let folder = scratch();
            let flow = house(&support::path(&folder, "ledger.db")).await;
            flow.webhooks.replace((0..lanes).map(|lane| endpoint(lane, port)).collect());
            owe(&flow, count / lanes, lanes, 0).await;
            let before = taken.load(Ordering::Relaxed);
            let begun = now();
            let done = flow::deliver_webhooks(&flow, &CancellationToken::new()).await.unwrap();
            let took = begun.elapsed();
            assert_eq!(done.sent, (count / lanes * lanes) as u64, "{done:?}");
            assert_eq!(taken.load(Ordering::Relaxed) - before, count / lanes * lanes);
            rates.push(rate(count / lanes * lanes, took));
            let proof = flow.ledger.verify(|_, _| {}).await.unwrap();
            assert!(proof.findings.is_empty(), "{:?}", proof.findings);
            flow.ledger.close().await.unwrap();
        }
        let middle = median(&mut rates);
        println!("{lanes} webhook(s)   {middle:>8.0} deliveries a second");
        line(&serde_json::json!({
            "bench": "webhooks", "lanes": lanes, "webhooks": count,
            "per_second": middle.round(), "target_per_second": 5000,
        }));
    }
    back_again(args.get("backlog", 100_000), port).await;
}

/// A receiver that was down, and is back: how its backlog goes out, and what polls notice of it.
async fn back_again(backlog: usize, port: u16) {
    let folder = scratch();
    let clock = Arc::new(ManualClock::new(cast::start()));
    let server = Server::start(Duration::ZERO, false);
    let flow = at(&support::path(&folder, "ledger.db"), &server.base_url, clock.clone()).await;
    owe(&flow, backlog, 1, POLLED).await;
    // By now everything has happened that is owed.
    clock.advance(Duration::from_hours(1));
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    flow.webhooks.replace(vec![endpoint(0, unused)]);
    let done = flow::deliver_webhooks(&flow, &CancellationToken::new()).await.unwrap();
    assert!(done.sent == 0 && done.closed.len() == 1, "{done:?}");
    // The first round hears of each deposit for the first time.
    polls(&flow, &clock, || false).await;
    let mut rounds = 0;
    let mut alone = polls(&flow, &clock, || {
        rounds += 1;
        rounds < 100
    })
    .await;
    flow.webhooks.replace(vec![endpoint(0, port)]);
    let (own, begun) = (flow.clone(), now());
    let sending = tokio::spawn(async move {
        let done = flow::deliver_webhooks(&own, &CancellationToken::new()).await.unwrap();
        (done, now())
    });
    let mut beside = polls(&flow, &clock, || !sending.is_finished()).await;
    let (done, ended) = sending.await.unwrap();
    assert_eq!(done.sent, backlog as u64, "{done:?}");
    let per_second = rate(backlog, ended.duration_since(begun));
    println!("after an outage  {per_second:>8.0} deliveries a second, {backlog} of them");
    println!(
        "{POLLED} polls at once   {:>6.1} ms with nothing owed, {:>6.1} ms beside them (the slowest of {}: {:.1} ms)",
        median(&mut alone),
        median(&mut beside),
        beside.len(),
        beside.last().unwrap()
    );
    line(&serde_json::json!({
        "bench": "webhooks", "backlog": backlog, "per_second": per_second.round(),
        "polls_alone_ms": median(&mut alone), "polls_beside_ms": median(&mut beside), "polls_slowest_ms": beside.last(),
    }));
    flow.ledger.close().await.unwrap();
}

/// Polls [`POLLED`] deposits ten times a second while `go_on`; gives how many milliseconds each round took.
async fn polls(flow: &Flow, clock: &ManualClock, mut go_on: impl FnMut() -> bool) -> Vec<f64> {
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    let mut took = Vec::new();
    loop {
        beat.tick().await;
        clock.advance(Duration::from_mins(1));
        let (own, begun) = (flow.clone(), now());
        let round = tokio::spawn(async move { flow::poll_due(&own, &CancellationToken::new()).await });
        let done = round.await.unwrap().unwrap();
        assert!(done.answered > 0 && done.failed == 0, "round {}: {done:?}", took.len());
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
        if !go_on() {
            return took;
        }
    }
}

fn endpoint(lane: usize, port: u16) -> WebhookEndpoint {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned().into();
    WebhookEndpoint::new(WebhookSettings {
        name: format!("lane-{lane}"),
        url: parse_webhook_url(&format!("http://127.0.0.1:{port}/")).unwrap(),
        secrets: Secrets::parse(&[secret]).unwrap(),
        timeout: Duration::from_secs(5),
        retry_initial: Duration::from_secs(5),
        retry_max: Duration::from_secs(5),
        give_up_after: Duration::from_hours(24 * 365),
        ca_file: None,
    })
    .unwrap()
}

async fn house(path: &std::path::Path) -> Flow {
    at(path, "http://127.0.0.1:9", Arc::new(SystemClock::new())).await
}

async fn at(path: &std::path::Path, upstream: &str, clock: SharedClock) -> Flow {
    let upstream = UpstreamSettings {
        base_url: upstream.to_owned(),
        user_id: "12345".to_owned(),
        requests_per_second: None,
        max_in_flight: 64,
        timeout: Duration::from_secs(1),
        zone: depositd::domain::time::Zone::UTC,
        page_amount: None,
    };
    let upstream = Upstream::new(upstream, "key".to_owned().into(), clock.clone()).unwrap();
    let settings = MailerSettings {
        transport: MailBackend::File { directory: path.parent().unwrap().join("mail") },
        from: "Deposits <deposits@example.org>".to_owned(),
        account: "12345".to_owned(),
        send_timeout: MailerSettings::SEND_TIMEOUT,
    };
    let mailer = Mailer::new(settings, None).unwrap();
    let flow_settings = flow::FlowSettings {
        policy: Policy::default(),
        create_attempts: 3,
        request_limit: Duration::from_secs(3600),
        page_amount: None,
        call_timeout: Duration::from_secs(1),
        max_in_flight: 64,
        poll_batch: flow::FlowSettings::POLL_BATCH,
        down_after: Duration::from_secs(30),
        tolerance_cents: 0,
        tell_after_runs: 1,
        lag: Duration::ZERO,
        low_balance_cents: None,
        mail_retry_initial: Duration::from_secs(5),
        mail_retry_max: Duration::from_secs(3600),
        mail_give_up_after: Duration::from_secs(5 * 86_400),
    };
    Flow::new(cast::open(path).await, upstream, mailer, Rules::default(), flow_settings, clock)
}

/// Settles `count` deposits, each owed to every webhook, and leaves `open` more.
async fn owe(flow: &Flow, count: usize, lanes: usize, open: usize) {
    // What is settled is not watched: only those that are open are polled.
    let policy = Policy { late_watch: Duration::ZERO, ..Policy::default() };
    let waiting = cast::fill(&flow.ledger, count + open, &policy).await;
    let steps = waiting.into_iter().take(count).map(|deposit| {
        let order_id = deposit.facts.wallet.as_ref().unwrap().order_id.clone().unwrap();
        let seen =
            depositd::domain::observe::Observation::Polled(Box::new(cast::report(&order_id, Some("paid"))));
        let at = deposit.updated_at.plus(Duration::from_secs(600));
        let mut step = deposit.observe(seen, at, &policy).unwrap();
        for event in &mut step.events {
            let told = (0..lanes).map(|lane| Recipient::Webhook { webhook: format!("lane-{lane}") });
            event.mail_to = told.collect();
        }
        DepositWrite::from(step)
    });
    let steps: Vec<DepositWrite> = steps.collect();
    for chunk in steps.chunks(256) {
        flow.ledger.record(chunk.to_vec()).await.unwrap();
    }
}

/// A receiver that takes everything at once; gives its port.
async fn receive(taken: Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let taken = Arc::clone(&taken);
            tokio::spawn(async move { converse(stream, &taken).await });
        }
    });
    port
}

async fn converse(mut stream: TcpStream, taken: &AtomicUsize) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (mut buffer, mut held) = (vec![0_u8; 16 * 1024], Vec::new());
    loop {
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        held.extend_from_slice(buffer.get(..read)?);
        while let Some(head) = held.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = std::str::from_utf8(held.get(..head)?).ok()?.to_ascii_lowercase();
            let length: usize =
                text.split("content-length: ").nth(1)?.split("\r\n").next()?.trim().parse().ok()?;
            if held.len() < head + 4 + length {
                break;
            }
            held.drain(..head + 4 + length);
            taken.fetch_add(1, Ordering::Relaxed);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.ok()?;
        }
    }
}
