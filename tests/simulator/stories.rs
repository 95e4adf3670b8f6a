//! Fates as a client sees them, what they bring to the books, and the same again after a restart.

use std::time::Duration;

use depositd::sandbox::upstream::{Action, Call, Fate, SimulatedUpstream};
use serde_json::json;

use crate::bench::{Bench, order_id, settings};

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
    bench.upstream.act(ids.last().unwrap(), Action::Pay { amount_usd: None }).unwrap();
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
