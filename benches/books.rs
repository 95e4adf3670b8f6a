//! How long an accountant waits on a large ledger while the daemon writes, and what an export needs of memory.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::arithmetic_side_effects,
    reason = "a benchmark may fail loudly, and its numbers are small"
)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use depositd::domain::poll::Policy;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use support::{Args, cast, machine, median, millis, now, scratch};

const ABOUT: &str = "Questions of an accountant in plain SQL, on a connection of their own, to a ledger of settled deposits over twelve
months, while the daemon's own writer records new ones without a pause. Then exports by the real binary: rows a second and
the most memory that it had. The ledger is synthetic: its rows are made by SQL, its months' totals by the statements of the
migration.";
const OPTIONS: &[(&str, &str, &str)] = &[
    ("deposits", "5000000", "how many settled deposits the ledger holds"),
    ("rounds", "9", "how often each question is asked"),
    ("export", "yes", "whether to export too: yes or no"),
];

/// Each with its target in milliseconds, if there is one.
const QUESTIONS: &[(&str, Option<f64>, &str)] = &[
    (
        "one month's total",
        Some(50.0),
        "SELECT sum(deposits), sum(amount_usd_micros) FROM accounting_monthly WHERE month = '2026-07'",
    ),
    (
        "twelve months by currency and network",
        Some(200.0),
        "SELECT month, currency, network, deposits, amount_usd, refunded_usd, adjusted_usd FROM accounting_monthly \
         WHERE month >= '2026-01' AND month < '2027-01' ORDER BY 1, 2, 3",
    ),
    (
        "a month's accounts with their balances",
        None,
        "SELECT * FROM accounting_account_months WHERE month = '2026-07'",
    ),
    ("the trial balance", None, "SELECT * FROM accounting_trial_balance"),
    ("a month's statement", Some(50.0), "SELECT * FROM accounting_statement WHERE month = '2026-07'"),
    ("the statements of all months", None, "SELECT * FROM accounting_statement"),
    (
        "a month of others' top-ups",
        None,
        "SELECT count(*), sum(amount_usd_micros) FROM accounting_elsewhere WHERE date >= '2026-07-01' AND date < '2026-08-01'",
    ),
    (
        "one month added up deposit by deposit",
        None,
        "SELECT count(*), sum(amount_booked_micros) FROM accounting_deposits \
         WHERE settled_at >= '2026-07-01' AND settled_at < '2026-08-01'",
    ),
];

fn main() {
    let args = Args::read(ABOUT, OPTIONS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(&args));
}

async fn run(args: &Args) {
    let (deposits, rounds) = (args.get("deposits", 5_000_000_u32), args.get("rounds", 9_usize));
    println!("books: {deposits} settled deposits; {}", machine());
    let folder = scratch();
    let path = support::path(&folder, "ledger.db");
    cast::open(&path).await.close().await.unwrap();
    let begun = now();
    support::books::fill(&path, deposits, 1).await;
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!("filled in {:.0} s: {} MiB", begun.elapsed().as_secs_f64(), bytes / 1024 / 1024);

    let ledger = cast::open(&path).await;
    let busy = ledger.clone();
    let mut head = ledger.head();
    let writing = tokio::spawn(async move { cast::fill(&busy, 1_000_000, &Policy::default()).await });
    head.changed().await.unwrap();
    let mut reader = SqliteConnectOptions::new().filename(&path).read_only(true).connect().await.unwrap();
    println!("\n{:<40} {:>10} {:>10} {:>8}", "question", "median ms", "worst ms", "target");
    let before = *head.borrow();
    let asked = now();
    for (name, target, question) in QUESTIONS {
        let mut took = Vec::new();
        for _ in 0..rounds {
            let begun = now();
            let rows = sqlx::query(sqlx::AssertSqlSafe(*question)).fetch_all(&mut reader).await.unwrap();
            took.push(millis(begun.elapsed()));
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            assert!(!rows.is_empty(), "{name}");
        }
        let worst = took.iter().copied().fold(0.0, f64::max);
        let target = target.map_or_else(String::new, |target| format!("{target}"));
        println!("{name:<40} {:>10.2} {worst:>10.2} {target:>8}", median(&mut took));
        support::line(&serde_json::json!({ "bench": "books", "question": name, "ms": median(&mut took) }));
    }
    let written = *head.borrow() - before;
    println!("meanwhile {:.0} events a second were written", written as f64 / asked.elapsed().as_secs_f64());
    writing.abort();
    let _ = writing.await;
    ledger.close().await.unwrap();
    if args.get("export", "yes".to_owned()) == "yes" {
        println!("\n{:<40} {:>12} {:>10}", "export", "rows /s", "peak MiB");
        for what in ["deposits", "entries"] {
            export(&path, &["--format", "csv", "--what", what]);
        }
        export(&path, &["--format", "hledger"]);
        export(&path, &["--format", "beancount", "--from", "2026-07-01", "--to", "2026-08-01"]);
    }
}

/// Exports by the real binary to nowhere, and watches its memory.
fn export(path: &Path, args: &[&str]) {
    let begun = now();
    let folder = path.parent().unwrap();
    std::fs::write(folder.join("daemon.toml"), "[ledger]\npath = \"ledger.db\"\n").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_depositd"))
        .arg("export")
        .args(args)
        .args(["-o", "exported"])
        .current_dir(folder)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    let rows: f64 = said.split(": ").nth(1).and_then(|it| it.split(' ').next()?.parse().ok()).unwrap();
    let each = rows / begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let mib = peak as f64 / 1024.0;
    println!("{:<40} {each:>12.0} {mib:>10.1}", args.join(" "));
    support::line(&serde_json::json!({ "bench": "books", "export": args, "rows": rows, "peak_mib": mib }));
    std::fs::remove_file(folder.join("exported")).unwrap();
}
