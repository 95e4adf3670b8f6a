//! How many letters a second go the whole way: owed in the ledger, written, sent over SMTP, and marked as sent.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
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
use depositd::notifier::{MailBackend, Mailer, MailerSettings, Rules, Security};
use depositd::upstream::{Upstream, UpstreamSettings};
use support::{Args, cast, line, machine, median, now, rate, scratch};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const ABOUT: &str = "Letters a second through the whole path: read from the outbox, written (plain text, HTML), sent over SMTP
to a receiver on this machine, and marked as sent in the ledger (WAL, synchronous=FULL). Once to one recipient, once to
many. With --server HOST:PORT the letters go to a real mail server there, which must take them without TLS or a login.";
const OPTIONS: &[(&str, &str, &str)] = &[
    ("letters", "4000", "how many letters in a round"),
    ("rounds", "3", "how many rounds of each kind"),
    ("delay", "0", "milliseconds that the receiver takes for each letter"),
    ("server", "", "a real mail server instead of the receiver of this program"),
];

fn main() {
    let args = Args::read(ABOUT, OPTIONS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(&args));
}

async fn run(args: &Args) {
    let (letters, rounds) = (args.get("letters", 4000_usize), args.get("rounds", 3_usize));
    let delay = Duration::from_millis(args.get("delay", 0));
    let server: String = args.get("server", String::new());
    println!("deliver: {letters} letters a round; {}", machine());
    let taken = Arc::new(AtomicUsize::new(0));
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) => (host.to_owned(), port.parse().unwrap()),
        None => ("127.0.0.1".to_owned(), receive(Arc::clone(&taken), delay).await),
    };
    for (kind, recipients) in [("one recipient", 1_usize), ("many recipients", 200)] {
        let mut rates = Vec::new();
        for _ in 0..rounds {
            let folder = scratch();
            let flow = house(&support::path(&folder, "ledger.db"), &host, port).await;
            owe(&flow, letters, recipients).await;
            let before = taken.load(Ordering::Relaxed);
            let begun = now();
            let done = flow::deliver(&flow, 0, &CancellationToken::new()).await.unwrap();
            let took = begun.elapsed();
            assert_eq!(done.sent, letters as u64, "{done:?}");
            assert!(!server.is_empty() || taken.load(Ordering::Relaxed) - before == letters);
            rates.push(rate(letters, took));
            let proof = flow.ledger.verify(|_, _| {}).await.unwrap();
            assert!(proof.findings.is_empty(), "{:?}", proof.findings);
            flow.ledger.close().await.unwrap();
        }
        let middle = median(&mut rates);
        println!("{kind:<16} {middle:>8.0} letters a second");
        line(&serde_json::json!({
            "bench": "deliver", "kind": kind, "letters": letters, "delay_ms": delay.as_millis(),
            "per_second": middle.round(), "target_per_second": 200,
        }));
    }
}

async fn house(path: &std::path::Path, host: &str, port: u16) -> Flow {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let upstream = UpstreamSettings {
        base_url: "http://127.0.0.1:9".to_owned(),
        user_id: "12345".to_owned(),
        requests_per_second: None,
        max_in_flight: 1,
        timeout: Duration::from_secs(1),
        zone: depositd::domain::time::Zone::UTC,
        page_amount: None,
    };
    let upstream = Upstream::new(upstream, "key".to_owned().into(), clock.clone()).unwrap();
    let settings = MailerSettings {
        transport: MailBackend::Smtp {
            host: host.to_owned(),
            port,
            security: Security::None,
            username: None,
            ca_file: None,
            hello: None,
        },
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

/// Settles as many deposits, each with one letter owed.
async fn owe(flow: &Flow, letters: usize, recipients: usize) {
    let policy = Policy::default();
    let waiting = cast::fill(&flow.ledger, letters, &policy).await;
    let steps = waiting.into_iter().enumerate().map(|(n, deposit)| {
        let order_id = deposit.facts.wallet.as_ref().unwrap().order_id.clone().unwrap();
        let seen =
            depositd::domain::observe::Observation::Polled(Box::new(cast::report(&order_id, Some("paid"))));
        let at = deposit.updated_at.plus(Duration::from_secs(600));
        let mut step = deposit.observe(seen, at, &policy).unwrap();
        for event in &mut step.events {
            event.mail_to = vec![Recipient::Operator(format!("finance{}@example.org", n % recipients))];
        }
        DepositWrite::from(step)
    });
    let steps: Vec<DepositWrite> = steps.collect();
    for chunk in steps.chunks(256) {
        flow.ledger.record(chunk.to_vec()).await.unwrap();
    }
}

/// A receiver that takes everything; gives its port.
async fn receive(taken: Arc<AtomicUsize>, delay: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let taken = Arc::clone(&taken);
            tokio::spawn(async move { converse(stream, &taken, delay).await });
        }
    });
    port
}

async fn converse(stream: TcpStream, taken: &AtomicUsize, delay: Duration) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 bench\r\n").await.ok()?;
    let (mut line, mut in_message) = (Vec::new(), false);
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        let answer: &[u8] = match line.get(..4).unwrap_or(&line) {
            _ if in_message && line == b".\r\n" => {
                in_message = false;
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                taken.fetch_add(1, Ordering::Relaxed);
                b"250 kept\r\n"
            }
            _ if in_message => continue,
            b"EHLO" => b"250-bench\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
            b"DATA" => {
                in_message = true;
                b"354 go on\r\n"
            }
            b"QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        stream.write_all(answer).await.ok()?;
    }
}
