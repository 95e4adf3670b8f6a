//! The shapes of answers and refusals, and the variants that the contract leaves open.

use std::time::Duration;

use depositd::domain::asset::Currency;
use depositd::domain::money::Amount;
use depositd::sandbox::upstream::{Call, ErrorAt, Fate, IdField, Shape, StatusAt};
use serde_json::json;

use crate::bench::{Bench, START, order_id};

#[tokio::test]
async fn a_wallet_is_the_contracts_example() {
    let bench = Bench::start(1, None).await;
    bench.upstream.set_fee_percent(3);
    let wallet = bench.create("USDT/BSC/5.15").await;
    let fields: Vec<&String> = wallet.as_object().unwrap().keys().collect();
    assert_eq!(fields.len(), 8, "{fields:?}");
    assert_eq!(wallet["currency"], "USDT");
    assert_eq!(wallet["network"], "bsc");
    assert_eq!(wallet["amountInUSD"], "5.00");
    assert_eq!(wallet["amountInCrypto"], "4.99");
    assert_eq!(wallet["expire_at"], START + 3600);
    assert_eq!(wallet["to_address"].as_str().unwrap().len(), 42);
    assert!(wallet["url"].as_str().unwrap().starts_with("https://pay.cryptomus.com/pay/"));
    assert_eq!(bench.upstream.orders()[0].order_id, order_id(&wallet));
}

#[tokio::test]
async fn every_pair_of_the_table_gets_a_wallet() {
    let bench = Bench::start(1, None).await;
    for currency in Currency::ALL {
        for network in currency.networks() {
            let wallet = bench.create(&format!("{currency}/{network}/25.50")).await;
            assert_eq!(wallet["network"], network.as_str().to_lowercase());
            assert!(Amount::parse(wallet["amountInCrypto"].as_str().unwrap()).is_ok());
        }
    }
    assert_eq!(bench.upstream.calls().count(Call::Create), 30);
}

#[tokio::test]
async fn refusals_are_the_contracts() {
    let bench = Bench::start(1, None).await;
    bench.upstream.add_coupon("GOOD", 10, 30).unwrap();
    for (path, coupon, status, text) in [
        ("EUR/BSC/5", None, 400, "Non-acceptable Currency"),
        ("BTC/BSC/5", None, 400, "Non-acceptable Network"),
        ("USDT/BSC/5", Some("BAD"), 500, "Invalid, or expired Coupon"),
    ] {
        let (code, answer) = bench.put(path, coupon).await.unwrap();
        assert_eq!((code.as_u16(), answer), (status, json!({"ok": false, "body": text})));
    }
    let (code, answer) = bench.put("DAI/BSC/10", Some("GOOD")).await.unwrap();
    assert_eq!((code.as_u16(), &answer["body"]["amountInCrypto"]), (200, &json!("9")));
    bench.clock.advance(Duration::from_secs(31 * 86_400));
    assert_eq!(bench.put("DAI/BSC/10", Some("GOOD")).await.unwrap().0, 500);
    bench.upstream.plan("7", Fate::RefusedCoupon);
    assert_eq!(bench.put("DAI/BSC/7.00", Some("ANY")).await.unwrap().0, 500);
    assert_eq!(bench.try_get("cryptomus/transaction/none").await.unwrap().0, 404);
    let wrong = bench.client.get(bench.url("balance?apiKey=other")).send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    assert!(wrong.text().await.unwrap().contains("User-verification Failed"));
    bench.upstream.set_shape(Shape { error_at: ErrorAt::ErrorObject, ..Shape::default() });
    let (_, answer) = bench.put("EUR/BSC/5", None).await.unwrap();
    assert_eq!(answer, json!({"ok": false, "error": {"message": "Non-acceptable Currency"}}));
}

#[tokio::test]
async fn a_paid_look_says_what_arrived_wherever_the_word_stands() {
    let bench = Bench::start(4, None).await;
    bench.upstream.set_default_fate(Fate::Short);
    let id = order_id(&bench.create("BTC/BTC/100").await);
    bench.clock.advance(Duration::from_secs(3600));
    let look = bench.look(&id).await;
    assert_eq!((&look["payment_amount_usd"], &look["is_final"]), (&json!("60.00"), &json!(true)));
    assert_eq!(look["amountInUSD"], "100.00");
    assert_eq!(look["txid"].as_str().unwrap().len(), 64);
    for (status_at, path) in [
        (StatusAt::PaymentStatus, "/payment_status"),
        (StatusAt::TransactionStatus, "/transaction/status"),
        (StatusAt::State, "/state"),
    ] {
        bench.upstream.set_shape(Shape { status_at, capital_status: true, ..Shape::default() });
        assert_eq!(bench.look(&id).await.pointer(path), Some(&json!("WRONG_AMOUNT")));
    }
    bench.upstream.set_shape(Shape { bare_numbers: true, ..Shape::default() });
    let bare = bench.client.get(bench.url(&format!("cryptomus/transaction/{id}?apiKey=k%26y")));
    let bare = bare.send().await.unwrap().text().await.unwrap();
    assert!(
        bare.contains(r#""payment_amount_usd":60.00"#) && bare.contains(r#""amountInUSD":100.00"#),
        "{bare}"
    );
}

#[tokio::test]
async fn invoices_tell_the_order_in_every_way_or_in_none() {
    let bench = Bench::start(4, None).await;
    let wallet = bench.create("BTC/BTC/100").await;
    let id = order_id(&wallet);
    let url = wallet["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    for (id_field, field, wanted) in
        [(IdField::PayId, "payId", &id), (IdField::Sesid, "sesid", &id), (IdField::UrlUuid, "payId", &url)]
    {
        bench.upstream.set_shape(Shape { id_field, ..Shape::default() });
        assert_eq!(bench.get("payments").await[0][field], *wanted);
    }
    bench.upstream.set_shape(Shape { id_field: IdField::None, ..Shape::default() });
    let text = bench.get("payments").await.to_string();
    assert!(!text.contains(&id) && !text.contains(&url), "{text}");
}
