//! The ledger's file: when it is made, when it is refused, and when it can no longer be trusted.

use super::*;

async fn open(path: &Path, access: Access) -> Result<Ledger> {
    Ledger::open(settings(path), access).await
}

async fn sql(path: &Path, statements: &'static str) {
    let mut aside = connect(path).await;
    sqlx::raw_sql(statements).execute(&mut aside).await.unwrap();
    aside.close().await.unwrap();
}

/// Closes what was opened, or says why it was not.
async fn outcome(path: &Path, access: Access) -> std::result::Result<(), String> {
    match open(path, access).await {
        Ok(ledger) => ledger.close().await.map_err(|error| error.to_string()),
        Err(error) => {
            Err(format!("{:?} {error}", std::mem::discriminant(&error)).split_once(' ').unwrap().1.to_owned())
        }
    }
}

#[tokio::test]
async fn a_ledger_begins_only_where_nothing_tells_of_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let forbidden = LedgerSettings { create_if_missing: false, ..settings(&path) };
    let error = Ledger::open(forbidden, Access::Write).await.unwrap_err();
    assert!(matches!(&error, Error::Missing { hint, .. } if hint.contains("create_if_missing")), "{error}");
    assert!(matches!(open(&path, Access::Read).await, Err(Error::Missing { .. })));
    assert!(!path.exists());
    let error = open(&folder.path().join("no such/ledger.db"), Access::Write).await.unwrap_err();
    assert!(
        matches!(&error, Error::Missing { hint, .. } if hint.contains("its folder is not there")),
        "{error}"
    );
    for trace in ["ledger.db-wal", "ledger.db-shm", "ledger.db-journal", "ledger.db.lock"] {
        let trace = folder.path().join(trace);
        std::fs::write(&trace, b"trace").unwrap();
        let error = open(&path, Access::Write).await.unwrap_err();
        assert!(
            matches!(&error, Error::Missing { hint, .. } if hint.contains(trace.to_str().unwrap())),
            "{error}"
        );
        std::fs::remove_file(&trace).unwrap();
    }
    // An empty lock file is the beginning of a first start that was cut off; so is an empty ledger.
    std::fs::write(folder.path().join("ledger.db.lock"), b"").unwrap();
    std::fs::write(&path, b"").unwrap();
    let ledger = open(&path, Access::Write).await.unwrap();
    assert_eq!(ledger.path(), path);
    assert!(matches!(open(&path, Access::Write).await, Err(Error::InUse { .. })));
    let name = std::fs::read_to_string(folder.path().join("ledger.db.lock")).unwrap();
    assert_eq!(name, format!("{}\n", ledger.id()));
    let log = std::fs::metadata(folder.path().join("ledger.db-wal")).unwrap().len();
    assert!(log > 4096 && ledger.log_bytes() == log);
    ledger.close().await.unwrap();
    assert!(!folder.path().join("ledger.db-wal").exists(), "one whole file is left");
    // What the file itself says of its journal: 1 is none beside it, 2 a log (SQLite's file format, section 1.3.3).
    let header = std::fs::read(folder.path().join("ledger.db")).unwrap();
    assert_eq!(&header[18..20], [1, 1], "and who may only read can open it");
    let again = open(&path, Access::Write).await.unwrap();
    assert_eq!(format!("{}\n", again.id()), name, "the same ledger, under the same name");
    again.close().await.unwrap();
    std::fs::write(folder.path().join("ledger.db.lock"), b"another\n").unwrap();
    let error = open(&path, Access::Write).await.unwrap_err();
    assert!(matches!(&error, Error::Unreadable(why) if why.contains("not the ledger that")), "{error}");
}

#[tokio::test]
async fn what_is_no_ledger_never_becomes_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    std::fs::write(&path, b"something else altogether").unwrap();
    let error = open(&path, Access::Write).await.unwrap_err();
    assert!(matches!(&error, Error::Unreadable(why) if why.contains("is not a depositd ledger")), "{error}");
    std::fs::write(&path, b"SQLite").unwrap();
    let error = open(&path, Access::Write).await.unwrap_err();
    assert!(matches!(&error, Error::Unreadable(why) if why.contains("is not a depositd ledger")), "{error}");
    std::fs::remove_file(&path).unwrap();
    // A fresh file would be made: this one is somebody's.
    let mut theirs =
        SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE theirs (x)").execute(&mut theirs).await.unwrap();
    theirs.close().await.unwrap();
    let error = open(&path, Access::Write).await.unwrap_err();
    assert!(matches!(&error, Error::Unreadable(why) if why.contains("another program")), "{error}");
    // An empty database, without a table, is the beginning of one of ours.
    sql(&path, "DROP TABLE theirs").await;
    assert_eq!(outcome(&path, Access::Write).await, Ok(()));
}

#[tokio::test]
async fn a_file_of_another_version_is_refused_in_words_that_help() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    assert_eq!(outcome(&path, Access::Write).await, Ok(()));
    assert_eq!(outcome(&path, Access::Read).await, Ok(()));
    sql(
        &path,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', 1, x'00', 0)",
    )
    .await;
    for access in [Access::Write, Access::Read] {
        assert!(matches!(open(&path, access).await, Err(Error::Newer { .. })), "{access:?}");
    }
    sql(&path, "DELETE FROM _sqlx_migrations WHERE version > 2").await;
    // What SQLite itself does not know is neither: a schema format beyond its fourth (its file format, section 1.3.10).
    let sound = std::fs::read(&path).unwrap();
    let mut strange = sound.clone();
    strange[47] = 9;
    std::fs::write(&path, &strange).unwrap();
    assert!(matches!(open(&path, Access::Read).await, Err(Error::Database { .. })));
    std::fs::write(&path, &sound).unwrap();
    let error = open(&path, Access::Read).await.unwrap_err();
    assert!(matches!(&error, Error::Older { reason, .. } if reason.contains("its schema is 2")), "{error}");
    sql(&path, "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1").await;
    let error = open(&path, Access::Write).await.unwrap_err();
    assert!(
        matches!(&error, Error::Untrusted(why) if why.contains("not the one that was released")),
        "{error}"
    );
}

#[tokio::test]
async fn what_a_first_start_left_behind_does_not_keep_the_next_from_beginning() {
    for left in [&["ledger.db.lock"][..], &["ledger.db.lock", "ledger.db", "ledger.db-journal"]] {
        let folder = tempfile::tempdir().unwrap();
        for name in left {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        assert_eq!(outcome(&folder.path().join("ledger.db"), Access::Write).await, Ok(()), "{left:?}");
    }
    // The same beside a ledger that is gone, or under a lock that names one, is a loss.
    for kept in ["ledger.db", "ledger.db.lock"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(kept), b"").unwrap();
        std::fs::write(folder.path().join("ledger.db-journal"), b"trace").unwrap();
        let error = open(&folder.path().join("ledger.db"), Access::Write).await.unwrap_err();
        assert!(
            matches!(&error, Error::Missing { hint, .. } if hint.contains("-journal")),
            "{kept}: {error}"
        );
    }
}

#[tokio::test]
async fn a_reader_is_told_of_a_write_that_was_cut_off_and_the_daemon_undoes_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("ledger.db"), folder.path().join("copy.db"));
    assert_eq!(outcome(&path, Access::Write).await, Ok(()));
    let mut writing = connect(&path).await;
    // More than the cache holds: pages and the journal that undoes them are on the disk before the end.
    sqlx::raw_sql(
        "PRAGMA cache_size = 1; BEGIN;
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO meta SELECT 'half ' || i, hex(zeroblob(100)) FROM n",
    )
    .execute(&mut writing)
    .await
    .unwrap();
    for (from, to) in [("ledger.db", "copy.db"), ("ledger.db-journal", "copy.db-journal")] {
        std::fs::copy(folder.path().join(from), folder.path().join(to)).unwrap();
    }
    let error = open(&copy, Access::Read).await.unwrap_err();
    assert!(matches!(error, Error::Unfinished { .. }), "{error}");
    assert_eq!(outcome(&copy, Access::Write).await, Ok(()));
    let ledger = open(&copy, Access::Read).await.unwrap();
    assert!(ledger.verify(|_, _| {}).await.unwrap().findings.is_empty());
    let half = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM meta WHERE key LIKE 'half %'");
    assert_eq!(half.fetch_one(&mut connect(&copy).await).await.unwrap(), 0);
}

/// A first start may be cut off after each of its steps.
#[tokio::test]
async fn a_ledger_whose_making_was_cut_off_is_finished_by_the_next_start() {
    let cuts = [
        // The file is there; then its first page; then the first table.
        "",
        "PRAGMA user_version = 1; PRAGMA user_version = 0",
        "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
             installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL,
             checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)",
        // The schema is whole, but it has no name yet.
        "DELETE FROM meta WHERE key = 'ledger_id'",
    ];
    for cut in cuts {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        if cut.starts_with("DELETE") {
            assert_eq!(outcome(&path, Access::Write).await, Ok(()));
            std::fs::write(folder.path().join("ledger.db.lock"), b"").unwrap();
        } else {
            std::fs::write(&path, b"").unwrap();
            std::fs::write(folder.path().join("ledger.db.lock"), b"").unwrap();
        }
        sql(&path, cut).await;
        let error = open(&path, Access::Read).await.unwrap_err();
        assert!(matches!(error, Error::Unfinished { .. }), "{cut}: {error}");
        assert_eq!(outcome(&path, Access::Write).await, Ok(()), "{cut}");
        assert_eq!(outcome(&path, Access::Read).await, Ok(()), "{cut}");
        // Where there was a ledger, the same is a loss and not a beginning.
        std::fs::write(&path, b"").unwrap();
        let error = open(&path, Access::Read).await.unwrap_err();
        assert!(matches!(&error, Error::Untrusted(why) if why.contains("restore it")), "{error}");
        let error = open(&path, Access::Write).await.unwrap_err();
        assert!(matches!(&error, Error::Missing { hint, .. } if hint.contains("restore")), "{error}");
    }
}

#[tokio::test]
async fn a_ledger_that_another_program_holds_is_not_open_until_it_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    assert_eq!(outcome(&path, Access::Write).await, Ok(()));
    let mut other = connect(&path).await;
    sqlx::raw_sql("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let mut opening = std::pin::pin!(open(&path, Access::Write));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut opening).await;
    assert!(early.is_err(), "it is called open and cannot be written: {early:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    opening.await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_ledger_with_events_that_lost_its_name_is_not_given_another() {
    let mut bench = Bench::new().await;
    bench.paid(1, "5").await;
    let Bench { folder, ledger, .. } = bench;
    let path = ledger.path().to_owned();
    ledger.close().await.unwrap();
    sql(&path, "DELETE FROM meta WHERE key = 'ledger_id'").await;
    std::fs::remove_file(folder.path().join("ledger.db.lock")).unwrap();
    for access in [Access::Read, Access::Write] {
        let error = open(&path, access).await.unwrap_err();
        assert!(matches!(&error, Error::Untrusted(why) if why.contains("ledger_id")), "{access:?}: {error}");
    }
}

#[tokio::test]
async fn once_the_file_is_not_what_it_was_nothing_is_written_any_more() {
    for harm in ["deleted", "replaced", "emptied", "unlocked", "relocked", "written by another"] {
        let mut bench = Bench::new().await;
        let deposit = bench.paid(1, "5").await;
        bench.ledger.check().await.unwrap();
        let (path, lock) = (bench.path(), bench.file("ledger.db.lock"));
        match harm {
            "deleted" => std::fs::remove_file(&path).unwrap(),
            "replaced" => {
                std::fs::copy(&path, bench.file("old.db")).unwrap();
                std::fs::rename(bench.file("old.db"), &path).unwrap();
            }
            "emptied" => std::fs::write(&path, b"").unwrap(),
            "unlocked" => std::fs::remove_file(&lock).unwrap(),
            "relocked" => {
                std::fs::copy(&lock, bench.file("lock")).unwrap();
                std::fs::rename(bench.file("lock"), &lock).unwrap();
            }
            _ => {
                let event = "INSERT INTO event (seq, at, name, facts, mail_to, hash) VALUES (4, 'x', 'x', '{}', '[]', 'x')";
                sql(&path, event).await;
            }
        }
        let error = bench.ledger.check().await.unwrap_err();
        assert!(matches!(error, Error::Untrusted(_)), "{harm}: {error}");
        if harm == "written by another" {
            // The first reason stays, even when the file looks again as it did.
            sql(&path, "DROP TRIGGER event_no_delete; DELETE FROM event WHERE seq = 4").await;
        }
        let why = error.to_string();
        let said = |outcome: Result<()>| outcome.unwrap_err().to_string();
        assert_eq!(said(bench.ledger.record(vec![bench.request(2, "5")]).await.map(|_| ())), why, "{harm}");
        assert_eq!(said(bench.ledger.remember("x", "y".to_owned()).await), why, "{harm}");
        assert_eq!(said(bench.ledger.begin_attempt(deposit.id, bench.now).await.map(|_| ())), why, "{harm}");
        assert_eq!(said(bench.ledger.requeue(Vec::new()).await), why, "{harm}");
    }
}

#[tokio::test]
async fn a_corrupt_file_is_told_from_a_busy_one() {
    let mut bench = Bench::new().await;
    bench.paid(1, "5").await;
    let constraint = sqlx::query("INSERT INTO meta (key, value) VALUES (NULL, '')");
    let mut aside = bench.aside().await;
    let source = constraint.execute(&mut aside).await.unwrap_err();
    aside.close().await.unwrap();
    assert_eq!(Error::code(&source).map(|code| code & 0xff), Some(19));
    let error = Error::database("written")(source);
    assert!(matches!(error, Error::Database { doing: "written", .. }));
    let chain = error.chain();
    assert!(chain.starts_with("the ledger could not be written: ") && chain.contains("NOT NULL"), "{chain}");
    assert_eq!(Error::Closed.chain(), "the ledger is closed");
    // Pages of letters where a table was.
    let path = bench.path();
    bench.ledger.close().await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(b'x');
    std::fs::write(&path, bytes).unwrap();
    let error = open(&path, Access::Write).await.unwrap_err();
    assert!(matches!(&error, Error::Untrusted(why) if why.contains("malformed")), "{error}");
}

#[tokio::test]
async fn a_closed_ledger_takes_nothing_and_a_reader_cannot_write() {
    let bench = Bench::new().await;
    bench.ask(1, "5").await;
    let reader = Ledger::open(settings(&bench.path()), Access::Read).await.unwrap();
    assert_eq!(reader.counts().await.unwrap(), [("requested".to_owned(), 1)]);
    assert!(matches!(reader.record(vec![bench.request(2, "5")]).await, Err(Error::Closed)));
    assert!(matches!(reader.check().await, Err(Error::Closed)));
    reader.close().await.unwrap();
    let (path, request) = (bench.path(), bench.request(2, "5"));
    let Bench { folder: _folder, ledger, .. } = bench;
    let other = ledger.clone();
    ledger.close().await.unwrap();
    assert!(matches!(other.record(vec![request]).await, Err(Error::Closed)));
    assert!(matches!(other.remember("x", "y".to_owned()).await, Err(Error::Closed)));
    other.close().await.unwrap();
    // With the last of them goes the lock: whoever hears that it is closed may open it again.
    let again = open(&path, Access::Write).await.unwrap();
    assert_eq!(*again.head().borrow(), 1);
    again.close().await.unwrap();
}

#[tokio::test]
async fn work_that_failed_leaves_nothing_behind_and_the_next_begins_afresh() {
    let mut bench = Bench::new().await;
    let deposit = bench.paid(1, "5").await;
    sql(&bench.path(), "CREATE TRIGGER no_more BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'no'); END")
        .await;
    let failed = bench.ledger.delivered(vec![(1, Delivery::Sent(bench.now))]).await.unwrap_err();
    assert!(failed.chain().contains("no"), "{}", failed.chain());
    let head = bench.ledger.head_hash().await.unwrap();
    assert!(bench.ledger.fold_mails(FINANCE, &[], bench.now).await.is_err());
    assert_eq!(bench.ledger.head_hash().await.unwrap(), head, "no summary that tells nothing");
    sql(&bench.path(), "DROP TRIGGER no_more").await;
    bench.ledger.delivered(vec![(1, Delivery::Sent(bench.now))]).await.unwrap();
    bench.poll(deposit, "refund_paid", "").await;
    assert_eq!(bench.findings().await, []);
}
