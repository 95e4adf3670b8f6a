//! What is refused in words, with nothing overwritten: ledgers that do not continue, files that are none, databases of others.

use std::path::PathBuf;

use depositd::fleet::{Follower, status};

use super::server::{Server, ask, clock, execute, told};
use super::{House, copy, sqlite};

/// Everything that the books of the database are made of, as one digest.
const BOOKS: &str = "SELECT md5(string_agg(row::text, '|' ORDER BY row::text)) FROM (
    SELECT l.ledger_id || l.head_seq || l.head_hash AS row FROM depositd.ledger l
    UNION ALL SELECT e.ledger_id || e.seq || e.hash FROM depositd.event e
    UNION ALL SELECT p::text FROM depositd.posting p UNION ALL SELECT d::text FROM depositd.deposit d
    UNION ALL SELECT s::text FROM depositd.statement s) AS rows (row)";

async fn house() -> House {
    let house = House::new().await;
    house.baseline().await;
    house.wallet("5").await;
    house
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one story, from the copy to its end")]
async fn a_ledger_that_was_put_back_is_refused_with_both_hashes_and_nothing_is_overwritten() {
    let server = Server::start();
    let mut database = server.database("books").await;
    let house = house().await;
    let older = copy(&house, "older.db", None);
    let neighbour = copy(&house, "neighbour.db", Some("neighbour"));
    house.wallet("7").await;
    let shop = house.file("shop.db");
    copy(&house, "shop.db", None);
    let ledgers = [("shop", shop.clone()), ("neighbour", neighbour.clone())];
    let follow = || server.depositd("books", &ledgers, &["fleet", "follow", "--once"]).output().unwrap();
    let show = || server.depositd("books", &ledgers, &["--json", "fleet", "status"]).output().unwrap();
    let (code, out, err) = told(&follow());
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("up to date") && out.contains("neighbour"), "{out}");
    let before = ask(&mut database, BOOKS).await;

    // An older copy takes its place, and the neighbour is older than nothing of its own.
    std::fs::copy(&older, &shop).unwrap();
    let (code, out, err) = told(&follow());
    assert_eq!((code, err.as_str()), (6, ""), "{out}");
    let head = sqlite(&older, "SELECT max(seq) FROM event");
    assert!(
        out.contains(&format!("shop: the file ends at event {head} and the database already has")),
        "{out}"
    );
    assert!(out.contains("nothing of it is written") && out.contains("docs/fleet.md"), "{out}");
    assert_eq!(ask(&mut database, BOOKS).await, before);
    let (code, out, _) = told(&show());
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &shown["ok"], &shown["ledgers"][0]["behind"]),
        (6, &false.into(), &serde_json::Value::Null)
    );
    assert_eq!(
        (&shown["ledgers"][1]["refused"], &shown["ledgers"][1]["behind"]),
        (&serde_json::Value::Null, &0.into())
    );

    // It goes on from there with other events: now the chains part.
    let forked = {
        let settings = depositd::ledger::LedgerSettings {
            path: shop.clone(),
            create_if_missing: false,
            mail_domain: "example.com".to_owned(),
        };
        let ledger = depositd::ledger::Ledger::open(settings, depositd::ledger::Access::Write).await.unwrap();
        for number in 0..9_u32 {
            let event = depositd::ledger::AccountEvent {
                at: depositd::clock::Clock::now(&*house.clock),
                name: depositd::domain::event::EventName::Digest,
                reason: Some(format!("another life, {number}")),
                facts: serde_json::json!({}),
                mail_to: Vec::new(),
            };
            ledger.announce(vec![event]).await.unwrap();
        }
        ledger.close().await.unwrap();
        shop.clone()
    };
    let (code, out, _) = told(&follow());
    let fork = head.parse::<i64>().unwrap() + 1;
    let in_file = sqlite(&forked, &format!("SELECT hash FROM event WHERE seq = {fork}"));
    let in_database = ask(
        &mut database,
        &format!("SELECT hash FROM depositd.accounting_history WHERE ledger = 'shop' AND seq = {fork}"),
    )
    .await;
    let expected = format!(
        "the chains part at event {fork}: in the file its hash is {in_file}, in the database {in_database}"
    );
    assert!(code == 6 && out.contains(&expected), "{expected}\n{out}");
    assert_eq!(ask(&mut database, BOOKS).await, before);
    assert_eq!(
        ask(
            &mut database,
            "SELECT refused LIKE 'the chains part%' FROM depositd.accounting_ledgers WHERE ledger = 'shop'"
        )
        .await,
        "true"
    );

    // The right file is back: it is followed again, and the refusal is gone.
    std::fs::remove_file(&shop).unwrap();
    house.wallet("9").await;
    copy(&house, "shop.db", None);
    let (code, out, _) = told(&follow());
    assert_eq!(code, 0, "{out}");
    assert_eq!(ask(&mut database, "SELECT count(*) FROM depositd.refusal").await, "0");
    super::same::same(&mut database, "shop", &shop).await;

    // What the document has an administrator do, where the books are to be copied anew.
    let document = include_str!("../../docs/fleet.md");
    let statements = document.split("\nBEGIN;").nth(1).unwrap().split("COMMIT;").next().unwrap();
    let id = ask(&mut database, "SELECT ledger_id FROM depositd.ledger WHERE name = 'shop'").await;
    execute(&mut database, &format!("BEGIN; {} COMMIT", statements.replace("THE ID", &id))).await;
    let left = "SELECT count(*) FROM depositd.accounting_history WHERE ledger = 'shop'";
    assert_eq!(ask(&mut database, left).await, "0");
    let (code, out, _) = told(&follow());
    assert_eq!(code, 0, "{out}");
    super::same::same(&mut database, "shop", &shop).await;
    super::same::same(&mut database, "neighbour", &neighbour).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one table of what must be refused")]
async fn files_that_cannot_be_followed_are_named_with_the_reason_and_the_others_go_on() {
    let server = Server::start();
    let mut database = server.database("books").await;
    let house = house().await;
    let good = copy(&house, "good.db", Some("good"));
    let changed = copy(&house, "changed.db", Some("changed"));
    sqlite(&changed, "DROP TRIGGER event_no_update; UPDATE event SET reason = 'as if' WHERE seq = 3");
    let newer = copy(&house, "newer.db", Some("newer"));
    sqlite(
        &newer,
        "INSERT INTO _sqlx_migrations SELECT 9999, 'later', installed_on, 1, checksum, 0 FROM _sqlx_migrations LIMIT 1",
    );
    let older = house.file("old.db");
    sqlite(&older, &format!(".read {}/tests/books/ledger-0004.sql", env!("CARGO_MANIFEST_DIR")));
    let foreign = house.file("foreign.db");
    sqlite(&foreign, "CREATE TABLE theirs (a)");
    let text = house.file("text.db");
    std::fs::write(&text, "a file of another kind, and long enough to be looked at".repeat(9)).unwrap();
    let twin = copy(&house, "twin.db", Some("twice"));
    let other = copy(&house, "twins.db", Some("twice"));
    let torn = copy(&house, "torn.db", Some("torn"));
    let bytes = std::fs::read(&torn).unwrap();
    std::fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    let ledgers: Vec<(&str, PathBuf)> = vec![
        ("good", good.clone()),
        ("missing", house.file("nothing.db")),
        ("changed", changed),
        ("newer", newer),
        ("older", older),
        ("foreign", foreign),
        ("text", text),
        ("one", twin),
        ("two", other),
        ("torn", torn),
        ("folder", house.folder.path().to_owned()),
    ];
    let output =
        server.depositd("books", &ledgers, &["--json", "fleet", "follow", "--once"]).output().unwrap();
    let (code, out, err) = told(&output);
    assert_eq!(code, 6, "{out}\n{err}");
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    for (at, part) in [
        (1, "there is no ledger at"),
        (2, "the chain does not continue at event 3: its hash is "),
        (3, "was written by a newer depositd"),
        (4, "was written by an older depositd"),
        (5, "is a database of another program"),
        (6, "is not a depositd ledger"),
        (7, "its file and that of \"two\" are the same ledger (twice)"),
        (8, "its file and that of \"one\" are the same ledger (twice)"),
        (9, ""),
        (10, "is a folder"),
    ] {
        let report = &document["ledgers"][at];
        let why = report["refused"].as_str().unwrap_or_else(|| panic!("{report}"));
        assert!(why.contains(part), "{report}");
    }
    assert_eq!(document["ledgers"][0]["refused"], serde_json::Value::Null, "{out}");
    assert_eq!(
        ask(&mut database, "SELECT string_agg(DISTINCT ledger_id, ',') FROM depositd.event").await,
        "good"
    );
    super::same::same(&mut database, "good", &good).await;
    let (reports, follower) = status(&server.settings("books", &ledgers), &clock()).await.unwrap();
    assert_eq!(reports.iter().filter(|report| report.refused.is_none()).count(), 1, "{reports:?}");
    assert_eq!(follower, None);

    // Another ledger under a name that is taken; and the same one under a new name, which is no trouble.
    let stranger = copy(&house, "stranger.db", Some("stranger"));
    let again =
        server.depositd("books", &[("good", stranger)], &["fleet", "follow", "--once"]).output().unwrap();
    let (code, out, _) = told(&again);
    assert!(code == 6 && out.contains("knows another ledger by this name"), "{out}");
    let renamed =
        server.depositd("books", &[("better", good)], &["fleet", "follow", "--once"]).output().unwrap();
    assert_eq!(told(&renamed).0, 0);
    assert_eq!(
        ask(&mut database, "SELECT string_agg(DISTINCT ledger, ',') FROM depositd.accounting_history").await,
        "better"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_that_are_not_ours_to_write_are_left_as_they_are() {
    let server = Server::start();
    let house = house().await;
    let ledgers = [("shop", copy(&house, "shop.db", None))];
    let once = |user: &str, database: &str| {
        let output = server.depositd_as(user, database, &ledgers, &["fleet", "follow", "--once"]).output();
        told(&output.unwrap())
    };

    let mut theirs = server.database("theirs").await;
    execute(
        &mut theirs,
        "CREATE SCHEMA depositd; CREATE TABLE depositd.event (a int); CREATE ROLE shop LOGIN",
    )
    .await;
    let (code, _, err) = once("postgres", "theirs");
    assert!(code == 1 && err.contains("the schema depositd of this database is another program's"), "{err}");
    assert_eq!(
        ask(&mut theirs, "SELECT count(*) FROM pg_class WHERE relnamespace = 'depositd'::regnamespace").await,
        "1"
    );

    let mut books = server.database("books").await;
    let (code, _, err) = once("shop", "books");
    assert!(code == 1 && err.contains("the database user may not do what is needed"), "{err}");
    assert!(
        err.contains("permission denied for database books") && err.contains("GRANT CREATE ON DATABASE"),
        "{err}"
    );
    // Somebody who may has made it the user's: that is enough. Who may not make roles is told what to have run.
    execute(&mut books, "CREATE SCHEMA depositd AUTHORIZATION shop").await;
    let (code, out, err) = once("shop", "books");
    assert_eq!(code, 0, "{out}\n{err}");
    execute(&mut books, "CREATE ROLE depositd_accountant NOLOGIN; CREATE ROLE reader LOGIN").await;
    assert_eq!(once("shop", "books").0, 0);
    let granted =
        "SELECT has_table_privilege('depositd_accountant', 'depositd.accounting_monthly', 'SELECT')";
    assert_eq!(ask(&mut books, granted).await, "true");
    let (code, _, err) = once("reader", "books");
    assert!(code == 1 && err.contains("the database user may not"), "{err}");

    // A newer program's schema, and a server that is not there.
    execute(&mut books, "INSERT INTO depositd.fleet_schema VALUES (99, 'later', 'a newer one')").await;
    let (code, _, err) = once("shop", "books");
    assert!(
        code == 1 && err.contains("made by a newer depositd (its version is 99, this program knows 1)"),
        "{err}"
    );
    let (code, _, err) = once("postgres", "nowhere");
    assert!(code == 1 && err.contains("the database could not be reached"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_follower_is_told_who_the_first_one_is() {
    let server = Server::start();
    server.database("books").await;
    let house = house().await;
    let ledgers = [("shop", copy(&house, "shop.db", None))];
    let first = Follower::start(&server.settings("books", &ledgers), &clock()).await.unwrap();
    let second = server.depositd("books", &ledgers, &["fleet", "follow"]).output().unwrap();
    let (code, _, err) = told(&second);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("another follower is at work on this database: \"a test's follower\""), "{err}");
    let shown = server.depositd("books", &ledgers, &["fleet", "status"]).output().unwrap();
    let (code, out, _) = told(&shown);
    assert!(
        code == 0 && out.contains("followed by \"a test's follower\", logged in as \"postgres\""),
        "{out}"
    );
    assert!(out.contains("behind"), "{out}");
    first.close().await;
    assert_eq!(
        told(&server.depositd("books", &ledgers, &["fleet", "follow", "--once"]).output().unwrap()).0,
        0
    );
}
