//! An account whose figures are wrong, whose key is revoked, and whose clock is another.

use depositd::sandbox::upstream::{Action, Fate, TotalLie};
use serde_json::{Value, json};

use crate::bench::{Bench, order_id};

async fn figures(bench: &Bench) -> (Value, Value) {
    let account = bench.get("balance").await;
    (account["totalCharges"].clone(), account["balance"].clone())
}

#[tokio::test]
async fn the_total_is_multiplied_shifted_and_right_again() {
    let bench = Bench::start(31, None).await;
    bench.upstream.top_up_elsewhere(50_000, "card").unwrap();
    bench.upstream.spend(20_000).unwrap();
    let truth = bench.truth();
    bench.upstream.set_total_factor(1, 100);
    assert_eq!(figures(&bench).await, (json!("500"), json!(300)));
    bench.upstream.set_total_shift(-3);
    assert_eq!(figures(&bench).await, (json!("497"), json!(297)));
    bench.upstream.total_lie_for(TotalLie { num: 0, ..TotalLie::default() }, 2);
    assert_eq!(figures(&bench).await, (json!("0"), json!(0)));
    assert_eq!(figures(&bench).await, (json!("0"), json!(0)));
    assert_eq!(figures(&bench).await, (json!("497"), json!(297)));
    bench.upstream.clear_total_lies();
    bench.upstream.set_total_factor(1, 1_000_000);
    assert_eq!(figures(&bench).await, (json!("0.05"), json!(0.03)));
    bench.by_hand("total", r#"{"shift_cents": 9603}"#).await;
    bench.by_hand("total", r#"{"num": 2, "times": 1}"#).await;
    assert_eq!(figures(&bench).await, (json!("100000"), json!(60_000)));
    assert_eq!(figures(&bench).await, (json!("59603"), json!(39_603)));
    bench.by_hand("truth", "").await;
    assert_eq!(figures(&bench).await, (json!("50000"), json!(30_000)));
    assert_eq!(bench.truth(), truth);
}

#[tokio::test]
async fn a_revoked_key_and_a_throttled_account_do_nothing() {
    let bench = Bench::start(32, None).await;
    let id = order_id(&bench.create("USDT/BSC/10").await);
    let truth = bench.truth();
    let paths =
        [format!("cryptomus/transaction/{id}"), "payments".into(), "balance".into(), "coupons".into()];
    for (status, text) in [(401, "User-verification Failed"), (429, "Too Many Requests")] {
        bench.upstream.edit_account(|account| account.key_revoked = status == 401);
        bench.upstream.edit_account(|account| account.throttled = status == 429);
        let refusal = json!({"ok": false, "body": text});
        for path in &paths {
            let (code, answer) = bench.try_get(path).await.unwrap();
            assert_eq!((code.as_u16(), &answer), (status, &refusal), "{path}");
        }
        let (code, answer) = bench.put("USDT/BSC/10", None).await.unwrap();
        assert_eq!((code.as_u16(), answer), (status, refusal));
    }
    bench.upstream.edit_account(|account| account.throttled = false);
    assert_eq!(bench.look(&id).await["status"], "check");
    assert_eq!(bench.truth(), truth, "no order was made");
}

#[tokio::test]
async fn every_look_is_refused_and_nothing_else() {
    let bench = Bench::start(33, None).await;
    bench.upstream.set_default_fate(Fate::Manual);
    let id = order_id(&bench.create("USDT/BSC/10").await);
    bench.upstream.act(&id, Action::Pay { amount_usd: None }).unwrap();
    let truth = bench.truth();
    let path = format!("cryptomus/transaction/{id}");
    bench.by_hand("account", r#"{"looks_refused": true}"#).await;
    let (code, answer) = bench.try_get(&path).await.unwrap();
    assert_eq!((code.as_u16(), answer), (200, json!({"ok": false, "body": "Temporarily unavailable"})));
    assert_eq!(bench.rows().await[0]["status"], "paid");
    bench.upstream.edit_account(|account| account.looks_refused = false);
    assert_eq!(bench.look(&id).await["status"], "paid");
    assert_eq!(bench.truth(), truth);
}

#[tokio::test]
async fn heads_tell_another_time_an_age_or_none() {
    let bench = Bench::start(34, None).await;
    let head =
        async || bench.client.get(bench.url("balance?apiKey=k%26y")).send().await.unwrap().headers().clone();
    let truth = bench.truth();
    bench.upstream.edit_account(|account| account.date_offset = -3600);
    assert_eq!(head().await["date"], "Fri, 30 May 2025 12:32:57 GMT");
    bench.upstream.edit_account(|account| account.date_offset = 40 * 86_400);
    bench.upstream.edit_account(|account| account.age = Some(86_400));
    let shown = head().await;
    assert_eq!(
        (&shown["date"], &shown["age"]),
        (&"Wed, 09 Jul 2025 13:32:57 GMT".parse().unwrap(), &"86400".parse().unwrap())
    );
    bench.upstream.edit_account(|account| account.without_date = true);
    bench.upstream.edit_account(|account| account.age = None);
    let shown = head().await;
    assert!(!shown.contains_key("date") && !shown.contains_key("age"), "{shown:?}");
    bench.upstream.edit_account(|account| *account = depositd::sandbox::upstream::AccountLie::default());
    assert_eq!(head().await["date"], "Fri, 30 May 2025 13:32:57 GMT");
    assert_eq!(bench.truth(), truth);
}
