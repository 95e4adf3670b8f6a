//! What `show` and `list` print of a payment page and of a card: the real program, beside the ledger.

use std::process::Command;

use depositd::domain::method::Method;
use depositd::flow;
use depositd::sandbox::upstream::{LinkShape, RowsAt};

use super::support::house::House;
use super::{HOUR, MINUTE, pay};

/// What the program prints.
fn printed(house: &House, args: &[&str]) -> String {
    let config = house.folder.path().join("daemon.toml");
    std::fs::write(&config, "[ledger]\npath = \"ledger.db\"\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_depositd"));
    let run = command.current_dir(house.folder.path()).env_clear().args(args).output().unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.success() && said.is_empty(), "{args:?}: {said}");
    String::from_utf8(run.stdout).unwrap()
}

#[tokio::test]
async fn the_rows_that_may_be_a_cards_own_are_listed_with_the_command_that_says_which_is() {
    let house = House::new().await;
    house.simulator.set_links(LinkShape { rows_at: RowsAt::Paid, ..LinkShape::default() });
    house.baseline().await;
    let (card, page) = (house.link(Method::Card, "10").await, house.link(Method::Page, "20").await);
    pay(&house, &card);
    house.pass(HOUR, 10 * MINUTE).await;
    house.reconcile().await;
    let id = card.id.to_string();
    let url = card.facts.wallet.as_ref().unwrap().url.clone().unwrap();
    let row = house.flow.ledger.probable_rows(card.id).await.unwrap()[0].0;

    let shown = printed(&house, &["show", &id]);
    let command = format!("depositd cases match ROW {id} --note TEXT");
    let pays_at = format!("pay at  {url}");
    for part in ["10 USD by card", &pays_at, "attempt 1  link", "Rows of the invoice list", &command] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let (_, table) = shown.split_once("Rows of the invoice list").unwrap();
    let line = table.lines().find(|line| line.trim_start().starts_with(&format!("{row} "))).unwrap();
    assert!(line.contains(" 10.00 ") && line.contains(" paid "), "{table}");
    assert!(!shown.contains("address") && !shown.contains("network"), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&printed(&house, &["--json", "show", &id])).unwrap();
    let rows = json["probable_rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["row"], &rows[0]["amount_cents"]), (1, &row.into(), &1000.into()));
    assert_eq!((rows[0]["status"].as_str(), rows[0]["created"].is_string()), (Some("paid"), true));
    // By its link, whole.
    assert_eq!(printed(&house, &["show", &url]), shown);
    let of_page = page.facts.wallet.as_ref().unwrap().url.clone().unwrap();
    assert!(printed(&house, &["show", &of_page]).contains("20 USD by payment page"));

    // Once a person has said so, nothing is left to be said.
    flow::match_row(&house.flow, row, &id, "tester", "the receipt").await.unwrap();
    let shown = printed(&house, &["show", &id]);
    assert!(!shown.contains("Rows of the invoice list") && !shown.contains("pay at"), "{shown}");
    assert!(shown.contains(&format!("url    {url}")), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&printed(&house, &["--json", "show", &id])).unwrap();
    assert_eq!(json["probable_rows"], serde_json::json!([]));

    let list = printed(&house, &["list"]);
    for (method, other) in [("card", "page"), ("page", "card")] {
        let only = printed(&house, &["list", "--method", method]);
        let rows: Vec<&str> = only.lines().skip(1).collect();
        assert!(rows.len() == 1 && rows[0].contains(method) && !rows[0].contains(other), "{only}");
        // It stands where a wallet has its network.
        assert_eq!(only.lines().next().unwrap().find("paid by"), rows[0].find(method), "{only}");
        assert!(list.contains(method), "{list}");
    }
}
