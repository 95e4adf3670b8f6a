//! Orders that a payment page or a card pays: what is answered, what goes wrong, and what is remembered.

use std::time::Duration;

use depositd::sandbox::upstream::{
    Action, Call, CardRowId, Fate, Fault, LinkShape, LinkUnit, OrderMethod, SimulatedUpstream,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::bench::{Bench, json_post, order_id, settings};

/// Asks for a page (`cryptomus`) or a card (`pay4bit`).
pub(crate) async fn ask(
    bench: &Bench,
    kind: &str,
    amount: &str,
    coupon: Option<&str>,
) -> reqwest::Result<(StatusCode, Value)> {
    let mut body = json!({"apiKey": "k&y"});
    if let Some(coupon) = coupon {
        body["couponCode"] = json!(coupon);
    }
    let url = bench.url(&format!("{kind}/invoice/{amount}"));
    let answer = bench.client.put(url).json(&body).send().await?;
    Ok((answer.status(), answer.json().await?))
}

/// The link of a request that is not refused.
pub(crate) async fn link(bench: &Bench, kind: &str, amount: &str) -> String {
    let (status, answer) = ask(bench, kind, amount, None).await.unwrap();
    assert_eq!((status.as_u16(), answer.as_object().unwrap().len()), (200, 2), "{answer}");
    assert_eq!(answer["ok"], json!(true));
    answer["body"].as_str().unwrap().to_owned()
}

/// The UUID of a page's link.
pub(crate) fn uuid(link: &str) -> String {
    link.strip_prefix("https://pay.cryptomus.com/pay/").unwrap().to_owned()
}

/// What a card's link says under this name.
pub(crate) fn parameter(link: &str, name: &str) -> Option<String> {
    let url = reqwest::Url::parse(link).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn the_answer_is_a_link_and_nothing_else() {
    let bench = Bench::start(61, None).await;
    let page = link(&bench, "cryptomus", "5").await;
    let card = link(&bench, "pay4bit", "5").await;
    assert!(card.starts_with("https://api.pay4bit.net/pay?public_key="), "{card}");
    assert!(card.contains("&desc=Top-up%20of%20account%2012345&currency=USD&sign="), "{card}");
    for (name, value) in [("sum", "5.00"), ("account", "12345"), ("currency", "USD")] {
        assert_eq!(parameter(&card, name).as_deref(), Some(value));
    }
    assert_eq!(parameter(&card, "paymentId"), None);
    let second = link(&bench, "pay4bit", "5").await;
    assert_ne!(parameter(&second, "sign"), parameter(&card, "sign"));
    assert_eq!(parameter(&second, "public_key"), parameter(&card, "public_key"));
    let orders = bench.upstream.orders();
    let methods: Vec<OrderMethod> = orders.iter().map(|order| order.method).collect();
    assert_eq!(methods, [OrderMethod::Page, OrderMethod::Card, OrderMethod::Card]);
    assert_eq!((&orders[0].url, &orders[1].url), (&page, &card));
    assert_ne!(orders[0].order_id, uuid(&page));
    assert!(orders[0].asset.is_some() && !orders[0].address.is_empty());
    assert_eq!((orders[1].asset, orders[1].amount_crypto.as_str()), (None, "5"));
    let calls = bench.upstream.calls();
    assert_eq!((calls.count(Call::CreatePage), calls.count(Call::CreateCard)), (1, 2));
    assert_eq!(calls.of(&orders[0].order_id).count(), 1);
    let again = Bench::start(61, None).await;
    assert_eq!(link(&again, "cryptomus", "5").await, page, "the same seed, the same links");
}

#[tokio::test]
async fn amounts_are_dollars_or_cents_and_whole() {
    let bench = Bench::start(62, None).await;
    link(&bench, "cryptomus", "500").await;
    bench.by_hand("links", r#"{"unit": "cents"}"#).await;
    bench.upstream.plan("5.00", Fate::Over);
    link(&bench, "cryptomus", "500").await;
    let card = link(&bench, "pay4bit", "1234").await;
    assert_eq!(parameter(&card, "sum").as_deref(), Some("12.34"));
    let required: Vec<String> =
        bench.upstream.orders().iter().map(|order| order.required.to_string()).collect();
    assert_eq!(required, ["500.00", "5.00", "12.34"]);
    assert_eq!(bench.upstream.orders()[1].fate, Fate::Over, "plans are by dollars");
    let amounts: Vec<Value> = bench.rows().await.iter().map(|row| row["amount"].clone()).collect();
    assert_eq!(json!(amounts), json!([50_000, 500, 1234]));
    for unit in [LinkUnit::Cents, LinkUnit::Dollars] {
        bench.upstream.set_links(LinkShape { unit, ..LinkShape::default() });
        for kind in ["cryptomus", "pay4bit"] {
            for amount in ["0", "5.15", "5.0", "five", "-5", "99999999999999999999"] {
                let (status, answer) = ask(&bench, kind, amount, None).await.unwrap();
                let refusal = json!({"ok": false, "body": "Non-acceptable Amount"});
                assert_eq!((status.as_u16(), answer), (400, refusal), "{kind} {amount}");
            }
        }
    }
    assert_eq!(bench.upstream.orders().len(), 3);
}

#[tokio::test]
async fn a_coupon_is_for_pages_and_the_key_for_both() {
    let bench = Bench::start(63, None).await;
    bench.upstream.add_coupon("GOOD", 10, 30).unwrap();
    let (status, answer) = ask(&bench, "cryptomus", "10", Some("BAD")).await.unwrap();
    assert_eq!((status.as_u16(), &answer["body"]), (500, &json!("Invalid, or expired Coupon")));
    assert_eq!(ask(&bench, "cryptomus", "10", Some("GOOD")).await.unwrap().0, 200);
    assert_eq!(ask(&bench, "pay4bit", "10", Some("BAD")).await.unwrap().0, 200);
    let coupons: Vec<_> = bench.upstream.orders().into_iter().map(|order| order.coupon).collect();
    assert_eq!(coupons, [Some("GOOD".to_owned()), None]);
    for kind in ["cryptomus", "pay4bit"] {
        let url = bench.url(&format!("{kind}/invoice/10?apiKey=k%26y"));
        let answer = bench.client.put(url).json(&json!({"apiKey": "other"})).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{kind}");
    }
    assert_eq!(bench.upstream.orders().len(), 2);
}

#[tokio::test]
async fn they_are_credited_and_refunded_as_wallets_are() {
    let bench = Bench::start(64, None).await;
    bench.upstream.plan("10", Fate::Refunded);
    bench.upstream.plan("20", Fate::Short);
    bench.upstream.plan_credit("30", 2_900);
    for kind in ["cryptomus", "pay4bit"] {
        for amount in ["10", "20", "30"] {
            link(&bench, kind, amount).await;
        }
    }
    bench.clock.advance(Duration::from_secs(4 * 3600));
    let statuses: Vec<String> = bench.upstream.orders().into_iter().map(|order| order.status).collect();
    assert_eq!(statuses[..3], ["refund_paid", "wrong_amount", "paid"]);
    assert_eq!(statuses[3..], statuses[..3]);
    let books = bench.upstream.books();
    assert_eq!((books.credited.len(), books.elsewhere_cents), (6, 0));
    let (total, balance) = (2 * (1_000 + 1_200 + 2_900), 2 * (1_200 + 2_900));
    assert_eq!((books.total_charges_cents, books.balance_cents), (total, balance));
    let account = bench.get("balance").await;
    assert_eq!((&account["totalCharges"], &account["balance"]), (&json!(total.to_string()), &json!(balance)));
}

#[tokio::test]
async fn a_hand_pays_by_the_orders_id_or_by_the_pages_uuid() {
    let bench = Bench::start(65, None).await;
    bench.by_hand("plans", r#"{"fate": "manual"}"#).await;
    let first = uuid(&link(&bench, "cryptomus", "10").await);
    let second = uuid(&link(&bench, "cryptomus", "10").await);
    link(&bench, "pay4bit", "10").await;
    let orders = bench.upstream.orders();
    let paid = bench.by_hand(&format!("orders/{first}/pay"), "").await;
    assert_eq!((&paid["order_id"], &paid["status"]), (&json!(orders[0].order_id), &json!("paid")));
    assert_eq!(paid["method"], "page");
    let part = r#"{"act": "pay_part", "amount_usd": "4"}"#;
    let seen = bench.by_hand(&format!("orders/{}/act", orders[1].order_id), part).await;
    assert_eq!(seen["status"], "wrong_amount_waiting");
    bench.upstream.act(&second, Action::CloseShort).unwrap();
    assert_eq!(bench.upstream.order(&second).unwrap().credited_cents, Some(400));
    let card = bench.by_hand(&format!("orders/{}/pay", orders[2].order_id), "").await;
    assert_eq!((&card["method"], &card["url"]), (&json!("card"), &json!(orders[2].url)));
    assert_eq!(bench.upstream.books().total_charges_cents, 2_400);
    let url = json_post(&bench.upstream.base_url(), &format!("orders/{first}"));
    let shown: Value = bench.client.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(shown["order_id"], json!(orders[0].order_id));
}

#[tokio::test]
async fn a_look_knows_the_uuid_of_a_page_where_it_is_told_to() {
    let bench = Bench::start(66, None).await;
    let page = uuid(&link(&bench, "cryptomus", "10").await);
    link(&bench, "pay4bit", "10").await;
    let ids: Vec<String> = bench.upstream.orders().into_iter().map(|order| order.order_id).collect();
    let path = format!("cryptomus/transaction/{page}");
    let unknown = bench.try_get("cryptomus/transaction/none").await.unwrap();
    assert_eq!(bench.try_get(&path).await.unwrap(), unknown);
    assert_eq!(bench.look(&ids[0]).await["order_id"], json!(ids[0]));
    bench.by_hand("links", r#"{"page_known": true}"#).await;
    let look = bench.look(&page).await;
    assert_eq!(look, bench.look(&ids[0]).await);
    assert_eq!((&look["status"], &look["amountInUSD"]), (&json!("check"), &json!("10.00")));
    assert!(look["url"].as_str().unwrap().ends_with(&page));
    bench.upstream.overlay(&page, r#"{"status": "locked"}"#).unwrap();
    assert_eq!(bench.look(&page).await["status"], "locked");
    let card = bench.try_get(&format!("cryptomus/transaction/{}", ids[1])).await.unwrap();
    assert_eq!(card, unknown, "cards have no status call");
    bench.upstream.act(&page, Action::Pay { amount_usd: None }).unwrap();
    bench.upstream.clear_overlay(&page);
    assert_eq!(bench.look(&page).await["payment_amount_usd"], "10.00");
}

#[tokio::test]
async fn every_fault_of_a_creation_is_one_of_a_link_too() {
    let bench = Bench::start(67, None).await;
    for (call, kind) in [(Call::CreatePage, "cryptomus"), (Call::CreateCard, "pay4bit")] {
        let word = serde_json::to_value(call).unwrap();
        bench.upstream.inject(Call::Create, Fault::DropBeforeActing, 1);
        link(&bench, kind, "5").await;
        assert!(bench.put("USDT/BSC/10", None).await.is_err(), "wallets have their own faults");
        let before = bench.upstream.orders().len();
        for (fault, acts) in [
            (json!("drop_before_acting"), false),
            (json!("drop_after_acting"), true),
            (json!("html200"), false),
            (json!("empty_body"), true),
            (json!("truncated_json"), true),
            (json!("cut_body"), true),
            (json!({"garbage": [1, 2, 3]}), false),
        ] {
            let made = bench.upstream.orders().len();
            bench.by_hand("faults", &json!({"call": word, "fault": fault}).to_string()).await;
            assert!(ask(&bench, kind, "5", None).await.is_err(), "{fault}");
            assert_eq!(bench.upstream.orders().len() - made, usize::from(acts), "{fault}");
        }
        bench.upstream.inject(call, Fault::Status(503, "{}".to_owned(), vec![]), 1);
        assert_eq!(ask(&bench, kind, "5", None).await.unwrap().0, 503);
        for fault in [Fault::Hang, Fault::Endless, Fault::SlowBody(Duration::from_secs(60))] {
            bench.upstream.inject(call, fault.clone(), 1);
            let limited =
                tokio::time::timeout(Duration::from_millis(200), ask(&bench, kind, "5", None)).await;
            assert!(limited.is_err(), "{fault:?}");
        }
        for fault in [Fault::WrongAddress, Fault::WrongNetwork, Fault::WrongCurrency, Fault::WrongOrderId] {
            bench.upstream.inject(call, fault.clone(), 1);
            let told = link(&bench, kind, "5").await;
            assert_eq!(told, bench.upstream.orders().last().unwrap().url, "{fault:?}");
        }
        assert_eq!(bench.upstream.orders().len() - before, 10);
        bench.upstream.plan_next("5", Fate::LostAnswer);
        assert!(ask(&bench, kind, "5", None).await.is_err());
        assert_eq!(bench.upstream.orders().len() - before, 11);
    }
}

#[tokio::test]
async fn the_next_link_is_another_one() {
    let bench = Bench::start(68, None).await;
    bench.upstream.next_link("http://pay.cryptomus.com/pay/1");
    bench.by_hand("next-link", r#"{"url": "no link \" at all"}"#).await;
    assert_eq!(ask(&bench, "cryptomus", "0", None).await.unwrap().0, 400, "a refusal uses nothing up");
    bench.create("USDT/BSC/10").await;
    assert_eq!(link(&bench, "cryptomus", "5").await, "http://pay.cryptomus.com/pay/1");
    assert_eq!(link(&bench, "pay4bit", "5").await, "no link \" at all");
    let orders = bench.upstream.orders();
    assert!(orders[1].url.starts_with("https://pay.cryptomus.com/pay/"));
    assert_eq!(link(&bench, "cryptomus", "5").await, bench.upstream.orders()[3].url);
    bench.clock.advance(Duration::from_secs(3600));
    assert_eq!(bench.upstream.books().total_charges_cents, 2_500, "the orders were made as usual");
    bench.upstream.next_link("ftp://elsewhere.example/");
    bench.upstream.tell_the_truth();
    assert!(link(&bench, "pay4bit", "5").await.starts_with("https://"));
}

#[tokio::test]
async fn payers_wait_until_they_have_the_link() {
    let bench = Bench::start(69, None).await;
    bench.upstream.set_payers_wait(true);
    let asked = uuid(&link(&bench, "cryptomus", "10").await);
    link(&bench, "cryptomus", "20").await;
    link(&bench, "pay4bit", "30").await;
    bench.upstream.inject(Call::CreateCard, Fault::DropAfterActing, 1);
    assert!(ask(&bench, "pay4bit", "40", None).await.is_err());
    bench.upstream.next_link("https://elsewhere.example/");
    link(&bench, "pay4bit", "50").await;
    assert_eq!(bench.try_get(&format!("cryptomus/transaction/{asked}")).await.unwrap().0, 404);
    bench.clock.advance(Duration::from_secs(3 * 3600));
    let statuses: Vec<String> = bench.upstream.orders().into_iter().map(|order| order.status).collect();
    assert_eq!(statuses, ["paid", "cancel", "paid", "cancel", "cancel"]);
}

#[tokio::test]
async fn a_restart_remembers_pages_and_cards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("upstream.jsonl");
    let bench = Bench::start(70, Some(path.clone())).await;
    let wallet = order_id(&bench.create("USDT/BSC/10").await);
    let shape =
        LinkShape { card_row_id: CardRowId::PaymentId, unit: LinkUnit::Cents, ..LinkShape::default() };
    bench.upstream.set_links(shape);
    bench.upstream.set_default_fate(Fate::Manual);
    let page = uuid(&link(&bench, "cryptomus", "1000").await);
    let card = link(&bench, "pay4bit", "2000").await;
    bench.upstream.set_default_fate(Fate::Refunded);
    link(&bench, "pay4bit", "3000").await;
    bench.upstream.act(&page, Action::Pay { amount_usd: None }).unwrap();
    let again = SimulatedUpstream::start(settings(&bench.clock, 71, Some(path.clone()))).await.unwrap();
    for _ in 0..30 {
        assert_eq!((again.orders(), again.books()), (bench.upstream.orders(), bench.upstream.books()));
        bench.clock.advance(Duration::from_secs(600));
    }
    assert_eq!(again.order(&page).unwrap().status, "paid");
    assert_eq!(again.orders()[2].url, card);
    again.set_links(shape);
    let second = Bench { upstream: again, clock: bench.clock.clone(), client: bench.client.clone() };
    assert_eq!(second.rows().await, bench.rows().await);
    assert_eq!(second.rows().await[2]["payId"], json!(parameter(&card, "paymentId").unwrap()));
    assert_eq!(second.upstream.books().credited.len(), 3);
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().next().unwrap();
    assert!(line.contains(&wallet) && !line.contains("method"), "wallets are written as before: {line}");
}

#[tokio::test]
async fn an_older_store_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("upstream.jsonl");
    std::fs::write(&path, include_str!("older_store.jsonl")).unwrap();
    let bench = Bench::start(72, Some(path)).await;
    bench.clock.advance(Duration::from_hours(24 * 600));
    let orders = bench.upstream.orders();
    assert_eq!(orders.len(), 2);
    for (order, (currency, network)) in orders.iter().zip([("USDT", "tron"), ("USDC", "bsc")]) {
        assert_eq!((order.method, order.status.as_str()), (OrderMethod::Wallet, "paid"));
        let look = bench.look(&order.order_id).await;
        assert_eq!((&look["currency"], &look["network"]), (&json!(currency), &json!(network)));
    }
    assert_eq!(bench.upstream.books().total_charges_cents, 50_000 + 2_500 + 9_900 + 7_500);
    link(&bench, "cryptomus", "5").await;
    assert_eq!(bench.rows().await.len(), 4);
}
