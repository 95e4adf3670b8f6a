//! What a person decided holds for the figures it was decided of, and for no others.

use depositd::sandbox::upstream::{ListLie, TotalLie};

use super::*;

/// No deposit is polled for ever: what its row says must still count when its figure was accepted once.
#[tokio::test]
async fn a_refund_is_seen_behind_an_accepted_figure() {
    let (house, _) = house_of(1).await;
    let deposit = paid(&house, "10").await;
    let order = house.order(&deposit);
    house.simulator.act(&order, figures(|figures| figures.invoice_cents = Some(900))).unwrap();
    let report = house.reconcile().await;
    let case = report.cases.iter().find(|case| case.kind == "amount_mismatch").expect("a case").id;
    flow::accept_case(&house.flow, case, "root", "their list is wrong", None).await.unwrap();
    assert!(house.reconcile().await.clean);
    for act in [Action::StartRefund, Action::FinishRefund] {
        house.simulator.act(&order, act).unwrap();
    }
    house.reconcile().await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Refunded);
    closes(&house).await;
}

#[tokio::test]
async fn more_money_behind_a_closed_case_opens_another_though_the_words_are_the_same() {
    let (house, _) = house_of(1).await;
    let deposit = house.wallet("10").await;
    let order = house.order(&deposit);
    house.simulator.act(&order, Action::Cancel).unwrap();
    house.poll().await;
    house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    let silent = r#"{"status": "cancel", "payment_amount": null, "payment_amount_usd": null, "payer_amount": null, "txid": null}"#;
    house.simulator.overlay(&order, silent).unwrap();
    let report = house.reconcile().await;
    assert_eq!(kinds(&report), ["status_mismatch"]);
    // Closed is accepted: the journal has none of it, so neither do its rows, and the total exceeds them.
    flow::close_case(&house.flow, report.cases[0].id, "root", "a test payment").await.unwrap();
    let report = house.reconcile().await;
    assert_eq!((kinds(&report), report.clean), (vec!["total_charges_drift"], false));
    assert_eq!(report.figures.as_ref().unwrap().difference_cents, Some(1_000));
    flow::close_case(&house.flow, report.cases[0].id, "root", "a test payment").await.unwrap();
    let report = house.reconcile().await;
    assert_eq!((kinds(&report), report.clean), (Vec::new(), true), "it was decided");
    house
        .simulator
        .act(
            &order,
            figures(|figures| {
                figures.invoice_cents = Some(51_000);
                figures.credited_cents = Some(51_000);
            }),
        )
        .unwrap();
    // The row counts what it says again, and the 10.00 that were accepted of the total are no longer explained by it.
    assert_eq!(kinds(&house.reconcile().await), ["status_mismatch", "total_charges_drift"]);
}

#[tokio::test]
async fn an_explained_drift_that_grows_is_told_again() {
    let (house, _) = house_of(1).await;
    house.simulator.adjust(0, 1).unwrap();
    house.reconcile().await;
    let case = house.reconcile().await.cases[0].id;
    assert_eq!(letters(&house, "discrepancy_opened").await.len(), 1);
    flow::explain_case(&house.flow, case, "root", "rounding, asked them").await.unwrap();
    house.clock.advance(DAY);
    house.reconcile().await;
    assert_eq!(letters(&house, "discrepancy_opened").await.len(), 1, "as it was explained");
    house.simulator.adjust(0, 500_000).unwrap();
    house.reconcile().await;
    assert_eq!(letters(&house, "discrepancy_opened").await.len(), 2);
}

/// Runs that are void for one reason and then for another: no case stands long enough, and somebody is told.
#[tokio::test]
async fn void_runs_of_changing_reasons_are_told() {
    let (house, _) = house_of(5).await;
    let fallen = TotalLie { num: 1, den: 1, shift_cents: -1 };
    for _ in 0..3 {
        house.simulator.total_lie_for(fallen, 2);
        void(&house).await;
        house.simulator.lie_for(ListLie::Empty, 1);
        void(&house).await;
    }
    assert_eq!(letters(&house, "reconciliation_void").await.len(), 1);
    assert!(house.flow.ledger.cases(false).await.unwrap().is_empty());
    assert!(house.reconcile().await.clean);
    assert_eq!(letters(&house, "reconciliation_back").await.len(), 1);
}

/// What a person closed is answered for by them, and only for as long as they do not take it back.
#[tokio::test]
async fn a_closed_difference_is_back_once_its_acceptance_is_taken_back() {
    let (house, _) = house_of(1).await;
    let deposit = paid(&house, "10").await;
    let order = house.order(&deposit);
    house.simulator.act(&order, figures(|figures| figures.invoice_cents = Some(900))).unwrap();
    house.simulator.set_total_shift(-100);
    let report = house.reconcile().await;
    assert_eq!(kinds(&report), ["amount_mismatch"]);
    let case = report.cases[0].id;
    let closed = flow::close_case(&house.flow, case, "root", "so be it").await.unwrap();
    assert_eq!(closed.resolution.as_deref(), Some("so be it"));
    house.simulator.set_total_shift(0);
    for _ in 0..2 {
        assert!(house.reconcile().await.clean);
    }
    flow::unaccept_case(&house.flow, case, "root", "no, it is not").await.unwrap();
    for _ in 0..2 {
        let report = house.reconcile().await;
        assert_eq!((kinds(&report), report.clean), (vec!["amount_mismatch", "total_charges_drift"], false));
    }
}
