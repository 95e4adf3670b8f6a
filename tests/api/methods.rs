//! Payment pages and cards over the API: what is asked for, what is refused, and whose a row is.

use depositd::sandbox::upstream::{Action, Call, LinkShape, LinkUnit, RowsAt};
use serde_json::json;

use crate::bench::Bench;

#[tokio::test]
async fn a_link_is_asked_for_by_its_method() {
    let bench = Bench::start().await;
    for (method, amount) in [("page", "\"25\""), ("card", "25.00")] {
        let body = format!(r#"{{"method": "{method}", "amount": {amount}, "reference": "R"}}"#);
        let (status, made) = bench.ask(&body, &[]).await;
        assert_eq!(status, 201, "{made}");
        let order = bench.upstream.orders().pop().unwrap();
        assert_eq!((&made["method"], &made["url"]), (&json!(method), &json!(order.url)));
        for nothing in ["currency", "network", "address", "memo", "order_id", "amount_crypto", "expire_at"] {
            assert_eq!((nothing, &made[nothing]), (nothing, &json!(null)));
        }
        let amount = amount.trim_matches('"');
        let pay = json!({"address": null, "amount": amount, "memo": null, "url": order.url, "qr": order.url});
        assert_eq!(made["pay_with"], pay);
        assert_eq!(
            bench.get(&format!("/v1/deposits/{}", made["id"].as_str().unwrap())).await,
            (200, made.clone())
        );
        let (_, page) = bench.get(&format!("/v1/deposits?method={method}")).await;
        assert_eq!(page["deposits"], json!([made]));
    }
    let (_, page) = bench.get("/v1/deposits?method=wallet").await;
    assert_eq!(page["deposits"], json!([]));
}

#[tokio::test]
async fn what_does_not_fit_the_method_is_named_before_any_call() {
    let bench = Bench::start().await;
    for (body, field) in [
        (r#"{"method": "cash", "amount": "5"}"#, "method"),
        (r#"{"method": "PAGE", "amount": "5"}"#, "method"),
        (r#"{"method": "page", "amount": "5.50"}"#, "amount"),
        (r#"{"method": "card", "amount": 5.01}"#, "amount"),
        (r#"{"method": "page", "amount": "0"}"#, "amount"),
        (r#"{"method": "page"}"#, "amount"),
        (r#"{"method": "page", "amount": "5", "currency": "USDT"}"#, "currency"),
        (r#"{"method": "card", "amount": "5", "network": "TRON"}"#, "network"),
        (r#"{"method": "card", "amount": "5", "coupon": "C"}"#, "coupon"),
        (r#"{"method": "wallet", "amount": "5"}"#, "currency"),
        (r#"{"amount": "5", "currency": "USDT"}"#, "network"),
    ] {
        let (status, problem) = bench.ask(body, &[]).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{body}: {problem}");
    }
    let calls = bench.upstream.calls();
    assert_eq!(
        (calls.count(Call::CreatePage), calls.count(Call::CreateCard), calls.count(Call::Create)),
        (0, 0, 0)
    );
    let (status, made) =
        bench.ask(r#"{"method": null, "currency": "usdt", "network": "tron", "amount": 5}"#, &[]).await;
    assert_eq!((status, &made["method"]), (201, &json!("wallet")));
}

#[tokio::test]
async fn a_row_of_another_amount_refuses_further_links_until_it_was_reviewed() {
    let bench = Bench::start().await;
    bench.upstream.set_links(LinkShape { unit: LinkUnit::Cents, ..LinkShape::default() });
    let (_, page) = bench.ask(r#"{"method": "page", "amount": "50"}"#, &[]).await;
    // It is followed before the status call has said that it does not know it.
    depositd::flow::follow_list(&bench.flow).await.unwrap();
    let path = format!("/v1/deposits/{}", page["id"].as_str().unwrap());
    let (_, flagged) = bench.get(&path).await;
    assert!(flagged["needs_review"].as_str().unwrap().contains("upstream.page_amount"), "{flagged}");
    let (status, problem) = bench.ask(r#"{"method": "card", "amount": "50"}"#, &[]).await;
    assert_eq!(
        (status, &problem["type"], &problem["deposit_id"]),
        (409, &json!("review-needed"), &page["id"])
    );
    let (status, _) = bench.post(&format!("{path}/review"), r#"{"note": "it counts cents"}"#).await;
    assert_eq!(status, 200);
    assert_eq!(bench.ask(r#"{"method": "card", "amount": "50"}"#, &[]).await.0, 201);
}

#[tokio::test]
async fn a_person_says_whose_a_row_is_and_takes_it_back() {
    let bench = Bench::start().await;
    bench.upstream.set_links(LinkShape { rows_at: RowsAt::Paid, ..LinkShape::default() });
    let (_, card) = bench.ask(r#"{"method": "card", "amount": "50"}"#, &[]).await;
    let order = bench.upstream.orders().pop().unwrap().order_id;
    bench.upstream.act(&order, Action::Pay { amount_usd: None }).unwrap();
    depositd::flow::reconcile(&bench.flow).await.unwrap();
    let id = card["id"].as_str().unwrap();
    let row = bench.flow.ledger.probable_rows(id.parse().unwrap()).await.unwrap()[0].0;
    let path = format!("/v1/deposits/{id}");
    for (body, status) in [
        (format!(r#"{{"row": {row}}}"#), 422),
        (format!(r#"{{"row": {row}, "note": " "}}"#), 422),
        (r#"{"note": "n"}"#.to_owned(), 422),
        (r#"{"row": 999, "note": "n"}"#.to_owned(), 404),
        (format!(r#"{{"row": {row}, "note": "n", "amount": 5}}"#), 422),
    ] {
        assert_eq!(bench.post(&format!("{path}/match"), &body).await.0, status, "{body}");
    }
    assert_eq!(
        bench.post(&format!("{path}/unmatch"), r#"{"note": "n"}"#).await.0,
        422,
        "nothing to take back"
    );
    let (status, done) =
        bench.post(&format!("{path}/match"), &format!(r#"{{"row": {row}, "note": "receipt"}}"#)).await;
    assert_eq!((status, &done["row"], &done["booked"]), (200, &json!(row), &json!("50.00")));
    let (_, settled) = bench.get(&path).await;
    assert_eq!((&settled["state"], &settled["order_id"]), (&json!("settled"), &done["order_id"]));
    let (status, done) = bench.post(&format!("{path}/unmatch"), r#"{"note": "another's"}"#).await;
    assert_eq!((status, &done["row"], &done["booked"]), (200, &json!(null), &json!(null)));
    assert_eq!(bench.get(&path).await.1["state"], json!("awaiting_payment"));
}
