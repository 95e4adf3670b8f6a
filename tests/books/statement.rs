//! The statement of the prepaid account: its identity holds to the cent, months join, and what it says is what happened.
//!
//! `STATEMENT_SEED=7 cargo test --test books statement` tells one story again.

use std::time::Duration;

use depositd::clock::Clock as _;
use depositd::domain::book_zone::BookZone;
use depositd::domain::deposit::Deposit;
use depositd::domain::period::Month;
use depositd::domain::time::{Timestamp, Zone};
use depositd::ledger::{BookSettings, Statement};
use depositd::sandbox::upstream::{Action, Books};
use rand::{Rng as _, SeedableRng as _};

use super::story::python;
use crate::support::house::House;

const HOUR: Duration = Duration::from_hours(1);

pub(crate) fn berlin() -> BookSettings {
    let zone = BookZone::of(&Zone::parse("Europe/Berlin").unwrap());
    BookSettings { zone, accounts: Vec::new() }
}

impl House {
    pub(crate) async fn statement(&self, month: &str) -> Statement {
        self.flow.ledger.statement(&Month::parse(month).unwrap(), self.clock.now()).await.unwrap()
    }

    /// Paid in full, and booked.
    pub(crate) async fn paid(&self, amount: &str) -> Deposit {
        let deposit = self.wallet(amount).await;
        self.simulator.act(&self.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
        self.poll().await;
        deposit
    }

    pub(crate) fn refund(&self, deposit: &Deposit) {
        self.simulator.act(&self.order(deposit), Action::StartRefund).unwrap();
        self.simulator.act(&self.order(deposit), Action::FinishRefund).unwrap();
    }

    pub(crate) fn wait_until(&self, at: &str) {
        let at = Timestamp::parse(at).unwrap();
        assert!(at >= self.clock.now(), "{at} has passed");
        self.clock.advance(at.since(self.clock.now()));
    }
}

/// What the lines add up to, and what is said to be the end.
fn sides(statement: &Statement) -> (i64, i64) {
    let lines = statement.since_usd_micros.unwrap()
        + statement.ours_usd_micros
        + statement.elsewhere_usd_micros.unwrap()
        + statement.rises_usd_micros.unwrap()
        + statement.in_transit_usd_micros.unwrap()
        + statement.unexplained_usd_micros.unwrap()
        - statement.refunds_usd_micros
        - statement.spent_usd_micros.unwrap();
    (lines, statement.closing_usd_micros.unwrap())
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, figure by figure")]
async fn a_month_is_told_figure_by_figure_and_what_no_run_tells_is_not_known() {
    let house = House::new().await;
    house.simulator.top_up_elsewhere(12_345, "card").unwrap();
    let none = house.statement("2026-03").await;
    assert_eq!((none.opening_usd_micros, none.closing_usd_micros, none.ended), (None, None, false));
    // Booked before anything was compared.
    house.paid("25").await;
    house.baseline().await;
    house.paid("10").await;
    house.simulator.top_up_elsewhere(50_00, "stripe").unwrap();
    house.simulator.spend(12_34).unwrap();
    house.wait_until("2026-03-31T23:45:00Z");
    house.reconcile().await;
    // After the last run of the month: in its books, and not in its balance.
    house.paid("7").await;
    house.wait_until("2026-04-01T00:15:00Z");
    house.reconcile().await;
    let march = house.statement("2026-03").await;
    assert_eq!(
        (march.opening_at.as_deref(), march.opening_usd.as_deref()),
        (None, None),
        "nothing was known"
    );
    assert_eq!(march.since_usd.as_deref(), Some("148.45"), "the first that was known");
    assert_eq!((march.ours_usd.as_str(), march.elsewhere_usd.as_deref()), ("42.00", Some("50.00")));
    assert_eq!((march.spent_usd.as_deref(), march.refunds_usd.as_str()), (Some("12.34"), "0.00"));
    assert_eq!(march.in_transit_usd.as_deref(), Some("-32.00"), "25 before the first run, 7 after the last");
    assert_eq!(
        (march.unexplained_usd.as_deref(), march.closing_usd.as_deref()),
        (Some("0.00"), Some("196.11"))
    );
    assert_eq!(march.closing_at.as_deref(), Some("2026-03-31T23:45:00.000Z"));
    assert!(march.ended && march.closed_at.is_none());
    assert_eq!(sides(&march).0, sides(&march).1);
    assert_eq!(march.elsewhere.len(), 1, "what stood before the first run is history");
    assert_eq!(
        (march.elsewhere[0].amount_usd.as_str(), march.elsewhere[0].method.as_deref()),
        ("50.00", Some("stripe"))
    );

    // April: the total and the balance grow by what no row shows; the balance alone rises; one goes back.
    let back = house.paid("30").await;
    house.wait_until("2026-04-10T12:00:00Z");
    house.reconcile().await;
    house.simulator.adjust(9_00, 9_00).unwrap();
    house.reconcile().await;
    house.simulator.adjust(3_00, 0).unwrap();
    house.wait_until("2026-04-11T12:00:00Z");
    house.reconcile().await;
    house.refund(&back);
    house.simulator.spend(1_00).unwrap();
    house.wait_until("2026-04-20T12:00:00Z");
    house.reconcile().await;
    house.wait_until("2026-05-02T12:00:00Z");
    let april = house.statement("2026-04").await;
    assert_eq!((april.opening_usd_micros, &april.opening_at), (march.closing_usd_micros, &march.closing_at));
    assert_eq!((april.ours_usd.as_str(), april.refunds_usd.as_str()), ("30.00", "30.00"));
    assert_eq!((april.spent_usd.as_deref(), april.rises_usd.as_deref()), (Some("1.00"), Some("3.00")));
    assert_eq!(
        (april.in_transit_usd.as_deref(), april.unexplained_usd.as_deref()),
        (Some("7.00"), Some("9.00"))
    );
    assert_eq!(april.closing_usd.as_deref(), Some("214.11"));
    assert_eq!(april.balance_rises.len(), 1);
    assert_eq!(
        (april.balance_rises[0].cents, april.balance_rises[0].at.as_str()),
        (3_00, "2026-04-11T12:00:00.000Z")
    );
    assert_eq!(sides(&april).0, sides(&april).1);
    // No run since: May stands where April ended, and says of when that is.
    let may = house.statement("2026-05").await;
    assert_eq!((may.closing_usd_micros, &may.closing_at), (april.closing_usd_micros, &april.closing_at));
    let shown = house.sql("SELECT month, opening_usd, closing_usd FROM accounting_statement ORDER BY month");
    assert_eq!(shown, "2026-03||196.11\n2026-04|196.11|214.11");
    house.prove().await;

    // The command says the same, on a page.
    let page = house.says(&["statement", "--month", "2026-04"]);
    println!("{page}");
    for line in
        ["opening balance", "+ rises of the balance", "- spent", "= closing balance", "214.11", "Not closed."]
    {
        assert!(page.contains(line), "{line}\n{page}");
    }
    let page = house.says(&["statement", "--month", "2026-03"]);
    assert!(page.contains("not known") && page.contains("first known balance"), "{page}");
    let told: serde_json::Value =
        serde_json::from_str(&house.says(&["--json", "statement", "--month", "2026-04"])).unwrap();
    assert_eq!(told["closing_usd"], "214.11");
    for (wrong, why) in [("2999-01", "has not begun"), ("2026-13", "is not a month")] {
        let refused = house.depositd(&["statement", "--month", wrong]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains(why), "{refused:?}");
    }
}

#[tokio::test]
async fn whatever_happens_whenever_runs_are_made_the_identity_holds_and_months_join() {
    let seeds: Vec<u64> = match std::env::var("STATEMENT_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => vec![rand::rng().random(), rand::rng().random()],
    };
    for seed in seeds {
        println!("STATEMENT_SEED={seed}");
        lived(seed).await;
    }
}

/// What a story did to the account, beside what the upstream's own books say.
struct Told {
    house: House,
    before: Books,
    strays_cents: i64,
}

/// Two months or so of top-ups, spending, refunds and money from nowhere, with runs at any time between them.
async fn story(dice: &mut rand::rngs::StdRng) -> Told {
    let house = House::new().await;
    if dice.random_bool(0.5) {
        house.flow.ledger.keep_books(berlin(), house.clock.now()).await.unwrap();
    }
    house.simulator.top_up_elsewhere(dice.random_range(1..90_000), "card").unwrap();
    house.baseline().await;
    let (before, mut paid, mut strays_cents) = (house.simulator.books(), Vec::new(), 0);
    for _ in 0..45 {
        house.clock.advance(HOUR * dice.random_range(1..90));
        let cents = dice.random_range(1..20_000_i64);
        match dice.random_range(0..12) {
            0..=2 => {
                let amount = format!("{}.{:02}", dice.random_range(5..300), dice.random_range(0..100));
                paid.push(house.paid(&amount).await);
            }
            3..=4 => house.simulator.top_up_elsewhere(cents, "stripe").unwrap(),
            5..=6 => house.simulator.spend(cents).unwrap(),
            7 if !paid.is_empty() => house.refund(&paid.swap_remove(dice.random_range(0..paid.len()))),
            8 if dice.random_bool(0.3) => {
                house.simulator.adjust(cents, cents).unwrap();
                strays_cents += cents;
            }
            _ => drop(house.reconcile().await),
        }
    }
    // All is told, and told once more.
    house.pass(HOUR * 30, HOUR).await;
    house.reconcile().await;
    house.clock.advance(HOUR);
    house.reconcile().await;
    Told { house, before, strays_cents }
}

async fn lived(seed: u64) {
    let mut dice = rand::rngs::StdRng::seed_from_u64(seed);
    let Told { house, before: first, strays_cents } = story(&mut dice).await;
    let last = house.simulator.books();
    let months = house.sql("SELECT month FROM accounting_statement ORDER BY month");
    let (mut before, mut sums): (Option<Statement>, [i64; 6]) = (None, [0; 6]);
    for month in months.lines() {
        let it = house.statement(month).await;
        let (lines, closing) = sides(&it);
        assert_eq!(lines, closing, "seed {seed}: {it:?}");
        if let Some(before) = &before {
            assert_eq!(it.opening_usd_micros, before.closing_usd_micros, "seed {seed}: {month} joins");
            assert_eq!(it.opening_at, before.closing_at);
        }
        let figures = [
            it.elsewhere_usd_micros.unwrap(),
            it.spent_usd_micros.unwrap() - it.rises_usd_micros.unwrap(),
            it.unexplained_usd_micros.unwrap(),
            it.in_transit_usd_micros.unwrap(),
            it.ours_usd_micros,
            it.refunds_usd_micros,
        ];
        for (sum, figure) in sums.iter_mut().zip(figures) {
            *sum += figure / 10_000;
        }
        let listed: i64 = it.elsewhere.iter().map(|row| row.amount_usd_micros).sum();
        assert_eq!(listed, it.elsewhere_usd_micros.unwrap(), "seed {seed}: {month} row by row");
        before = Some(it);
    }
    let ours = last.credited.values().map(|credit| credit.cents).sum();
    let back = last.credited.values().map(|credit| credit.refunded_cents).sum();
    let others = last.elsewhere_cents - first.elsewhere_cents;
    let truth = [others, last.spent_cents - first.spent_cents, strays_cents, 0, ours, back];
    assert_eq!(sums, truth, "seed {seed}: others, spent, unexplained, in transit, ours, refunds");
    assert_eq!(before.unwrap().closing_usd_micros, Some(last.balance_cents * 10_000));
    house.prove().await;
    journals_hold_the_balance(&house, seed, last.balance_cents);
}

/// In an accountant's own books the prepaid account holds what the upstream says, and other programs agree.
fn journals_hold_the_balance(house: &House, seed: u64, balance_cents: i64) {
    let whole = ["--with", "elsewhere,spending"];
    let balance = format!(
        "{}{}.{:02}",
        if balance_cents < 0 { "-" } else { "" },
        balance_cents.abs() / 100,
        balance_cents.abs() % 100
    );
    house.says(&[&["export", "--format", "hledger", "-o", "all.journal"][..], &whole].concat());
    house.says(&[&["export", "--format", "beancount", "-o", "all.beancount"][..], &whole].concat());
    house.program("hledger", &["-f", "all.journal", "check", "--strict"]);
    let prepaid = ["balance", "assets:prepaid:smsonline", "-N", "--format", "%(total)"];
    let shown = house.program("hledger", &[&["-f", "all.journal"][..], &prepaid].concat());
    assert_eq!(shown.trim(), format!("{balance}0000 USD"), "seed {seed}");
    house.program("ledger", &["-f", "all.journal", "--pedantic", "balance"]);
    assert_eq!(house.program(&python("bean-check"), &["all.beancount"]), "", "seed {seed}");
    let query = "SELECT sum(number) WHERE account = 'Assets:Prepaid:Smsonline'";
    let shown = house.program(&python("bean-query"), &["--format", "csv", "all.beancount", query]);
    assert_eq!(shown.lines().last().unwrap().trim(), format!("{balance}0000"), "seed {seed}");
    // Month by month: each by itself, and all of them together.
    let months = house.sql("SELECT month FROM accounting_statement ORDER BY month");
    let (mut files, mut included) = (Vec::new(), String::new());
    for month in months.lines() {
        for (format, ending) in [("hledger", "journal"), ("beancount", "beancount")] {
            let own = format!("{month}.own.{ending}");
            let args = ["export", "--format", format, "--month", month, "-o", &own];
            house.says(&[&args[..], &whole].concat());
            let part = format!("{month}.{ending}");
            let args = ["export", "--format", format, "--month", month, "--no-opening", "-o", &part];
            house.says(&[&args[..], &whole].concat());
        }
        house.program("hledger", &["-f", &format!("{month}.own.journal"), "check", "--strict"]);
        assert_eq!(house.program(&python("bean-check"), &[&format!("{month}.own.beancount")]), "");
        files.extend(["-f".to_owned(), format!("{month}.journal")]);
        included.push_str(&format!("include \"{month}.beancount\"\n"));
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let shown = house.program("hledger", &[&files[..], &prepaid].concat());
    assert_eq!(shown.trim(), format!("{balance}0000 USD"), "seed {seed}: months together");
    house.program("hledger", &[&files[..], &["check", "--strict"]].concat());
    let shown = [
        &files[..],
        &["balance", "assets:prepaid:smsonline", "--balance-format", "%(quantity(display_total))\n"],
    ];
    let shown = house.program("ledger", &shown.concat());
    let number = |text: &str| text.trim().parse::<rust_decimal::Decimal>().unwrap();
    assert_eq!(number(shown.lines().next().unwrap()), number(&balance), "seed {seed}: {shown}");
    std::fs::write(house.file("together.beancount"), included).unwrap();
    assert_eq!(house.program(&python("bean-check"), &["together.beancount"]), "", "seed {seed}");
    let shown = house.program(&python("bean-query"), &["--format", "csv", "together.beancount", query]);
    assert_eq!(shown.lines().last().unwrap().trim(), format!("{balance}0000"), "seed {seed}");
}
