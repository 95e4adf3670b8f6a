//! A ledger of an earlier version goes on: nothing of what it held is lost or changed, and it proves whole.

use std::path::Path;
use std::process::Command;

use depositd::domain::money::UsdMicros;
use depositd::domain::observe::Observation;
use depositd::domain::poll::Policy;
use depositd::ledger::{Access, Error, Ledger, Recorded, Settings, Write};

/// As the program wrote it before 0002: one deposit for each fate.
const OLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/books/ledger-0001.sql");

fn sqlite(path: &Path, statement: &str) -> String {
    let output = Command::new("sqlite3").arg("-bail").arg(path).arg(statement).output().unwrap();
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn open(path: &Path, access: Access) -> Result<Ledger, Error> {
    let mail_domain = "example.com".to_owned();
    Ledger::open(Settings { path: path.to_owned(), create_if_missing: false, mail_domain }, access).await
}

#[tokio::test]
async fn an_older_file_goes_on_and_what_it_held_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    sqlite(&path, &format!(".read {OLD}"));
    let columns = "entry_id, transaction_id, posted_at, account, commodity, amount, amount_usd_micros, deposit_id, order_id";
    let questions = [
        format!("SELECT {columns} FROM accounting_entries ORDER BY entry_id"),
        "SELECT month, currency, network, deposits, amount_usd, amount_usd_micros, refunds, refunded_usd, \
         refunded_usd_micros FROM accounting_monthly ORDER BY 1, 2, 3"
            .to_owned(),
        "SELECT * FROM accounting_trial_balance ORDER BY 1, 2".to_owned(),
        "SELECT * FROM accounting_history ORDER BY seq".to_owned(),
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
    // It goes on: a figure from before turns out wrong, and is corrected by a new entry.
    let id = sqlite(&path, "SELECT id FROM deposit WHERE state = 'settled' ORDER BY row_id LIMIT 1");
    let deposit = ledger.find(id.trim()).await.unwrap().unwrap();
    let later = deposit.updated_at.plus(std::time::Duration::from_hours(1));
    let correction =
        Observation::Corrected { credited: UsdMicros::new(24_000_000), reason: "late".to_owned() };
    let step = deposit.observe(correction, later, &Policy::default()).unwrap();
    assert_eq!(ledger.record(vec![Write::from(step)]).await.unwrap(), [Recorded::Written]);
    assert_eq!(ledger.verify(|_, _| {}).await.unwrap().findings, Vec::new());
    ledger.close().await.unwrap();
    let ledger = open(&path, Access::Read).await.unwrap();
    assert_eq!(ledger.verify(|_, _| {}).await.unwrap().findings, Vec::new());
}
