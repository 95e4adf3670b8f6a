//! Asking for a deposit: created, too slow, refused, ruled out, and the same again under one key.

use std::time::Duration;

use depositd::api::DepositObject;
use depositd::sandbox::upstream::{Call, Fate, Fault};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bench::Bench;

const BODY: &str = r#"{"currency": "usdt", "network": "Tron", "amount": 5.10, "reference": "R-1"}"#;

#[tokio::test]
async fn a_deposit_is_created_within_the_wait() {
    let bench = Bench::start().await;
    let response = bench.call(Method::POST, "/v1/deposits").body(BODY).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let made: Value = response.json().await.unwrap();
    let object: DepositObject = serde_json::from_value(made.clone()).unwrap();
    assert_eq!(location, format!("/v1/deposits/{}", object.id));
    assert_eq!((&made["state"], &made["currency"]), (&json!("awaiting_payment"), &json!("USDT")));
    assert_eq!((&made["network"], &made["amount_requested"]), (&json!("TRON"), &json!("5.10")));
    let wallet = &bench.upstream.orders()[0];
    assert_eq!((&made["address"], &made["order_id"]), (&json!(wallet.address), &json!(wallet.order_id)));
    assert_eq!(made["amount_crypto"], wallet.amount_crypto);
    assert_eq!(made["expire_at"], wallet.expire_at.to_seconds_text());
    for name in [object.id.to_string(), wallet.order_id.clone(), wallet.address.clone()] {
        assert_eq!(bench.get(&format!("/v1/deposits/{name}")).await, (200, made.clone()));
    }
    let (status, events) = bench.get(&format!("{location}/events")).await;
    assert_eq!(status, 200);
    let names: Vec<_> =
        events["events"].as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["requested", "wallet_created"]);
    let (_, story) = bench.get(&format!("{location}/story")).await;
    assert_eq!((&story["deposit"], &story["calls"][0]["call"]), (&made, &json!("attempt 1")));
    assert!(!story.to_string().contains("k&y"), "{story}");
    for path in
        ["/v1/deposits/nobody", "/v1/deposits/nobody/events", "/v1/deposits/%FF", "/v1/deposits/x/story"]
    {
        let (status, problem) = bench.get(path).await;
        assert_eq!((status, &problem["type"]), (404, &json!("not-found")), "{path}");
    }
}

#[tokio::test]
async fn whoever_will_not_wait_is_answered_while_there_is_no_wallet() {
    let bench = Bench::start().await;
    bench.upstream.inject(Call::Create, Fault::Delay(Duration::from_millis(1500)), u32::MAX);
    let key = ("Idempotency-Key", "slow");
    let (status, first) = bench.ask(BODY, &[("Prefer", "wait=0"), key]).await;
    assert_eq!((status, &first["state"], &first["address"]), (202, &json!("requested"), &Value::Null));
    let (status, second) = bench.ask(BODY, &[("Prefer", "wait=1"), ("Idempotency-Key", "other")]).await;
    assert_eq!((status, &second["state"]), (202, &json!("requested")));
    // The key repeated waits as the first call could have, and then it is the same deposit.
    let (status, again) = bench.ask(BODY, &[key]).await;
    assert_eq!((status, &again["state"], &again["id"]), (200, &json!("awaiting_payment"), &first["id"]));
}

#[tokio::test]
async fn a_key_stands_for_one_request_however_it_is_written() {
    let bench = Bench::start().await;
    let key = ("Idempotency-Key", "order 7");
    let (status, first) = bench.ask(BODY, &[key]).await;
    assert_eq!(status, 201);
    let same =
        r#"{"network": "TRON", "currency": "USDT", "amount": "5.1", "reference": "R-1", "coupon": null}"#;
    let (status, again) = bench.ask(same, &[key]).await;
    assert_eq!((status, &again["id"]), (200, &first["id"]));
    for other in [
        r#"{"currency": "usdt", "network": "tron", "amount": 5.11, "reference": "R-1"}"#,
        r#"{"currency": "usdt", "network": "tron", "amount": 5.10}"#,
        r#"{"currency": "usdt", "network": "bsc", "amount": 5.10, "reference": "R-1"}"#,
    ] {
        let (status, problem) = bench.ask(other, &[key]).await;
        assert_eq!((status, &problem["type"]), (409, &json!("idempotency-conflict")), "{other}");
        assert_eq!(problem["deposit_id"], first["id"], "whose key it is: {problem}");
    }
    assert_eq!(bench.upstream.calls().count(Call::Create), 1);
    let (_, without) = bench.ask(BODY, &[]).await;
    assert_ne!(without["id"], first["id"]);
}

#[tokio::test]
async fn one_key_twenty_times_at_once_is_one_deposit_and_one_order() {
    let bench = Bench::start().await;
    let calls = (0..20).map(|_| bench.ask(BODY, &[("Idempotency-Key", "burst")]));
    let answers = futures_util::future::join_all(calls).await;
    let first = &answers[0].1["id"];
    assert!(answers.iter().all(|(_, deposit)| deposit["id"] == *first && deposit["address"].is_string()));
    assert_eq!(answers.iter().filter(|(status, _)| *status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 19);
    assert_eq!(bench.upstream.calls().count(Call::Create), 1);
    assert_eq!(bench.get("/v1/deposits").await.1["deposits"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_upstreams_refusal_is_said_in_its_words_and_again_under_the_key() {
    let bench = Bench::start().await;
    bench.upstream.plan("7", Fate::RefusedCoupon);
    let body = r#"{"currency": "USDT", "network": "BSC", "amount": 7, "coupon": "NOPE"}"#;
    let key = ("Idempotency-Key", "refused");
    let (status, problem) = bench.ask(body, &[key]).await;
    assert_eq!((status, &problem["type"]), (422, &json!("upstream-refused")), "{problem}");
    assert_eq!(problem["deposit"]["state"], "rejected");
    let (status, again) = bench.ask(body, &[key]).await;
    assert_eq!((status, &again), (422, &problem));
    assert_eq!(bench.upstream.calls().count(Call::Create), 1);
}

#[tokio::test]
async fn what_is_ruled_out_names_the_field_and_reaches_nobody() {
    let bench = Bench::start().await;
    let long = "x".repeat(201);
    let with = |field: &str, value: Value| {
        let mut body = json!({"currency": "USDT", "network": "BSC", "amount": "5"});
        body[field] = value;
        body.to_string()
    };
    for (body, field, part) in [
        (with("currency", json!("EUR")), "currency", "USDT, BTC"),
        (with("network", json!("BTC")), "network", "BSC, TRON"),
        (with("amount", json!("0")), "amount", "more than 0"),
        (with("amount", json!(0)), "amount", "more than 0"),
        (with("amount", json!(-5)), "amount", "plain digits"),
        (with("amount", json!("1e3")), "amount", "plain digits"),
        (with("amount", json!("5.1234567")), "amount", "too many digits"),
        (with("amount", json!("1234567890123")), "amount", "too many digits"),
        (with("amount", json!("9".repeat(5000))), "amount", "too many digits"),
        (with("amount", json!(true)), "amount", "a number or a text"),
        (with("amount", Value::Null), "amount", "missing"),
        (with("notify", json!(["not an address"])), "notify", ""),
        (with("notify", json!("a@example.com")), "notify", "list"),
        (with("reference", json!(long)), "reference", "200"),
        (with("reference", json!("a\nb")), "reference", "control"),
        (with("amout", json!(5)), "amout", "unknown field"),
        (r#"{"currency": "USDT", "amount": 5}"#.to_owned(), "network", "missing"),
    ] {
        let (status, problem) = bench.ask(&body, &[]).await;
        assert_eq!((status, &problem["type"]), (422, &json!("invalid-request")), "{body}");
        assert_eq!(problem["field"], field, "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(part), "{body}: {problem}");
    }
    for body in ["", "{", "nonsense", "{\"amount\": 05}", "{\"currency\": \"\u{1}\"}"] {
        let (status, problem) = bench.ask(body, &[]).await;
        let expected = if body.is_empty() { (422, "invalid-request") } else { (400, "malformed-json") };
        assert_eq!((status, problem["type"].as_str().unwrap()), expected, "{body}");
    }
    let (status, problem) = bench.ask(BODY, &[("Idempotency-Key", &"k".repeat(256))]).await;
    assert_eq!((status, &problem["field"]), (422, &json!("Idempotency-Key")));
    assert_eq!(bench.upstream.calls().count(Call::Create), 0);
    assert_eq!(bench.get("/v1/deposits").await.1, json!({"deposits": [], "next_cursor": null}));
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let bench = Bench::start().await;
    bench.upstream.plan("3", Fate::RefusedCoupon);
    for amount in 1..=5 {
        let body = json!({"currency": "USDT", "network": "BSC", "amount": amount, "coupon": "NOPE"});
        bench.upstream.add_coupon("NOPE", 10, 30).unwrap();
        bench.ask(&body.to_string(), &[]).await;
    }
    let amounts = |page: &Value| -> Vec<String> {
        let deposits = page["deposits"].as_array().unwrap();
        deposits.iter().map(|deposit| deposit["amount_requested"].as_str().unwrap().to_owned()).collect()
    };
    let (_, page) = bench.get("/v1/deposits?limit=2").await;
    assert_eq!(amounts(&page), ["5", "4"]);
    let (_, page) =
        bench.get(&format!("/v1/deposits?limit=3&cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_eq!(
        (amounts(&page), &page["next_cursor"]),
        (vec!["3".into(), "2".into(), "1".into()], &Value::Null)
    );
    let (_, page) = bench.get("/v1/deposits?state=rejected").await;
    assert_eq!(amounts(&page), ["3"]);
    let (_, page) = bench.get("/v1/deposits?state=awaiting_payment,rejected&state=settled").await;
    assert_eq!(amounts(&page).len(), 5);
    assert_eq!(amounts(&bench.get("/v1/deposits?since=2999-01-01").await.1).len(), 0);
    assert_eq!(amounts(&bench.get("/v1/deposits?since=2020-01-01T00:00:00+02:00").await.1).len(), 5);
    assert_eq!(amounts(&bench.get("/v1/deposits?needs_review=true").await.1).len(), 0);
    for (query, field) in [
        ("state=paid", "state"),
        ("since=yesterday", "since"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("cursor=abc", "cursor"),
        ("needs_review=maybe", "needs_review"),
        ("stat=settled", "stat"),
    ] {
        let (status, problem) = bench.get(&format!("/v1/deposits?{query}")).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{query}");
    }
}
