//! How long a browser waits for each page of a large ledger, and what browsers that watch cost the polls.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a benchmark may fail loudly, and its numbers are small"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use depositd::api::{Api, ApiSettings, Listen};
use depositd::clock::{ManualClock, SharedClock, SystemClock};
use depositd::config::{NamedToken, Role};
use depositd::domain::poll::Policy;
use depositd::flow::{self, Flow};
use depositd::ledger::Ledger;
use depositd::notifier::{MailBackend, Mailer, MailerSettings, Rules};
use depositd::page::{PageServer, PageSettings, PageTemplates};
use depositd::scheduler::ServiceStatus;
use depositd::upstream::{Upstream, UpstreamSettings};
use reqwest::Client;
use reqwest::redirect::Policy as Redirects;
use support::process::usage;
use support::server::{self, Server};
use support::{Args, books, cast, line, machine, median, micros_each, millis, now, rate, scratch};
use tokio_util::sync::CancellationToken;

const ABOUT: &str = "Each page over HTTP at a ledger of many settled deposits with five events each, and some that are open: the
first page read anew each time. Then rounds of polls that bring nothing, by turns with nobody and with so many browsers
watching, whose process is another one: each follows the stream and asks for the first page at every nudge, while an event a
fifth of a second gives cause for one.";
const OPTIONS: &[(&str, &str, &str)] = &[
    ("deposits", "1000000", "how many settled deposits the ledger holds; 0 leaves the pages out"),
    ("open", "2000", "how many open ones"),
    ("asked", "21", "how often each page is asked for"),
    ("watchers", "200", "how many browsers watch"),
    ("polls", "40000", "how many deposits are polled in a round"),
    ("rounds", "7", "how many pairs of rounds; 0 leaves the watching out"),
];
const TOKEN: &str = "the-token-of-the-benchmark";
const WATCH: &str = "watch-pages";

fn main() {
    server::serve_if_asked();
    watch_if_asked();
    let args = Args::read(ABOUT, OPTIONS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("page: {}", machine());
        if args.get("deposits", 1) > 0 {
            pages(&args).await;
        }
        if args.get("rounds", 1) > 0 {
            watched(&args).await;
        }
    });
}

/// A daemon's flow on `ledger`, with its upstream at `base_url`.
fn flow(ledger: Ledger, clock: SharedClock, base_url: &str, folder: &tempfile::TempDir) -> Flow {
    let settings = UpstreamSettings {
        base_url: base_url.to_owned(),
        user_id: "12345".to_owned(),
        requests_per_second: None,
        max_in_flight: 64,
        timeout: Duration::from_secs(30),
        zone: depositd::domain::time::Zone::UTC,
        page_amount: None,
    };
    let key = "0123456789abcdef0123456789abcdef".to_owned();
    let upstream = Upstream::new(settings, key.into(), clock.clone()).unwrap();
    let settings = MailerSettings {
        transport: MailBackend::File { directory: support::path(folder, "mail") },
        from: "depositd@example.org".to_owned(),
        account: "12345".to_owned(),
        send_timeout: MailerSettings::SEND_TIMEOUT,
    };
    let mailer = Mailer::new(settings, None).unwrap();
    let settings = flow::FlowSettings {
        policy: Policy::default(),
        create_attempts: 3,
        request_limit: Duration::from_secs(3600),
        page_amount: None,
        call_timeout: Duration::from_secs(30),
        max_in_flight: 64,
        poll_batch: flow::FlowSettings::POLL_BATCH,
        down_after: Duration::from_secs(30),
        tolerance_cents: 0,
        tell_after_runs: 2,
        lag: Duration::from_secs(3600),
        low_balance_cents: None,
        mail_retry_initial: Duration::from_secs(5),
        mail_retry_max: Duration::from_secs(3600),
        mail_give_up_after: Duration::from_secs(5 * 86_400),
    };
    Flow::new(ledger, upstream, mailer, Rules::default(), settings, clock)
}

/// Serves the pages of `flow`; gives their address and a session's cookie.
async fn serve(flow: &Flow) -> (String, String) {
    let token = NamedToken { name: "bench".to_owned(), role: Role::Operate, secret: TOKEN.to_owned().into() };
    let listen = "127.0.0.1:0".parse().unwrap();
    let settings =
        ApiSettings { listen: vec![Listen::Tcp(listen)], tokens: vec![token], ..ApiSettings::default() };
    let bound = Api::bind(settings).await.unwrap();
    let settings = PageSettings { listen, public_url: None };
    let page = PageServer::bind(settings, PageTemplates::builtin().unwrap(), bound.access()).await.unwrap();
    let base = page.address().to_owned();
    let bound = bound.with(page.site());
    tokio::spawn(bound.serve(flow.clone(), Arc::<ServiceStatus>::default(), CancellationToken::new()));
    let login = client().post(format!("{base}/login")).body(format!("token={TOKEN}"));
    let answer = login.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    (base, cookie)
}

fn client() -> Client {
    Client::builder().redirect(Redirects::none()).build().unwrap()
}

/// Each page of a large ledger.
async fn pages(args: &Args) {
    let (deposits, asked) = (args.get("deposits", 1_000_000_u32), args.get("asked", 21_usize));
    let folder = scratch();
    let path = support::path(&folder, "ledger.db");
    cast::open(&path).await.close().await.unwrap();
    let begun = now();
    books::fill(&path, deposits, 5).await;
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!(
        "{deposits} deposits, five events each: {:.0} s, {} MiB",
        begun.elapsed().as_secs_f64(),
        bytes / 1024 / 1024
    );
    let ledger = cast::open(&path).await;
    let open = cast::fill(&ledger, args.get("open", 2000_usize), &Policy::default()).await;
    let flow = flow(ledger, Arc::new(SystemClock::new()), "http://127.0.0.1:9", &folder);
    let (base, cookie) = serve(&flow).await;
    let client = client();
    let one = format!("/deposits/{}", open.first().unwrap().id);
    println!("{:<44} {:>10} {:>10} {:>8}", "page", "median ms", "worst ms", "bytes");
    for path in [
        "/",
        "/deposits",
        "/deposits?q=order%2017",
        "/deposits?state=awaiting_payment",
        &one,
        "/books?month=2026-07",
        "/cases",
        "/reconciliation",
        "/outbox",
    ] {
        let (mut took, mut bytes) = (Vec::new(), 0);
        for _ in 0..asked {
            // What is read once a second for all is read anew.
            tokio::time::sleep(Duration::from_millis(if path == "/" { 1010 } else { 10 })).await;
            let begun = now();
            let answer = client.get(format!("{base}{path}")).header("cookie", &cookie).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            bytes = answer.bytes().await.unwrap().len();
            took.push(millis(begun.elapsed()));
        }
        let worst = took.iter().copied().fold(0.0, f64::max);
        let middle = median(&mut took);
        println!("{path:<44} {middle:>10.1} {worst:>10.1} {bytes:>8}");
        line(
            &serde_json::json!({ "bench": "page", "page": path, "ms": middle, "worst_ms": worst, "bytes": bytes, "target_ms": 50 }),
        );
    }
}

/// What browsers that watch cost the polls.
async fn watched(args: &Args) {
    let (polls, rounds) = (args.get("polls", 60_000_usize), args.get("rounds", 7_usize));
    let watchers = args.get("watchers", 200_usize);
    let folder = scratch();
    let ledger = cast::open(&support::path(&folder, "ledger.db")).await;
    cast::fill(&ledger, polls, &Policy::default()).await;
    let (clock, server) = (Arc::new(ManualClock::new(cast::start())), Server::start(Duration::ZERO, false));
    let flow = flow(ledger, clock.clone(), &server.base_url, &folder);
    let (base, cookie) = serve(&flow).await;
    let own = flow.clone();
    let events = tokio::spawn(async move {
        loop {
            own.mail_test(Some("ops@example.org".to_owned())).await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let (mut ratios, mut costs) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let mut figures = [(0.0, 0.0); 2];
        for (place, figure) in figures.iter_mut().enumerate() {
            // By turns which of the two comes first.
            let with = (place + round) % 2 == 1;
            let mut browsers = with.then(|| {
                std::process::Command::new(std::env::current_exe().unwrap())
                    .args([WATCH, &base, &cookie, &watchers.to_string()])
                    .spawn()
                    .unwrap()
            });
            tokio::time::sleep(Duration::from_secs(if with { 3 } else { 0 })).await;
            clock.advance(Duration::from_mins(1));
            let (before, begun) = (usage(std::process::id()).cpu, now());
            let own = flow.clone();
            let task = tokio::spawn(async move { flow::poll_due(&own, &CancellationToken::new()).await });
            let done = task.await.unwrap().unwrap();
            assert_eq!((done.answered, done.failed), (polls as u64, 0), "{done:?}");
            *figure =
                (rate(polls, begun.elapsed()), micros_each(usage(std::process::id()).cpu - before, polls));
            if let Some(browsers) = &mut browsers {
                browsers.kill().unwrap();
                browsers.wait().unwrap();
            }
        }
        let [first, second] = figures;
        let (alone, with) = if round % 2 == 1 { (second, first) } else { (first, second) };
        // The first round learns the status word.
        if round > 0 {
            println!(
                "alone {:>7.0} polls/s {:>6.1} us each; watched {:>7.0} polls/s {:>6.1} us each",
                alone.0, alone.1, with.0, with.1
            );
            ratios.push(with.0 / alone.0);
            costs.push(with.1 / alone.1);
        }
    }
    events.abort();
    let (ratio, cost) = (median(&mut ratios), median(&mut costs));
    println!(
        "{watchers} browsers: polls a second x {ratio:.3}, the daemon's processor time a poll x {cost:.3}"
    );
    line(
        &serde_json::json!({ "bench": "page", "watchers": watchers, "polls_ratio": ratio, "cpu_ratio": cost, "target_cpu_ratio": 1.05 }),
    );
}

/// Is so many browsers that watch, if this process was started for that.
fn watch_if_asked() {
    let words: Vec<String> = std::env::args().collect();
    let [_, word, base, cookie, count] = words.as_slice() else { return };
    if word != WATCH {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = client();
        let each = |_| {
            let (client, base, cookie) = (client.clone(), base.clone(), cookie.clone());
            tokio::spawn(async move {
                let ask = |path: &str| client.get(format!("{base}{path}")).header("cookie", &cookie);
                let mut stream = ask("/live").send().await.unwrap();
                while let Ok(Some(_)) = stream.chunk().await {
                    let page = ask("/").header("depositd-refresh", "1").send().await.unwrap();
                    assert!(page.bytes().await.unwrap().len() > 1000);
                }
            })
        };
        futures_util::future::join_all((0..count.parse::<usize>().unwrap()).map(each)).await;
    });
    std::process::exit(0);
}
