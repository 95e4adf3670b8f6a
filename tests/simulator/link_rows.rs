//! Rows of pages and cards: which id they bear, when they are there, and what they say.

use std::collections::BTreeSet;
use std::time::Duration;

use depositd::sandbox::upstream::{
    Action, CardRowId, Fate, IdField, Lag, LinkShape, ListLie, PageRowId, RowFactor, RowsAt, Shape, Source,
};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::links::{link, parameter, uuid};

/// The first row of this method.
async fn row(bench: &Bench, method: &str) -> Option<Value> {
    bench.rows().await.into_iter().find(|row| row["method"] == method)
}

#[tokio::test]
async fn a_pages_row_bears_its_uuid_here_or_there_or_nowhere() {
    let bench = Bench::start(81, None).await;
    let page = uuid(&link(&bench, "cryptomus", "5").await);
    let own = bench.upstream.orders()[0].order_id.clone();
    let first = row(&bench, "Cryptomus").await.unwrap();
    assert_eq!((&first["payId"], &first["amount"]), (&json!(page), &json!(500)));
    assert_eq!(
        (&first["created"], &first["expires_at"], &first["status"]),
        (&json!("2025-05-30 13:32:57"), &json!("2025-05-30 14:32:57"), &json!("check"))
    );
    bench.by_hand("links", r#"{"page_row_id": "sesid"}"#).await;
    let second = row(&bench, "Cryptomus").await.unwrap();
    assert_eq!(second["sesid"], json!(page));
    assert_ne!(second["payId"], json!(page));
    bench.upstream.set_links(LinkShape { page_row_id: PageRowId::None, ..LinkShape::default() });
    assert_eq!(row(&bench, "Cryptomus").await.unwrap()["payId"], json!(own));
    for id_field in [IdField::None, IdField::UrlUuid] {
        bench.upstream.set_shape(Shape { id_field, ..Shape::default() });
        let text = row(&bench, "Cryptomus").await.unwrap().to_string();
        assert!(!text.contains(&page) && !text.contains(&own), "{text}");
    }
}

#[tokio::test]
async fn a_cards_row_bears_what_its_link_says_or_nothing_of_it() {
    let bench = Bench::start(82, None).await;
    for (row_id, word, name) in [
        (CardRowId::Account, "account", "account"),
        (CardRowId::Desc, "desc", "desc"),
        (CardRowId::Sign, "sign", "sign"),
        (CardRowId::PaymentId, "payment_id", "paymentId"),
    ] {
        assert_eq!(serde_json::to_value(row_id).unwrap(), json!(word));
        bench.by_hand("links", &json!({"card_row_id": word}).to_string()).await;
        let mut links = Vec::new();
        for _ in 0..2 {
            links.push(parameter(&link(&bench, "pay4bit", "5").await, name).unwrap());
        }
        let rows = bench.rows().await;
        for named in &links {
            let found: Vec<&Value> = rows.iter().filter(|row| row["payId"] == json!(named)).collect();
            assert_eq!(found.len(), 1, "{word}: {named}");
            assert_eq!((&found[0]["method"], &found[0]["amount"]), (&json!("Pay4bit"), &json!(500)));
        }
    }
    bench.upstream.set_links(LinkShape::default());
    let cards: Vec<String> = bench.upstream.orders().into_iter().map(|order| order.url).collect();
    let said: BTreeSet<String> = cards
        .iter()
        .flat_map(|card| ["account", "desc", "sign", "paymentId"].map(|name| parameter(card, name)))
        .flatten()
        .collect();
    for row in bench.rows().await {
        for field in ["payId", "sesid"] {
            assert!(!said.contains(row[field].as_str().unwrap()), "{row}");
        }
    }
}

#[tokio::test]
async fn a_row_comes_with_the_payment_where_it_is_told_to() {
    let bench = Bench::start(83, None).await;
    bench.upstream.set_default_fate(Fate::Manual);
    let page = uuid(&link(&bench, "cryptomus", "10").await);
    link(&bench, "pay4bit", "10").await;
    bench.create("USDT/BSC/10").await;
    assert_eq!(bench.rows().await.len(), 3);
    bench.by_hand("links", r#"{"rows_at": "paid"}"#).await;
    assert_eq!(bench.rows().await.len(), 1, "a wallet's row is there from the beginning");
    bench.upstream.act(&page, Action::Cancel).unwrap();
    assert_eq!(bench.rows().await.len(), 1);
    bench.clock.advance(Duration::from_secs(600));
    bench.upstream.act(&page, Action::Pay { amount_usd: None }).unwrap();
    let paid = row(&bench, "Cryptomus").await.unwrap();
    assert_eq!((&paid["payId"], &paid["status"]), (&json!(page), &json!("paid")));
    assert_eq!(paid["created"], "2025-05-30 13:32:57");
    assert_eq!(row(&bench, "Pay4bit").await, None);
    let card = bench.upstream.orders()[1].order_id.clone();
    bench.upstream.act(&card, Action::PayPart { amount_usd: None }).unwrap();
    assert_eq!(row(&bench, "Pay4bit").await.unwrap()["status"], "wrong_amount_waiting");
    bench.upstream.set_links(LinkShape { rows_at: RowsAt::Created, ..LinkShape::default() });
    assert_eq!(bench.rows().await.len(), 3);
}

#[tokio::test]
async fn rows_of_another_amount_are_of_pages_and_cards_alone() {
    let bench = Bench::start(84, None).await;
    bench.upstream.set_default_fate(Fate::Manual);
    link(&bench, "cryptomus", "10").await;
    link(&bench, "pay4bit", "20").await;
    bench.create("USDT/BSC/30").await;
    for order in bench.upstream.orders() {
        bench.upstream.act(&order.order_id, Action::Pay { amount_usd: None }).unwrap();
    }
    let truth = bench.truth();
    let amounts = async || -> Vec<Value> {
        let rows = bench.rows().await;
        ["Cryptomus", "Pay4bit", "cryptomus"]
            .map(|method| rows.iter().find(|row| row["method"] == method).unwrap()["amount"].clone())
            .to_vec()
    };
    assert_eq!(amounts().await, [1_000, 2_000, 3_000]);
    bench.by_hand("links", r#"{"factor": {"num": 9, "den": 10}}"#).await;
    assert_eq!(amounts().await, [900, 1_800, 3_000]);
    let factor = RowFactor { num: 1, den: 0 };
    bench.upstream.set_links(LinkShape { factor, ..LinkShape::default() });
    assert_eq!(amounts().await, [1_000, 2_000, 3_000]);
    assert_eq!(bench.truth(), truth);
}

#[tokio::test]
async fn lags_and_lies_are_for_them_too() {
    let bench = Bench::start(85, None).await;
    bench.upstream.set_default_fate(Fate::Manual);
    let page = uuid(&link(&bench, "cryptomus", "10").await);
    let card = link(&bench, "pay4bit", "10").await;
    let rows_at = LinkShape { rows_at: RowsAt::Paid, card_row_id: CardRowId::Sign, ..LinkShape::default() };
    let sign = json!(parameter(&card, "sign").unwrap());
    bench.upstream.set_lag(Source::List, Lag::Fixed(Duration::from_secs(600)));
    bench.upstream.set_links(rows_at);
    bench.clock.advance(Duration::from_secs(1_000));
    for order in bench.upstream.orders() {
        bench.upstream.act(&order.order_id, Action::Pay { amount_usd: None }).unwrap();
    }
    assert_eq!(bench.rows().await.len(), 0);
    bench.clock.advance(Duration::from_secs(600));
    assert_eq!(bench.rows().await.len(), 2);
    bench.upstream.lie_for(ListLie::AmountOf { order_id: page.clone(), cents: 7 }, 1);
    assert_eq!(row(&bench, "Cryptomus").await.unwrap()["amount"], 7);
    bench.upstream.lie_for(ListLie::HideRow { order_id: page.clone() }, 1);
    assert_eq!(row(&bench, "Cryptomus").await, None);
    bench.upstream.lie_for(ListLie::ConstantPayId, 1);
    let rows = bench.rows().await;
    let sesids: BTreeSet<String> = rows.iter().map(|row| row["sesid"].to_string()).collect();
    assert_eq!(sesids, [json!(page).to_string(), sign.to_string()].into());
    assert_eq!(rows[0]["payId"], rows[1]["payId"]);
    bench.upstream.lie_for(ListLie::SwapIds, 1);
    assert_eq!(row(&bench, "Cryptomus").await.unwrap()["payId"], sign);
    bench.upstream.lie_for(ListLie::SwapFields, 1);
    assert_eq!(row(&bench, "Cryptomus").await.unwrap()["sesid"], json!(page));
    bench.upstream.act(&page, Action::HideInvoice { hidden: true }).unwrap();
    bench.clock.advance(Duration::from_secs(600));
    assert_eq!(row(&bench, "Cryptomus").await, None);
}
