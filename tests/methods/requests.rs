//! How a link is asked for, and what of it is shown.

use depositd::domain::deposit::{ReviewKind, State};
use depositd::domain::method::{AmountUnit, Method};
use depositd::flow::{self, FlowSettings, NewDeposit, OpenError};
use depositd::sandbox::upstream::{Call, Fault, LinkShape, LinkUnit};

use super::support::house::{House, settings};
use super::{HOUR, MINUTE, pay};

#[tokio::test]
async fn a_link_is_kept_and_shown_byte_for_byte() {
    let house = House::new().await;
    for (method, word) in [(Method::Page, "page"), (Method::Card, "card")] {
        let deposit = house.link(method, "5").await;
        let object = depositd::api_types::DepositObject::from(&deposit);
        assert_eq!(deposit.facts.state, State::AwaitingPayment);
        assert_eq!(object.url.as_deref(), Some(house.linked(&deposit).url.as_str()));
        assert_eq!((object.method, object.currency, object.network), (method, None, None));
        assert_eq!((object.address, object.order_id, object.needs_review), (None, None, None));
        let pay = object.pay_with.unwrap();
        assert_eq!((pay.address, pay.amount.as_str(), pay.url.as_ref()), (None, "5", Some(&pay.qr)));
        let row = house.sql(&format!(
            "SELECT method, currency IS NULL, network IS NULL, url FROM accounting_deposits WHERE id = '{}'",
            deposit.id
        ));
        assert_eq!(row, format!("{word}|1|1|{}", pay.qr));
    }
    house.prove().await;
}

#[tokio::test]
async fn what_is_ruled_out_is_refused_before_any_call() {
    let house = House::new().await;
    let ruled_out = |new: NewDeposit| async {
        match flow::open(&house.flow, new).await {
            Err(OpenError::Invalid { field, why }) => format!("{field}: {why}"),
            other => panic!("{other:?}"),
        }
    };
    for method in [Method::Page, Method::Card] {
        for amount in ["5.15", "0.5", "5.01"] {
            assert!(
                ruled_out(NewDeposit::by_link(method, amount)).await.contains("whole dollars"),
                "{amount}"
            );
        }
        assert!(ruled_out(NewDeposit::by_link(method, "0")).await.starts_with("amount"));
        let new = NewDeposit { method, ..NewDeposit::new("USDT", "TRON", "5") };
        assert!(ruled_out(new).await.starts_with("currency"));
    }
    let coupon = NewDeposit { coupon: Some("C".to_owned()), ..NewDeposit::by_link(Method::Card, "5") };
    assert!(ruled_out(coupon).await.starts_with("coupon"));
    let bare = NewDeposit { amount: "5".to_owned(), ..NewDeposit::default() };
    assert!(ruled_out(bare).await.starts_with("currency: missing"));
    // Decimals of nothing are whole dollars.
    let deposit = house.link(Method::Page, "5.00").await;
    assert_eq!(deposit.request.amount.as_str(), "5.00");
    assert_eq!(house.simulator.calls().count(Call::CreatePage), 1);

    let house = House::with(FlowSettings { page_amount: None, ..settings() }, Vec::new()).await;
    let unset = flow::open(&house.flow, NewDeposit::by_link(Method::Page, "5")).await.unwrap_err();
    assert!(unset.to_string().contains("upstream.page_amount"), "{unset}");
    assert_eq!(house.simulator.calls().count(Call::CreatePage), 0);
}

#[tokio::test]
async fn the_same_key_is_the_same_link_and_another_method_is_another_request() {
    let house = House::new().await;
    let keyed =
        |method| NewDeposit { idempotency_key: Some("k".to_owned()), ..NewDeposit::by_link(method, "5") };
    let first = house.open(keyed(Method::Page)).await;
    assert_eq!(house.open(keyed(Method::Page)).await.id, first.id);
    let other = flow::open(&house.flow, keyed(Method::Card)).await.unwrap_err();
    assert!(matches!(other, OpenError::KeyReused(id) if id == first.id));
}

#[tokio::test]
async fn a_lost_answer_is_followed_by_another_request_and_its_link_is_nobodys() {
    for (method, call) in [(Method::Page, Call::CreatePage), (Method::Card, Call::CreateCard)] {
        let house = House::new().await;
        house.simulator.inject(call, Fault::DropAfterActing, 1);
        let deposit = house.link(method, "33").await;
        assert_eq!(deposit.facts.state, State::Requested);
        house.pass(MINUTE, 5 * std::time::Duration::from_secs(1)).await;
        let shown = house.read(&deposit).await;
        assert_eq!((shown.facts.state, house.simulator.calls().count(call)), (State::AwaitingPayment, 2));
        let own = house.linked(&shown).order_id;
        let lost = house.simulator.orders().into_iter().find(|order| order.order_id != own).unwrap();
        house.baseline().await;
        house
            .simulator
            .act(&lost.order_id, depositd::sandbox::upstream::Action::Pay { amount_usd: None })
            .unwrap();
        house.pass(2 * HOUR, 30 * MINUTE).await;
        let report = house.reconcile().await;
        assert!(report.clean, "{:?}", report.cases);
        assert_eq!(house.read(&deposit).await.facts.booked, None);
        house.prove().await;
    }
}

#[tokio::test]
async fn a_refusal_and_an_answer_without_a_link_end_as_those_of_a_wallet_do() {
    let house = House::new().await;
    house.simulator.inject(
        Call::CreatePage,
        Fault::Status(400, r#"{"ok":false,"error":"no"}"#.to_owned(), Vec::new()),
        1,
    );
    assert_eq!(house.link(Method::Page, "5").await.facts.state, State::Rejected);
    for body in [r#"{"ok":true,"body":null}"#, r#"{"ok":true,"body":{"url":"x"}}"#, r#"{"ok":true}"#, "{"] {
        house.simulator.inject(Call::CreateCard, Fault::Status(200, body.to_owned(), Vec::new()), 1);
        let deposit = house.link(Method::Card, "5").await;
        assert_eq!(deposit.facts.state, State::Requested, "{body}");
        house.pass(MINUTE, MINUTE).await;
        assert_eq!(house.read(&deposit).await.facts.state, State::AwaitingPayment, "{body}");
    }
    house.prove().await;
}

#[tokio::test]
async fn a_link_to_elsewhere_is_flagged_and_shown_to_nobody() {
    let house = House::new().await;
    let uuid = "991d9a35-1c2e-4b5c-8f1a-0123456789ab";
    for link in [
        "http://pay.cryptomus.com/pay/991d9a35-1c2e-4b5c-8f1a-000000000001".to_owned(),
        "https://pay.cryptomus.com.evil.example/pay/991d9a35-1c2e-4b5c-8f1a-000000000002".to_owned(),
        "javascript:alert(1)".to_owned(),
        "<a href=x>pay</a>".to_owned(),
        String::new(),
    ] {
        house.simulator.next_link(&link);
        let deposit = house.link(Method::Page, "5").await;
        let object = depositd::api_types::DepositObject::from(&deposit);
        assert_eq!(
            (deposit.facts.state, object.url, object.pay_with),
            (State::AwaitingPayment, None, None),
            "{link}"
        );
        assert!(object.needs_review.unwrap().starts_with("the link is not shown, do not pay"), "{link}");
        let told =
            house.smtp.messages().iter().any(|letter| !link.is_empty() && letter.text().contains(&link));
        assert!(!told, "{link}");
    }
    assert_eq!(house.simulator.calls().count(Call::CreatePage), 5, "none is asked for again");
    // The same page for two deposits: neither is known by it.
    house.simulator.next_link(&format!("https://pay.cryptomus.com/pay/{uuid}"));
    let first = house.link(Method::Page, "5").await;
    house.simulator.next_link(&format!("https://pay.cryptomus.com/pay/{}", uuid.to_uppercase()));
    let second = house.link(Method::Page, "5").await;
    assert_eq!(second.facts.state, State::Unresolved);
    assert!(house.read(&first).await.facts.review.is_some() && second.facts.review.is_some());
    house.prove().await;
}

#[tokio::test]
async fn a_cards_link_about_another_sum_is_flagged_and_no_further_one_is_asked_for() {
    let house = House::new().await;
    house.simulator.inject(Call::CreatePage, Fault::DropBeforeActing, 1);
    let waiting = house.link(Method::Page, "7").await;
    let link = "https://api.pay4bit.net/pay?public_key=p&sum=500.00&account=7&currency=USD&sign=0a1b2c3d";
    house.simulator.next_link(link);
    let card = house.link(Method::Card, "5").await;
    assert_eq!(card.facts.review.as_ref().map(|review| review.kind), Some(ReviewKind::Stopping));
    let object = depositd::api_types::DepositObject::from(&card);
    assert_eq!((object.url.as_deref(), object.pay_with), (Some(link), None), "nobody is asked to pay it");
    for method in [Method::Page, Method::Card] {
        let refused = flow::open(&house.flow, NewDeposit::by_link(method, "5")).await.unwrap_err();
        assert!(matches!(&refused, OpenError::Stopped(id) if *id == card.id), "{refused}");
    }
    assert_eq!(house.wallet("5").await.facts.state, State::AwaitingPayment, "wallets are not concerned");
    house.pass(10 * MINUTE, MINUTE).await;
    assert_eq!(house.read(&waiting).await.facts.state, State::Requested, "what was accepted before waits");
    flow::review(&house.flow, &card.id.to_string(), "tester", "looked").await.unwrap();
    assert_eq!(house.link(Method::Card, "5").await.facts.state, State::AwaitingPayment);
    house.pass(10 * MINUTE, MINUTE).await;
    assert_eq!(house.read(&waiting).await.facts.state, State::AwaitingPayment);
    house.prove().await;
}

#[tokio::test]
async fn the_first_row_of_another_amount_stops_further_links_until_a_person_has_looked() {
    // The upstream counts cents, and dollars are set.
    let house = House::new().await;
    house.simulator.set_links(LinkShape { unit: LinkUnit::Cents, ..LinkShape::default() });
    let deposit = house.link(Method::Page, "500").await;
    house.pass(MINUTE, MINUTE).await;
    let flagged = house.read(&deposit).await;
    let review = flagged.facts.review.as_ref().unwrap();
    assert!(
        review.reason.contains("5.00 USD") && review.reason.contains("upstream.page_amount"),
        "{review:?}"
    );
    let refused = flow::open(&house.flow, NewDeposit::by_link(Method::Card, "5")).await.unwrap_err();
    assert!(matches!(&refused, OpenError::Stopped(id) if *id == deposit.id), "{refused}");
    assert_eq!(
        depositd::api_types::DepositObject::from(&flagged).pay_with,
        None,
        "nobody is asked to pay it"
    );
    // What a person has looked at is not told again when it is paid.
    flow::review(&house.flow, &deposit.id.to_string(), "tester", "looked").await.unwrap();
    house.pass(MINUTE, MINUTE).await;
    pay(&house, &deposit);
    house.pass(MINUTE, MINUTE).await;
    let settled = house.read(&deposit).await;
    assert_eq!(settled.facts.state, State::Settled);
    assert_eq!(settled.facts.booked.as_ref().unwrap().total().to_string(), "5.00");
    house.pass(HOUR, 20 * MINUTE).await;
    assert_eq!(house.read(&deposit).await.facts.review, None, "a person has seen it");
    assert_eq!(house.link(Method::Page, "6").await.facts.state, State::AwaitingPayment);
    house.prove().await;
}

#[tokio::test]
async fn cents_are_asked_for_where_the_upstream_counts_cents() {
    let settings = FlowSettings { page_amount: Some(AmountUnit::Cents), ..settings() };
    let house = House::with(settings, Vec::new()).await;
    house.simulator.set_links(LinkShape { unit: LinkUnit::Cents, ..LinkShape::default() });
    let page = house.link(Method::Page, "5").await;
    pay(&house, &page);
    house.pass(MINUTE, MINUTE).await;
    let settled = house.read(&page).await;
    assert_eq!((settled.facts.state, settled.facts.review), (State::Settled, None));
    assert_eq!(settled.facts.booked.unwrap().total().to_string(), "5.00");
}
