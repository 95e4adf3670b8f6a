//! What other programs make of the exports and of the file itself: all of them say what the upstream's own books say.

use super::story::{self, python, upstream_total};

const PREPAID: &str = "assets:prepaid:smsonline";

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, or one table of what must be refused")]
async fn every_program_agrees_with_the_upstreams_own_books_to_the_cent() {
    let lived = story::march().await;
    story::april(&lived).await;
    let house = &lived.house;
    let total = upstream_total(house);
    println!("the upstream says {total} USD");
    for (format, file) in [("hledger", "books.journal"), ("beancount", "books.beancount")] {
        house.says(&["export", "--format", format, "-o", file]);
        let again = house.says(&["export", "--format", format]);
        assert_eq!(std::fs::read_to_string(house.file(file)).unwrap().trim(), again, "byte for byte");
    }

    let hledger = |args: &[&str]| house.program("hledger", &[&["-f", "books.journal"], args].concat());
    hledger(&["check", "--strict"]);
    assert_eq!(hledger(&["balance", PREPAID, "-N", "--format", "%(total)"]), format!("{total}0000 USD"));
    assert_eq!(hledger(&["balance", "--cost", "--flat"]).lines().last().unwrap().trim(), "0");

    let ledger = |args: &[&str]| house.program("ledger", &[&["-f", "books.journal"], args].concat());
    let shown =
        ledger(&["--pedantic", "balance", PREPAID, "--balance-format", "%(quantity(display_total))\n"]);
    let number = |text: &str| text.trim().parse::<rust_decimal::Decimal>().unwrap();
    assert_eq!(number(shown.lines().next().unwrap()), number(&total), "{shown}");
    assert_eq!(ledger(&["balance", "--basis", "--flat"]).lines().last().unwrap().trim(), "0");

    let bean_check = python("bean-check");
    assert_eq!(house.program(&bean_check, &["books.beancount"]), "");
    let query = "SELECT sum(number) WHERE account = 'Assets:Prepaid:Smsonline'";
    let shown = house.program(&python("bean-query"), &["--format", "csv", "books.beancount", query]);
    assert_eq!(shown.lines().last().unwrap().trim(), format!("{total}0000"), "{shown}");

    // One month by itself: it stands on its opening balances, and ends with its closing ones.
    for (format, file) in [("hledger", "april.journal"), ("beancount", "april.beancount")] {
        house.says(&["export", "--format", format, "--from", "2026-04-01", "--to", "2026-05-01", "-o", file]);
    }
    house.program("hledger", &["-f", "april.journal", "check", "--strict"]);
    house.program("ledger", &["-f", "april.journal", "--pedantic", "balance"]);
    house.program(&bean_check, &["april.beancount"]);
    let shown =
        house.program("hledger", &["-f", "april.journal", "balance", PREPAID, "-N", "--format", "%(total)"]);
    assert_eq!(shown, format!("{total}0000 USD"));
    let april = std::fs::read_to_string(house.file("april.beancount")).unwrap();
    assert!(
        april.contains("2026-03-31 * \"opening balances\"") && april.contains("\n2026-05-01 balance"),
        "{april}"
    );
    // The assertions are no ornament: one cent more is found.
    let (place, _) = april.match_indices("~ 0.00 USD").last().unwrap();
    let mut wrong = april.clone();
    wrong.insert_str(place, "+ 0.01 ");
    std::fs::write(house.file("wrong.beancount"), wrong).unwrap();
    let refused =
        std::process::Command::new(&bean_check).arg(house.file("wrong.beancount")).output().unwrap();
    assert!(!refused.status.success(), "a cent too much was accepted");

    house.says(&["export", "--format", "csv", "-o", "deposits.csv"]);
    house.says(&["export", "--format", "csv", "--what", "entries", "-o", "entries.csv"]);
    house.says(&["export", "--format", "jsonl", "--what", "entries", "-o", "entries.jsonl"]);
    let script = format!("{}/tests/books/read_back.py", env!("CARGO_MANIFEST_DIR"));
    let told = house
        .program(&python("python"), &[&script, "ledger.db", "deposits.csv", "entries.csv", "entries.jsonl"]);
    println!("{told}");
    let totals: Vec<&str> = told.lines().collect();
    assert_eq!(totals.len(), 9, "{told}");
    for line in totals {
        let (program, says) = line.rsplit_once(' ').unwrap();
        assert_eq!(says, total, "{program}");
    }
    let sql = "SELECT printf('%.2f', sum(amount_usd_micros) / 1000000.0) FROM accounting_entries \
               WHERE account LIKE 'assets:%'";
    assert_eq!(house.sql(sql), total, "sqlite3");

    // Month by month and pair by pair, against what the upstream credited each order with.
    let credited: i64 = house.simulator.books().credited.values().map(|credit| credit.cents).sum();
    let monthly = house.sql(
        "SELECT sum(amount_usd_micros) / 10000, sum(refunded_usd_micros) / 10000, \
                             sum(adjusted_usd_micros) FROM accounting_monthly",
    );
    let refunded: i64 = house.simulator.books().credited.values().map(|credit| credit.refunded_cents).sum();
    assert_eq!(monthly, format!("{credited}|{refunded}|0"));
    for order in house.simulator.orders() {
        let ours = house.sql(&format!(
            "SELECT coalesce(sum(amount_usd_micros), 0) FROM accounting_entries WHERE account LIKE 'assets:%' AND order_id = '{}'",
            order.order_id
        ));
        let theirs = (order.credited_cents.unwrap_or(0) - order.refunded_cents) * 10_000;
        assert_eq!(ours, theirs.to_string(), "{order:?}");
    }
}

/// On a terminal a bar fills on standard error; nowhere else a byte of it appears.
#[tokio::test]
async fn a_terminal_sees_how_far_an_export_is_and_nobody_else_does() {
    let lived = story::march().await;
    let house = &lived.house;
    let output = house.depositd(&["export", "--format", "csv", "-o", "quiet.csv"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains('['));
    let depositd = env!("CARGO_BIN_EXE_depositd");
    let seen = house
        .program("script", &["-qec", &format!("{depositd} export --format csv -o seen.csv"), "/dev/null"]);
    assert!(seen.contains("[##############################] 100 %"), "{seen}");
    assert_eq!(
        std::fs::read(house.file("seen.csv")).unwrap(),
        std::fs::read(house.file("quiet.csv")).unwrap()
    );
}
