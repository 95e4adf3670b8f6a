//! Rows and orders of strangers: they are nobody's proof, and never ours.

use depositd::domain::asset::Asset;
use depositd::sandbox::upstream::{Call, Fate, Fault, IdField, ListLie, Shape};

use super::*;

/// Amount and time agree, and nothing else: that is nobody's proof. Where ids identify, it is not even shown.
#[tokio::test]
async fn a_strangers_top_up_of_the_same_amount_hides_nothing() {
    for hidden in [true, false] {
        let (house, _) = house_of(1).await;
        let deposit = house.wallet("50").await;
        let order = house.order(&deposit);
        house.simulator.act(&order, Action::HideInvoice { hidden }).unwrap();
        house.simulator.top_up_elsewhere(5_000, "cryptomus").unwrap();
        // Their status says paid, and nothing was credited.
        house.simulator.overlay(&order, r#"{"status": "paid"}"#).unwrap();
        house.poll().await;
        assert_eq!(house.read(&deposit).await.facts.state, State::Settled);
        let report = house.reconcile().await;
        let kind = if hidden { "invoice_missing" } else { "status_mismatch" };
        assert_eq!((kinds(&report), report.clean), (vec![kind], false));
        assert!(!report.matches.contains_key("amount_and_time"));
        let shown = format!("SELECT reconciled FROM accounting_deposits WHERE order_id = '{order}'");
        assert_eq!(house.sql(&shown), if hidden { "unmatched" } else { "matched" });
        let wish = flow::CorrectionRequest {
            who: "root",
            note: "it never came",
            amount: Some(&"0".parse().unwrap()),
            dry_run: false,
        };
        flow::correct_case(&house.flow, report.cases[0].id, wish).await.unwrap();
        closes(&house).await;
    }
}

#[tokio::test]
async fn without_any_id_amount_and_time_are_shown_and_close_nothing() {
    let house = super::super::house().await;
    house.simulator.set_shape(Shape { id_field: IdField::None, ..Shape::default() });
    house.baseline().await;
    let deposit = paid(&house, "50").await;
    let report = house.reconcile().await;
    assert_eq!((kinds(&report), report.clean), (vec!["invoice_missing"], false));
    assert_eq!(house.sql("SELECT reconciled FROM accounting_deposits"), "probable");
    assert_eq!(report.matches["amount_and_time"], 1);
    let figures = report.figures.unwrap();
    assert_eq!((figures.credited_here_cents, figures.credited_elsewhere_cents), (0, 5_000));
    assert_eq!((figures.not_listed_cents, figures.difference_cents), (5_000, Some(0)));
    // Once a row bears an id of ours, nothing is guessed any more.
    house.simulator.set_shape(Shape::default());
    paid(&house, "60").await;
    let report = house.reconcile().await;
    assert!(!report.matches.contains_key("amount_and_time"), "{:?}", report.matches);
    assert_eq!(house.read(&deposit).await.facts.state, State::Settled);
}

/// Our request never arrives, or its answer is lost; somebody else makes an order of the same pair meanwhile.
#[tokio::test]
async fn a_strangers_order_is_never_ours() {
    for (amount, fate) in [
        ("100", Fate::Exact),
        ("97", Fate::Exact),
        ("60", Fate::Over),
        ("60", Fate::Refunded),
        ("97", Fate::Late),
    ] {
        for fault in [Fault::DropBeforeActing, Fault::DropAfterActing, Fault::TruncatedJson] {
            let (house, _) = house_of(1).await;
            house.simulator.inject(Call::Create, fault.clone(), u32::MAX);
            let deposit = house.request("USDT", "TRON", "100").await;
            let asset = Asset::parse("USDT", "TRON").unwrap();
            let theirs = house.simulator.order_elsewhere(asset, amount, fate).unwrap();
            for _ in 0..8 {
                house.pass(Duration::from_mins(30), Duration::from_mins(10)).await;
                assert!(house.reconcile().await.clean, "{amount} {fate:?} {fault:?}");
            }
            house.simulator.clear_faults();
            let report = house.reconcile().await;
            assert_eq!((kinds(&report), report.clean), (Vec::new(), true), "{amount} {fate:?} {fault:?}");
            let ours = house.read(&deposit).await;
            assert!(ours.facts.wallet.is_none() && ours.facts.booked.is_none(), "{ours:?}");
            assert_eq!(house.flow.ledger.find(&theirs).await.unwrap(), None);
            let figures = report.figures.unwrap();
            let books = house.simulator.books();
            assert_eq!(
                figures.credited_elsewhere_cents,
                12_345 + books.credited_to_others.values().map(|one| one.cents).sum::<i64>()
            );
            closes(&house).await;
        }
    }
}

/// What of a stranger's short payment was credited, no row says: that is a drift, and a person's to accept, once.
#[tokio::test]
async fn a_strangers_short_payment_is_a_drift_that_is_accepted_once() {
    let (house, _) = house_of(1).await;
    let asset = Asset::parse("USDT", "TRON").unwrap();
    house.simulator.order_elsewhere(asset, "100", Fate::Short).unwrap();
    house.pass(Duration::from_hours(2), Duration::from_mins(10)).await;
    let report = house.reconcile().await;
    assert_eq!((kinds(&report), report.clean), (vec!["total_charges_drift"], false));
    assert_eq!(report.figures.unwrap().difference_cents, Some(6_000));
    flow::accept_case(&house.flow, report.cases[0].id, "root", "a colleague's", None).await.unwrap();
    closes(&house).await;
}

/// A refund word counts a stranger's last amount as paid, whatever the row said between.
#[tokio::test]
async fn what_a_stranger_was_paid_counts_when_it_is_refunded_later() {
    let between: [&[&str]; 6] = [
        &[],
        &["locked"],
        &["settling"],
        &["cancel", "locked"],
        &["refund_process"],
        &["wrong_amount", "check"],
    ];
    for (words, last) in between.iter().flat_map(|words| [(words, "refund_paid"), (words, "refund_fail")]) {
        let (house, _) = house_of(1).await;
        let usdt = Asset::parse("USDT", "BSC").unwrap();
        let order = house.simulator.order_elsewhere(usdt, "40", Fate::Manual).unwrap();
        house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
        assert!(house.reconcile().await.clean);
        let elsewhere = house.reconcile().await.figures.unwrap().credited_elsewhere_cents;
        for word in words.iter().chain([&last]) {
            house.simulator.clear_list_lies();
            house
                .simulator
                .set_list_lie(ListLie::StatusOf { order_id: order.clone(), word: (*word).to_owned() });
            // Also where nothing has changed since.
            for _ in 0..2 {
                let report = house.reconcile().await;
                let counts = ["refund_process", "refund_fail", "refund_paid", "wrong_amount"].contains(word);
                let drift = if counts { 0 } else { 4_000 };
                let figures = report.figures.unwrap();
                assert_eq!(figures.difference_cents, Some(drift), "{words:?}, {last}: {word}");
                assert_eq!(figures.credited_elsewhere_cents, elsewhere - drift, "{words:?}, {last}: {word}");
            }
        }
        closes(&house).await;
    }
}
