//! How many polls a second the daemon makes, rescheduling included, beside a bare loop of GETs to the same server.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a benchmark may fail loudly"
)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use depositd::clock::ManualClock;
use depositd::domain::deposit::Deposit;
use depositd::domain::poll::Policy;
use depositd::flow::{self, Flow};
use depositd::ledger::QueueCursor;
use depositd::notifier::{self, Mailer, Rules};
use depositd::upstream::{self, Upstream};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use support::process::usage;
use support::server::{self, Server};
use support::{Args, cast, machine, median, micros_each, now, rate, scratch};
use tokio_util::sync::CancellationToken;

const ABOUT: &str =
    "Looks a second at deposits of which nothing new is heard: taken from the due queue, asked over HTTP, decoded,
decided and put back into the queue on disk (WAL, synchronous=FULL), by flow::poll_due itself. Each round is followed by
a round of the yardstick: as many bare GETs with reqwest to the same server, the answers read and thrown away. An answer
that is byte for byte the last one of its deposit is not decoded again; --answers other has all of them decoded.";
const OPTIONS: &[(&str, &str, &str)] = &[
    ("deposits", "20000", "how many deposits are due in each round"),
    ("rounds", "7", "how many pairs of rounds"),
    ("in-flight", "64", "how many requests are under way at a time"),
    ("waiting", "0", "so many turns more stand in the queue, and have not come"),
    ("answers", "same", "or `other`: no answer is byte for byte the one before it"),
];
const KEY: &str = "0123456789abcdef0123456789abcdef";

fn main() {
    server::serve_if_asked();
    let args = Args::read(ABOUT, OPTIONS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async { run(&args).await });
}

#[expect(clippy::too_many_lines, reason = "one story, told in one go")]
async fn run(args: &Args) {
    let (deposits, rounds) = (args.get("deposits", 20_000_usize), args.get("rounds", 7_usize));
    let in_flight = args.get("in-flight", 64_usize);
    let answers = args.get("answers", "same".to_owned());
    println!(
        "poll: {deposits} deposits, {in_flight} requests at a time, the {answers} answers; {}",
        machine()
    );
    let folder = scratch();
    let path = support::path(&folder, "ledger.db");
    let policy = Policy::default();
    let ledger = cast::open(&path).await;
    let held = cast::fill(&ledger, deposits, &policy).await;
    ledger.close().await.unwrap();
    let waiting = args.get("waiting", 0_i64);
    wait_behind(&path, waiting).await;
    let ledger = cast::open(&path).await;
    let begun = now();
    let first = ledger
        .due_entries(cast::start().plus(Duration::from_mins(2)), &policy, 2048, &mut QueueCursor::default())
        .await
        .unwrap()
        .len();
    println!(
        "the first {first} turns beside {waiting} that wait: {:.1} ms",
        begun.elapsed().as_secs_f64() * 1000.0
    );
    let server = Server::start(Duration::ZERO, answers == "other");
    let clock = Arc::new(ManualClock::new(cast::start()));
    let settings = upstream::UpstreamSettings {
        base_url: server.base_url.clone(),
        user_id: "12345".to_owned(),
        requests_per_second: None,
        max_in_flight: in_flight,
        timeout: Duration::from_secs(30),
        zone: depositd::domain::time::Zone::UTC,
        page_amount: None,
    };
    let upstream = Upstream::new(settings, KEY.to_owned().into(), clock.clone()).unwrap();
    let mailer = notifier::MailerSettings {
        transport: notifier::MailBackend::File { directory: support::path(&folder, "mail") },
        from: "depositd@example.org".to_owned(),
        account: "12345".to_owned(),
        send_timeout: notifier::MailerSettings::SEND_TIMEOUT,
    };
    let mailer = Mailer::new(mailer, None).unwrap();
    let flow = Flow::new(ledger, upstream, mailer, Rules::default(), flow_settings(in_flight), clock.clone());
    let urls: Arc<Vec<String>> =
        Arc::new(held.iter().map(|deposit| url(&server.base_url, deposit)).collect());
    let client = client(in_flight);
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut cost, mut bare_cost) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        // Every deposit has become due again, and in another order than before.
        clock.advance(Duration::from_mins(1));
        let before = usage(std::process::id()).cpu;
        let begun = now();
        // As the daemon does: in a task of its own.
        let own = flow.clone();
        let task = tokio::spawn(async move { flow::poll_due(&own, &CancellationToken::new()).await });
        let done = task.await.unwrap().unwrap();
        let our = begun.elapsed();
        let between = usage(std::process::id()).cpu;
        // The first round learns the status word, and warms up.
        let news = if round == 0 { deposits } else { 0 };
        assert_eq!((done.answered, done.moved, done.failed), (deposits as u64, news as u64, 0), "{done:?}");
        let begun = now();
        bare(&client, &urls, in_flight).await;
        let their = begun.elapsed();
        let after = usage(std::process::id()).cpu;
        if round > 0 {
            ours.push(rate(deposits, our));
            theirs.push(rate(deposits, their));
            ratios.push(their.as_secs_f64() / our.as_secs_f64());
            cost.push(micros_each(between.saturating_sub(before), deposits));
            bare_cost.push(micros_each(after.saturating_sub(between), deposits));
            println!(
                "  {:>8.0} /s {:>8.0} /s {:>6.2}",
                ours[round - 1],
                theirs[round - 1],
                ratios[round - 1]
            );
        }
    }
    let (our, their, ratio) = (median(&mut ours), median(&mut theirs), median(&mut ratios));
    let (cost, bare_cost) = (median(&mut cost), median(&mut bare_cost));
    let peak = usage(std::process::id()).peak;
    println!("polls            {our:>8.0} /s  {cost:>5.1} us of processor each");
    println!("bare GETs        {their:>8.0} /s  {bare_cost:>5.1} us");
    println!("ratio            {ratio:>8.2}     target 0.80");
    support::line(&serde_json::json!({
        "bench": "poll", "answers": answers, "polls_per_second": our.round(), "yardstick_per_second": their.round(),
        "ratio": (ratio * 1000.0).round() / 1000.0, "target_ratio": 0.80, "deposits": deposits,
        "cpu_us": cost.round(), "yardstick_cpu_us": bare_cost.round(), "peak_resident_bytes": peak,
    }));
    flow.ledger.clone().close().await.unwrap();
}

/// More turns, of the same deposits, that come within the next ten hours: nothing but ballast.
async fn wait_behind(path: &Path, count: i64) {
    let mut file = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let first = cast::start().plus(Duration::from_hours(1)).as_millis();
    sqlx::query(
        "WITH RECURSIVE n (n) AS (SELECT 1 WHERE ?1 > 0 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
         INSERT INTO queue (urgency, due_ms, deposit, version)
         SELECT 3, ?2 + n * 36000000 / ?1, 1 + n % (SELECT max(row_id) FROM deposit), 0 FROM n",
    )
    .bind(count)
    .bind(first)
    .execute(&mut file)
    .await
    .unwrap();
    file.close().await.unwrap();
}

fn flow_settings(in_flight: usize) -> flow::FlowSettings {
    flow::FlowSettings {
        policy: Policy::default(),
        create_attempts: 3,
        request_limit: Duration::from_secs(3600),
        page_amount: None,
        call_timeout: Duration::from_secs(30),
        max_in_flight: in_flight,
        poll_batch: flow::FlowSettings::POLL_BATCH,
        down_after: Duration::from_secs(30),
        tolerance_cents: 0,
        tell_after_runs: 1,
        lag: Duration::ZERO,
        low_balance_cents: None,
        mail_retry_initial: Duration::from_secs(5),
        mail_retry_max: Duration::from_hours(1),
        mail_give_up_after: Duration::from_hours(120),
    }
}

fn url(base: &str, deposit: &Deposit) -> String {
    let order = deposit.facts.wallet.as_ref().unwrap().order_id.as_deref().unwrap();
    format!("{base}/v3/customers/12345/cryptomus/transaction/{order}?apiKey={KEY}")
}

/// The same settings as the daemon's own client for polls.
fn client(in_flight: usize) -> reqwest::Client {
    reqwest::Client::builder()
        .user_agent("depositd")
        .timeout(Duration::from_secs(30))
        .connect_timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .no_proxy()
        .tcp_nodelay(true)
        .pool_max_idle_per_host(in_flight)
        .build()
        .unwrap()
}

async fn bare(client: &reqwest::Client, urls: &Arc<Vec<String>>, in_flight: usize) {
    let next = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..in_flight)
        .map(|_| {
            let (client, urls, next) = (client.clone(), Arc::clone(urls), Arc::clone(&next));
            tokio::spawn(async move {
                while let Some(url) = urls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let body = client.get(url).send().await.unwrap().bytes().await.unwrap();
                    assert_eq!(body.len(), server::BODY);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
