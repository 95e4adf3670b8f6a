//! Answers about one order that say something else than is true.

use serde_json::json;

use crate::bench::{Bench, order_id};

const DIGITS: &str = "67.2000000000000028421709430404007434844970703125";

#[tokio::test]
async fn fields_lie_over_every_look_digit_for_digit() {
    let bench = Bench::start(41, None).await;
    let wallet = bench.create("USDT/BSC/10").await;
    let id = order_id(&wallet);
    let truth = bench.truth();
    let path = format!("cryptomus/transaction/{id}");
    let fields = format!(r#"{{"payment_amount_usd": {DIGITS}, "status": "paid", "to_address": null}}"#);
    bench.upstream.overlay(&id, &fields).unwrap();
    bench.upstream.overlay(&id, &json!({"transaction": {"status": "cancel"}}).to_string()).unwrap();
    for _ in 0..2 {
        let text = bench.text(&path).await;
        assert!(text.contains(&format!(r#""payment_amount_usd":{DIGITS}"#)), "{text}");
        let look = bench.look(&id).await;
        assert_eq!((&look["status"], &look["transaction"]["status"]), (&json!("paid"), &json!("cancel")));
        assert_eq!((look.get("to_address"), &look["order_id"]), (None, &json!(id)));
    }
    assert!(bench.upstream.overlay(&id, "[1]").is_err());
    let other = order_id(&bench.create("USDT/BSC/10").await);
    assert_eq!(bench.look(&other).await["status"], "check");
    bench.upstream.clear_overlay(&id);
    assert_eq!(bench.look(&id).await["to_address"], wallet["to_address"]);
    assert_eq!(bench.truth().1[0], truth.1[0]);
    assert_eq!(bench.truth().0, truth.0);
}

#[tokio::test]
async fn a_whole_answer_is_another_one() {
    let bench = Bench::start(42, None).await;
    let id = order_id(&bench.create("USDT/BSC/10").await);
    let truth = bench.truth();
    let path = format!("cryptomus/transaction/{id}");
    bench.upstream.replace_body(&id, r#"{"ok":true,"body":{}}"#);
    assert_eq!(bench.look(&id).await, json!({}));
    bench.by_hand(&format!("orders/{id}/body"), "neither JSON {").await;
    assert_eq!(bench.text(&path).await, "neither JSON {");
    bench.by_hand(&format!("orders/{id}/overlay/clear"), "").await;
    bench.by_hand(&format!("orders/{id}/overlay"), &format!(r#"{{"amountInUSD": {DIGITS}}}"#)).await;
    assert!(bench.text(&path).await.contains(&format!(r#""amountInUSD":{DIGITS}"#)));
    bench.by_hand("truth", "").await;
    assert_eq!(bench.look(&id).await["amountInUSD"], "10.00");
    assert_eq!(bench.truth(), truth);
}

#[tokio::test]
async fn the_next_wallets_answer_is_dressed_and_only_that() {
    let bench = Bench::start(43, None).await;
    bench
        .upstream
        .overlay_next_wallet(r#"{"amountInCrypto": "5.0E-5", "expire_at": 1795903165000}"#)
        .unwrap();
    bench.by_hand("next-wallet", r#"{"overlay": {"memo": "4711"}}"#).await;
    assert_eq!(bench.put("EUR/BSC/10", None).await.unwrap().0, 400, "a refusal uses nothing up");
    let wallet = bench.create("USDT/BSC/10").await;
    assert_eq!(
        (&wallet["amountInCrypto"], &wallet["expire_at"]),
        (&json!("5.0E-5"), &json!(1_795_903_165_000_i64))
    );
    assert_eq!(bench.look(&order_id(&wallet)).await["amountInCrypto"], "9.98");
    assert_eq!(bench.create("USDT/BSC/10").await["memo"], "4711");
    assert_eq!(bench.create("USDT/BSC/10").await.get("memo"), None);
    assert!(bench.upstream.overlay_next_wallet("none").is_err());
    assert!(bench.upstream.orders().iter().all(|order| order.amount_crypto == "9.98"));
}
