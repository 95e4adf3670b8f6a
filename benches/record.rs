//! How many state changes a second reach the disk through `Ledger::record`, beside the same change as raw statements.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a benchmark may fail loudly, and its numbers are small"
)]

mod support;

use std::path::Path;
use std::time::Duration;

use depositd::domain::deposit::Deposit;
use depositd::domain::event::{Recipient, Step};
use depositd::domain::observe::Observation;
use depositd::domain::poll::Policy;
use depositd::domain::time::Timestamp;
use depositd::ledger::{DepositWrite, Ledger, Recorded};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use support::process::usage;
use support::{Args, Dice, cast, machine, median, now, rate, scratch};

const ABOUT: &str = "Durable state changes a second (WAL, synchronous=FULL). One change is what settling a deposit writes:
its row, one event in the hash chain, two postings and one owed mail. Each round of Ledger::record is followed by a
round of the yardstick: the same change as raw statements, one at a time, on one connection to a copy of the ledger.";
const OPTIONS: &[(&str, &str, &str)] = &[
    ("deposits", "100000", "how many deposits the ledger holds"),
    ("rounds", "5", "how many pairs of rounds for each size of group"),
    ("groups", "1,32,64,256", "the sizes of groups"),
    ("changes", "2048", "how many changes in a round (groups of one: a quarter of it)"),
];

fn main() {
    let args = Args::read(ABOUT, OPTIONS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(&args));
}

async fn run(args: &Args) {
    let (deposits, rounds) = (args.get("deposits", 100_000_usize), args.get("rounds", 5_usize));
    let changes = args.get("changes", 2048_usize);
    println!("record: {deposits} deposits in the ledger; {}", machine());
    let folder = scratch();
    let path = support::path(&folder, "ledger.db");
    let ledger = cast::open(&path).await;
    let begun = now();
    let mut waiting = cast::fill(&ledger, deposits, &Policy::default()).await;
    let filled = begun.elapsed();
    ledger.close().await.unwrap();
    let copy = support::path(&folder, "yardstick.db");
    std::fs::copy(&path, &copy).unwrap();
    let ledger = cast::open(&path).await;
    let mut raw = connect(&copy).await;
    let fills = rate(2 * deposits, filled);
    println!("filled by {} steps in groups of 1000: {fills:.0} a second", 2 * deposits);
    println!("a bare fdatasync of one page: {:.2} ms", support::fdatasync(&support::path(&folder, "page")));
    Dice::new(1).shuffle(&mut waiting);
    println!(
        "\n{:>6} {:>14} {:>14} {:>8} {:>12} {:>12}",
        "group", "record /s", "raw /s", "ratio", "record us", "raw us"
    );
    let groups = args.get("groups", "1,32,64,256".to_owned());
    let mut moment = cast::start().plus(Duration::from_hours(24));
    for group in groups.split(',').map(|group| group.parse::<usize>().unwrap()) {
        let count = if group == 1 { changes / 4 } else { changes };
        let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let (mut cost, mut raw_cost) = (Vec::new(), Vec::new());
        for round in 0..=rounds {
            assert!(waiting.len() >= count, "more --deposits, or fewer --rounds or --changes");
            let steps = waiting.split_off(waiting.len() - count).into_iter();
            let steps: Vec<Step> = steps.map(|deposit| settle(deposit, &mut moment)).collect();
            let again = steps.clone();
            let before = usage(std::process::id()).cpu;
            let our = record(&ledger, again, group).await;
            let between = usage(std::process::id()).cpu;
            let their = by_hand(&mut raw, &steps, group).await;
            let after = usage(std::process::id()).cpu;
            // The first pair warms both up.
            if round > 0 {
                ours.push(rate(count, our));
                theirs.push(rate(count, their));
                ratios.push(their.as_secs_f64() / our.as_secs_f64());
                cost.push(support::micros_each(between.saturating_sub(before), count));
                raw_cost.push(support::micros_each(after.saturating_sub(between), count));
            }
        }
        let (our, their, ratio) = (median(&mut ours), median(&mut theirs), median(&mut ratios));
        let (cost, raw_cost) = (median(&mut cost), median(&mut raw_cost));
        println!("{group:>6} {our:>14.0} {their:>14.0} {ratio:>8.2} {cost:>12.0} {raw_cost:>12.0}");
        support::line(&serde_json::json!({
            "bench": "record", "group": group, "changes_per_second": our.round(), "yardstick_per_second": their.round(),
            "ratio": (ratio * 100.0).round() / 100.0, "cpu_us": cost.round(), "yardstick_cpu_us": raw_cost.round(), "target_per_second": (group == 64).then_some(5000),
        }));
    }
    let proof = ledger.verify(|_, _| {}).await.unwrap();
    println!("\nverify: {} events, {} findings", proof.events, proof.findings.len());
    assert!(proof.findings.is_empty(), "{:?}", proof.findings);
    ledger.close().await.unwrap();
}

/// The step that settles a deposit, with one mail owed.
fn settle(deposit: Deposit, at: &mut Timestamp) -> Step {
    let order_id = deposit.facts.wallet.as_ref().unwrap().order_id.clone().unwrap();
    let seen = Observation::Polled(Box::new(cast::report(&order_id, Some("paid"))));
    // Deposits settle in any order, but time only goes on.
    *at = at.plus(Duration::from_millis(20));
    let mut step = deposit.observe(seen, *at, &Policy::default()).unwrap();
    for event in &mut step.events {
        event.mail_to = vec![Recipient::Operator("ops@example.org".to_owned())];
    }
    assert!(step.events.len() == 1 && step.events[0].postings.len() == 2, "not the change that is measured");
    step
}

async fn record(ledger: &Ledger, steps: Vec<Step>, group: usize) -> Duration {
    let mut groups: Vec<Vec<DepositWrite>> = Vec::new();
    for step in steps {
        match groups.last_mut() {
            Some(last) if last.len() < group => last.push(DepositWrite::from(step)),
            _ => groups.push(vec![DepositWrite::from(step)]),
        }
    }
    let begun = now();
    for writes in groups {
        let recorded = ledger.record(writes).await.unwrap();
        assert!(recorded.iter().all(|outcome| *outcome == Recorded::Written));
    }
    begun.elapsed()
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .disable_statement_logging()
        .connect()
        .await
        .unwrap()
}

/// The same rows by the plainest program: a statement a row, all of them prepared once and kept.
async fn by_hand(connection: &mut SqliteConnection, steps: &[Step], group: usize) -> Duration {
    let mut seq: i64 =
        sqlx::query_scalar("SELECT max(seq) FROM event").fetch_one(&mut *connection).await.unwrap();
    let begun = now();
    for steps in steps.chunks(group) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
        for step in steps {
            seq += 1;
            change(&mut transaction, step, seq).await;
        }
        transaction.commit().await.unwrap();
    }
    begun.elapsed()
}

async fn change(connection: &mut SqliteConnection, step: &Step, seq: i64) {
    let (deposit, event) = (&step.deposit, &step.events[0]);
    let (id, at) = (deposit.id.to_string(), event.at.to_string());
    let facts = serde_json::to_string(&deposit.facts).unwrap();
    let due = step.due.map(|due| due.at.as_millis());
    let updated = sqlx::query(
        "UPDATE deposit SET version = ?, state = ?, upstream_status = ?, txid = ?, outcome = 'exact', settled_at = ?,
             amount_booked_micros = ?, facts = ?, updated_at = ?
         WHERE id = ? AND version = ?",
    )
    .bind(deposit.version)
    .bind(deposit.facts.state.as_str())
    .bind(&deposit.facts.upstream_status)
    .bind(&deposit.facts.txid)
    .bind(&at)
    .bind(deposit.facts.booked.as_ref().map(|booked| booked.total().get()))
    .bind(&facts)
    .bind(&at)
    .bind(&id)
    .bind(step.expected_version)
    .execute(&mut *connection)
    .await
    .unwrap();
    assert_eq!(updated.rows_affected(), 1);
    sqlx::query("INSERT INTO queue (urgency, due_ms, deposit, version) SELECT 3, ?, row_id, version FROM deposit WHERE id = ?")
        .bind(due)
        .bind(&id)
        .execute(&mut *connection)
        .await
        .unwrap();
    for line in &event.postings {
        sqlx::query(
            "INSERT INTO posting (transaction_id, account, commodity, amount, amount_usd_micros) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(seq)
        .bind(&line.account)
        .bind(&line.commodity)
        .bind(line.amount.to_string())
        .bind(line.amount_usd_micros.get())
        .execute(&mut *connection)
        .await
        .unwrap();
    }
    sqlx::query(
        "INSERT INTO event (seq, deposit_id, version, at, name, from_state, to_state, upstream_status, facts, mail_to, hash)
         VALUES (?, ?, ?, ?, 'settled', 'awaiting_payment', 'settled', 'paid', ?, ?, ?)",
    )
    .bind(seq)
    .bind(&id)
    .bind(deposit.version)
    .bind(&at)
    .bind(&facts)
    .bind(r#"["ops@example.org"]"#)
    .bind(format!("{seq:064x}"))
    .execute(&mut *connection)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO outbox (event_seq, recipient, message_id, state, attempts, due_ms, created_at)
         VALUES (?, 'ops@example.org', ?, 'owed', 0, ?, ?)",
    )
    .bind(seq)
    .bind(format!("{seq}.0123456789ab.0123456789abcdef0123456789abcdef@example.org"))
    .bind(event.at.as_millis())
    .bind(&at)
    .execute(connection)
    .await
    .unwrap();
}
