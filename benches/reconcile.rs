//! How long a reconciliation takes, and what memory: the first over the whole list, and those after which little has
//! changed.
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a benchmark may fail loudly")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use depositd::clock::ManualClock;
use depositd::domain::poll::Policy;
use depositd::domain::time::Timestamp;
use depositd::flow::{self, Flow};
use depositd::notifier::{self, Mailer, Rules};
use depositd::upstream::{self, Upstream};
use support::process::usage;
use support::{Args, cast, machine, median, millis, now, scratch};

const ABOUT: &str =
    "A reconciliation by flow::reconcile itself: the list fetched over HTTP from another process, read, compared,
matched and written (WAL, synchronous=FULL). The ledger holds the deposits; the newest of them have an invoice each, of
which seven in ten are paid and booked, and one top-up in a hundred is others'. Then a few invoices change, and it runs
again, as often as --rounds says; the last one goes through everything, as the first run of each day does.";
const OPTIONS: &[(&str, &str, &str)] = &[
    ("deposits", "1000000", "how many deposits the ledger holds"),
    ("invoices", "200000", "how many invoices the upstream lists for them"),
    ("changes", "100", "how many invoices change between two runs"),
    ("rounds", "5", "how many runs there are after the first"),
    ("ledger", "", "a file to keep the filled ledger in, for the next time; made where it is missing"),
];
const WORD: &str = "serve-bench-list";
const KEY: &str = "0123456789abcdef0123456789abcdef";

fn main() {
    serve_if_asked();
    let args = Args::read(ABOUT, OPTIONS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async { run(&args).await });
}

async fn run(args: &Args) {
    let (deposits, invoices) = (args.get("deposits", 1_000_000_usize), args.get("invoices", 200_000_usize));
    let (changes, rounds) = (args.get("changes", 100_usize), args.get("rounds", 5_usize));
    println!("reconcile: {invoices} invoices, {deposits} deposits; {}", machine());
    let folder = scratch();
    let path = support::path(&folder, "ledger.db");
    let kept = args.get("ledger", String::new());
    if kept.is_empty() || !Path::new(&kept).exists() {
        cast::open(&path).await.close().await.unwrap();
        fill(&path, deposits, invoices);
        if !kept.is_empty() {
            std::fs::copy(&path, &kept).unwrap();
        }
    } else {
        std::fs::copy(&kept, &path).unwrap();
    }
    let server = Server::start(deposits, invoices, changes);
    let clock = Arc::new(ManualClock::new(Timestamp::parse("2026-03-01T08:00:00Z").unwrap()));
    let flow = flow(&path, &folder, &server.base_url, &clock).await;
    // The most memory from here on, not that of the beginning.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let idle = usage(std::process::id()).peak;
    let before = usage(std::process::id()).cpu;
    // The baseline is taken by the second run, which agrees with the first.
    let (first, peak) = measured(&flow, None).await;
    let cpu = millis(usage(std::process::id()).cpu.saturating_sub(before));
    let mut later = Vec::new();
    for _ in 0..rounds {
        clock.advance(Duration::from_mins(15));
        later.push(measured(&flow, Some(0)).await.0);
    }
    clock.advance(Duration::from_hours(24));
    let (daily, peak_after) = measured(&flow, Some(0)).await;
    let steady = median(&mut later);
    println!("before           {:>8.1} MB peak", megabytes(idle));
    println!("first run        {first:>8.0} ms  {:>6.1} MB peak   target 5000 ms, 150 MB", megabytes(peak));
    println!("  of processor   {cpu:>8.0} ms");
    println!("steady state     {steady:>8.0} ms  {changes} changed of {invoices}");
    println!("whole, once a day{daily:>8.0} ms  {:>6.1} MB peak", megabytes(peak_after));
    support::line(&serde_json::json!({
        "bench": "reconcile", "invoices": invoices, "deposits": deposits, "changes": changes,
        "first_ms": first.round(), "first_cpu_ms": cpu.round(), "steady_ms": steady.round(), "daily_ms": daily.round(),
        "peak_resident_bytes": peak_after, "target_first_ms": 5000, "target_peak_resident_bytes": 150_000_000,
    }));
    flow.ledger.clone().close().await.unwrap();
}

#[expect(clippy::cast_precision_loss, reason = "small")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// One run: its time in milliseconds, and the most memory that this process had so far.
async fn measured(flow: &Flow, difference: Option<i64>) -> (f64, u64) {
    let begun = now();
    let own = flow.clone();
    let report = tokio::spawn(async move { flow::reconcile(&own).await }).await.unwrap().unwrap();
    let took = millis(begun.elapsed());
    assert_eq!(report.figures.as_ref().map(|figures| figures.difference_cents), Some(difference));
    assert!(report.cases.is_empty(), "{:?}", report.cases.first());
    (took, usage(std::process::id()).peak)
}

async fn flow(path: &Path, folder: &tempfile::TempDir, base_url: &str, clock: &Arc<ManualClock>) -> Flow {
    let settings = upstream::UpstreamSettings {
        base_url: base_url.to_owned(),
        user_id: "12345".to_owned(),
        requests_per_second: None,
        max_in_flight: 16,
        timeout: Duration::from_secs(60),
        zone: depositd::domain::time::Zone::UTC,
        page_amount: None,
    };
    let upstream = Upstream::new(settings, KEY.to_owned().into(), clock.clone()).unwrap();
    let mailer = notifier::MailerSettings {
        transport: notifier::MailBackend::File { directory: support::path(folder, "mail") },
        from: "depositd@example.org".to_owned(),
        account: "12345".to_owned(),
        send_timeout: notifier::MailerSettings::SEND_TIMEOUT,
    };
    let settings = flow::FlowSettings {
        policy: Policy::default(),
        create_attempts: 3,
        request_limit: Duration::from_secs(3600),
        page_amount: None,
        call_timeout: Duration::from_secs(60),
        max_in_flight: 16,
        poll_batch: 256,
        down_after: Duration::from_secs(30),
        tolerance_cents: 0,
        tell_after_runs: 2,
        lag: Duration::ZERO,
        low_balance_cents: None,
        mail_retry_initial: Duration::from_secs(5),
        mail_retry_max: Duration::from_hours(1),
        mail_give_up_after: Duration::from_hours(120),
    };
    let mailer = Mailer::new(mailer, None).unwrap();
    Flow::new(cast::open(path).await, upstream, mailer, Rules::default(), settings, clock.clone())
}

/// The order of deposit `n`: scattered, as those of an upstream are.
fn order(n: usize) -> String {
    format!("{:08x}-0000-4000-8000-{n:012x}", (n as u64).wrapping_mul(2_654_435_761) & 0xffff_ffff)
}

/// True for a deposit whose money came.
fn is_paid(n: usize) -> bool {
    n % 10 < 7
}

/// Deposits in the ledger, the oldest first; written past the program, which would take many minutes.
fn fill(path: &Path, deposits: usize, invoices: usize) {
    let first = deposits - invoices;
    let begun = now();
    let sql = format!(
        r#"PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; PRAGMA cache_size = -200000;
        WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {deposits} - 1),
        d AS (SELECT n, n >= {first} AND n % 10 < 7 AS paid,
                     printf('%08x-0000-4000-8000-%012x', (n * 2654435761) & 4294967295, n) AS order_id,
                     strftime('%Y-%m-%dT%H:%M:%fZ', 1740787200 + n * 30, 'unixepoch') AS at FROM n)
        INSERT INTO deposit (id, version, currency, network, amount_requested, notify, request_digest, requested_at,
            state, order_id, address, link_id, amount_usd, amount_usd_micros, amount_crypto, expire_at, wallet_created_at,
            upstream_status, outcome, late, settled_at, amount_booked_micros, facts, updated_at)
        SELECT printf('0196f2a1-%04x-7000-8000-%012x', n / 65536, n), 3, 'USDT', 'BSC', '25.00', '[]', '0', at,
               iif(paid, 'settled', 'expired'), order_id, '0x66b928a82377d75ced043e95738372e9e9607f1f', order_id,
               '25.00', 25000000, '24.98', at, at, iif(paid, 'paid', 'cancel'), iif(paid, 'exact', NULL), 0,
               iif(paid, at, NULL), iif(paid, 25000000, NULL),
               json_object('state', iif(paid, 'settled', 'expired'), 'since', at), at
        FROM d;"#
    );
    let mut shell =
        Command::new("sqlite3").arg(path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success(), "sqlite3 could not fill the ledger");
    println!("filled in {:.0} s", begun.elapsed().as_secs_f64());
}

/// The other side, in a process of its own so that its memory is not ours.
struct Server {
    child: Child,
    base_url: String,
}

impl Server {
    fn start(deposits: usize, invoices: usize, changes: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([WORD, &deposits.to_string(), &invoices.to_string(), &changes.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        Self { child, base_url: format!("http://{}", said.trim()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve_if_asked() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [word, deposits, invoices, changes] = words.as_slice() else { return };
    if word != WORD {
        return;
    }
    let number = |text: &str| text.parse::<usize>().unwrap();
    let (deposits, invoices, changes) = (number(deposits), number(invoices), number(changes));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    // Made before it is asked for: how fast an upstream is, is not ours to measure.
    let (ready, lists) = sync_channel(0);
    std::thread::spawn(move || {
        (0..).try_for_each(|number| ready.send(list(number * changes, deposits, invoices)))
    });
    let lists = Arc::new(Mutex::new(lists));
    for stream in listener.incoming() {
        let (stream, lists) = (stream.unwrap(), Arc::clone(&lists));
        std::thread::spawn(move || answer(stream, &lists, deposits, invoices));
    }
    std::process::exit(0);
}

fn answer(mut stream: TcpStream, lists: &Mutex<Receiver<String>>, deposits: usize, invoices: usize) {
    let mut held = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let Ok(count) = stream.read(&mut piece) else { return };
        if count == 0 {
            return;
        }
        held.extend_from_slice(piece.get(..count).unwrap());
        let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(held.get(..end).unwrap()).into_owned();
        held.drain(..end + 4);
        let body = if head.contains("/payments") {
            lists.lock().unwrap().recv().unwrap()
        } else {
            let paid = (deposits - invoices..deposits).filter(|n| is_paid(*n)).count() * 2500;
            let total = paid + invoices / 100 * 1000;
            format!(r#"{{"ok":true,"body":{{"userId":"12345","balance":0,"totalCharges":"{total}"}}}}"#)
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err() {
            return;
        }
    }
}

/// The list, newest first; of the unpaid ones the first `cancelled` have been cancelled by now.
fn list(cancelled: usize, deposits: usize, invoices: usize) -> String {
    let mut text = String::with_capacity(invoices * 220);
    text.push_str(r#"{"ok":true,"body":["#);
    let mut unpaid = 0;
    for n in (deposits - invoices..deposits).rev() {
        let created =
            Timestamp::from_seconds(1_740_787_200 + i64::try_from(n).unwrap() * 30).to_seconds_text();
        let created = created.trim_end_matches('Z').replacen('T', " ", 1);
        if n % 100 == 0 {
            text.push_str(&format!(
                r#"{{"method":"stripe","sesid":"cs_{n:024}","payId":"pi_{n:024}","amount":1000,"created":"{created}","expires_at":"{created}","status":"paid","userId":"12345"}},"#
            ));
        }
        unpaid += usize::from(!is_paid(n));
        let status = match is_paid(n) {
            true => "paid",
            false if unpaid <= cancelled => "cancel",
            false => "check",
        };
        let comma = if n == deposits - invoices { "" } else { "," };
        text.push_str(&format!(
            r#"{{"method":"cryptomus","sesid":"{:032x}","payId":"{}","amount":2500,"created":"{created}","expires_at":"{created}","status":"{status}","userId":"12345"}}{comma}"#,
            n,
            order(n)
        ));
    }
    text.push_str("]}");
    text
}
