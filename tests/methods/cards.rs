//! What becomes of a card: its rows bear no id of ours, unless the list turns out to; else a person says whose they are.

use depositd::domain::deposit::{FigureSource, State};
use depositd::domain::method::Method;
use depositd::flow::{self, CaseError};
use depositd::sandbox::upstream::{Call, CardRowId, LinkShape, PageRowId, RowsAt};

use super::support::house::House;
use super::{HOUR, MINUTE, pay, postings};

#[tokio::test]
async fn a_cards_row_is_probable_and_counts_nothing_until_a_person_says_whose_it_is() {
    let house = House::new().await;
    house.simulator.set_links(LinkShape { rows_at: RowsAt::Paid, ..LinkShape::default() });
    house.baseline().await;
    // Rows of wallets bear ids of ours: a card's are probable all the same.
    let wallet = house.wallet("10").await;
    house
        .simulator
        .act(&house.order(&wallet), depositd::sandbox::upstream::Action::Pay { amount_usd: None })
        .unwrap();
    let card = house.link(Method::Card, "10").await;
    house.pass(HOUR, 10 * MINUTE).await;
    let own = house.linked(&card).order_id;
    assert!(
        house.simulator.calls().of(&own).all(|call| call.call == Call::CreateCard),
        "there is no call to ask by"
    );
    pay(&house, &card);
    house.pass(HOUR, 10 * MINUTE).await;
    house.reconcile().await;
    house.pass(HOUR, 10 * MINUTE).await;
    let report = house.reconcile().await;
    assert!(report.clean, "it counts as another's: {:?}", report.cases);
    let open = house.read(&card).await;
    assert_eq!((open.facts.state, open.facts.booked.as_ref()), (State::AwaitingPayment, None));
    assert_eq!(
        house.sql(&format!("SELECT reconciled FROM accounting_deposits WHERE id = '{}'", card.id)),
        "probable"
    );
    let probable = house.flow.ledger.probable_rows(card.id).await.unwrap();
    assert_eq!(probable.len(), 1);
    let row = probable[0].0;
    assert_eq!(house.sql("SELECT id FROM accounting_elsewhere"), row.to_string());

    let refused = |error: CaseError| error.to_string();
    let (id, wallet_id) = (card.id.to_string(), wallet.id.to_string());
    for (row, name, note, words) in [
        (row, id.as_str(), "", "note is empty"),
        (row + 100, id.as_str(), "n", "no listed row"),
        (row, "nobody", "n", "no deposit \"nobody\""),
        (row, wallet_id.as_str(), "n", "a wallet's rows bear its order"),
    ] {
        let error = refused(flow::match_row(&house.flow, row, name, "tester", note).await.unwrap_err());
        assert!(error.contains(words), "{words}: {error}");
    }
    let matched = flow::match_row(&house.flow, row, &id, "tester", "the payer sent a receipt").await.unwrap();
    assert_eq!(matched.booked.as_deref(), Some("10.00"));
    let settled = house.read(&card).await;
    assert_eq!((settled.facts.state, settled.facts.matched), (State::Settled, true));
    assert_eq!(settled.facts.booked.as_ref().unwrap().source, FigureSource::Invoice);
    assert_eq!(postings(&house, &card), "assets:prepaid:smsonline USD 10.000000, equity:card USD -10.000000");
    assert!(flow::match_row(&house.flow, row, &id, "tester", "again").await.is_err());
    let report = house.reconcile().await;
    assert!(report.clean, "{:?}", report.cases);
    assert_eq!(house.sql("SELECT count(*) FROM accounting_elsewhere"), "0");
    let who = house.sql("SELECT group_concat(acted_by) FROM event WHERE name = 'matched'");
    assert_eq!(who, "tester");
    house.prove().await;

    // And back: it was another customer's.
    flow::unmatch_row(&house.flow, &id, "tester", "it was another").await.unwrap();
    let open = house.read(&card).await;
    assert_eq!(
        (open.facts.booked.as_ref(), open.facts.wallet.as_ref().unwrap().order_id.as_ref()),
        (None, None)
    );
    assert_eq!(open.facts.state, State::AwaitingPayment);
    let report = house.reconcile().await;
    assert!(report.clean, "{:?}", report.cases);
    assert_eq!(house.sql("SELECT count(*) FROM accounting_elsewhere"), "1");
    assert!(flow::unmatch_row(&house.flow, &id, "tester", "again").await.is_err());
    // Whose it really was.
    flow::match_row(&house.flow, row, &id, "tester", "it was theirs after all").await.unwrap();
    assert_eq!(house.read(&card).await.facts.booked.unwrap().total().to_string(), "10.00");
    assert!(house.reconcile().await.clean);
    house.prove().await;
}

#[tokio::test]
async fn what_a_cards_link_bears_and_its_row_as_well_is_an_id_like_the_others() {
    for card_row_id in [CardRowId::Account, CardRowId::Desc, CardRowId::Sign, CardRowId::PaymentId] {
        let house = House::new().await;
        house.simulator.set_links(LinkShape { card_row_id, ..LinkShape::default() });
        house.baseline().await;
        let (first, second) = (house.link(Method::Card, "10").await, house.link(Method::Card, "10").await);
        pay(&house, &second);
        house.pass(MINUTE, MINUTE).await;
        assert_eq!(house.read(&second).await.facts.state, State::Settled, "{card_row_id:?}");
        assert_eq!(house.read(&first).await.facts.state, State::AwaitingPayment, "{card_row_id:?}");
        let report = house.reconcile().await;
        assert!(report.clean, "{card_row_id:?}: {:?}", report.cases);
        let reconciled = house.sql("SELECT group_concat(reconciled) FROM accounting_deposits");
        assert_eq!(reconciled, "matched,matched", "{card_row_id:?}");
        house.prove().await;
    }
}

#[tokio::test]
async fn a_page_whose_link_has_no_id_is_matched_like_a_card() {
    let house = House::new().await;
    house.simulator.set_links(LinkShape { page_row_id: PageRowId::None, ..LinkShape::default() });
    house.baseline().await;
    house.simulator.next_link("https://pay.cryptomus.com/pay/7");
    let page = house.link(Method::Page, "10").await;
    assert!(
        page.facts.review.as_ref().unwrap().reason.contains("ends with no id"),
        "{:?}",
        page.facts.review
    );
    let order = house.simulator.orders().pop().unwrap().order_id;
    house.simulator.act(&order, depositd::sandbox::upstream::Action::Pay { amount_usd: None }).unwrap();
    house.reconcile().await;
    let row = house.flow.ledger.probable_rows(page.id).await.unwrap()[0].0;
    flow::match_row(&house.flow, row, &page.id.to_string(), "tester", "the receipt").await.unwrap();
    let settled = house.read(&page).await;
    assert_eq!(
        (settled.facts.state, settled.facts.booked.unwrap().total().cents_floor()),
        (State::Settled, 1000)
    );
    let events = house.history(&page).await.len();
    house.pass(6 * HOUR, 20 * MINUTE).await;
    assert_eq!(house.history(&page).await.len(), events, "the status call is not asked by the row's name");
    assert!(house.reconcile().await.clean);
    house.prove().await;
}

#[tokio::test]
async fn what_every_link_bears_names_none_of_them() {
    // The account's own name is in each link, and in each row.
    let house = House::new().await;
    house.simulator.set_links(LinkShape { rows_at: RowsAt::Paid, ..LinkShape::default() });
    house.baseline().await;
    for query in [
        "account=12345&sign=aaaaaaaa1",
        "account=shared-account&sign=aaaaaaaa2",
        "account=shared-account&sign=aaaaaaaa3",
    ] {
        house.simulator.next_link(&format!("https://api.pay4bit.net/pay?sum=10&currency=USD&{query}"));
        house.link(Method::Card, "10").await;
    }
    assert_eq!(house.sql("SELECT count(*) FROM link_name WHERE value = 'shared-account'"), "2");
    let open = house.flow.ledger.open_links().await.unwrap();
    let names: Vec<Vec<String>> = open.into_iter().map(|link| link.names).collect();
    assert_eq!(names, [["aaaaaaaa1"], ["aaaaaaaa2"], ["aaaaaaaa3"]]);
}

#[tokio::test]
async fn a_card_without_a_row_expires_after_the_limit_and_a_match_settles_it_late() {
    let house = House::new().await;
    house.simulator.set_links(LinkShape { rows_at: RowsAt::Paid, ..LinkShape::default() });
    house.baseline().await;
    let card = house.link(Method::Card, "10").await;
    house.pass(23 * HOUR, HOUR).await;
    assert_eq!(house.read(&card).await.facts.state, State::AwaitingPayment);
    house.pass(HOUR + MINUTE, 10 * MINUTE).await;
    assert_eq!(house.read(&card).await.facts.state, State::Expired);
    pay(&house, &card);
    house.reconcile().await;
    let row: i64 = house.sql("SELECT id FROM accounting_elsewhere").parse().unwrap();
    flow::match_row(&house.flow, row, &card.id.to_string(), "tester", "by the receipt").await.unwrap();
    let late = house.read(&card).await;
    assert_eq!((late.facts.state, late.facts.late), (State::Settled, true));
    house.prove().await;
}
