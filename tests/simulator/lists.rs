//! Lists that are wrong, over books that are right.

use std::time::Duration;

use depositd::sandbox::upstream::{Action, AmountStyle, Fate, ListLie};
use serde_json::{Value, json};

use crate::bench::{Bench, order_id};

/// Four paid orders a minute apart, of 1, 2, 3 and 4 dollars, oldest first.
async fn four() -> (Bench, Vec<String>) {
    let bench = Bench::start(21, None).await;
    bench.upstream.set_default_fate(Fate::Manual);
    let mut ids = Vec::new();
    for dollars in 1..=4 {
        let id = order_id(&bench.create(&format!("USDT/BSC/{dollars}")).await);
        bench.upstream.act(&id, Action::Pay { amount_usd: None }).unwrap();
        ids.push(id);
        bench.clock.advance(Duration::from_secs(60));
    }
    (bench, ids)
}

/// The rows of the next list, with `lie` told once; the list after it and the truth are as before.
async fn once(bench: &Bench, lie: ListLie) -> Vec<Value> {
    let (truth, right) = (bench.truth(), bench.rows().await);
    bench.upstream.lie_for(lie.clone(), 1);
    let rows = bench.rows().await;
    assert_eq!(bench.rows().await, right, "{lie:?} only once");
    assert_eq!(bench.truth(), truth, "{lie:?}");
    assert_ne!(rows, right, "{lie:?}");
    rows
}

fn amounts(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(|row| row["amount"].as_i64().unwrap()).collect()
}

fn column<'a>(rows: &'a [Value], field: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[field].as_str().unwrap()).collect()
}

#[tokio::test]
async fn rows_stand_more_than_once_or_not_at_all() {
    let (bench, ids) = four().await;
    let id = ids[1].clone();
    for (lie, wanted) in [
        (ListLie::RowsTwice, vec![400, 400, 300, 300, 200, 200, 100, 100]),
        (ListLie::RepeatRow { order_id: id.clone(), times: 3 }, vec![400, 300, 200, 200, 200, 100]),
        (ListLie::SplitRow { order_id: id.clone(), cents: 50 }, vec![400, 300, 50, 150, 100]),
        (ListLie::KeepNewest(3), vec![400, 300, 200]),
        (ListLie::KeepOldest(3), vec![300, 200, 100]),
        (ListLie::DropEvery(2), vec![300, 100]),
        (ListLie::PurgeOlderThan(Duration::from_secs(150)), vec![400, 300]),
        (ListLie::HideRow { order_id: id.clone() }, vec![400, 300, 100]),
        (ListLie::Empty, vec![]),
    ] {
        assert_eq!(amounts(&once(&bench, lie.clone()).await), wanted, "{lie:?}");
    }
    let split = once(&bench, ListLie::SplitRow { order_id: id.clone(), cents: 50 }).await;
    assert_eq!(column(&split, "payId").iter().filter(|pay_id| **pay_id == id).count(), 2);
}

#[tokio::test]
async fn ids_are_swapped_capital_constant_or_two() {
    let (bench, ids) = four().await;
    let right = bench.rows().await;
    let newest: Vec<&str> = ids.iter().rev().map(String::as_str).collect();
    let rows = once(&bench, ListLie::SwapFields).await;
    assert_eq!((column(&rows, "sesid"), column(&rows, "payId")), (newest.clone(), column(&right, "sesid")));
    let rows = once(&bench, ListLie::SwapIds).await;
    assert_eq!(column(&rows, "payId"), [newest[1], newest[0], newest[3], newest[2]]);
    assert_eq!(amounts(&rows), [400, 300, 200, 100]);
    let rows = once(&bench, ListLie::TwoNames).await;
    assert_eq!((column(&rows, "payId"), rows[0]["sesid"].as_str()), (newest.clone(), Some(newest[1])));
    let rows = once(&bench, ListLie::Capitals).await;
    assert_eq!(rows[0]["payId"], newest[0].to_uppercase());
    let rows = once(&bench, ListLie::ConstantPayId).await;
    assert_eq!(column(&rows, "sesid"), newest);
    assert!(rows.iter().all(|row| row["payId"] == rows[0]["payId"]));
}

#[tokio::test]
async fn amounts_words_and_times_are_other_ones() {
    let (bench, ids) = four().await;
    let id = ids[3].clone();
    assert_eq!(amounts(&once(&bench, ListLie::Factor { num: 1, den: 100 }).await), [4, 3, 2, 1]);
    let rows = once(&bench, ListLie::Factor { num: 1, den: 1000 }).await;
    assert_eq!(rows[0]["amount"], json!(0.4));
    assert_eq!(amounts(&once(&bench, ListLie::Zero).await), [0; 4]);
    let lie = ListLie::AmountOf { order_id: id.clone(), cents: 7 };
    assert_eq!(amounts(&once(&bench, lie).await), [7, 300, 200, 100]);
    let rows = once(&bench, ListLie::StatusOf { order_id: id, word: "locked".to_owned() }).await;
    assert_eq!(column(&rows, "status"), ["locked", "paid", "paid", "paid"]);
    let rows = once(&bench, ListLie::UnknownWord("aml".to_owned())).await;
    assert_eq!(column(&rows, "status"), ["aml"; 4]);
    let right = bench.rows().await;
    assert_eq!(
        (&right[3]["created"], &right[3]["expires_at"]),
        (&json!("2025-05-30 13:32:57"), &json!("2025-05-30 14:32:57"))
    );
    let rows = once(&bench, ListLie::Shift(3 * 3600)).await;
    assert_eq!(
        (&rows[3]["created"], &rows[3]["expires_at"]),
        (&json!("2025-05-30 16:32:57"), &json!("2025-05-30 17:32:57"))
    );
    assert_eq!(once(&bench, ListLie::Shift(-60)).await[3]["created"], "2025-05-30 13:31:57");
}

#[tokio::test]
async fn amounts_are_written_in_other_ways() {
    let bench = Bench::start(22, None).await;
    bench.upstream.top_up_elsewhere(485, "card").unwrap();
    let truth = bench.truth();
    for (style, text) in [
        (AmountStyle::Float, r#""amount":485.0,"#),
        (AmountStyle::Text, r#""amount":"485","#),
        (AmountStyle::Exponent, r#""amount":4.85e2,"#),
        (AmountStyle::Fraction, r#""amount":485.5,"#),
        (AmountStyle::Null, r#""amount":null,"#),
        (AmountStyle::Words, r#""amount":"unknown","#),
    ] {
        bench.upstream.lie_for(ListLie::AmountAs(style), 1);
        let answer = bench.text("payments").await;
        assert!(answer.contains(text), "{style:?}: {answer}");
    }
    bench.upstream.set_list_lie(ListLie::AmountAs(AmountStyle::Missing));
    assert_eq!(bench.rows().await[0].get("amount"), None);
    assert_eq!(bench.truth(), truth);
}

#[tokio::test]
async fn a_late_payment_is_a_second_row() {
    let bench = Bench::start(23, None).await;
    bench.upstream.set_default_fate(Fate::Late);
    bench.upstream.set_list_lie(ListLie::SecondRow);
    let id = order_id(&bench.create("USDT/BSC/10").await);
    bench.clock.advance(Duration::from_secs(3600));
    assert_eq!(column(&bench.rows().await, "status"), ["cancel"]);
    bench.upstream.act(&id, Action::Pay { amount_usd: Some("12".parse().unwrap()) }).unwrap();
    let rows = bench.rows().await;
    assert_eq!((column(&rows, "status"), amounts(&rows)), (vec!["paid_over", "cancel"], vec![1200, 1000]));
    assert_eq!(column(&rows, "payId"), [&id, &id]);
    assert_eq!(column(&rows, "created"), ["2025-05-30 14:32:57", "2025-05-30 13:32:57"]);
    bench.upstream.clear_list_lies();
    assert_eq!(amounts(&bench.rows().await), [1200]);
}

#[tokio::test]
async fn lies_stand_together_each_for_its_own_number_of_lists() {
    let (bench, _) = four().await;
    let truth = bench.truth();
    bench.by_hand("lies", r#"{"lie": {"factor": {"num": 2, "den": 1}}}"#).await;
    bench.by_hand("lies", r#"{"lie": {"keep_newest": 1}, "times": 2}"#).await;
    bench.by_hand("lies", r#"{"lie": "rows_twice", "times": 1}"#).await;
    assert_eq!(amounts(&bench.rows().await), [800, 800]);
    assert_eq!(amounts(&bench.rows().await), [800]);
    assert_eq!(amounts(&bench.rows().await), [800, 600, 400, 200]);
    bench.by_hand("lies/clear", "").await;
    assert_eq!(amounts(&bench.rows().await), [400, 300, 200, 100]);
    bench.upstream.lie_for(ListLie::Empty, 0);
    bench.upstream.set_list_lie(ListLie::RowsTwice);
    bench.upstream.set_list_lie(ListLie::RowsTwice);
    assert_eq!(bench.rows().await.len(), 8, "a lie that stands is not told twice over");
    assert_eq!(bench.truth(), truth);
}
