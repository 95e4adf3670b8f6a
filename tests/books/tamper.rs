//! One byte, one row, anywhere that matters, changed behind the ledger's back: `verify` names it.

use std::path::Path;
use std::process::Command;

use depositd::domain::period::Month;
use depositd::flow;
use depositd::ledger::{Access, Ledger, LedgerSettings};
use depositd::sandbox::upstream::{Action, ListLie};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::story;

/// Table, its key, and the columns that what was booked, said and proven hangs on. Left out is what changes in the
/// ordinary course of things and leaves no trace by design: a mail's tries and the moment it went, a turn in the queue.
const TABLES: &[(&str, &str, &str)] = &[
    (
        "event",
        "seq",
        "seq deposit_id version at name from_state to_state upstream_status reason facts mail_to evidence_id hash",
    ),
    ("posting", "entry_id", "transaction_id account commodity amount amount_usd_micros"),
    ("evidence", "id", "id deposit_id body"),
    ("account_balance", "account || commodity", "account commodity balance balance_micros"),
    (
        "deposit",
        "row_id",
        "id version currency network amount_requested coupon reference notify requested_at state order_id address \
         amount_usd amount_usd_micros amount_crypto expire_at wallet_created_at upstream_status txid outcome late \
         settled_at refunded_at amount_booked_micros facts updated_at",
    ),
    ("outbox", "id", "event_seq recipient audience message_id created_at"),
    ("period", "month", "month ends_at event_seq closed_at"),
    (
        "month_total",
        "month || currency || network",
        "month currency network deposits credited_micros refunds refunded_micros adjustments adjusted_micros",
    ),
    ("account_month", "month || account || commodity", "month account commodity debit_micros credit_micros"),
    ("refund_month", "month", "month refunded_micros"),
    ("books_month", "month", "month starts_at ends_at"),
    (
        "reconciliation",
        "id",
        "at ok balance_cents total_charges_cents credited_here_cents credited_elsewhere_cents baseline_cents \
         difference_cents accepted_cents not_listed_cents clean journal_micros refunds_micros risen_cents",
    ),
    ("discrepancy", "id", "kind deposit_id order_id opened_at closed_at closed_by resolution expected found"),
    (
        "acceptance",
        "id",
        "case_id event_seq kind deposit_row listed_cents counted_cents drift_cents accepted_at accepted_by note ended_seq",
    ),
    // What runs remember besides is worked out again by the next ones.
    ("meta WHERE key IN ('baseline_cents', 'ledger_id')", "key", "value"),
];

/// A row may be missing, or stand there twice.
const ROWS: &[&str] = &[
    "event",
    "posting",
    "evidence",
    "account_balance",
    "deposit",
    "queue",
    "outbox",
    "period",
    "month_total",
    "account_month",
    "discrepancy",
    "acceptance",
];

fn sqlite(path: &Path, statement: &str) -> Result<String, String> {
    let output = Command::new("sqlite3").arg("-bail").arg(path).arg(statement).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// What `verify` finds in the copy; an unreadable one is found too.
async fn finds(path: &Path) -> Vec<String> {
    let settings = LedgerSettings {
        path: path.to_owned(),
        create_if_missing: false,
        mail_domain: "example.com".to_owned(),
    };
    let ledger = match Ledger::open(settings, Access::Read).await {
        Ok(ledger) => ledger,
        Err(error) => return vec![error.to_string()],
    };
    match ledger.verify(|_, _| {}).await {
        Ok(proof) => proof.findings.iter().map(|f| format!("{} {}: {}", f.table, f.row, f.what)).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// Triggers, checks and foreign keys hold up nobody who means harm.
fn unguarded(path: &Path) -> String {
    let triggers = "SELECT 'DROP TRIGGER ' || name || ';' FROM sqlite_master WHERE type = 'trigger'";
    let triggers = sqlite(path, triggers).unwrap();
    format!("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; {triggers}")
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, or one table of what must be refused")]
async fn one_byte_or_one_row_anywhere_is_named() {
    let seed = rand::rng().random::<u64>();
    println!("seed {seed}");
    let mut dice = rand::rngs::StdRng::seed_from_u64(seed);
    let lived = story::march().await;
    story::april(&lived).await;
    let house = &lived.house;
    flow::close_month(&house.flow, &Month::parse("2026-03").unwrap(), "an accountant").await.unwrap();
    // A difference that a person closes.
    house.simulator.adjust(0, 7_00).unwrap();
    let report = house.reconcile().await;
    flow::explain_case(&house.flow, report.cases[0].id, "an accountant", "asked support").await.unwrap();
    flow::close_case(&house.flow, report.cases[0].id, "an accountant", "a gift").await.unwrap();
    // A deposit's figure that is accepted, and one that is taken back.
    let paid = house.wallet("19").await;
    house.simulator.act(&house.order(&paid), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    for taken_back in [true, false] {
        let order_id = house.order(&paid);
        house.simulator.set_list_lie(ListLie::AmountOf { order_id, cents: 1_800 });
        let report = house.reconcile().await;
        let case = report.cases.iter().find(|case| case.kind == "amount_mismatch").unwrap().id;
        flow::accept_case(&house.flow, case, "an accountant", "their list is wrong", None).await.unwrap();
        assert!(house.reconcile().await.clean);
        if taken_back {
            flow::unaccept_case(&house.flow, case, "an accountant", "not yet").await.unwrap();
        }
    }
    house.rounds().await;
    house.prove().await;
    let original = house.file("original.db");
    house.flow.ledger.backup(&original).await.unwrap();
    assert_eq!(finds(&original).await, Vec::<String>::new());

    let mut unnamed = Vec::new();
    let mut tried = 0;
    let copy = house.file("copy.db");
    for (table, key, columns) in TABLES {
        for column in columns.split_whitespace() {
            let (table, only) = table.split_once(" WHERE ").unwrap_or((table, "true"));
            let sql =
                format!("SELECT {key} FROM {table} WHERE {column} IS NOT NULL AND {column} <> '' AND {only}");
            let rows = sqlite(&original, &sql).unwrap();
            let rows: Vec<&str> = rows.lines().collect();
            let row = rows.choose(&mut dice).unwrap_or_else(|| panic!("no row of {table} has a {column}"));
            std::fs::copy(&original, &copy).unwrap();
            let place = dice.random::<u32>();
            // One byte of a text becomes another one; a number becomes its neighbour by one bit.
            // The domain of a Message-ID is the configured one of its day: no event says it.
            let length = if *column == *"message_id" {
                "instr(message_id, '@') - 1"
            } else {
                &format!("length({column})")
            };
            let change = format!(
                "{} UPDATE {table} SET {column} = CASE typeof({column}) WHEN 'integer' THEN {column} + (1 << ({place} % 8)) \
                 ELSE substr({column}, 1, {place} % ({length})) \
                      || iif(substr({column}, {place} % ({length}) + 1, 1) = '7', '8', '7') \
                      || substr({column}, {place} % ({length}) + 2) END WHERE {key} = '{row}'",
                unguarded(&copy)
            );
            // What the file itself refuses (two rows of one key) has not happened.
            if sqlite(&copy, &change).is_ok() {
                tried += 1;
                let found = finds(&copy).await;
                // The table itself, the event that covers it, or the key that leads nowhere any more. The ledger's
                // own name is in every Message-ID.
                let covers = if table == "meta" { "outbox" } else { "event" };
                let named = |what: &String| {
                    [table, covers, "file"].iter().any(|name| what.starts_with(&format!("{name} ")))
                };
                if !found.iter().any(named) {
                    unnamed.push(format!("{table}.{column} of row {row}, byte {place}: {found:?}"));
                }
            }
        }
    }
    for table in ROWS {
        // A stale place in the queue says nothing any more.
        let live = match *table {
            "queue" => "WHERE version = (SELECT d.version FROM deposit d WHERE d.row_id = queue.deposit)",
            _ => "",
        };
        let count: u32 =
            sqlite(&original, &format!("SELECT count(*) FROM {table} {live}")).unwrap().parse().unwrap();
        let place = dice.random::<u32>() % count;
        let rowid = "SELECT group_concat(name) FROM pragma_table_info";
        let keys = sqlite(&original, &format!("{rowid}('{table}') WHERE pk > 0")).unwrap();
        let first = format!("SELECT {keys} FROM {table} {live} LIMIT 1 OFFSET {place}");
        std::fs::copy(&original, &copy).unwrap();
        let gone = format!("{} DELETE FROM {table} WHERE ({keys}) IN ({first})", unguarded(&copy));
        sqlite(&copy, &gone).unwrap();
        tried += 1;
        if finds(&copy).await.is_empty() {
            unnamed.push(format!("{table}: row {place} is gone"));
        }
    }
    assert!(unnamed.is_empty(), "seed {seed}: {unnamed:#?}");
    println!("{tried} changes, all named");
    assert!(tried > 70, "{tried}");
}
