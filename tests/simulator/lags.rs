//! Sources that are behind the truth, each by its own lag.

use std::collections::BTreeMap;
use std::time::Duration;

use depositd::sandbox::upstream::{Action, Fate, Lag, Source};
use serde_json::json;

use crate::bench::{Bench, order_id};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_look_shows_the_order_as_it_stood() {
    let bench = Bench::start(1, None).await;
    bench.upstream.set_default_fate(Fate::Manual);
    bench.upstream.set_lag(Source::Status, Lag::Fixed(10 * MINUTE));
    let wallet = bench.create("USDT/BSC/10").await;
    let id = order_id(&wallet);
    let look = bench.look(&id).await;
    assert_eq!((&look["status"], &look["to_address"]), (&json!("check"), &wallet["to_address"]));
    bench.clock.advance(5 * MINUTE);
    bench.upstream.act(&id, Action::Pay { amount_usd: None }).unwrap();
    assert_eq!(bench.upstream.books().total_charges_cents, 1000);
    assert_eq!(bench.look(&id).await["status"], "check");
    bench.clock.advance(10 * MINUTE - Duration::from_millis(1));
    let look = bench.look(&id).await;
    assert_eq!(
        (&look["status"], look.get("payment_amount_usd"), look.get("txid")),
        (&json!("check"), None, None)
    );
    assert_eq!(bench.rows().await[0]["status"], "paid", "the list is not behind");
    assert_eq!(bench.get("balance").await["totalCharges"], "1000");
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.look(&id).await["status"], "paid");
    bench.upstream.set_lag(Source::Status, Lag::Fixed(60 * MINUTE));
    assert_eq!(bench.look(&id).await["status"], "paid", "what was shown stays shown");
}

#[tokio::test]
async fn a_list_shows_the_rows_that_were_there() {
    let bench = Bench::start(2, None).await;
    bench.upstream.set_default_fate(Fate::Manual);
    bench.by_hand("lag", r#"{"source": "list", "lag": {"fixed": {"secs": 600, "nanos": 0}}}"#).await;
    let id = order_id(&bench.create("USDT/BSC/10").await);
    bench.upstream.top_up_elsewhere(500, "stripe").unwrap();
    assert_eq!(bench.rows().await.len(), 0);
    bench.clock.advance(5 * MINUTE);
    bench.upstream.act(&id, Action::Pay { amount_usd: None }).unwrap();
    bench.clock.advance(5 * MINUTE);
    let rows = bench.rows().await;
    let ours = rows.iter().find(|row| row["payId"] == json!(id)).unwrap();
    assert_eq!((rows.len(), &ours["status"]), (2, &json!("check")));
    assert_eq!(bench.look(&id).await["status"], "paid", "the look is not behind");
    bench.clock.advance(5 * MINUTE);
    let rows = bench.rows().await;
    assert!(rows.iter().all(|row| row["status"] == "paid"), "{rows:?}");
}

#[tokio::test]
async fn a_total_is_as_old_as_its_lag() {
    let bench = Bench::start(3, None).await;
    bench.upstream.set_default_fate(Fate::Manual);
    bench.upstream.set_lag(Source::Total, Lag::Fixed(10 * MINUTE));
    let id = order_id(&bench.create("USDT/BSC/10").await);
    bench.upstream.act(&id, Action::Pay { amount_usd: None }).unwrap();
    bench.clock.advance(5 * MINUTE);
    bench.upstream.spend(300).unwrap();
    let mut figures = Vec::new();
    for _ in 0..3 {
        let account = bench.get("balance").await;
        figures.push((
            account["totalCharges"].as_str().unwrap().to_owned(),
            account["balance"].as_i64().unwrap(),
        ));
        assert_eq!(bench.upstream.books().balance_cents, 700);
        bench.clock.advance(5 * MINUTE);
    }
    assert_eq!(figures, [("0".to_owned(), 0), ("1000".to_owned(), 1000), ("1000".to_owned(), 700)]);
}

/// What all three sources say of twelve orders, minute by minute.
async fn watch(seed: u64) -> Vec<(BTreeMap<String, String>, BTreeMap<String, String>, i64)> {
    let bench = Bench::start(seed, None).await;
    for source in [Source::Status, Source::List, Source::Total] {
        bench.upstream.set_lag(source, Lag::UpTo(30 * MINUTE));
    }
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(order_id(&bench.create("USDT/BSC/10").await));
    }
    bench.upstream.top_up_elsewhere(77, "card").unwrap();
    let mut seen = Vec::new();
    for _ in 0..55 {
        let mut looks = BTreeMap::new();
        for id in &ids {
            looks.insert(id.clone(), bench.look(id).await["status"].as_str().unwrap().to_owned());
        }
        let rows = bench.rows().await;
        let text = |row: &serde_json::Value, field: &str| row[field].as_str().unwrap().to_owned();
        let list = rows.iter().map(|row| (text(row, "payId"), text(row, "status"))).collect();
        let total = text(&bench.get("balance").await, "totalCharges").parse().unwrap();
        seen.push((looks, list, total));
        bench.clock.advance(MINUTE);
    }
    assert_eq!(bench.upstream.books().total_charges_cents, 12_077);
    seen
}

#[tokio::test]
async fn lags_differ_by_order_and_source_never_go_back_and_end() {
    let seen = watch(4).await;
    assert_eq!(seen, watch(4).await, "the same seed, the same lags");
    let rank =
        |word: &String| ["check", "confirm_check", "paid"].iter().position(|known| known == word).unwrap();
    for pair in seen.windows(2) {
        let ((looks, list, total), (next_looks, next_list, next_total)) = (&pair[0], &pair[1]);
        assert!(next_total >= total);
        assert!(looks.iter().all(|(id, word)| rank(&next_looks[id]) >= rank(word)));
        assert!(list.iter().all(|(id, word)| rank(&next_list[id]) >= rank(word)));
    }
    let paid = |words: &BTreeMap<String, String>| words.values().filter(|word| *word == "paid").count();
    let totals: std::collections::BTreeSet<i64> = seen.iter().map(|(_, _, total)| *total).collect();
    assert!(totals.len() > 8, "credits enter one by one: {totals:?}");
    let apart = |(looks, list, total): &(BTreeMap<_, _>, BTreeMap<String, String>, i64)| {
        let of_list = list.iter().filter(|(id, word)| *word == "paid" && looks.contains_key(*id)).count();
        paid(looks) != of_list && i64::try_from(of_list).unwrap() * 1000 != total - total % 1000
    };
    assert!(seen.iter().any(apart));
    let (looks, list, total) = seen.last().unwrap();
    assert_eq!((paid(looks), paid(list), *total), (12, 13, 12_077));
}
