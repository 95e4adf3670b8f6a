//! A mail server that misbehaves in every way: each letter still comes, and nobody waits for another's trouble.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use depositd::flow::{self, NewDeposit};
use depositd::notifier::RecipientRule;
use depositd::sandbox::upstream::Action;
use tokio_util::sync::CancellationToken;

use crate::support::house::{FINANCE, House, settings};
use crate::support::smtp::{Received, SmtpFault};

const FOR_EVER: u32 = u32::MAX;

pub(crate) fn rule(events: &[&str], currency: &[&str], reference: &[&str], to: &[&str]) -> RecipientRule {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    RecipientRule {
        events: list(events),
        currency: list(currency),
        reference: list(reference),
        to: list(to),
        ..RecipientRule::default()
    }
}

fn of(letters: &[Received], name: &str) -> Vec<String> {
    letters.iter().map(|letter| letter.header(name).unwrap()).collect()
}

/// Asks for deposits, `BTC` and `USDT` in turn, with references and a payer's own address on every tenth.
pub(crate) async fn ask(house: &House, count: usize) {
    for n in 0..count {
        let (currency, network) = if n % 2 == 0 { ("BTC", "BTC") } else { ("USDT", "TRON") };
        house
            .open(NewDeposit {
                currency: Some(currency.to_owned()),
                network: Some(network.to_owned()),
                amount: "25".to_owned(),
                reference: Some(format!("{}-{n}", if n % 4 < 2 { "shop" } else { "desk" })),
                notify: if n % 10 == 0 { vec![format!("payer{n}@example.net")] } else { Vec::new() },
                ..NewDeposit::default()
            })
            .await;
    }
}

/// Goes on until nothing is owed that could still be sent.
async fn until_all_is_told(house: &House) {
    for _ in 0..200 {
        house.clock.advance(Duration::from_secs(3600));
        flow::deliver(&house.flow, 0, &CancellationToken::new()).await.unwrap();
        if house.sql("SELECT count(*) FROM outbox WHERE state = 'owed'") == "0" {
            return;
        }
    }
    panic!("still owed: {}", house.sql("SELECT recipient, last_error FROM outbox WHERE state = 'owed'"));
}

/// Whom each event is owed to, by the rules as a person reads them.
fn expected(event: &str, n: usize) -> BTreeSet<String> {
    let mut whom: BTreeSet<String> = BTreeSet::new();
    let btc = n.is_multiple_of(2);
    match event {
        "wallet_created" if n % 4 < 2 => drop(whom.insert("shop@example.com".to_owned())),
        // Its payer is told where to pay, whatever the rules say.
        "wallet_created" => {}
        "settled" => {
            whom.insert("treasury@example.com".to_owned());
            whom.extend(["gone", "cut", "late"].map(|name| format!("{name}@example.com")));
            if btc {
                whom.insert("bitcoin@example.com".to_owned());
            }
        }
        _ => return whom,
    }
    if n.is_multiple_of(10) {
        whom.insert(format!("payer{n}@example.net"));
    }
    whom
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_changes_reach_exactly_whom_the_rules_name() {
    let rules = vec![
        rule(&["settled"], &[], &[], &["treasury@example.com", "gone@example.com"]),
        rule(&["settle*"], &["*"], &[], &["cut@example.com", "late@example.com"]),
        rule(&["settled"], &["btc"], &[], &["bitcoin@example.com"]),
        rule(&["wallet_created"], &[], &["shop-*"], &["shop@example.com"]),
    ];
    let house = House::with(settings(), rules).await;
    let smtp = &house.smtp;
    // One who is not there, one whose line is cut after the message, one who is asked to come again later.
    smtp.fail("gone@example.com", SmtpFault::Rcpt(550), FOR_EVER);
    smtp.fail("cut@example.com", SmtpFault::AcceptThenCut, 40);
    smtp.fail("late@example.com", SmtpFault::Rcpt(451), 60);
    smtp.fail("shop@example.com", SmtpFault::CutMidData, 25);
    smtp.fail("treasury@example.com", SmtpFault::AfterData(452), 25);
    let count = 500;
    ask(&house, count).await;
    house.rounds().await;
    for order in house.simulator.orders() {
        house.simulator.act(&order.order_id, Action::Pay { amount_usd: None }).unwrap();
    }
    house.poll().await;
    assert_eq!(house.sql("SELECT count(*) FROM event WHERE name IN ('wallet_created', 'settled')"), "1000");
    until_all_is_told(&house).await;

    let letters = smtp.messages();
    let numbers: BTreeMap<String, usize> = house
        .sql("SELECT id || ' ' || reference FROM deposit")
        .lines()
        .map(|line| {
            let (id, reference) = line.split_once(' ').unwrap();
            (id.to_owned(), reference.split_once('-').unwrap().1.parse().unwrap())
        })
        .collect();
    let mut got: BTreeMap<(String, usize), BTreeSet<String>> = BTreeMap::new();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for letter in &letters {
        let event = letter.header("X-Depositd-Event").unwrap();
        let n = numbers[&letter.header("X-Depositd-Deposit").unwrap()];
        assert_eq!(letter.to.len(), 1);
        got.entry((event, n)).or_default().insert(letter.to[0].clone());
        *times.entry(letter.header("Message-ID").unwrap()).or_default() += 1;
    }
    for n in 0..count {
        for event in ["wallet_created", "settled"] {
            let mut wanted = expected(event, n);
            wanted.remove("gone@example.com");
            let found = got.remove(&(event.to_owned(), n)).unwrap_or_default();
            assert_eq!(found, wanted, "{event} of deposit {n}");
        }
    }
    assert!(got.is_empty(), "letters that nobody is owed: {got:?}");
    // A second copy only where the line was cut after the message and before the answer; the Message-ID is the same.
    let twice: BTreeSet<&String> = times.iter().filter(|(_, n)| **n > 1).map(|(id, _)| id).collect();
    assert_eq!((twice.len(), letters.len() - times.len()), (40, 40));
    for letter in &letters {
        let id = letter.header("Message-ID").unwrap();
        assert!(!twice.contains(&id) || letter.to == ["cut@example.com"], "{:?}", letter.to);
    }
    // Who is not there is no secret: each letter to him is kept, and says why.
    assert_eq!(house.sql("SELECT count(*) FROM outbox WHERE state = 'dead'"), "500");
    let dead = house.flow.ledger.mails(&["dead"], 1).await.unwrap();
    assert_eq!(dead[0].recipient, "gone@example.com");
    assert_eq!(dead[0].last_error.as_deref(), Some("recipient: 550 not this recipient"));
    // He moves in, and a person sends everything again.
    smtp.fail("gone@example.com", SmtpFault::Rcpt(550), 0);
    smtp.clear();
    assert_eq!(house.flow.retry_mails(None).await.unwrap(), 500);
    house.rounds().await;
    assert_eq!(of(&smtp.messages(), "X-Depositd-Event").len(), 500);
    house.prove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tarpit_holds_up_only_itself() {
    let to = ["slow1", "slow2", "slow3", "good"].map(|name| format!("{name}@example.com"));
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let house = House::with(settings(), vec![rule(&["wallet_created"], &[], &[], &to)]).await;
    for slow in &to[..3] {
        house.smtp.fail(slow, SmtpFault::Tarpit(Duration::from_secs(2)), 1);
    }
    ask(&house, 60).await;
    house.make_wallets().await;
    let own = house.flow.clone();
    let delivery = tokio::spawn(async move { flow::deliver(&own, 0, &CancellationToken::new()).await });
    let are_to = |letters: &[Received], whom: &str| letters.iter().filter(|l| l.to[0] == whom).count();
    let letters = house
        .smtp
        .wait_for(|letters| are_to(letters, "good@example.com") == 60, Duration::from_secs(60))
        .await;
    for slow in &to[..3] {
        assert_eq!(are_to(&letters, slow), 0, "the good recipient had all letters before {slow} had one");
    }
    assert!(!delivery.is_finished());
    let done = delivery.await.unwrap().unwrap();
    // 60 letters for each of four, and one for each of six payers.
    assert_eq!((done.sent, done.waiting, done.dead), (246, 0, 0));
    for slow in to {
        assert_eq!(are_to(&house.smtp.messages(), slow), 60);
    }
}

#[tokio::test]
async fn refused_for_an_hour_everything_goes_once_when_the_server_is_back() {
    let house = House::with(settings(), vec![rule(&["wallet_created"], &[], &[], &[FINANCE])]).await;
    house.smtp.refuse_everything(true);
    ask(&house, 30).await;
    house.make_wallets().await;
    let (stop, mut failures) = (CancellationToken::new(), 0);
    for minute in 0..60 {
        // The loop reads the queue whenever it is woken; news come in all the time.
        for _ in 0..6 {
            let done = flow::deliver(&house.flow, failures, &stop).await.unwrap();
            failures += u32::from(done.unreachable.is_some());
            house.clock.advance(Duration::from_secs(10));
        }
        if minute == 20 {
            ask(&house, 1).await;
            house.make_wallets().await;
        }
    }
    assert!(house.smtp.messages().is_empty());
    let knocks = house.smtp.connections();
    assert!((5..40).contains(&knocks), "{knocks} connections to a dead server, one tries for all");
    assert_eq!(house.sql("SELECT DISTINCT state, attempts FROM outbox"), "owed|0", "no letter is to blame");
    house.smtp.refuse_everything(false);
    house.clock.advance(Duration::from_secs(3600));
    let done = flow::deliver(&house.flow, failures, &stop).await.unwrap();
    assert_eq!((done.sent, done.unreachable), (35, None), "31 letters to finance and 4 to payers");
    let ids: BTreeSet<String> = of(&house.smtp.messages(), "Message-ID").into_iter().collect();
    assert_eq!((ids.len(), house.smtp.messages().len()), (35, 35));
    house.prove().await;
}

#[tokio::test]
async fn the_letters_of_one_deposit_come_in_their_order_and_in_one_thread() {
    let rules = vec![rule(&["wallet_created", "confirming", "settled"], &[], &[], &[FINANCE])];
    let house = House::with(settings(), rules).await;
    house.smtp.refuse_everything(true);
    ask(&house, 20).await;
    for act in [Action::See, Action::Pay { amount_usd: None }] {
        house.rounds().await;
        for order in house.simulator.orders() {
            house.simulator.act(&order.order_id, act.clone()).unwrap();
        }
        house.poll().await;
    }
    house.smtp.refuse_everything(false);
    house.clock.advance(Duration::from_secs(7200));
    flow::deliver(&house.flow, 0, &CancellationToken::new()).await.unwrap();
    // What was owed first goes first, whichever letter it was that found the server closed.
    let letters: Vec<Received> =
        house.smtp.messages().into_iter().filter(|letter| letter.to == [FINANCE]).collect();
    let mut stories: BTreeMap<String, Vec<(String, Option<String>)>> = BTreeMap::new();
    for letter in &letters {
        let id = letter.header("X-Depositd-Deposit").unwrap();
        let told = (letter.header("X-Depositd-Event").unwrap(), letter.header("References"));
        stories.entry(id).or_default().push(told);
    }
    assert_eq!(stories.len(), 20);
    for (id, story) in stories {
        let events: Vec<&str> = story.iter().map(|(event, _)| event.as_str()).collect();
        assert_eq!(events, ["wallet_created", "confirming", "settled"], "{id}");
        let root = story[0].1.clone().unwrap();
        assert!(
            root.starts_with(&format!("<{id}.")) && story.iter().all(|told| told.1.as_ref() == Some(&root))
        );
    }
}

#[tokio::test]
async fn an_international_mailbox_is_served_where_the_server_can_and_dead_where_it_cannot() {
    let people = ["jürgen@bücher.example", "konto@bücher.example", "почта@пример.example"];
    let house = House::with(settings(), vec![rule(&["wallet_created"], &[], &[], &people)]).await;
    house
        .open(NewDeposit {
            currency: Some("BTC".to_owned()),
            network: Some("BTC".to_owned()),
            amount: "25".to_owned(),
            reference: Some("Rechnung für Žofie – 請求書 42".to_owned()),
            ..NewDeposit::default()
        })
        .await;
    house.rounds().await;
    let letters = house.smtp.messages();
    let mut whom: Vec<&str> = letters.iter().map(|letter| letter.to[0].as_str()).collect();
    whom.sort_unstable();
    assert_eq!(whom, ["jürgen@bücher.example", "konto@xn--bcher-kva.example", "почта@пример.example"]);
    for letter in &letters {
        let message = mail_parser::MessageParser::default().parse(&letter.data).unwrap();
        let subject = message.subject().unwrap();
        assert!(subject.ends_with("– Rechnung für Žofie – 請求書 42"), "{subject}");
        assert_eq!(message.to().unwrap().first().unwrap().address(), Some(letter.to[0].as_str()));
        assert!(letter.header("Subject").unwrap().is_ascii(), "encoded words (RFC 2047)");
    }
    house.smtp.clear();
    house.smtp.without_smtputf8(true);
    house.flow.mailer.close_idle().await;
    house.wallet("5").await;
    house.rounds().await;
    assert_eq!(
        house.smtp.messages().len(),
        1,
        "an international domain alone needs no more than its ASCII form"
    );
    let dead = house.flow.ledger.mails(&["dead"], 9).await.unwrap();
    assert_eq!(dead.len(), 2);
    for mail in dead {
        let why = mail.last_error.unwrap();
        assert!(why.contains("international") && why.contains("does not offer SMTPUTF8"), "{why}");
    }
}
