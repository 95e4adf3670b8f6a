//! The letters at a real mail server: taken over STARTTLS with a login, whole, once, and to whom they are owed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use depositd::flow;
use depositd::notifier::{MailBackend, Mailer, MailerSettings, RecipientRule, Security, SendError};
use depositd::sandbox::upstream::Action;
use mail_parser::MessageParser;
use tokio_util::sync::CancellationToken;

use crate::faults::{ask, rule};
use crate::server::{Exim, PASSWORD, USER};
use crate::support::house::{House, settings};

fn mail_settings(exim: &Exim, host: &str) -> MailerSettings {
    MailerSettings {
        transport: MailBackend::Smtp {
            host: host.to_owned(),
            port: exim.port,
            security: Security::StartTls,
            username: Some(USER.to_owned()),
            ca_file: Some(exim.authority()),
            hello: None,
        },
        from: "Büro Deposits <deposits@example.com>".to_owned(),
        account: "12345".to_owned(),
        send_timeout: Duration::from_secs(20),
    }
}

async fn house(exim: &Exim, to: &[&str]) -> House {
    let rule = RecipientRule {
        events: vec!["wallet_created".to_owned(), "settled".to_owned()],
        to: to.iter().map(|name| format!("{name}@example.com")).collect(),
        ..RecipientRule::default()
    };
    let mut house = House::with(settings(), vec![rule]).await;
    let mailer = Mailer::new(mail_settings(exim, "localhost"), Some(PASSWORD.to_owned().into())).unwrap();
    house.flow.mailer = mailer;
    house
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_gets_each_letter_once_and_its_faults_are_each_recipients_own() {
    let exim = Exim::start().await;
    let house = house(&exim, &["treasury", "shop", "slow", "defer", "drop", "reject"]).await;
    let count = 8;
    for _ in 0..count {
        house.request("BTC", "BTC", "25").await;
    }
    house.rounds().await;
    for order in house.simulator.orders() {
        house.simulator.act(&order.order_id, Action::Pay { amount_usd: None }).unwrap();
    }
    house.poll().await;
    let good = 2 * count * 3;
    exim.until("all good letters are delivered", || exim.delivered().len() >= good).await;
    let of = |exim: &Exim| {
        let mut whom: BTreeMap<String, usize> = BTreeMap::new();
        for (to, _) in exim.delivered() {
            *whom.entry(to).or_default() += 1;
        }
        whom
    };
    let all: BTreeMap<String, usize> =
        ["shop", "slow", "treasury"].map(|name| (format!("{name}@example.com"), 2 * count)).into();
    assert_eq!(of(&exim), all);
    assert_eq!(
        house.sql(
            "SELECT recipient, state, count(*) FROM outbox WHERE state <> 'sent' GROUP BY 1, 2 ORDER BY 1"
        ),
        "defer@example.com|owed|16\ndrop@example.com|dead|16\nreject@example.com|dead|16"
    );
    // The two that were asked to wait, and cut off, get theirs when the server changes its mind; one by itself, one
    // when a person says so (Exim says 550 before it hangs up).
    exim.switch("lenient", true);
    house.flow.retry_mails(None).await.unwrap();
    for _ in 0..3 {
        house.clock.advance(Duration::from_secs(4000));
        flow::deliver(&house.flow, 0, &CancellationToken::new()).await.unwrap();
    }
    exim.until("the others are delivered", || exim.delivered().len() >= good + 4 * count).await;
    assert_eq!(house.sql("SELECT count(*) FROM outbox WHERE state = 'owed'"), "0");
    let mut ids = BTreeSet::new();
    for (to, message) in exim.delivered() {
        let message = MessageParser::default().parse(&message).unwrap();
        assert!(ids.insert(message.message_id().unwrap().to_owned()), "twice");
        assert_eq!(message.to().unwrap().first().unwrap().address(), Some(to.as_str()));
        assert_eq!(message.from().unwrap().first().unwrap().name(), Some("Büro Deposits"));
        let event = message.header("X-Depositd-Event").unwrap().as_text().unwrap();
        let subject = message.subject().unwrap();
        assert!(subject.starts_with(if event == "settled" {
            "Deposit settled: 25.00 USD"
        } else {
            "Wallet ready: "
        }));
        assert_eq!(message.attachment_count(), usize::from(event == "wallet_created"), "the QR code");
        assert!(message.body_text(0).unwrap().contains("Deposit id") && message.body_html(0).is_some());
    }
    assert_eq!(ids.len(), good + 4 * count);
    house.prove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_who_it_says_or_is_busy_gets_nothing_and_nothing_is_lost() {
    let exim = Exim::start().await;
    let mut house = house(&exim, &["treasury"]).await;
    let right = house.flow.mailer.clone();
    // Its certificate is for localhost, not for the address.
    let password = || Some(PASSWORD.to_owned().into());
    let other_name = Mailer::new(mail_settings(&exim, "127.0.0.1"), password()).unwrap();
    let wrong = Mailer::new(mail_settings(&exim, "localhost"), Some("wr0ng".to_owned().into())).unwrap();
    for (mailer, part) in [(&other_name, "certificate"), (&wrong, "login: 535")] {
        let error = mailer.check().await.unwrap_err();
        assert!(matches!(&error, SendError::Unreachable { why, .. } if why.contains(part)), "{error}");
        assert!(!error.to_string().contains("wr0ng"));
    }
    house.flow.mailer = other_name;
    house.wallet("25").await;
    exim.switch("busy", true);
    house.flow.mailer = right.clone();
    house.clock.advance(Duration::from_secs(60));
    let done = flow::deliver(&house.flow, 1, &CancellationToken::new()).await.unwrap();
    assert!(done.unreachable.is_some_and(|why| why.contains("421")), "{:?}", done.sent);
    assert_eq!(house.sql("SELECT state, attempts FROM outbox"), "owed|0");
    exim.switch("busy", false);
    house.clock.advance(Duration::from_secs(600));
    flow::deliver(&house.flow, 1, &CancellationToken::new()).await.unwrap();
    exim.until("the letter is delivered", || exim.delivered().len() == 1).await;
    assert_eq!(
        right.check().await.unwrap(),
        format!("localhost:{} answers with STARTTLS, login accepted", exim.port)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_from_the_first_byte_serves_as_well() {
    let exim = Exim::start().await;
    let mut house = house(&exim, &["treasury"]).await;
    let mut settings = mail_settings(&exim, "localhost");
    if let MailBackend::Smtp { port, security, .. } = &mut settings.transport {
        (*port, *security) = (exim.tls_port, Security::Tls);
    }
    house.flow.mailer = Mailer::new(settings, Some(PASSWORD.to_owned().into())).unwrap();
    let found = house.flow.mailer.check().await.unwrap();
    assert_eq!(found, format!("localhost:{} answers with TLS, login accepted", exim.tls_port));
    for _ in 0..3 {
        house.wallet("25").await;
    }
    exim.until("the letters are delivered", || exim.delivered().len() == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_changes_at_a_real_server_are_each_told_once() {
    let exim = Exim::start().await;
    let rules = vec![
        rule(&["settled"], &[], &[], &["treasury@example.com"]),
        rule(&["settled"], &["btc"], &[], &["bitcoin@example.com"]),
        rule(&["wallet_created"], &[], &["shop-*"], &["shop@example.com"]),
    ];
    let mut house = House::with(settings(), rules).await;
    house.flow.mailer =
        Mailer::new(mail_settings(&exim, "localhost"), Some(PASSWORD.to_owned().into())).unwrap();
    ask(&house, 500).await;
    house.rounds().await;
    for order in house.simulator.orders() {
        house.simulator.act(&order.order_id, Action::Pay { amount_usd: None }).unwrap();
    }
    house.poll().await;
    assert_eq!(house.sql("SELECT count(*) FROM event WHERE name IN ('wallet_created', 'settled')"), "1000");
    // 500 settled, 250 of them in bitcoin; 250 wallets of the shop; 50 payers with two letters, whatever the rules ask
    // for.
    let owed = 500 + 250 + 250 + 50 + 50;
    assert_eq!(house.sql("SELECT state, count(*) FROM outbox GROUP BY state"), format!("sent|{owed}"));
    exim.until("all letters are delivered", || exim.delivered().len() >= owed).await;
    let mut got: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (to, message) in exim.delivered() {
        let message = MessageParser::default().parse(&message).unwrap();
        let id = message.message_id().unwrap().to_owned();
        assert!(got.entry(to).or_default().insert(id), "a letter came twice");
    }
    for (recipient, ids) in &got {
        let owed =
            house.sql(&format!("SELECT count(*) FROM accounting_mails WHERE recipient = '{recipient}'"));
        assert_eq!(ids.len().to_string(), owed, "{recipient}");
    }
    assert_eq!((got.len(), got.values().map(BTreeSet::len).sum::<usize>()), (53, owed));
    house.prove().await;
}
