//! Guesses, and one source's word, are no facts (docs/design/reconciliation.md): one story for each known way to make
//! the books wrong that concerns the list, the total, the baseline and the drift; each with its neighbours.

mod baseline;
mod decided;
mod lag;
mod loops;
mod ownership;
mod report;
mod rows;
mod said;
mod strangers;
mod voids;

use std::time::Duration;

use depositd::clock::Clock as _;
use depositd::domain::deposit::{Deposit, State};
use depositd::domain::period::Month;
use depositd::flow::{self, ReconcileFailed, Report};
use depositd::sandbox::upstream::{Action, Figures};

use super::letters;
use super::support::house::House;

const DAY: Duration = Duration::from_hours(24);

/// A deposit that was paid in full, and is settled here.
async fn paid(house: &House, amount: &str) -> Deposit {
    let deposit = house.wallet(amount).await;
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let settled = house.read(&deposit).await;
    assert_eq!(settled.facts.state, State::Settled);
    settled
}

/// So many paid deposits of different amounts, and the baseline.
async fn house_of(deposits: usize) -> (House, Vec<Deposit>) {
    let house = super::house().await;
    house.simulator.top_up_elsewhere(12_345, "card").unwrap();
    let mut made = Vec::new();
    for number in 0..deposits {
        made.push(paid(&house, &format!("{}.{:02}", 10 + number, number)).await);
    }
    assert!(house.baseline().await.clean);
    agrees(&house).await;
    (house, made)
}

fn figures(change: impl FnOnce(&mut Figures)) -> Action {
    let mut figures = Figures::default();
    change(&mut figures);
    Action::SetFigures(figures)
}

/// The kinds of the open cases, oldest first.
fn kinds(report: &Report) -> Vec<&str> {
    let mut cases: Vec<_> = report.cases.iter().map(|case| (case.id, case.kind.as_str())).collect();
    cases.sort_unstable();
    cases.into_iter().map(|(_, kind)| kind).collect()
}

async fn void(house: &House) -> String {
    match flow::reconcile(&house.flow).await {
        Err(ReconcileFailed::Incomplete(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// What the journal credits deposit by deposit is what the upstream's own books credit, to the cent.
async fn agrees(house: &House) {
    let books = house.simulator.books();
    let ours = house.sql(
        "SELECT order_id, coalesce(amount_booked_micros, 0) FROM accounting_deposits WHERE order_id IS NOT NULL",
    );
    for line in ours.lines() {
        let (order, micros) = line.split_once('|').unwrap();
        let credited = books.credited.get(order).map_or(0, |credit| credit.cents);
        let apart = micros.parse::<i64>().unwrap() - credited * 10_000;
        assert!(apart.abs() < 10_000, "{order}: {micros} micros, credited {credited} cents");
    }
    house.prove().await;
}

/// What the books hold: nothing that lies for a moment may change it.
fn journal(house: &House) -> String {
    house.sql("SELECT transaction_id, account, amount_usd_micros FROM accounting_entries ORDER BY entry_id")
}

/// A run is clean, the journal is the upstream's, and the month can be closed.
async fn closes(house: &House) {
    let report = house.reconcile().await;
    assert_eq!((kinds(&report), report.clean), (Vec::new(), true), "{:?}", report.figures);
    agrees(house).await;
    let now = house.clock.now();
    let month = Month::parse(&now.to_string()[..7]).unwrap();
    house.clock.advance(house.flow.ledger.book_zone().end_of(&month).since(now));
    flow::close_month(&house.flow, &month, "an accountant").await.unwrap();
    house.prove().await;
}
