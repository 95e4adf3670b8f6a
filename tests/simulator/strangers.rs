//! Orders that somebody else makes, and wallets that share an address or an id.

use std::time::Duration;

use depositd::domain::asset::Asset;
use depositd::sandbox::upstream::{Call, Fate, SimulatedUpstream};
use serde_json::json;

use crate::bench::{Bench, order_id, settings};

#[tokio::test]
async fn an_order_of_somebody_else_is_like_ours_and_not_in_our_books() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("upstream.jsonl");
    let bench = Bench::start(51, Some(path.clone())).await;
    bench.upstream.plan_next("10", Fate::Manual);
    let asset = Asset::parse("USDT", "BSC").unwrap();
    let theirs = bench.upstream.order_elsewhere(asset, "10", Fate::Refunded).unwrap();
    let ours = order_id(&bench.create("USDT/BSC/10").await);
    let answer = bench.by_hand("elsewhere", r#"{"currency": "USDT", "network": "BSC", "amount": "5"}"#).await;
    let third = answer["order_id"].as_str().unwrap().to_owned();
    assert!(bench.upstream.order_elsewhere(asset, "-1", Fate::Exact).is_err());
    assert_eq!(bench.rows().await.len(), 3);
    assert_eq!(bench.look(&theirs).await["status"], "check");
    bench.clock.advance(Duration::from_secs(4 * 3600));
    assert_eq!(bench.look(&theirs).await["status"], "refund_paid");
    assert_eq!(bench.look(&ours).await["status"], "check", "the plan was for an order of ours");
    let account = bench.get("balance").await;
    assert_eq!((&account["totalCharges"], &account["balance"]), (&json!("1500"), &json!(500)));
    let books = bench.upstream.books();
    assert_eq!((books.credited.len(), books.elsewhere_cents, books.total_charges_cents), (0, 1500, 1500));
    assert_eq!(books.credited_to_others[&theirs].refunded_cents, 1000);
    assert_eq!(books.credited_to_others[&third].cents, 500);
    let made_elsewhere: Vec<bool> = bench.upstream.orders().iter().map(|order| order.elsewhere).collect();
    assert_eq!((made_elsewhere, bench.upstream.calls().count(Call::Create)), (vec![true, false, true], 1));
    let again = SimulatedUpstream::start(settings(&bench.clock, 51, Some(path))).await.unwrap();
    assert_eq!((again.books(), again.orders()), (books, bench.upstream.orders()));
}

#[tokio::test]
async fn two_wallets_have_one_address() {
    let bench = Bench::start(52, None).await;
    let first = bench.create("USDT/BSC/10").await;
    bench.upstream.share_address(true);
    let second = bench.create("USDC/BSC/20").await;
    assert_eq!(second["to_address"], first["to_address"]);
    assert_ne!(bench.create("USDT/TRON/10").await["to_address"], first["to_address"], "another network");
    bench.by_hand("next-wallet", r#"{"share_address": false}"#).await;
    assert_ne!(bench.create("USDT/BSC/10").await["to_address"], first["to_address"]);
    let (unused, chosen) =
        ("0x0000000000000000000000000000000000000001", "0x66b928a82377d75ced043e95738372e9e9607f1f");
    bench.upstream.next_address(unused);
    bench.by_hand("next-wallet", &json!({ "address": chosen }).to_string()).await;
    assert_eq!(bench.put("EUR/BSC/10", None).await.unwrap().0, 400, "a refusal uses nothing up");
    let given = bench.create("USDT/BSC/10").await;
    assert_eq!(given["to_address"], chosen);
    assert_eq!(bench.look(&order_id(&given)).await["to_address"], given["to_address"]);
    assert_ne!(bench.create("USDT/BSC/10").await["to_address"], given["to_address"], "only the next one");
    let orders = bench.upstream.orders();
    assert_eq!((orders.len(), &orders[0].address), (6, &orders[1].address));
}

#[tokio::test]
async fn one_id_is_answered_to_two_requests() {
    let bench = Bench::start(53, None).await;
    let chosen = "AF161C5A-936C-4294-B656-6DA12B77E232";
    bench.upstream.next_order_id(chosen);
    assert_eq!(order_id(&bench.create("USDT/BSC/10").await), chosen);
    assert_eq!(bench.look(chosen).await["amountInUSD"], "10.00");
    bench.by_hand("next-wallet", &json!({ "order_id": chosen }).to_string()).await;
    let second = bench.create("USDT/BSC/20").await;
    assert_eq!((order_id(&second).as_str(), &second["amountInUSD"]), (chosen, &json!("20.00")));
    assert_eq!(bench.look(chosen).await["amountInUSD"], "10.00", "looks are at the first one");
    let ids: Vec<String> = bench.upstream.orders().into_iter().map(|order| order.order_id).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[1], chosen);
    assert_eq!(bench.look(&ids[1]).await["amountInUSD"], "20.00");
    assert_ne!(order_id(&bench.create("USDT/BSC/30").await), chosen);
}
