//! Every view of every ledger, row by row, against the ledger's own.

use std::path::Path;

use depositd::clock::Clock as _;
use depositd::domain::book_zone::BookZone;
use depositd::domain::method::Method;
use depositd::domain::period::Month;
use depositd::domain::time::Zone;
use depositd::fleet::Follower;
use depositd::flow;
use depositd::ledger::BookSettings;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _};

use super::server::{Server, ask, clock, rows, told};
use super::{copy, story};

/// The views of a ledger that the database does not have: they hold mail addresses, or raw answers.
pub(crate) const NOT_COPIED: &[&str] = &["accounting_evidence", "accounting_mails", "accounting_webhooks"];

pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// The columns and the rows of a ledger's view, as texts.
pub(crate) async fn of_ledger(path: &Path, view: &str) -> (Vec<String>, Rows) {
    let mut file = SqliteConnectOptions::new().filename(path).read_only(true).connect().await.unwrap();
    let columns: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT name FROM pragma_table_info('{view}') ORDER BY cid"
    )))
    .fetch_all(&mut file)
    .await
    .unwrap();
    let texts: Vec<String> = columns.iter().map(|column| format!("CAST({column} AS TEXT)")).collect();
    let sql = format!("SELECT {} FROM {view}", texts.join(", "));
    let found = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut file).await.unwrap();
    let mut rows: Rows =
        found.iter().map(|row| (0..row.len()).map(|at| row.get::<Option<String>, _>(at)).collect()).collect();
    rows.sort();
    (columns, rows)
}

/// Holds every view of the database against the one of this ledger; gives how many rows there were.
pub(crate) async fn same(database: &mut PgConnection, name: &str, path: &Path) -> usize {
    let views = super::sqlite(path, "SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY 1");
    let mut compared = 0;
    for view in views.lines().filter(|view| !NOT_COPIED.contains(view)) {
        let (columns, expected) = of_ledger(path, view).await;
        let there = rows(
            database,
            &format!(
                "SELECT column_name::text FROM information_schema.columns
                 WHERE table_schema = 'depositd' AND table_name = '{view}' ORDER BY ordinal_position"
            ),
        )
        .await;
        let there: Vec<String> = there.into_iter().map(|row| row[0].clone().unwrap()).collect();
        assert_eq!(there, [&["ledger".to_owned(), "ledger_id".to_owned()], &columns[..]].concat(), "{view}");
        let texts: Vec<String> = columns.iter().map(|column| format!("\"{column}\"::text")).collect();
        let sql = format!("SELECT {} FROM depositd.{view} WHERE ledger = '{name}'", texts.join(", "));
        let mut found = rows(database, &sql).await;
        found.sort();
        assert_eq!(found.len(), expected.len(), "{view}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{view}: {columns:?}");
        }
        compared += found.len();
    }
    compared
}

/// Two accounts, months of every fate, a zone and names of the owner's own; followed in the midst and at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_has_what_the_ledgers_have_to_the_cent() {
    let server = Server::start();
    let mut database = server.database("books").await;
    let lived = story::march().await;
    let house = &lived.house;
    let other = copy(house, "other.db", Some("another"));
    let ledgers = [("eu", house.ledger_path()), ("us", other.clone())];
    // The program itself: this process holds the daemon's locks on the first file.
    let follow = || {
        let output =
            server.depositd("books", &ledgers, &["--json", "fleet", "follow", "--once"]).output().unwrap();
        let (code, out, err) = told(&output);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let document: serde_json::Value = serde_json::from_str(&out).unwrap();
        [0, 1].map(|at| document["ledgers"][at]["written"].as_i64().unwrap())
    };
    let written = follow();
    assert!(written[0] > 30 && written[0] == written[1], "{written:?}");
    let rows = same(&mut database, "eu", &house.ledger_path()).await;
    assert!(rows > 150, "{rows} rows are no story");
    same(&mut database, "us", &other).await;
    let sum = "SELECT sum(deposits) FROM depositd.accounting_monthly";
    let twice: i64 = ask(&mut database, sum).await.parse().unwrap();
    let once: i64 = super::sqlite(&other, "SELECT sum(deposits) FROM accounting_monthly").parse().unwrap();
    assert_eq!(twice, 2 * once);

    // What is there is not written again.
    let rows = "SELECT count(*) || ' ' || max(xmin::text::bigint) FROM (SELECT xmin FROM depositd.event
                UNION ALL SELECT xmin FROM depositd.part UNION ALL SELECT xmin FROM depositd.deposit) AS rows";
    let before = ask(&mut database, rows).await;
    assert_eq!(follow(), [0, 0]);
    assert_eq!(ask(&mut database, rows).await, before);

    // Another zone, other names of accounts: days and names of old entries change, and no event says so.
    let settings = BookSettings {
        zone: BookZone::of(&Zone::parse("Pacific/Auckland").unwrap()),
        accounts: vec![("assets:prepaid:smsonline".to_owned(), "Assets:Current:SMSOnline".to_owned())],
    };
    house.flow.ledger.keep_books(settings, house.clock.now()).await.unwrap();
    assert_eq!(follow(), [0, 0]);
    same(&mut database, "eu", &house.ledger_path()).await;

    // April, a row of others, a payment page that nobody pays, a month closed.
    story::april(&lived).await;
    house.simulator.top_up_elsewhere(7_700, "card").unwrap();
    house.link(Method::Page, "10").await;
    house.reconcile().await;
    flow::close_month(&house.flow, &Month::parse("2026-03").unwrap(), "unix user ann").await.unwrap();
    let written = follow();
    assert!(written[0] > 5 && written[1] == 0, "{written:?}");
    same(&mut database, "eu", &house.ledger_path()).await;
    same(&mut database, "us", &other).await;
}

/// Whoever keeps the books of many machines spreads the tables by the ledger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schema_can_be_spread_by_the_ledger_and_accountants_may_only_read_its_views() {
    let server = Server::start();
    let mut database = server.database("books").await;
    let lived = story::march().await;
    let ledgers = [("eu", copy(&lived.house, "eu.db", None))];
    let mut follower = Follower::start(&server.settings("books", &ledgers), &clock()).await.unwrap();
    follower.round(&mut |_, _, _| {}).await.unwrap();
    // Every key and every unique index begins with the ledger; nothing counts by itself; no trigger, no foreign key that
    // leaves the ledger.
    let strangers = ask(
        &mut database,
        "SELECT string_agg(c.relname, ', ') FROM pg_class c
         WHERE c.relnamespace = 'depositd'::regnamespace AND c.relkind = 'r' AND c.relname <> 'fleet_schema'
           AND NOT EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                           WHERE i.indrelid = c.oid AND i.indisprimary AND a.attname = 'ledger_id')",
    )
    .await;
    assert_eq!(strangers, "NULL");
    let loose = ask(
        &mut database,
        "SELECT string_agg(i.indexrelid::regclass::text, ', ') FROM pg_index i
         JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'depositd'::regnamespace AND c.relname <> 'fleet_schema'
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
         WHERE i.indisunique AND a.attname <> 'ledger_id'",
    )
    .await;
    assert_eq!(loose, "NULL");
    let counting =
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'depositd'::regnamespace AND relkind = 'S'";
    assert_eq!(ask(&mut database, counting).await, "0");
    let leaving = "SELECT count(*) FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
                   JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
                   WHERE k.contype = 'f' AND k.connamespace = 'depositd'::regnamespace
                     AND (a.attname <> 'ledger_id' OR b.attname <> 'ledger_id')";
    assert_eq!(ask(&mut database, leaving).await, "0");

    super::server::execute(&mut database, "CREATE ROLE ann LOGIN; GRANT depositd_accountant TO ann").await;
    let mut ann = server.connect("ann", "books").await;
    assert_eq!(ask(&mut ann, "SELECT count(DISTINCT ledger) FROM depositd.accounting_entries").await, "1");
    let views =
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'depositd'::regnamespace AND relkind = 'v'
                 AND NOT has_table_privilege('ann', oid, 'SELECT')";
    assert_eq!(ask(&mut database, views).await, "0");
    for refused in [
        "SELECT * FROM depositd.event",
        "SELECT * FROM depositd.deposit",
        "DELETE FROM depositd.accounting_history",
        "UPDATE depositd.accounting_ledgers SET ledger = 'mine'",
        "INSERT INTO depositd.ledger (ledger_id) VALUES ('mine')",
        "DROP VIEW depositd.accounting_monthly",
        "CREATE TABLE depositd.mine (a int)",
    ] {
        let error = sqlx::raw_sql(sqlx::AssertSqlSafe(refused)).execute(&mut ann).await.unwrap_err();
        let code = error.as_database_error().and_then(|it| it.code()).unwrap_or_default().into_owned();
        assert!(["42501", "55000"].contains(&code.as_str()), "{refused}: {error}");
    }
    follower.close().await;
}
