//! The ledger on a real file: written twice, changed behind its back, opened by others, lost and found.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test code: a broken expectation is a failed test"
)]

mod support;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use depositd::clock::Clock as _;
use depositd::ledger::{Access, DepositWrite, Error, Ledger, LedgerSettings, Recorded};
use depositd::sandbox::upstream::Action;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use support::house::House;

fn settings(path: &Path) -> LedgerSettings {
    LedgerSettings { path: path.to_owned(), create_if_missing: true, mail_domain: "example.com".to_owned() }
}

async fn open(path: &Path, access: Access) -> Result<Ledger, Error> {
    Ledger::open(settings(path), access).await
}

/// A house with a few finished deposits.
async fn lived_in() -> House {
    let house = House::new().await;
    let paid = house.wallet("25").await;
    let over = house.wallet("30").await;
    let refunded = house.wallet("35.5").await;
    let _open = house.wallet("40").await;
    house.simulator.act(&house.order(&paid), Action::Pay { amount_usd: None }).unwrap();
    let more = Some("31.25".parse().unwrap());
    house.simulator.act(&house.order(&over), Action::Pay { amount_usd: more }).unwrap();
    house.simulator.act(&house.order(&refunded), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    house.simulator.act(&house.order(&refunded), Action::StartRefund).unwrap();
    house.simulator.act(&house.order(&refunded), Action::FinishRefund).unwrap();
    house.pass(Duration::from_secs(900), Duration::from_secs(60)).await;
    house.reconcile().await;
    house.rounds().await;
    house
}

fn sqlite(path: &Path, statement: &str) -> Result<String, String> {
    let output = Command::new("sqlite3").arg("-bail").arg(path).arg(statement).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[tokio::test]
async fn the_same_step_written_again_changes_nothing() {
    let house = House::new().await;
    let deposit = house.wallet("25").await;
    let report = depositd::domain::report::OrderReport {
        status: Some("paid".to_owned()),
        ..depositd::domain::report::OrderReport::default()
    };
    let observation = depositd::domain::observe::Observation::Polled(Box::new(report));
    let policy = house.flow.settings.policy;
    let step = deposit.observe(observation, house.flow.clock.now(), &policy).unwrap();
    let write = DepositWrite::from(step);
    let ledger = &house.flow.ledger;
    assert_eq!(ledger.record(vec![write.clone()]).await.unwrap(), [Recorded::Written]);
    assert_eq!(ledger.record(vec![write.clone()]).await.unwrap(), [Recorded::Conflict]);
    assert_eq!(
        ledger.record(vec![write.clone(), write]).await.unwrap(),
        [Recorded::Conflict, Recorded::Conflict]
    );
    assert_eq!(house.sql("SELECT count(*), sum(amount_usd_micros) FROM accounting_entries"), "2|0");
    house.prove().await;
}

#[tokio::test]
async fn one_forbidden_step_holds_up_no_other() {
    let house = House::new().await;
    let (bad, good) = (house.wallet("25").await, house.wallet("26").await);
    let policy = house.flow.settings.policy;
    let paid = |deposit: &depositd::domain::deposit::Deposit| {
        let report = depositd::domain::report::OrderReport {
            status: Some("paid".to_owned()),
            ..depositd::domain::report::OrderReport::default()
        };
        let observation = depositd::domain::observe::Observation::Polled(Box::new(report));
        deposit.clone().observe(observation, house.flow.clock.now(), &policy).unwrap()
    };
    let mut wrong = paid(&bad);
    wrong.deposit.facts.booked = None;
    let recorded = house.flow.ledger.record(vec![wrong.into(), paid(&good).into()]).await.unwrap();
    assert!(matches!(recorded.as_slice(), [Recorded::Forbidden(_), Recorded::Written]), "{recorded:?}");
    assert_eq!(house.read(&bad).await.facts, bad.facts);
    house.prove().await;
}

#[tokio::test]
async fn more_writes_than_the_queue_holds_wait_and_none_is_lost() {
    let house = House::new().await;
    let mut other = Command::new("sqlite3")
        .arg(house.ledger_path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = other.stdin.take().unwrap();
    words.write_all(b"BEGIN IMMEDIATE;\nSELECT 'held';\n").unwrap();
    let mut said = [0; 4];
    other.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"held");
    // Three times as many callers as the writer's queue has places: those who find none wait for one.
    let asked = (0..3000).map(|_| {
        let new = depositd::flow::NewDeposit {
            currency: Some("USDT".to_owned()),
            network: Some("BSC".to_owned()),
            amount: "5".to_owned(),
            ..depositd::flow::NewDeposit::default()
        };
        depositd::flow::open(&house.flow, new)
    });
    let mut asking = std::pin::pin!(futures_util::future::join_all(asked));
    let a_second = depositd::clock::SystemClock::new().sleep(Duration::from_secs(1));
    assert!(tokio::select! { _ = &mut asking => false, () = a_second => true }, "it is held");
    drop(words);
    let opened = asking.await;
    other.wait().unwrap();
    let ids: std::collections::HashSet<_> = opened
        .into_iter()
        .map(|opened| match opened.unwrap() {
            depositd::flow::Opened::New(deposit) => deposit.id.to_string(),
            depositd::flow::Opened::Same(deposit) => panic!("{} is somebody else's", deposit.id),
        })
        .collect();
    assert_eq!(ids.len(), 3000);
    assert_eq!(house.sql("SELECT count(*), max(seq) FROM accounting_events"), "3000|3000");
    house.prove().await;
}

#[tokio::test]
async fn the_past_is_append_only_in_sql_itself() {
    let house = lived_in().await;
    for statement in [
        "UPDATE event SET at = '2020-01-01T00:00:00.000Z' WHERE seq = 1",
        "DELETE FROM event WHERE seq = 1",
        "UPDATE posting SET amount_usd_micros = 1",
        "DELETE FROM posting",
        "UPDATE evidence SET body = ''",
        "DELETE FROM evidence",
        "DELETE FROM deposit",
        "UPDATE deposit SET amount_requested = '1'",
        "UPDATE deposit SET order_id = 'x' WHERE order_id IS NOT NULL",
        "UPDATE deposit SET version = version - 1",
        "UPDATE deposit SET state = 'lost'",
        "DELETE FROM outbox",
        "INSERT INTO event (seq, at, name, facts, mail_to, hash) VALUES (999999, 'x', 'x', '{}', '[]', 'x')",
    ] {
        assert!(sqlite(&house.ledger_path(), statement).is_err(), "{statement}");
    }
    house.prove().await;
}

/// Changes one thing behind the ledger's back, anywhere that matters, and expects `verify` to name the place.
#[tokio::test]
async fn verify_names_whatever_was_changed() {
    let seed = rand::rng().random::<u64>();
    println!("seed {seed}");
    let mut dice = rand::rngs::StdRng::seed_from_u64(seed);
    let house = lived_in().await;
    let original = house.folder.path().join("copy.db");
    house.flow.ledger.backup(&original).await.unwrap();
    let columns = [
        (
            "event",
            "at reason facts mail_to hash name to_state upstream_status deposit_id version evidence_id",
        ),
        ("posting", "transaction_id account commodity amount amount_usd_micros"),
        ("evidence", "body"),
        ("account_balance", "balance balance_micros"),
        (
            "deposit",
            "version currency network amount_requested reference notify requested_at state order_id address amount_usd \
             amount_usd_micros amount_crypto expire_at wallet_created_at upstream_status txid outcome settled_at \
             amount_booked_micros needs_review facts updated_at",
        ),
        ("outbox", "event_seq recipient message_id sent_at created_at"),
    ];
    let mut tried = 0;
    for (table, names) in columns {
        for column in names.split_whitespace() {
            let copy = house.folder.path().join(format!("tampered-{table}-{column}.db"));
            std::fs::copy(&original, &copy).unwrap();
            let key = if table == "account_balance" { "account || commodity" } else { "rowid" };
            let rows =
                sqlite(&copy, &format!("SELECT {key} FROM {table} WHERE {column} IS NOT NULL")).unwrap();
            let rows: Vec<&str> = rows.lines().collect();
            let Some(row) = rows.choose(&mut dice) else { continue };
            let triggers = sqlite(
                &copy,
                "SELECT 'DROP TRIGGER ' || name || ';' FROM sqlite_master WHERE type = 'trigger'",
            )
            .unwrap();
            let change = format!(
                "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; {triggers} UPDATE {table} SET {column} = \
                 CASE typeof({column}) WHEN 'integer' THEN {column} + 1000003 \
                 ELSE replace({column}, substr({column}, length({column}) / 2 + 1, 1), 'q') || ' ' END WHERE {key} = '{row}'"
            );
            let applied = sqlite(&copy, &change);
            let ledger = open(&copy, Access::Read).await.unwrap();
            let verification = ledger.verify(|_, _| {}).await;
            let named = verification.as_ref().map_or(true, |found| !found.findings.is_empty());
            assert!(named, "{table}.{column} row {row}: {applied:?}, seed {seed}");
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");
    let ledger = open(&original, Access::Read).await.unwrap();
    assert_eq!(ledger.verify(|_, _| {}).await.unwrap().findings, Vec::new());
}

#[tokio::test]
async fn a_lost_ledger_is_never_begun_afresh() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let forbidden = LedgerSettings { create_if_missing: false, ..settings(&path) };
    assert!(matches!(Ledger::open(forbidden, Access::Write).await, Err(Error::Missing { .. })));
    assert!(matches!(open(&path, Access::Read).await, Err(Error::Missing { .. })));
    assert!(!path.exists());
    let ledger = open(&path, Access::Write).await.unwrap();
    assert!(matches!(open(&path, Access::Write).await, Err(Error::InUse { .. })));
    ledger.close().await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = open(&path, Access::Write).await.unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error}");
    assert!(error.to_string().contains("ledger.db.lock"), "{error}");
    std::fs::remove_file(folder.path().join("ledger.db.lock")).unwrap();
    std::fs::write(folder.path().join("ledger.db-wal"), b"trace").unwrap();
    assert!(matches!(open(&path, Access::Write).await, Err(Error::Missing { .. })));
    std::fs::remove_file(folder.path().join("ledger.db-wal")).unwrap();
    open(&path, Access::Write).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn an_emptied_or_foreign_file_never_becomes_a_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    open(&path, Access::Write).await.unwrap().close().await.unwrap();
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(open(&path, Access::Write).await, Err(Error::Missing { .. })), "emptied");
    std::fs::write(&path, b"something else altogether").unwrap();
    assert!(matches!(open(&path, Access::Write).await, Err(Error::Unreadable(_))), "no database");
    std::fs::remove_file(&path).unwrap();
    sqlite(&path, "CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(open(&path, Access::Write).await, Err(Error::Unreadable(_))), "another program's");
    assert_eq!(sqlite(&path, "SELECT group_concat(name) FROM sqlite_master").unwrap(), "theirs");
}

#[tokio::test]
async fn a_newer_file_is_refused_in_clear_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    open(&path, Access::Write).await.unwrap().close().await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'from the future', 1, x'00', 0)";
    sqlite(&path, newer).unwrap();
    for access in [Access::Write, Access::Read] {
        let error = open(&path, access).await.unwrap_err();
        assert!(matches!(error, Error::Newer { .. }), "{error}");
        assert!(error.to_string().contains("newer depositd"), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_is_deleted_replaced_or_rolled_back_is_trusted_no_more() {
    for harm in ["deleted", "replaced", "rolled back", "overwritten", "emptied", "unlocked"] {
        let house = lived_in().await;
        let path = house.ledger_path();
        let copy = house.folder.path().join("old.db");
        house.flow.ledger.backup(&copy).await.unwrap();
        house.flow.ledger.check().await.unwrap();
        house.wallet("77").await;
        match harm {
            "deleted" => std::fs::remove_file(&path).unwrap(),
            "replaced" => std::fs::rename(&copy, &path).unwrap(),
            "emptied" => std::fs::write(&path, b"").unwrap(),
            "overwritten" => {
                // In place, as `cp` does it, after the log was written back.
                sqlite(&path, "PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
                std::fs::write(&path, vec![b'x'; 200_000]).unwrap();
            }
            "unlocked" => std::fs::remove_file(house.folder.path().join("ledger.db.lock")).unwrap(),
            _ => {
                let restored = sqlite(&path, &format!(".restore {}", copy.display()));
                assert!(restored.is_ok(), "{restored:?}");
            }
        }
        let error = house.flow.ledger.check().await.unwrap_err();
        assert!(matches!(error, Error::Untrusted(_)), "{harm}: {error}");
        let new = depositd::flow::NewDeposit {
            currency: Some("USDT".to_owned()),
            network: Some("TRON".to_owned()),
            amount: "5".to_owned(),
            ..depositd::flow::NewDeposit::default()
        };
        assert!(depositd::flow::open(&house.flow, new).await.is_err(), "{harm}: nothing more is accepted");
    }
}

/// Running, cleanly stopped, and after a crash: who may only read the file can, with any program.
#[tokio::test]
async fn a_reader_without_write_permission_can_always_read() {
    use std::os::unix::fs::PermissionsExt as _;
    if !Command::new("id").arg("-u").output().unwrap().stdout.starts_with(b"0\n") {
        println!("not root: another user cannot be tried");
        return;
    }
    let house = lived_in().await;
    let folder = house.folder.path().to_owned();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = house.ledger_path();
    let read = |path: &Path| {
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "sqlite3", "-readonly"])
            .arg(path)
            .arg("SELECT count(*) FROM accounting_deposits")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(read(&path), "4", "while the daemon runs");
    // A crash leaves the sidecars where they are: copied here as they lie.
    let crashed = folder.join("crashed.db");
    for suffix in ["", "-wal", "-shm"] {
        let from = folder.join(format!("ledger.db{suffix}"));
        std::fs::copy(&from, folder.join(format!("crashed.db{suffix}"))).unwrap();
    }
    assert_eq!(read(&crashed), "4", "after a crash");
    house.flow.ledger.clone().close().await.unwrap();
    assert!(!folder.join("ledger.db-wal").exists());
    assert_eq!(read(&path), "4", "after a clean stop");
}

#[tokio::test]
async fn a_backup_is_whole_and_never_overwrites() {
    let house = lived_in().await;
    let path = house.folder.path().join("backup.db");
    let report = house.flow.ledger.backup(&path).await.unwrap();
    assert!(report.verification.events > 10 && report.bytes > 10_000);
    assert!(house.flow.ledger.backup(&path).await.is_err());
    let folder = house.folder.path().join("backups");
    for hour in 0..5 {
        let now = house.flow.clock.now().plus(Duration::from_secs(3600 * hour));
        house.flow.ledger.scheduled_backup(&folder, 3, now).await.unwrap();
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);
}
