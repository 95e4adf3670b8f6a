//! How fast ledgers are copied into a real PostgreSQL, and how long a month of many ledgers takes there and in DuckDB.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a benchmark may fail loudly, and its numbers are small"
)]
#![allow(dead_code, reason = "a part of the tests' server is for tests")]

#[path = "../tests/fleet/server.rs"]
mod server;
mod support;

use std::path::Path;
use std::process::Command;

use depositd::domain::observe::Observation;
use depositd::domain::poll::Policy;
use depositd::fleet::Follower;
use depositd::ledger::DepositWrite;
use futures_util::StreamExt as _;
use server::{Server, ask, clock, execute};
use sqlx::postgres::PgConnection;
use support::{Args, cast, machine, median, millis, now, rate, scratch};

const ABOUT: &str = "Ledgers that the program itself has written (a request, a wallet and a settlement each deposit) are followed into a real
PostgreSQL 15 at a Unix socket. The yardstick is COPY of the same rows into tables with the same keys and indexes, in the
same run. Then the month of many ledgers: in PostgreSQL over rows that were copied under other ids, in DuckDB over files.";
const OPTIONS: &[(&str, &str, &str)] = &[
    ("deposits", "50000", "how many settled deposits the ledger holds"),
    ("ledger", "", "a file to fill, or one that was filled before"),
    ("rounds", "3", "how often it is followed from its beginning"),
    ("ledgers", "100", "over how many ledgers the month is asked for; 1: not at all"),
];

/// Each with the statement for either engine.
const QUESTIONS: &[(&str, &str)] = &[
    (
        "a month by currency and network",
        "SELECT currency, network, sum(deposits), sum(amount_usd_micros), sum(refunded_usd_micros) FROM accounting_monthly \
         WHERE month = '{month}' GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    (
        "a month of each ledger",
        "SELECT ledger, sum(deposits), sum(amount_usd_micros) FROM accounting_monthly WHERE month = '{month}' GROUP BY 1 ORDER BY 1",
    ),
    (
        "a month's accounts over all",
        "SELECT account, commodity, sum(debits_usd_micros), sum(credits_usd_micros) FROM accounting_account_months \
         WHERE month = '{month}' GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    ("a month's statements", "SELECT * FROM accounting_statement WHERE month = '{month}' ORDER BY ledger"),
];
/// Added up deposit by deposit, entry by entry: in PostgreSQL alone.
const LONG: &[(&str, &str)] = &[
    (
        "a month deposit by deposit",
        "SELECT ledger, count(*), sum(amount_booked_micros) FROM accounting_deposits \
         WHERE settled_at >= '{month}' AND settled_at < '{month}~' GROUP BY 1 ORDER BY 1",
    ),
    (
        "a month entry by entry",
        "SELECT account, sum(amount_usd_micros) FROM accounting_entries \
         WHERE posted_at >= '{month}' AND posted_at < '{month}~' GROUP BY 1 ORDER BY 1",
    ),
];

fn main() {
    let args = Args::read(ABOUT, OPTIONS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(&args));
}

async fn run(args: &Args) {
    let (deposits, rounds) = (args.get("deposits", 50_000_usize), args.get("rounds", 3_usize));
    let ledgers = args.get("ledgers", 100_usize);
    println!("fleet: {deposits} deposits a ledger; {}", machine());
    let folder = scratch();
    let path = match args.get("ledger", String::new()) {
        kept if kept.is_empty() => support::path(&folder, "ledger.db"),
        kept => kept.into(),
    };
    if !path.exists() {
        fill(&path, deposits).await;
    }
    let server = Server::with("-c shared_buffers=1GB -c max_wal_size=8GB");
    let mut database = server.database("books").await;
    follow(&server, &mut database, &path, (deposits, rounds)).await;
    if ledgers > 1 {
        month_in_postgresql(&mut database, ledgers).await;
        // Its files make room for those that follow.
        drop((database, server));
        month_in_duckdb(&folder, u32::try_from(deposits).unwrap(), ledgers).await;
    }
}

/// A ledger as the program writes it.
async fn fill(path: &Path, deposits: usize) {
    let ledger = cast::open(path).await;
    let policy = Policy::default();
    let open = cast::fill(&ledger, deposits, &policy).await;
    for chunk in open.chunks(1000) {
        let writes = chunk.iter().map(|deposit| {
            let order = deposit.facts.wallet.as_ref().unwrap().order_id.clone().unwrap();
            let seen = Observation::Polled(Box::new(cast::report(&order, Some("paid"))));
            let at = deposit.updated_at;
            DepositWrite::from(deposit.clone().observe(seen, at, &policy).unwrap())
        });
        ledger.record(writes.collect()).await.unwrap();
    }
    ledger.close().await.unwrap();
}

async fn follow(
    server: &Server,
    database: &mut PgConnection,
    path: &Path,
    (deposits, rounds): (usize, usize),
) {
    let ledgers = [("shop", path.to_owned())];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    println!("\n{:<10} {:>14} {:>14} {:>8}", "round", "events /s", "COPY alone /s", "ratio");
    for round in 1..=rounds {
        execute(database, "DROP SCHEMA IF EXISTS depositd CASCADE; CHECKPOINT").await;
        let mut follower = Follower::start(&server.settings("books", &ledgers), &clock()).await.unwrap();
        let begun = now();
        let reports = follower.round(&mut |_, _, _| {}).await.unwrap();
        let took = begun.elapsed();
        follower.close().await;
        assert_eq!(reports[0].behind, Some(0), "{reports:?}");
        let settled =
            ask(database, "SELECT count(*)::text FROM depositd.deposit WHERE state = 'settled'").await;
        assert_eq!(
            settled,
            deposits.to_string(),
            "each deposit once, as it stands at the end of all batches"
        );
        let events = usize::try_from(reports[0].written).unwrap();
        let copied = copy_alone(database).await;
        let (one, other) = (rate(events, took), rate(events, copied));
        println!("{round:<10} {one:>14.0} {other:>14.0} {:>8.2}", one / other);
        ours.push(one);
        theirs.push(other);
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let peak = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = peak.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned();
    println!("median {ours:.0} events/s, COPY alone {theirs:.0}, ratio {:.2}; {peak}", ours / theirs);
    support::line(&serde_json::json!({ "bench": "fleet", "events_per_second": ours, "copy_alone": theirs }));
}

/// The same rows, by COPY and nothing else, in batches of one transaction; how long that takes.
async fn copy_alone(database: &mut PgConnection) -> std::time::Duration {
    let mut took = std::time::Duration::ZERO;
    execute(database, "DROP SCHEMA IF EXISTS yardstick CASCADE; CREATE SCHEMA yardstick").await;
    for table in ["event", "posting", "deposit"] {
        execute(database, &format!("CREATE TABLE yardstick.{table} (LIKE depositd.{table} INCLUDING ALL)"))
            .await;
        let out = format!("COPY depositd.{table} TO STDOUT");
        let parts: Vec<_> = database.copy_out_raw(&out).await.unwrap().collect().await;
        let rows: Vec<u8> = parts.into_iter().flat_map(|part| part.unwrap().to_vec()).collect();
        let begun = now();
        let into = format!("COPY yardstick.{table} FROM STDIN");
        let mut copy = database.copy_in_raw(&into).await.unwrap();
        for part in rows.chunks(1024 * 1024) {
            copy.send(part).await.unwrap();
        }
        copy.finish().await.unwrap();
        took += begun.elapsed();
    }
    took
}

/// The rows of the one ledger under the ids of many, and the months asked for.
async fn month_in_postgresql(database: &mut PgConnection, ledgers: usize) {
    let begun = now();
    execute(database, "ALTER TABLE depositd.posting DROP CONSTRAINT posting_ledger_id_transaction_id_fkey")
        .await;
    for table in ["ledger", "deposit", "posting", "monthly", "account_months", "statement"] {
        let columns = ask(
            database,
            &format!(
                "SELECT string_agg(column_name, ', ' ORDER BY ordinal_position) FROM information_schema.columns
                 WHERE table_schema = 'depositd' AND table_name = '{table}' AND column_name NOT IN ('ledger_id', 'name')"
            ),
        )
        .await;
        let name = if table == "ledger" { ("name, ", "'shop-' || n, ") } else { ("", "") };
        execute(
            database,
            &format!(
                "INSERT INTO depositd.{table} (ledger_id, {}{columns}) SELECT 'id-' || n, {}{columns}
                 FROM depositd.{table}, generate_series(2, {ledgers}) AS n",
                name.0, name.1
            ),
        )
        .await;
    }
    execute(database, "VACUUM ANALYZE").await;
    let size = ask(database, "SELECT pg_size_pretty(pg_database_size('books'))").await;
    println!("\n{ledgers} ledgers in PostgreSQL: {size}, filled in {:.0} s", begun.elapsed().as_secs_f64());
    let month = ask(database, "SELECT max(month) FROM depositd.monthly").await;
    execute(database, "SET search_path = depositd").await;
    for (name, question) in QUESTIONS.iter().chain(LONG) {
        let mut times = Vec::new();
        for _ in 0..3 {
            let begun = now();
            let sql = question.replace("{month}", &month);
            sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *database).await.unwrap();
            times.push(millis(begun.elapsed()));
        }
        tell("postgresql", name, times[0], median(&mut times));
    }
}

fn tell(engine: &str, name: &str, first: f64, median: f64) {
    println!("{engine:<12} {name:<40} first {first:>9.1} ms, median {median:>9.1} ms");
    support::line(&serde_json::json!({ "bench": "fleet", "engine": engine, "question": name, "ms": median }));
}

/// Files of as many ledgers, filled by SQL, since nobody asks for their chains here.
async fn month_in_duckdb(folder: &tempfile::TempDir, deposits: u32, ledgers: usize) {
    let first = support::path(folder, "first.db");
    cast::open(&first).await.close().await.unwrap();
    support::books::fill(&first, deposits, 1).await;
    for number in 1..=ledgers {
        let copy = support::path(folder, &format!("copies/shop-{number}/ledger.db"));
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(&first, &copy).unwrap();
        let sql = format!("UPDATE meta SET value = 'id-{number}' WHERE key = 'ledger_id'");
        assert!(Command::new("sqlite3").arg(&copy).arg(sql).status().unwrap().success());
    }
    let root = env!("CARGO_MANIFEST_DIR");
    let output = Command::new(format!("{root}/target/python/bin/python"))
        .arg(format!("{root}/benches/fleet.py"))
        .arg(format!("{root}/deploy/fleet.sql"))
        .arg(support::path(folder, "copies/*/ledger.db"))
        .args(QUESTIONS.iter().map(|(_, question)| question.replace("{month}", "2026-07")))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    let mut lines = told.lines();
    println!("\n{ledgers} files in DuckDB: {}", lines.next().unwrap());
    for ((name, _), line) in QUESTIONS.iter().zip(lines) {
        let mut times: Vec<f64> = line.split(' ').map(|ms| ms.parse().unwrap()).collect();
        tell("duckdb", name, times[0], median(&mut times));
    }
}
