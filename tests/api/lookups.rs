//! Finding deposits and catching up with events, as an integrator's program does.

use std::time::Duration;

use depositd::domain::money::Amount;
use depositd::sandbox::upstream::{Action, Fate};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, answer};

/// Asks for one deposit and gives its id.
async fn ask(bench: &Bench, currency: &str, network: &str, reference: &str, key: &str) -> String {
    let body = json!({"currency": currency, "network": network, "amount": "5", "reference": reference});
    let (status, deposit) = bench.ask(&body.to_string(), &[("Idempotency-Key", key)]).await;
    assert_eq!(status, 201, "{deposit}");
    deposit["id"].as_str().unwrap().to_owned()
}

async fn ids(bench: &Bench, query: &str) -> Vec<String> {
    let (status, page) = bench.get(&format!("/v1/deposits?{query}")).await;
    assert_eq!(status, 200, "{query}: {page}");
    page["deposits"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_deposit_is_found_by_whatever_its_customer_knows_of_it() {
    let bench = Bench::start().await;
    let one = ask(&bench, "USDT", "TRON", "invoice 17", "k/1").await;
    let two = ask(&bench, "USDT", "BSC", "invoice 17", "k/2").await;
    let three = ask(&bench, "BTC", "BTC", " Invoice,17", "k+3").await;
    let found = async |query: &str| ids(&bench, query).await;
    assert_eq!(found("reference=invoice%2017").await, [two.as_str(), one.as_str()]);
    assert_eq!(found("reference=%20Invoice%2C17").await, [three.as_str()]);
    assert_eq!(found("reference=INVOICE%2017").await, [""; 0], "to the letter");
    assert_eq!(found("key=k%2F2").await, [two.as_str()]);
    assert_eq!(found("key=k%2B3&currency=usdt").await, [""; 0], "every filter holds");
    assert_eq!(found("currency=usdt").await, [two.as_str(), one.as_str()]);
    assert_eq!(found("currency=usdt&network=trc20").await, [one.as_str()]);
    assert_eq!(found("network=btc").await, [three.as_str()]);
    assert_eq!(found("network=btc&state=settled").await, [""; 0]);
    assert_eq!(found("method=wallet&limit=1").await, [three.as_str()]);
    assert_eq!(found("until=2020-01-01").await, [""; 0]);
    assert_eq!(found("until=2999-01-01&since=2020-01-01").await.len(), 3);
    assert_eq!(found("updated_since=2999-01-01").await, [""; 0]);
    assert_eq!(found("updated_since=2020-01-01&limit=2").await, [three.as_str(), two.as_str()]);
    let (_, deposit) = bench.get(&format!("/v1/deposits/{two}")).await;
    assert_eq!(deposit["method"], "wallet");
    let order = deposit["order_id"].as_str().unwrap();
    for name in
        [two.as_str(), order, &order.to_uppercase(), &order[..9], "k/2", deposit["address"].as_str().unwrap()]
    {
        assert_eq!(found(&format!("name={name}")).await, [two.as_str()], "{name}");
    }
    assert_eq!(found(&format!("name={}", &one[..4])).await.len(), 3, "made in one minute");
    assert_eq!(found("name=invoice%2017").await, [two.as_str(), one.as_str()]);
    assert_eq!(found(&format!("name={}", &one[..3])).await, [""; 0], "four characters at least");
    for (query, field) in [
        ("currency=eur", "currency"),
        ("network=lightning", "network"),
        ("method=cash", "method"),
        ("until=tomorrow", "until"),
        ("updated_since=7d", "updated_since"),
    ] {
        let (status, problem) = bench.get(&format!("/v1/deposits?{query}")).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{query}");
    }
}

#[tokio::test]
async fn a_search_goes_on_page_by_page_whatever_is_written_meanwhile() {
    let bench = Bench::start().await;
    for number in 0..5 {
        ask(&bench, "USDT", "BSC", "shop", &format!("k{number}")).await;
    }
    let filters = [
        "reference=shop",
        "currency=USDT&network=BSC",
        "updated_since=2020-01-01",
        "network=BSC",
        "until=2999-01-01",
    ];
    for filter in filters {
        let made = ids(&bench, "limit=500").await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let (_, page) = bench.get(&format!("/v1/deposits?{filter}&limit=2{cursor}")).await;
            let rows = page["deposits"].as_array().unwrap();
            seen.extend(rows.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
            ask(&bench, "USDT", "BSC", "shop", &format!("{filter}{}", seen.len())).await;
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, made, "{filter}: each once, and nothing newer in between");
    }
}

/// The deposit once it is in this state.
async fn once(bench: &Bench, id: &str, state: &str) -> Value {
    let mut head = bench.flow.ledger.head();
    loop {
        head.borrow_and_update();
        let (_, deposit) = bench.get(&format!("/v1/deposits/{id}")).await;
        if deposit["state"] == state {
            return deposit;
        }
        head.changed().await.unwrap();
    }
}

#[tokio::test]
async fn events_are_caught_up_with_page_by_page_and_none_is_missed() {
    let bench = Bench::start_polling(Duration::from_millis(100)).await;
    bench.upstream.plan("7", Fate::Manual);
    let body = json!({"currency": "USDT", "network": "BSC", "amount": "7", "reference": "R-7"}).to_string();
    let (_, deposit) = bench.ask(&body, &[]).await;
    let id = deposit["id"].as_str().unwrap();
    let order = deposit["order_id"].as_str().unwrap();
    let part = Some(Amount::parse("3.50").unwrap());
    bench.upstream.act(order, Action::PayPart { amount_usd: part }).unwrap();
    let underpaid = once(&bench, id, "underpaid").await;
    let value = |field: &str| Amount::parse(underpaid[field].as_str().unwrap()).unwrap().value();
    assert_eq!(value("arrived_crypto") + value("missing_crypto"), value("amount_crypto"), "{underpaid}");
    assert_eq!(underpaid["pay_with"]["amount"], underpaid["missing_crypto"], "{underpaid}");
    bench.upstream.act(order, Action::Pay { amount_usd: None }).unwrap();
    let settled = once(&bench, id, "settled").await;
    assert_eq!((&settled["missing_crypto"], &settled["missing_usd"]), (&Value::Null, &Value::Null));
    assert!(settled["arrived_crypto"].is_string() && settled["pay_with"].is_null(), "{settled}");
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let (status, page) = bench.get(&format!("/v1/events?after={after}&limit=1")).await;
        assert_eq!(status, 200, "{page}");
        let events = page["events"].as_array().unwrap().clone();
        after = page["next_after"].as_i64().unwrap();
        assert!(events.len() <= 1);
        seen.extend(events);
        if page["more"] == false {
            break;
        }
    }
    let numbers: Vec<i64> = seen.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (1..=after).collect::<Vec<_>>());
    let first = &seen[0];
    assert_eq!((&first["reference"], &first["amount_requested"]), (&json!("R-7"), &json!("7")));
    assert_eq!(first["amount_booked"], Value::Null, "what the journal held then");
    let last = seen.iter().rfind(|event| event["event"] == "settled").unwrap();
    assert_eq!((&last["amount_booked"], &last["deposit_id"]), (&settled["amount_booked"], &json!(id)));
    assert!(settled["amount_booked"].is_string(), "{settled}");
    // The same object everywhere.
    let (_, own) = bench.get(&format!("/v1/deposits/{id}/events")).await;
    assert!(own["events"].as_array().unwrap().contains(last));
    let (_, only) = bench.get("/v1/events?after=0&types=settled,expired").await;
    assert_eq!(
        (&only["events"], &only["next_after"], &only["more"]),
        (&json!([last]), &json!(after), &json!(false))
    );
    let (_, none) = bench.get(&format!("/v1/events?after={after}")).await;
    assert_eq!((&none["events"], &none["next_after"]), (&json!([]), &json!(after)));
    for (query, field) in [("types=paid", "types"), ("after=0&limit=0", "limit"), ("after=99999", "after")] {
        let (status, problem) = bench.get(&format!("/v1/events?{query}")).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{query}");
    }
}

#[tokio::test]
async fn what_the_client_takes_says_whether_it_gets_a_page_or_a_stream() {
    let bench = Bench::start().await;
    ask(&bench, "USDT", "BSC", "R", "k").await;
    for (accept, query, resumes, kind) in [
        (None, "", false, "text/event-stream"),
        (None, "", true, "text/event-stream"),
        (Some("*/*"), "?types=settled", false, "text/event-stream"),
        (Some("text/event-stream"), "?after=0", false, "text/event-stream"),
        (Some("text/html, text/event-stream;q=0.9"), "?after=0", true, "text/event-stream"),
        (None, "?after=0", false, "application/json"),
        (Some("*/*"), "?limit=5", false, "application/json"),
        (Some("application/json"), "", false, "application/json"),
        (Some("application/json; charset=utf-8"), "", true, "application/json"),
    ] {
        let mut call = bench.call(Method::GET, &format!("/v1/events{query}"));
        if let Some(accept) = accept {
            call = call.header("Accept", accept);
        }
        if resumes {
            call = call.header("Last-Event-ID", "1");
        }
        let response = call.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], kind, "{accept:?} {query} {resumes}");
        if kind == "application/json" {
            let first = answer(response).await.1["events"][0]["seq"].clone();
            assert_eq!(first, i64::from(resumes) + 1);
        }
    }
    let call = bench.call(Method::GET, "/v1/events?limit=5").header("Accept", "text/event-stream");
    let (status, problem) = answer(call.send().await.unwrap()).await;
    assert_eq!((status, &problem["field"]), (422, &json!("limit")));
}
