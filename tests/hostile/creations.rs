//! What the upstream may say when a wallet is ordered: one that came in no readable answer is shown to nobody.

use depositd::domain::deposit::{Deposit, State};
use depositd::sandbox::upstream::{Call, Fault};

use crate::scene::{Log, Trap, about, no_secret, patiently, poll, raw, says};
use crate::support::house::House;

/// Orders a wallet of an upstream that answers so this often, and then lets it come to its senses.
async fn order(name: &str, fault: Fault, times: u32, line: &str) -> (House, Deposit) {
    let house = House::new().await;
    house.simulator.inject(Call::Create, fault, times);
    let (log, guard) = Log::listen();
    let deposit = house.request("USDT", "TRON", "25.00").await;
    patiently(&house, house.rounds()).await;
    let first = house.read(&deposit).await;
    assert!(first.facts.wallet.is_none(), "{name}: nothing was shown\n{}", log.text());
    assert_eq!(house.sql("SELECT count(*) FROM accounting_entries"), "0", "{name}");
    for _ in 0..12 {
        poll(&house).await;
    }
    drop(guard);
    assert!(log.text().contains(line), "{name}: no line {line:?} in\n{}", log.text());
    no_secret(name, &log.text());
    (house, deposit)
}

/// At most one of the wallets that were made upstream was ever shown; what a lost answer made is nobody's.
async fn accounted_for(name: &str, house: &House, deposit: &Deposit) -> Deposit {
    patiently(house, house.reconcile()).await;
    let now = house.read(deposit).await;
    let wallets = house.history(&now).await.iter().filter(|event| *event == "wallet_created").count();
    assert!(wallets <= 1, "{name}: {wallets} addresses");
    assert_eq!(
        house.sql("SELECT count(*) FROM attempt WHERE outcome IN ('adopted', 'abandoned')"),
        "0",
        "{name}"
    );
    house.prove().await;
    now
}

#[tokio::test]
async fn what_came_to_nothing_is_ordered_again() {
    let after = |fault: Fault| Fault::After(Box::new(fault));
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
    for (name, fault, line) in [
        ("dropped before it acted", Fault::DropBeforeActing, "the connection broke"),
        ("dropped after it acted", Fault::DropAfterActing, "the connection broke"),
        ("an empty body", Fault::EmptyBody, "the answer is empty"),
        ("JSON that breaks off", Fault::TruncatedJson, "is cut off"),
        ("a body that breaks off", Fault::CutBody, "the connection broke"),
        ("a body without end", Fault::Endless, "the answer is too large"),
        ("HTML with status 200", Fault::Html200, "the answer is an HTML page"),
        ("HTML after it acted", after(Fault::Html200), "the answer is an HTML page"),
        ("an outage", Fault::Status(500, String::new(), vec![]), "500 Internal Server Error"),
        ("an outage after it acted", after(Fault::Status(502, "<html>".into(), vec![])), "502 Bad Gateway"),
        (
            "too many",
            Fault::Status(429, String::new(), vec![("Retry-After".into(), "30".into())]),
            "too many requests",
        ),
        ("nested", says("[".repeat(30_000)), "the answer is not a JSON object"),
        (
            "after it acted, nested",
            after(says(format!(r#"{{"ok":true,"body":{}"#, "[".repeat(9000)))),
            "is cut off",
        ),
        ("another protocol", raw("220 mail.example.com ESMTP\r\n", b""), "the connection broke"),
        (
            "a wallet without an address",
            about(r#""order_id":"x","amountInUSD":"25.00""#),
            "to_address is missing",
        ),
        ("half a wallet", raw(head, br#"{"ok":true,"body":{"order_id":"#), "the connection broke"),
        (
            "40 digits",
            about(&format!(r#""order_id":"x","amountInUSD":"{}""#, "7".repeat(40))),
            "to_address is missing",
        ),
        (
            "an order id that climbs",
            about(r#""order_id":"..","amountInUSD":"25.00""#),
            "order_id is no identifier",
        ),
    ] {
        let (house, deposit) = order(name, fault, 1, line).await;
        let now = accounted_for(name, &house, &deposit).await;
        assert_eq!(now.facts.state, State::AwaitingPayment, "{name}");
        assert!(house.simulator.orders().len() <= 2, "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_given_up_and_another_is_asked_for() {
    for (name, fault, made) in
        [("no answer ever", Fault::Hang, 1), ("acted, and no answer", Fault::After(Box::new(Fault::Hang)), 2)]
    {
        let (house, deposit) = order(name, fault, 1, "the answer took too long").await;
        let now = accounted_for(name, &house, &deposit).await;
        assert_eq!(
            (now.facts.state, house.simulator.orders().len()),
            (State::AwaitingPayment, made),
            "{name}"
        );
    }
}

#[tokio::test]
async fn an_upstream_that_never_makes_sense_is_asked_three_times() {
    let (house, deposit) =
        order("always a page", Fault::Html200, u32::MAX, "the answer is an HTML page").await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Unresolved);
    assert_eq!(house.simulator.calls().count(Call::Create), 3);
    assert_eq!(house.letters(&deposit), ["unresolved"]);
    accounted_for("always a page", &house, &deposit).await;
}

#[tokio::test]
async fn wallets_that_contradict_the_request_are_never_shown() {
    for (name, fault, words) in [
        ("another network", Fault::WrongNetwork, "names another network"),
        ("another currency", Fault::WrongCurrency, "names another currency"),
    ] {
        let house = House::new().await;
        house.simulator.inject(Call::Create, fault, u32::MAX);
        let deposit = house.wallet("25.00").await;
        for _ in 0..12 {
            poll(&house).await;
        }
        let now = accounted_for(name, &house, &deposit).await;
        assert_eq!(now.facts.state, State::AwaitingPayment, "{name}");
        assert!(now.facts.review.as_ref().unwrap().reason.contains(words), "{name}");
        assert!(now.facts.wallet.as_ref().unwrap().shown_address().is_none(), "{name}");
        assert_eq!(house.sql("SELECT address FROM accounting_deposits"), "", "{name}");
        assert_eq!(house.simulator.orders().len(), 1, "{name}: not asked again");
        let address = now.facts.wallet.as_ref().unwrap().address.as_deref().unwrap();
        for letter in house.smtp.messages() {
            assert!(!letter.text().contains(address), "{name}: a letter shows the address");
        }
    }
}

#[tokio::test]
async fn an_order_that_is_anothers_is_not_taken() {
    let house = House::new().await;
    let first = house.wallet("10.00").await;
    let wallet = first.facts.wallet.clone().unwrap();
    let stolen = about(&format!(
        r#""order_id":"{}","to_address":"{}","currency":"USDT","network":"tron","amountInUSD":"25.00","amountInCrypto":"25","expire_at":1772360000"#,
        wallet.order_id.unwrap(),
        wallet.address.unwrap()
    ));
    house.simulator.inject(Call::Create, stolen, 1);
    let (log, guard) = Log::listen();
    let second = house.wallet("25.00").await;
    drop(guard);
    assert_eq!(second.facts.state, State::Unresolved);
    assert!(second.facts.wallet.is_none(), "one address, one deposit");
    let why = format!("belongs to deposit {}", first.id);
    assert!(second.facts.review.unwrap().reason.contains(&why));
    assert!(log.text().contains(&why), "{}", log.text());
    let first = house.read(&first).await;
    assert!(first.facts.review.unwrap().reason.contains(&second.id.to_string()), "both are flagged");
    house.prove().await;
}

#[tokio::test]
async fn an_order_goes_to_no_other_place() {
    let trap = Trap::set().await;
    for code in [301, 307, 308] {
        let fault = Fault::Status(code, String::new(), vec![("Location".to_owned(), trap.url.clone())]);
        let (house, deposit) = order("a redirect", fault, 1, "not followed").await;
        let now = accounted_for("a redirect", &house, &deposit).await;
        assert_eq!(now.facts.state, State::AwaitingPayment);
    }
    assert_eq!(trap.heard.lock().unwrap().len(), 0, "the key would have gone there");
}
