//! What the daemon costs while there is nothing to do, and what a million open deposits cost it: memory, processor
//! time, its first poll and an address given out, of the real binary.
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark may fail loudly")]

mod support;

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use depositd::domain::observe::Observation;
use depositd::domain::poll::Policy;
use depositd::ledger::DepositWrite;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use support::process::usage;
use support::server::{self, Server};
use support::{Args, cast, machine, median, millis, now, scratch};

const ABOUT: &str = "Memory and processor time of `depositd run`, as /proc tells them. With --open N the ledger holds N deposits that
await their payment and are all due, and the upstream takes as many requests as it is given: then also how soon after
its start the daemon polls, and how soon it gives out an address meanwhile.";
const OPTIONS: &[(&str, &str, &str)] = &[
    ("seconds", "30", "how long it is watched, after it has started"),
    ("open", "0", "how many open deposits the ledger holds"),
    ("requests", "50", "how many addresses are asked for, where deposits are open"),
];
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    server::serve_if_asked();
    let args = Args::read(ABOUT, OPTIONS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(&args));
}

async fn run(args: &Args) {
    let (seconds, open) = (args.get("seconds", 30_u64), args.get("open", 0_u64));
    println!("idle: {open} open deposits; {}", machine());
    let folder = scratch();
    let server = Server::start(Duration::ZERO, false);
    let path = support::daemon::configuration(folder.path(), &server.base_url);
    if open > 0 {
        fill(&support::path(&folder, "ledger.db"), open).await;
    }
    let mut daemon = Daemon::start(&path);
    let begun = now();
    while UnixStream::connect(support::daemon::socket(folder.path())).is_err() {
        assert!(daemon.0.try_wait().unwrap().is_none(), "it ended");
        assert!(begun.elapsed() < PATIENCE, "it does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    let ready = millis(begun.elapsed());
    println!("it listens after  {ready:>8.0} ms");
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap();
    let mut first_poll = None;
    while open > 0 && first_poll.is_none() {
        assert!(begun.elapsed() < PATIENCE, "it does not poll");
        let polls = polls(&client, &server).await;
        first_poll = (polls > 0).then(|| millis(begun.elapsed()));
    }
    if let Some(first) = first_poll {
        println!("first poll after  {first:>8.0} ms   target 2000 ms");
    }
    std::thread::sleep(Duration::from_secs(3));
    let (before, polls_before) = (usage(daemon.0.id()), polls(&client, &server).await);
    std::thread::sleep(Duration::from_secs(seconds));
    let (after, polls_after) = (usage(daemon.0.id()), polls(&client, &server).await);
    let address = if open > 0 {
        Some(addresses(&client, &server, folder.path(), args.get("requests", 50)).await)
    } else {
        None
    };
    let peak = usage(daemon.0.id()).peak;
    let mib = |bytes: u64| bytes as f64 / 1e6;
    let share = (after.cpu.saturating_sub(before.cpu)).as_secs_f64() / seconds as f64 * 100.0;
    let target = if open > 0 { 100 } else { 20 };
    println!(
        "resident          {:>8.1} MB   target {target} MB (at most {:.1} MB)",
        mib(after.resident),
        mib(peak)
    );
    let polled = polls_after.saturating_sub(polls_before) as f64 / seconds as f64;
    match address {
        None => println!("processor         {share:>8.3} %    target 0.1 % of one core, over {seconds} s"),
        Some(own) => {
            println!(
                "processor         {share:>8.1} %    of one core, over {seconds} s, at {polled:.0} polls/s"
            );
            println!("an address        {own:>8.1} ms   of our own, target 20 ms");
        }
    }
    support::line(&serde_json::json!({
        "bench": "idle", "open": open, "resident_bytes": after.resident, "peak_resident_bytes": peak,
        "cpu_percent": (share * 1000.0).round() / 1000.0, "seconds": seconds, "polls_per_second": polled.round(),
        "first_poll_ms": first_poll, "own_address_ms": address, "target_resident_mb": target,
    }));
}

/// How many polls the upstream has had.
async fn polls(client: &reqwest::Client, server: &Server) -> u64 {
    let answer = client.get(format!("{}{}", server.base_url, server::POLLS)).send().await.unwrap();
    answer.text().await.unwrap().parse().unwrap()
}

/// How long an address takes at the median, less what a bare PUT to the same server takes meanwhile, in milliseconds.
async fn addresses(upstream: &reqwest::Client, server: &Server, folder: &Path, requests: usize) -> f64 {
    let ours = reqwest::Client::builder().unix_socket(support::daemon::socket(folder)).build().unwrap();
    let put = format!("{}/v3/customers/12345/cryptomus/direct/USDT/BSC/25", server.base_url);
    let (mut bare, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..requests {
        let begun = now();
        upstream.put(&put).body("{}").send().await.unwrap().bytes().await.unwrap();
        bare.push(millis(begun.elapsed()));
        let begun = now();
        let request = ours.post("http://depositd/v1/deposits").header("content-type", "application/json");
        let body = r#"{"currency": "USDT", "network": "BSC", "amount": "25"}"#;
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status(), 201, "an address is given out");
        answer.bytes().await.unwrap();
        whole.push(millis(begun.elapsed()));
    }
    median(&mut whole) - median(&mut bare)
}

/// Writes one open deposit through the ledger, and copies it until there are `count`, past the program, which would
/// take many minutes.
async fn fill(path: &Path, count: u64) {
    let begun = now();
    let policy = Policy::default();
    let ledger = cast::open(path).await;
    let deposit = cast::fill(&ledger, 1, &policy).await.remove(0);
    // The word that the upstream says of it is known already, so that later polls bring no news.
    let seen = Observation::Polled(Box::new(cast::report(&cast::order_id(0), Some("check"))));
    let at = deposit.updated_at;
    let step = deposit.observe(seen, at, &policy).unwrap();
    ledger.record(vec![DepositWrite::from(step)]).await.unwrap();
    ledger.close().await.unwrap();
    let mut file = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    copy(&mut file, count.saturating_sub(1)).await;
    file.close().await.unwrap();
    println!("filled in {:.0} s", begun.elapsed().as_secs_f64());
}

async fn copy(file: &mut SqliteConnection, count: u64) {
    let columns: Vec<String> =
        sqlx::query_scalar("SELECT name FROM pragma_table_info('deposit') WHERE name <> 'row_id'")
            .fetch_all(&mut *file)
            .await
            .unwrap();
    let order = "printf('%08x-0000-4000-8000-%012x', (n * 2654435761) & 4294967295, n)";
    let address = format!("'0x' || replace({order}, '-', '') || '{}'", cast::ADDRESS_END);
    let values: Vec<String> = columns
        .iter()
        .map(|name| match name.as_str() {
            "id" => "printf('0196f2a1-%04x-7000-8000-%012x', n / 65536, n)".to_owned(),
            "order_id" | "link_id" => order.to_owned(),
            "address" => address.clone(),
            "facts" => format!(
                "json_set(facts, '$.wallet.order_id', {order}, '$.wallet.url', '{}' || {order}, '$.wallet.address', {address})",
                cast::PAY
            ),
            other => other.to_owned(),
        })
        .collect();
    let numbers =
        format!("WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})");
    let deposits = format!(
        "{numbers} INSERT INTO deposit ({}) SELECT {} FROM n, deposit WHERE deposit.row_id = 1",
        columns.join(", "),
        values.join(", ")
    );
    let queue = "INSERT INTO queue (urgency, due_ms, deposit, version)
                 SELECT q.urgency, q.due_ms, d.row_id, q.version FROM queue q, deposit d WHERE d.row_id > 1 AND q.version = d.version";
    for sql in ["PRAGMA synchronous = OFF", &deposits, queue] {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *file).await.unwrap();
    }
}

/// The daemon's process; gone when it is dropped.
struct Daemon(Child);

impl Daemon {
    fn start(configuration: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_depositd"));
        let command = command.arg("--config").arg(configuration).arg("run");
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
