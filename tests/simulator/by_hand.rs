//! The world played by a person, in the program and over HTTP.

use std::time::Duration;

use depositd::clock::Clock;
use depositd::domain::money::Amount;
use depositd::sandbox::upstream::{Action, Figures};
use serde_json::{Value, json};

use crate::bench::{Bench, json_post, order_id};

#[tokio::test]
async fn a_hand_takes_the_story_over_and_changes_answers() {
    let bench = Bench::start(11, None).await;
    let wallet = bench.create("USDT/BSC/10").await;
    let id = order_id(&wallet);
    let act = |act| bench.upstream.act(&id, act);
    let usd = |text: &str| Some(Amount::parse(text).unwrap());
    assert!(act(Action::FinishRefund).is_err());
    act(Action::Pay { amount_usd: usd("4") }).unwrap();
    assert_eq!(bench.look(&id).await["status"], "wrong_amount");
    bench.clock.advance(Duration::from_secs(3000));
    assert_eq!(bench.look(&id).await["status"], "wrong_amount", "the fate is dropped");
    act(Action::Pay { amount_usd: None }).unwrap();
    act(Action::Lock).unwrap();
    assert_eq!(bench.look(&id).await["status"], "locked");
    act(Action::Release).unwrap();
    act(Action::Pay { amount_usd: usd("1") }).unwrap();
    assert_eq!(bench.look(&id).await["status"], "paid_over");
    assert_eq!(bench.upstream.books().total_charges_cents, 1100);
    let figures = Figures { payment_amount_usd: usd("9.99"), invoice_cents: Some(998), ..Figures::default() };
    act(Action::SetFigures(figures)).unwrap();
    act(Action::ChangeAddress { to: None }).unwrap();
    let deadline = bench.clock.now().plus(Duration::from_secs(1000));
    act(Action::MoveDeadline { to: deadline }).unwrap();
    let look = bench.look(&id).await;
    assert_eq!((&look["payment_amount_usd"], &look["status"]), (&json!("9.99"), &json!("paid_over")));
    assert_eq!(look["expire_at"], deadline.as_millis() / 1000);
    assert_ne!(look["to_address"], wallet["to_address"]);
    assert_eq!(bench.get("payments").await[0]["amount"], 998);
    act(Action::SetFigures(Figures { credited_cents: Some(998), ..Figures::default() })).unwrap();
    assert_eq!(bench.upstream.books().total_charges_cents, 998);
    act(Action::HideInvoice { hidden: true }).unwrap();
    assert_eq!(bench.get("payments").await, json!([]));
}

#[tokio::test]
async fn the_world_is_played_over_http() {
    let bench = Bench::start(12, None).await;
    let base = bench.upstream.base_url();
    let post = async |path: &str, body: Value| {
        let answer = bench.client.post(json_post(&base, path)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(post("plans", json!({"fate": "manual"})).await.0, 200);
    let id = order_id(&bench.create("DOGE/DOGE/10").await);
    let (_, order) = post(&format!("orders/{id}/act"), json!({"act": "see"})).await;
    assert_eq!(order["status"], "confirm_check");
    let (_, order) =
        post(&format!("orders/{id}/act"), json!({"act": "set_figures", "invoice_cents": 7})).await;
    assert_eq!(order["status"], "confirm_check");
    let (_, order) = post(&format!("orders/{id}/pay"), json!({})).await;
    assert_eq!((&order["status"], &order["credited_cents"]), (&json!("paid"), &json!(1000)));
    assert_eq!(post(&format!("orders/{id}/pay"), json!({})).await.0, 409);
    assert_eq!(post("orders/none/pay", json!({})).await.0, 404);
    assert_eq!(post("top-ups", json!({"cents": 500, "method": "Stripe"})).await.0, 200);
    assert_eq!(post("spend", json!({"cents": 200})).await.0, 200);
    assert_eq!(post("coupons", json!({"code": "C", "percentage": 10, "days": 3})).await.0, 200);
    assert_eq!(bench.get("coupons").await["codes"][0]["code"], "C");
    let fault = json!({"call": "balance", "fault": {"status": [503, "busy", []]}});
    assert_eq!(post("faults", fault).await.0, 200);
    assert_eq!(bench.client.get(bench.url("balance")).send().await.unwrap().status(), 503);
    assert_eq!(post("outage", json!({"on": true, "style": "unavailable"})).await.0, 200);
    assert_eq!(bench.client.get(bench.url("balance")).send().await.unwrap().status(), 503);
    assert_eq!(post("outage", json!({"on": false})).await.0, 200);
    assert_eq!(bench.get("payments").await.as_array().unwrap().len(), 2);
    let books = bench.client.get(json_post(&base, "books")).send().await.unwrap();
    let books: Value = books.json().await.unwrap();
    assert_eq!((&books["total_charges_cents"], &books["balance_cents"]), (&json!(1500), &json!(1300)));
    assert_eq!(post("faults", json!({"call": "nothing"})).await.0, 400);
}

#[tokio::test]
async fn a_call_by_hand_that_makes_no_sense_changes_nothing() {
    let bench = Bench::start(13, None).await;
    let id = order_id(&bench.create("USDT/BSC/10").await);
    let before = (bench.look(&id).await, bench.rows().await, bench.get("balance").await, bench.truth());
    for (path, body, status) in [
        ("lag", r#"{"source": "status"}"#, 400),
        ("lag", r#"{"source": "coupons", "lag": "none"}"#, 400),
        ("lies", r#"{"lie": "nothing"}"#, 400),
        ("total", r#"{"number": 2}"#, 400),
        ("elsewhere", r#"{"currency": "BTC", "network": "BSC", "amount": "10"}"#, 400),
        ("elsewhere", r#"{"currency": "USDT", "network": "BSC", "amount": "ten"}"#, 400),
        (&format!("orders/{id}/overlay"), "[]", 400),
        (&format!("orders/{id}/nothing"), "{}", 404),
        ("next-wallet", r#"{"overlay": 1}"#, 400),
        ("account", r#"{"revoked": true}"#, 400),
        ("nothing", "{}", 404),
    ] {
        let url = json_post(&bench.upstream.base_url(), path);
        let answer = bench.client.post(url).body(body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path} {body}");
    }
    let after = (bench.look(&id).await, bench.rows().await, bench.get("balance").await, bench.truth());
    assert_eq!(after, before);
}
