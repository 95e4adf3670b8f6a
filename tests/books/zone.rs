//! The books in the zone and by the names of their owner.

use depositd::clock::Clock as _;
use depositd::domain::period::Month;
use depositd::ledger::BookSettings;

use super::statement::berlin;
use super::story::{python, said};
use crate::support::house::House;

/// Days and months are those of the books' zone, everywhere, and the names are the accountant's.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, from the first entry to the closed month")]
async fn the_books_are_kept_in_their_owners_zone_and_names() {
    let house = House::new().await;
    house.baseline().await;
    house.paid("5").await;
    house.wait_until("2026-03-31T22:30:00Z");
    let late = house.paid("20").await;
    house.refund(&late);
    house.wait_until("2026-04-03T12:00:00Z");
    house.reconcile().await;
    let dates = "SELECT group_concat(DISTINCT date) FROM accounting_entries WHERE debit_usd = '20.00'";
    let months = "SELECT group_concat(month || ' ' || amount_usd, ', ') FROM accounting_monthly";
    let accounts = "SELECT group_concat(printf('%s %d', month, debits_usd_micros / 1000000), ', ') \
                    FROM accounting_account_months WHERE account = 'assets:prepaid:smsonline'";
    let together =
        |house: &House| format!("{}; {}; {}", house.sql(dates), house.sql(months), house.sql(accounts));
    let utc = "2026-03-31,2026-04-03; 2026-03 25.00, 2026-04 0.00; 2026-03 25, 2026-04 0";
    assert_eq!(together(&house), utc);
    let mut books = berlin();
    books.accounts = vec![
        ("assets:prepaid:smsonline".to_owned(), "Assets:Current:SMSOnline".to_owned()),
        ("equity:crypto:usdt".to_owned(), "Assets:1360-Geldtransit".to_owned()),
    ];
    house.flow.ledger.keep_books(books.clone(), house.clock.now()).await.unwrap();
    let there = "2026-04-01,2026-04-03; 2026-03 5.00, 2026-04 20.00; 2026-03 5, 2026-04 20";
    assert_eq!(together(&house), there);
    house.prove().await;
    // What is booked from now on too, and after a restart.
    let house = house.restart().await;
    assert_eq!(house.flow.ledger.book_zone().name(), "Europe/Berlin");
    house.wait_until("2026-04-30T22:10:00Z");
    house.paid("3").await;
    assert_eq!(house.sql("SELECT max(date) FROM accounting_entries"), "2026-05-01");
    assert_eq!(house.sql("SELECT max(month) FROM accounting_monthly"), "2026-05");
    house.prove().await;

    let names =
        "SELECT group_concat(DISTINCT account_mapped) FROM accounting_entries WHERE amount_usd_micros > 0";
    assert_eq!(house.sql(names), "Assets:Current:SMSOnline,Assets:1360-Geldtransit");
    let april = ["--month", "2026-04", "--what", "entries", "--format", "csv", "--delimiter", ";", "--bom"];
    let csv = house.says(&[&["export"][..], &april].concat());
    let lines: Vec<&str> = csv.lines().collect();
    assert!(
        lines[0].starts_with("\u{feff}entry_id;")
            && lines[0].ends_with("date;account_mapped;debit_usd;credit_usd")
    );
    assert_eq!(lines.len(), 5, "{csv}");
    assert!(lines[1].ends_with("2026-04-01;Assets:Current:SMSOnline;20.00;"), "{csv}");
    assert!(lines[2].ends_with("2026-04-01;Assets:1360-Geldtransit;;20.00"), "{csv}");
    let days = house.says(&[
        "export",
        "--format",
        "csv",
        "--what",
        "entries",
        "--from",
        "2026-04-01",
        "--to",
        "2026-05-01",
    ]);
    assert_eq!(days.lines().count(), 5, "dates are those of the zone: {days}");
    for (format, file) in [("hledger", "named.journal"), ("beancount", "named.beancount")] {
        house.says(&["export", "--format", format, "-o", file]);
    }
    house.program("hledger", &["-f", "named.journal", "check", "--strict"]);
    assert_eq!(house.program(&python("bean-check"), &["named.beancount"]), "");
    let text = std::fs::read_to_string(house.file("named.beancount")).unwrap();
    assert!(
        text.contains("dates in Europe/Berlin") && text.contains("open Assets:Current:SMSOnline"),
        "{text}"
    );
    assert!(!text.contains("Smsonline"), "{text}");
    // The configuration of this house says nothing of [books]: what is exported is said to be the ledger's.
    let told = house.depositd(&["export", "--format", "csv"]);
    assert!(
        String::from_utf8_lossy(&told.stderr)
            .contains("[books] of the configuration is not what the ledger says")
    );

    // A closed month holds the zone.
    house.wait_until("2026-05-03T12:00:00Z");
    house.rounds().await;
    house.reconcile().await;
    let closed = depositd::flow::close_month(&house.flow, &Month::parse("2026-04").unwrap(), "unix user ann")
        .await
        .unwrap();
    assert_eq!(
        (closed.ends_at.as_str(), closed.closed_by.as_deref()),
        ("2026-04-30T22:00:00.000Z", Some("unix user ann"))
    );
    assert_eq!(closed.figures["statement"]["month"], "2026-04");
    assert_eq!(closed.figures["statement"]["time_zone"], "Europe/Berlin");
    assert_eq!(
        house.sql("SELECT closed_by, ends_at FROM accounting_periods"),
        "unix user ann|2026-04-30T22:00:00.000Z"
    );
    let refused = house.flow.ledger.keep_books(BookSettings::default(), house.clock.now()).await.unwrap_err();
    let why = refused.to_string();
    assert!(
        why.contains("books.time_zone")
            && why.contains("2026-04 is closed")
            && why.contains("time_zone = \"Europe/Berlin\""),
        "{why}"
    );
    house.flow.ledger.keep_books(books, house.clock.now()).await.unwrap();
    house.prove().await;
    let house = house.restart().await;
    house.prove().await;
    drop(said(&house.depositd(&["verify"])));
}
