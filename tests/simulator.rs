//! The simulated upstream, seen from outside: over HTTP, through every fate, fault and restart.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use depositd::clock::{Clock, ManualClock};
use depositd::domain::asset::Currency;
use depositd::domain::money::Amount;
use depositd::domain::time::Timestamp;
use depositd::sandbox::upstream::{
    Act, Call, ErrorAt, Fate, Fault, Figures, IdField, OutageStyle, Settings, Shape, SimulatedUpstream,
    StatusAt,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

const START: i64 = 1_748_611_977;

struct Bench {
    upstream: SimulatedUpstream,
    clock: Arc<ManualClock>,
    client: reqwest::Client,
}

fn settings(clock: &Arc<ManualClock>, seed: u64, store: Option<PathBuf>) -> Settings {
    Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        user_id: "12345".to_owned(),
        api_key: "k&y".to_owned(),
        clock: Arc::clone(clock) as _,
        seed,
        store,
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl Bench {
    async fn start(seed: u64, store: Option<PathBuf>) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(START)));
        let upstream = SimulatedUpstream::start(settings(&clock, seed, store)).await.unwrap();
        Self { upstream, clock, client: client() }
    }

    fn url(&self, rest: &str) -> String {
        format!("{}/v3/customers/12345/{rest}", self.upstream.base_url())
    }

    async fn put(&self, path: &str, coupon: Option<&str>) -> reqwest::Result<(StatusCode, Value)> {
        let mut body = json!({"apiKey": "k&y"});
        if let Some(coupon) = coupon {
            body["couponCode"] = json!(coupon);
        }
        let url = self.url(&format!("cryptomus/direct/{path}"));
        let answer = self.client.put(url).json(&body).send().await?;
        Ok((answer.status(), answer.json().await?))
    }

    async fn create(&self, path: &str) -> Value {
        let (status, answer) = self.put(path, None).await.unwrap();
        assert_eq!((status.as_u16(), &answer["ok"]), (200, &json!(true)), "{answer}");
        answer["body"].clone()
    }

    async fn try_get(&self, path: &str) -> reqwest::Result<(StatusCode, Value)> {
        let answer = self.client.get(self.url(path)).query(&[("apiKey", "k&y")]).send().await?;
        Ok((answer.status(), answer.json().await?))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.try_get(path).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer["body"].clone()
    }

    async fn look(&self, order_id: &str) -> Value {
        self.get(&format!("cryptomus/transaction/{order_id}")).await
    }

    /// The status words that looks every half minute show, each once.
    async fn walk(&self, order_id: &str, minutes: u32) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        for _ in 0..minutes * 2 {
            let word = self.look(order_id).await["status"].as_str().unwrap().to_owned();
            if words.last() != Some(&word) {
                words.push(word);
            }
            self.clock.advance(Duration::from_secs(30));
        }
        words
    }
}

fn order_id(wallet: &Value) -> String {
    wallet["order_id"].as_str().unwrap().to_owned()
}

fn json_post(base: &str, path: &str) -> String {
    format!("{base}/sandbox/{path}")
}

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
async fn every_fate_walks_its_words_in_order_and_credits_what_it_says() {
    let paid: &[&str] = &["check", "confirm_check", "paid"];
    let stories: [(Fate, &[&str], Option<i64>, i64); 15] = [
        (Fate::Exact, paid, Some(1000), 0),
        (Fate::Over, &["check", "confirm_check", "paid_over"], Some(1100), 0),
        (Fate::Short, &["check", "confirm_check", "wrong_amount_waiting", "wrong_amount"], Some(600), 0),
        (
            Fate::UnderpaidThenCompleted,
            &["check", "confirm_check", "wrong_amount_waiting", "paid"],
            Some(1000),
            0,
        ),
        (Fate::Expired, &["check", "cancel"], None, 0),
        (Fate::NeverPaid, &["check"], None, 0),
        (Fate::Late, &["check", "cancel", "paid"], Some(1000), 0),
        (Fate::LatePaidAfterCheck, &["check", "paid"], Some(1000), 0),
        (Fate::HeldThenReleased, &["check", "confirm_check", "locked", "paid"], Some(1000), 0),
        (
            Fate::Refunded,
            &["check", "confirm_check", "paid", "refund_process", "refund_paid"],
            Some(1000),
            1000,
        ),
        (
            Fate::RefundFailed,
            &["check", "confirm_check", "paid", "refund_process", "refund_fail"],
            Some(1000),
            0,
        ),
        (Fate::Failed, &["check", "confirm_check", "fail"], None, 0),
        (Fate::SystemFailed, &["check", "system_fail"], None, 0),
        (Fate::UnknownWord, &["check", "confirm_check", "aml_screening", "paid"], Some(1000), 0),
        (Fate::Manual, &["check"], None, 0),
    ];
    for seed in 0..3 {
        for (fate, words, credited, refunded) in stories {
            let bench = Bench::start(seed, None).await;
            bench.upstream.plan("10", fate);
            let id = order_id(&bench.create("USDT/TRON/10.00").await);
            assert_eq!(bench.walk(&id, 215).await, words, "{fate:?} with seed {seed}");
            let books = bench.upstream.books();
            let credit = books.credited.get(&id);
            assert_eq!(credit.map(|credit| credit.cents), credited, "{fate:?}");
            assert_eq!(books.total_charges_cents, credited.unwrap_or(0), "{fate:?}");
            assert_eq!(books.balance_cents, credited.unwrap_or(0) - refunded, "{fate:?}");
            let balance = bench.get("balance").await;
            assert_eq!(balance["totalCharges"], books.total_charges_cents.to_string());
            assert_eq!(balance["balance"], books.balance_cents);
            let invoice = &bench.get("payments").await[0];
            assert_eq!(invoice["status"], *words.last().unwrap());
            assert_eq!(
                (&invoice["payId"], &invoice["amount"]),
                (&json!(id), &json!(credited.unwrap_or(1000)))
            );
            assert_eq!(invoice["created"], "2025-05-30 13:32:57");
        }
    }
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

#[tokio::test]
async fn a_lost_answer_leaves_an_order_that_is_paid_once_it_is_found() {
    let bench = Bench::start(5, None).await;
    bench.upstream.plan_next("10", Fate::LostAnswer);
    assert!(bench.put("USDT/BSC/10", None).await.is_err());
    let id = bench.upstream.orders()[0].order_id.clone();
    bench.clock.advance(Duration::from_secs(1800));
    assert_eq!(bench.get("payments").await[0]["payId"], json!(id));
    assert_eq!(bench.upstream.order(&id).unwrap().status, "check");
    assert_eq!(bench.walk(&id, 30).await, ["check", "confirm_check", "paid"]);
    bench.upstream.plan_next("10", Fate::LostAnswer);
    assert!(bench.put("USDT/BSC/10", None).await.is_err());
    bench.clock.advance(Duration::from_secs(4000));
    let lost = bench.upstream.orders()[1].order_id.clone();
    assert_eq!(bench.look(&lost).await["status"], "cancel");
    let calls = bench.upstream.calls();
    assert_eq!(calls.count(Call::Create), 2);
    assert_eq!(calls.of(&lost).map(|logged| logged.call).collect::<Vec<_>>(), [Call::Create, Call::Look]);
}

#[tokio::test]
async fn a_restart_tells_the_same_story() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("upstream.jsonl");
    let bench = Bench::start(6, Some(path.clone())).await;
    for (place, fate) in Fate::ALL.iter().enumerate() {
        let amount = (place + 10).to_string();
        bench.upstream.plan(&amount, *fate);
        let made = bench.put(&format!("USDT/SOL/{amount}"), None).await;
        assert_eq!(made.is_err(), *fate == Fate::LostAnswer);
    }
    bench.upstream.top_up_elsewhere(2500, "stripe").unwrap();
    bench.upstream.adjust(100, 300).unwrap();
    bench.clock.advance(Duration::from_secs(700));
    bench.upstream.spend(40).unwrap();
    let ids: Vec<String> = bench.upstream.orders().into_iter().map(|order| order.order_id).collect();
    bench.upstream.act(ids.last().unwrap(), Act::Pay { amount_usd: None }).unwrap();
    bench.look(&ids[14]).await;
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"{\"record\":\"ord"))
        .unwrap();
    // Another seed: what was thrown for an order is remembered with it.
    let again = SimulatedUpstream::start(settings(&bench.clock, 7, Some(path.clone()))).await.unwrap();
    for _ in 0..30 {
        assert_eq!(again.orders(), bench.upstream.orders());
        assert_eq!(again.books(), bench.upstream.books());
        bench.clock.advance(Duration::from_secs(600));
    }
    let books = again.books();
    let credited: i64 = books.credited.values().map(|credit| credit.cents).sum();
    let refunded: i64 = books.credited.values().map(|credit| credit.refunded_cents).sum();
    assert!(books.credited.len() > 8 && refunded > 0, "{books:?}");
    assert_eq!(books.total_charges_cents, credited + 2500 + 300);
    assert_eq!(books.balance_cents, credited - refunded + 2500 + 100 - 40);
    // The torn line is gone, and what is written after it reads back.
    again.top_up_elsewhere(1, "card").unwrap();
    let third = SimulatedUpstream::start(settings(&bench.clock, 7, Some(path))).await.unwrap();
    assert_eq!(third.books(), again.books());
}

#[tokio::test]
async fn a_dropped_connection_leaves_an_order_or_none() {
    let bench = Bench::start(8, None).await;
    bench.upstream.inject(Call::Create, Fault::DropBeforeActing, 1);
    assert!(bench.put("USDT/BSC/10", None).await.is_err());
    assert_eq!(bench.upstream.orders().len(), 0);
    bench.upstream.inject(Call::Create, Fault::DropAfterActing, 1);
    assert!(bench.put("USDT/BSC/10", None).await.is_err());
    assert_eq!(bench.upstream.orders().len(), 1);
    bench.upstream.inject(Call::Any, Fault::After(Box::new(Fault::Status(502, "{}".to_owned(), vec![]))), 1);
    assert_eq!(bench.put("USDT/BSC/10", None).await.unwrap().0, 502);
    assert_eq!((bench.upstream.orders().len(), bench.upstream.calls().count(Call::Create)), (2, 3));
}

#[tokio::test]
async fn every_fault_is_seen_on_the_wire() {
    let bench = Bench::start(9, None).await;
    let wallet = bench.create("USDT/BSC/10").await;
    let id = order_id(&wallet);
    let path = format!("cryptomus/transaction/{id}");
    for fault in [
        Fault::EmptyBody,
        Fault::TruncatedJson,
        Fault::CutBody,
        Fault::Html200,
        Fault::Garbage(b"\x16\x03\x01 not http\r\n\r\n".to_vec()),
    ] {
        bench.upstream.inject(Call::Look, fault.clone(), 1);
        assert!(bench.try_get(&path).await.is_err(), "{fault:?}");
        assert_eq!(bench.look(&id).await["status"], "check", "only once");
    }
    for fault in [Fault::Hang, Fault::Endless, Fault::SlowBody(Duration::from_secs(60))] {
        bench.upstream.inject(Call::Look, fault.clone(), 1);
        let limited = tokio::time::timeout(Duration::from_millis(200), bench.try_get(&path)).await;
        assert!(limited.is_err(), "{fault:?}");
    }
    for (fault, field) in [
        (Fault::WrongAddress, "to_address"),
        (Fault::WrongNetwork, "network"),
        (Fault::WrongCurrency, "currency"),
        (Fault::WrongOrderId, "order_id"),
    ] {
        bench.upstream.inject_for(&id, fault, 1);
        assert_ne!(bench.look(&id).await[field], wallet[field]);
    }
    let retry = vec![("Retry-After".to_owned(), "7".to_owned())];
    bench.upstream.inject(Call::Balance, Fault::Status(429, "slow down".to_owned(), retry), 1);
    let answer = bench.client.get(bench.url("balance")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(answer.headers()["date"], "Fri, 30 May 2025 13:32:57 GMT");
    bench.upstream.inject(Call::Coupons, Fault::Redirect("http://127.0.0.1:9/".to_owned()), 1);
    assert_eq!(bench.client.get(bench.url("coupons")).send().await.unwrap().status(), 302);
    bench.upstream.inject(Call::Look, Fault::Delay(Duration::from_secs(90)), 1);
    let waited = bench.look(&id);
    let mut waited = std::pin::pin!(waited);
    assert!(tokio::time::timeout(Duration::from_millis(200), waited.as_mut()).await.is_err());
    bench.clock.advance(Duration::from_secs(90));
    assert_eq!(waited.await["status"], "check");
}

#[tokio::test]
async fn outages_begin_and_end() {
    let bench = Bench::start(10, None).await;
    bench.upstream.set_outage(true);
    assert_eq!(bench.client.get(bench.url("balance")).send().await.unwrap().status(), 502);
    bench.upstream.set_outage_style(OutageStyle::Close);
    assert!(bench.try_get("balance").await.is_err());
    bench.upstream.set_outage(false);
    let now = bench.clock.now();
    bench.upstream.plan_outage(now.plus(Duration::from_secs(60)), now.plus(Duration::from_secs(120)));
    for works in [true, false, true] {
        assert_eq!(bench.try_get("balance").await.is_ok(), works);
        bench.clock.advance(Duration::from_secs(60));
    }
    let base = bench.upstream.base_url();
    bench.upstream.stop().await;
    assert!(bench.client.get(base).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn a_hand_takes_the_story_over_and_changes_answers() {
    let bench = Bench::start(11, None).await;
    let wallet = bench.create("USDT/BSC/10").await;
    let id = order_id(&wallet);
    let act = |act| bench.upstream.act(&id, act);
    let usd = |text: &str| Some(Amount::parse(text).unwrap());
    assert!(act(Act::FinishRefund).is_err());
    act(Act::Pay { amount_usd: usd("4") }).unwrap();
    assert_eq!(bench.look(&id).await["status"], "wrong_amount");
    bench.clock.advance(Duration::from_secs(3000));
    assert_eq!(bench.look(&id).await["status"], "wrong_amount", "the fate is dropped");
    act(Act::Pay { amount_usd: None }).unwrap();
    act(Act::Lock).unwrap();
    assert_eq!(bench.look(&id).await["status"], "locked");
    act(Act::Release).unwrap();
    act(Act::Pay { amount_usd: usd("1") }).unwrap();
    assert_eq!(bench.look(&id).await["status"], "paid_over");
    assert_eq!(bench.upstream.books().total_charges_cents, 1100);
    let figures = Figures { payment_amount_usd: usd("9.99"), invoice_cents: Some(998), ..Figures::default() };
    act(Act::SetFigures(figures)).unwrap();
    act(Act::ChangeAddress { to: None }).unwrap();
    let deadline = bench.clock.now().plus(Duration::from_secs(1000));
    act(Act::MoveDeadline { to: deadline }).unwrap();
    let look = bench.look(&id).await;
    assert_eq!((&look["payment_amount_usd"], &look["status"]), (&json!("9.99"), &json!("paid_over")));
    assert_eq!(look["expire_at"], deadline.as_millis() / 1000);
    assert_ne!(look["to_address"], wallet["to_address"]);
    assert_eq!(bench.get("payments").await[0]["amount"], 998);
    act(Act::SetFigures(Figures { credited_cents: Some(998), ..Figures::default() })).unwrap();
    assert_eq!(bench.upstream.books().total_charges_cents, 998);
    act(Act::HideInvoice { hidden: true }).unwrap();
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
