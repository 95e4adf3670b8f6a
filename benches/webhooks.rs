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

use depositd::clock::{SharedClock, SystemClock};
use depositd::domain::event::Recipient;
use depositd::domain::poll::Policy;
use depositd::flow::{self, Flow};
use depositd::ledger::DepositWrite;
use depositd::notifier::{
    MailBackend, Mailer, MailerSettings, Rules, Secrets, WebhookEndpoint, WebhookSettings, parse_webhook_url,
};
use depositd::upstream::{Upstream, UpstreamSettings};
use support::{Args, cast, line, machine, median, now, rate, scratch};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const ABOUT: &str = "Webhooks a second through the whole path: read from the ledger, composed, signed, sent over HTTP to a receiver
on this machine that answers at once, and marked as sent (WAL, synchronous=FULL). One webhook, and four.";
const OPTIONS: &[(&str, &str, &str)] = &[
    ("webhooks", "20000", "how many deliveries in a round"),
    ("rounds", "3", "how many rounds of each kind"),
];

fn main() {
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
            owe(&flow, count / lanes, lanes).await;
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
        give_up_after: Duration::from_secs(60),
        ca_file: None,
    })
    .unwrap()
}

async fn house(path: &std::path::Path) -> Flow {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let upstream = UpstreamSettings {
        base_url: "http://127.0.0.1:9".to_owned(),
        user_id: "12345".to_owned(),
        requests_per_second: None,
        max_in_flight: 1,
        timeout: Duration::from_secs(1),
        zone: depositd::domain::time::Zone::UTC,
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
        call_timeout: Duration::from_secs(1),
        max_in_flight: 1,
        poll_batch: 1,
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

/// Settles `count` deposits, each owed to every webhook.
async fn owe(flow: &Flow, count: usize, lanes: usize) {
    let policy = Policy::default();
    let waiting = cast::fill(&flow.ledger, count, &policy).await;
    let steps = waiting.into_iter().map(|deposit| {
        let order_id = deposit.facts.wallet.as_ref().unwrap().order_id.clone();
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
