//! A ledger of an earlier version goes on: nothing of what it held is lost or changed, and it proves whole.

use std::path::Path;
use std::process::Command;

use depositd::domain::money::UsdMicros;
use depositd::domain::observe::Observation;
use depositd::domain::poll::Policy;
use depositd::domain::time::Timestamp;
use depositd::flow;
use depositd::ledger::{Access, DepositWrite, Error, Ledger, LedgerSettings, Recorded};
use depositd::sandbox::upstream::{Call, Fault};

use crate::support::house::House;

/// The history as every version shows it: of columns that came later, older events say nothing.
const HISTORY: &str = "SELECT seq, deposit_id, at, name, from_state, to_state, upstream_status, reason, hash FROM accounting_history ORDER BY seq";

/// As the program wrote it before 0002, one deposit for each fate; and before 0005, with wallets of lost answers that
/// were adopted, or named abandoned.
const OLD: &[&str] = &[
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/books/ledger-0001.sql"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/books/ledger-0004.sql"),
];

/// As the program wrote it before 0006: adopted and abandoned wallets, rows matched by amount and time, cases of every age.
const ADOPTING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/books/ledger-0004.sql");

fn sqlite(path: &Path, statement: &str) -> String {
    let output = Command::new("sqlite3").arg("-bail").arg(path).arg(statement).output().unwrap();
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn open(path: &Path, access: Access) -> Result<Ledger, Error> {
    let mail_domain = "example.com".to_owned();
    Ledger::open(LedgerSettings { path: path.to_owned(), create_if_missing: false, mail_domain }, access)
        .await
}

#[tokio::test]
async fn an_older_file_goes_on_and_what_it_held_stands() {
    for old in OLD {
        goes_on(old).await;
    }
}

async fn goes_on(old: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    sqlite(&path, &format!(".read {old}"));
    let columns = "entry_id, transaction_id, posted_at, account, commodity, amount, amount_usd_micros, deposit_id, order_id";
    let questions = [
        format!("SELECT {columns} FROM accounting_entries ORDER BY entry_id"),
        "SELECT month, currency, network, deposits, amount_usd, amount_usd_micros, refunds, refunded_usd, \
         refunded_usd_micros FROM accounting_monthly ORDER BY 1, 2, 3"
            .to_owned(),
        "SELECT * FROM accounting_trial_balance ORDER BY 1, 2".to_owned(),
        HISTORY.to_owned(),
        "SELECT id, state, outcome, amount_booked, settled_at, refunded_at FROM accounting_deposits ORDER BY id".to_owned(),
    ];
    let before: Vec<String> = questions.iter().map(|question| sqlite(&path, question)).collect();
    assert!(before.iter().all(|answer| answer.lines().count() > 2), "{before:?}");
    let error = open(&path, Access::Read).await.unwrap_err();
    assert!(matches!(error, Error::Older { .. }), "{error}");
    assert!(error.to_string().contains("start the daemon once"), "{error}");

    let ledger = open(&path, Access::Write).await.unwrap();
    assert_eq!(ledger.verify(|_, _| {}).await.unwrap().findings, Vec::new());
    for (question, answer) in questions.iter().zip(&before) {
        assert_eq!(sqlite(&path, question), *answer, "{question}");
    }
    // Runs of before have what a statement needs; its identity holds for every month.
    let lacking = "SELECT count(*) FROM reconciliation WHERE ok = 1 AND (journal_micros IS NULL OR refunds_micros IS NULL OR risen_cents IS NULL)";
    assert_eq!(sqlite(&path, lacking).trim(), "0");
    let months = "SELECT count(*) > 0, sum(closing_usd_micros IS NOT NULL AND since_usd_micros + ours_usd_micros + elsewhere_usd_micros \
                  + rises_usd_micros + in_transit_usd_micros + unexplained_usd_micros - refunds_usd_micros - spent_usd_micros \
                  IS NOT closing_usd_micros) FROM accounting_statement";
    assert_eq!(sqlite(&path, months).trim(), "1|0");
    let attempts = "SELECT id, outcome, order_id FROM attempt ORDER BY id";
    for line in sqlite(&path, attempts).lines().filter(|line| line.contains("adopted")) {
        let order = line.rsplit('|').next().unwrap();
        let adopted = ledger.find(order).await.unwrap().unwrap();
        assert_eq!(
            adopted.facts.wallet.unwrap().order_id.as_deref(),
            Some(order),
            "an adopted deposit keeps what it has"
        );
    }
    // It goes on: a figure from before turns out wrong, and is corrected by a new entry.
    let id = sqlite(&path, "SELECT id FROM deposit WHERE state = 'settled' ORDER BY row_id LIMIT 1");
    let deposit = ledger.find(id.trim()).await.unwrap().unwrap();
    let closed = sqlite(&path, "SELECT coalesce(max(ends_at), '1970-01-01T00:00:00.000Z') FROM period");
    let later = deposit.updated_at.max(Timestamp::parse(closed.trim()).unwrap());
    let later = later.plus(std::time::Duration::from_hours(1));
    let correction =
        Observation::Corrected { credited: UsdMicros::new(23_990_000), reason: "late".to_owned() };
    let step = deposit.observe(correction, later, &Policy::default()).unwrap();
    assert_eq!(ledger.record(vec![DepositWrite::from(step)]).await.unwrap(), [Recorded::Written]);
    assert_eq!(ledger.verify(|_, _| {}).await.unwrap().findings, Vec::new());
    ledger.close().await.unwrap();
    let ledger = open(&path, Access::Read).await.unwrap();
    assert_eq!(ledger.verify(|_, _| {}).await.unwrap().findings, Vec::new());
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, or one table of what must be refused")]
async fn a_ledger_that_adopted_and_guessed_goes_on_without_and_keeps_what_it_held() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.db");
    sqlite(&old, &format!(".read {ADOPTING}"));
    let questions = [
        "SELECT entry_id, transaction_id, posted_at, account, commodity, amount, amount_usd_micros, deposit_id FROM accounting_entries ORDER BY 1",
        "SELECT * FROM accounting_trial_balance ORDER BY 1, 2",
        HISTORY,
        "SELECT id, order_id, state, outcome, amount_booked, settled_at, refunded_at FROM accounting_deposits ORDER BY id",
        "SELECT id, kind, deposit_id, order_id, expected, found, opened_at, closed_at, closed_by, closed_who, resolution, explained \
         FROM accounting_discrepancies ORDER BY id",
        "SELECT at, total_charges_cents, credited_here_cents, credited_elsewhere_cents, difference_cents, baseline_cents \
         FROM accounting_balance_history ORDER BY at",
        "SELECT value FROM meta WHERE key = 'baseline_cents'",
        "SELECT pay_id, sesid, amount_cents, status, listed FROM invoice WHERE listed = 1 OR credited = 1 ORDER BY row_id",
    ];
    let before: Vec<String> = questions.iter().map(|question| sqlite(&old, question)).collect();
    assert_eq!(before[6].trim(), "12345");
    let list = sqlite(
        &old,
        "SELECT json_object('ok', json('true'), 'body', json_group_array(json_object('sesid', sesid, 'payId', pay_id, 'method', method, \
         'amount', amount_cents, 'created', strftime('%Y-%m-%d %H:%M:%S', created_ms / 1000, 'unixepoch'), 'status', status))) \
         FROM invoice WHERE listed = 1",
    );
    let total =
        sqlite(&old, "SELECT total_charges_cents FROM reconciliation WHERE ok = 1 ORDER BY id DESC LIMIT 1");
    let at = Timestamp::parse("2026-05-02T12:00:00Z").unwrap();
    let house = House::new().await.upgraded(Path::new(ADOPTING), at).await;
    for (question, answer) in questions.iter().zip(&before) {
        let question = question.replace("listed = 1 OR credited = 1", "true");
        assert_eq!(house.sql(&question), answer.trim(), "{question}");
    }
    house.prove().await;
    // One that was adopted is as it was, with its history.
    let adopted = "SELECT id FROM deposit WHERE reference = 'adopted' LIMIT 1";
    let adopted = house.flow.ledger.find(&house.sql(adopted)).await.unwrap().unwrap();
    assert!(adopted.facts.wallet.is_some() && adopted.facts.booked.is_some());
    let attempts = house.flow.ledger.attempts_of(adopted.id).await.unwrap();
    assert!(attempts.iter().any(|attempt| attempt.outcome.as_deref() == Some("adopted")), "{attempts:?}");

    // The same list again: no row is a new one, and nothing counts twice.
    let balance = format!(r#"{{"ok":true,"body":{{"balance":1,"totalCharges":"{}"}}}}"#, total.trim());
    house.simulator.inject(Call::Invoices, Fault::Status(200, list.trim().to_owned(), Vec::new()), u32::MAX);
    house.simulator.inject(Call::Balance, Fault::Status(200, balance, Vec::new()), u32::MAX);
    let rows = "SELECT group_concat(row_id || ' ' || counted_cents || ' ' || listed, ';') FROM invoice ORDER BY row_id";
    let known = house.sql(rows);
    let mut last = None;
    for _ in 0..3 {
        let report = house.reconcile().await;
        assert_eq!(house.sql(rows), known);
        let figures = report.figures.clone().unwrap();
        // Rows count now, not the journal: what people let stand of single rows (0.50, 0.25, 18.00, 19.00) is seen in
        // the total.
        assert_eq!(
            (figures.baseline_cents, figures.difference_cents),
            (Some(12_345), Some(3_775)),
            "{figures:?}"
        );
        last = Some(report);
    }
    let report = last.unwrap();
    let of_kind = |kind: &str| report.cases.iter().filter(|case| case.kind == kind).count();
    assert_eq!(of_kind("abandoned_wallet"), 0, "{:?}", report.cases);
    let ended = "SELECT closed_by, resolution LIKE '%no longer kept%' FROM discrepancy WHERE id = 8";
    assert_eq!(house.sql(ended), "run|1", "the next run ends it");
    // What a person has decided stays decided, what was open stays open; a row that was guessed by amount and time is
    // nobody's proof any more.
    let states = "SELECT group_concat(id || iif(closed_at IS NULL, ' open', ' closed'), ', ') FROM discrepancy WHERE id IN (4, 5, 6, 7)";
    assert_eq!(house.sql(states), "4 open, 5 closed, 6 closed, 7 open");
    assert_eq!(
        (of_kind("amount_mismatch"), of_kind("status_mismatch"), of_kind("invoice_missing")),
        (1, 1, 1),
        "{:?}",
        report.cases
    );
    assert_eq!(report.matches.get("amount_and_time"), None);
    // What is about deposits first: the drift that is left is accepted once.
    for case in report.cases.iter().filter(|case| case.deposit_id.is_some()) {
        flow::accept_case(&house.flow, case.id, "root", "as it was", None).await.unwrap();
    }
    let report = house.reconcile().await;
    assert_eq!(report.cases.len(), 1, "{:?}", report.cases);
    flow::accept_case(&house.flow, report.cases[0].id, "root", "as it was", None).await.unwrap();
    let report = house.reconcile().await;
    assert_eq!((report.cases.len(), report.clean), (0, true), "{:?}", report.cases);
    house.prove().await;
}
