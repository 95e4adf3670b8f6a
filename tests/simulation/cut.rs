//! A run that dies between its import and its comparison: what it imported is known then, and new to nobody; the next run
//! compares it all the same.

use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::domain::deposit::State;
use depositd::flow;
use depositd::sandbox::upstream::{Action, Call, Fault, Figures};

use super::support::house::House;

/// Dies in the midst of the poll with which a comparison begins.
async fn die_between_import_and_comparison(house: House) -> House {
    house.simulator.inject(Call::Look, Fault::Hang, 1);
    let before = house.simulator.calls().count(Call::Look);
    let flow = house.flow.clone();
    let run = tokio::spawn(async move { flow::reconcile(&flow).await });
    let real = SystemClock::new();
    while house.simulator.calls().count(Call::Look) == before {
        assert!(!run.is_finished(), "nothing was polled");
        real.sleep(Duration::from_millis(2)).await;
    }
    run.abort();
    let _ = run.await;
    house.simulator.clear_faults();
    house.die_and_rise().await
}

#[tokio::test]
async fn a_run_that_dies_between_import_and_comparison_loses_no_change() {
    let house = House::new().await;
    house.simulator.top_up_elsewhere(12_345, "card").unwrap();
    let settled = house.wallet("40.00").await;
    house.simulator.act(&house.order(&settled), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let awaited = house.wallet("25.00").await;
    assert!(house.baseline().await.clean);

    // Money that no poll has shown.
    house.simulator.act(&house.order(&awaited), Action::Pay { amount_usd: None }).unwrap();
    let mut house = die_between_import_and_comparison(house).await;
    let imported = "SELECT count(*) FROM invoice WHERE amount_cents = 2500 AND status = 'paid'";
    assert_eq!(house.sql(imported), "1", "it was imported");
    assert_eq!(house.read(&awaited).await.facts.state, State::AwaitingPayment);
    let report = house.reconcile().await;
    assert_eq!((house.read(&awaited).await.facts.state, report.clean), (State::Settled, true));

    // A row that says another amount than the journal: three deaths, and it is a case all the same.
    let other = Figures { invoice_cents: Some(3_900), ..Figures::default() };
    house.simulator.act(&house.order(&settled), Action::SetFigures(other)).unwrap();
    for _ in 0..3 {
        house = die_between_import_and_comparison(house).await;
    }
    let report = house.reconcile().await;
    let kinds: Vec<&str> = report.cases.iter().map(|case| case.kind.as_str()).collect();
    assert!(!report.clean && kinds.contains(&"amount_mismatch"), "{kinds:?}");

    // And so it ends: the row is as it was, and a run that dies keeps no case open.
    let same = Figures { invoice_cents: Some(4_000), ..Figures::default() };
    house.simulator.act(&house.order(&settled), Action::SetFigures(same)).unwrap();
    let report = house.reconcile().await;
    assert!(report.clean, "{:?}", report.cases);
    house.prove().await;
}
