//! Wallets of lost answers, where the list names orders, links, or nothing; and which field it names them in.

use std::time::Duration;

use depositd::domain::deposit::State;
use depositd::sandbox::upstream::{Act, Call, Fault, IdField, Shape};

use super::support::house::House;
use super::{house, letters};

async fn shaped(id_field: IdField) -> House {
    let house = house().await;
    house.simulator.set_shape(Shape { id_field, ..Shape::default() });
    house.reconcile().await;
    house
}

async fn seconds(house: &House, seconds: u64) {
    house.pass(Duration::from_secs(seconds), Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_replaced_wallet_is_named_told_and_closed_when_it_can_no_longer_be_paid() {
    let house = shaped(IdField::PayId).await;
    house.simulator.inject(Call::Create, Fault::DropAfterActing, 1);
    let deposit = house.request("USDC", "BSC", "44").await;
    house.rounds().await;
    let first = house.simulator.orders()[0].order_id.clone();
    house.simulator.act(&first, Act::HideInvoice { hidden: true }).unwrap();
    seconds(&house, 60).await;
    assert_ne!(house.order(&house.read(&deposit).await), first);
    house.simulator.act(&first, Act::HideInvoice { hidden: false }).unwrap();
    for told in [0, 1, 1] {
        let report = house.reconcile().await;
        assert_eq!(report.cases[0].kind, "abandoned_wallet");
        assert_eq!(report.cases[0].order_id.as_deref(), Some(first.as_str()));
        assert_eq!(letters(&house, "discrepancy_opened").await.len(), told);
    }
    house.simulator.act(&first, Act::Cancel).unwrap();
    let report = house.reconcile().await;
    assert_eq!((report.cases.len(), report.closed.len()), (0, 1));
    assert_eq!(letters(&house, "discrepancy_closed").await.len(), 1);
    assert!(house.reconcile().await.opened.is_empty(), "it stays closed");
}

#[tokio::test]
async fn a_replaced_wallet_is_named_also_where_no_order_can_be_found_for_its_invoice() {
    for id_field in [IdField::UrlUuid, IdField::None] {
        let house = shaped(id_field).await;
        house.simulator.top_up_elsewhere(4_400, "cryptomus").unwrap();
        house.simulator.inject(Call::Create, Fault::DropAfterActing, 1);
        let deposit = house.request("USDC", "BSC", "44").await;
        house.rounds().await;
        let first = house.simulator.orders()[0].clone();
        seconds(&house, 60).await;
        let deposit = house.read(&deposit).await;
        assert_eq!(deposit.facts.state, State::AwaitingPayment, "{id_field:?}");
        assert_ne!(
            house.order(&deposit),
            first.order_id,
            "a lost wallet cannot be adopted without its order"
        );
        let report = house.reconcile().await;
        let kinds: Vec<&str> = report.cases.iter().map(|case| case.kind.as_str()).collect();
        assert_eq!(kinds, ["abandoned_wallet"], "{id_field:?}");
        if id_field == IdField::UrlUuid {
            let named = report.cases[0].order_id.clone().unwrap();
            assert!(first.url.ends_with(&named), "{named} is not of {}", first.url);
        }
        let asked = house.simulator.calls().count(Call::Look);
        let again = house.reconcile().await;
        assert_eq!((again.opened.len(), again.closed.len()), (0, 0), "{id_field:?}: {again:?}");
        assert_eq!(house.simulator.calls().count(Call::Look), asked, "{id_field:?}: asked about once");
        house.simulator.act(&house.order(&deposit), Act::Pay { amount_usd: None }).unwrap();
        house.look().await;
        let report = house.reconcile().await;
        assert_eq!(report.cases.len(), 1, "{id_field:?}: {report:?}");
        assert_eq!(report.figures.unwrap().difference_cents, 0);
        house.prove().await;
    }
}

#[tokio::test]
async fn an_unresolved_deposit_stays_so_where_the_list_names_nothing_and_its_wallet_is_named() {
    let house = shaped(IdField::None).await;
    house.simulator.inject(Call::Create, Fault::DropAfterActing, 3);
    let deposit = house.request("USDT", "ETH", "55").await;
    seconds(&house, 400).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Unresolved);
    let report = house.reconcile().await;
    let kinds: Vec<&str> = report.cases.iter().map(|case| case.kind.as_str()).collect();
    assert_eq!(kinds, ["abandoned_wallet"; 3], "each wallet that was made");
    assert_eq!(house.read(&deposit).await.facts.state, State::Unresolved);
}

#[tokio::test]
async fn which_field_names_the_order_is_learnt_and_shown() {
    for (id_field, rule) in [
        (IdField::PayId, Some("pay_id_is_order")),
        (IdField::Sesid, Some("sesid_is_order")),
        (IdField::UrlUuid, Some("pay_id_is_link")),
        (IdField::None, None),
    ] {
        let house = shaped(id_field).await;
        assert_eq!(house.reconcile().await.identifier, None, "nothing was seen yet");
        for amount in ["21", "22", "23"] {
            house.wallet(amount).await;
        }
        let report = house.reconcile().await;
        assert_eq!(report.identifier, rule, "{id_field:?}");
        assert_eq!(report.matches[rule.unwrap_or("amount_and_time")], 3, "{id_field:?}");
        let word = if rule.is_some() { "matched" } else { "probable" };
        assert_eq!(house.sql("SELECT DISTINCT reconciled FROM accounting_deposits"), word);
    }
}
