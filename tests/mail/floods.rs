//! When letters wait, and when many become one: nothing that is owed is lost by it, and each row says where it is told.

use std::time::Duration;

use depositd::domain::event::EventName;
use depositd::flow;
use depositd::notifier::{Digesting, QuietHours, RetrySchedule, Rules};
use depositd::sandbox::upstream::Action;
use tokio_util::sync::CancellationToken;

use crate::support::house::{FINANCE, House, settings};

const MINUTE: Duration = Duration::from_secs(60);

async fn house(pace: RetrySchedule) -> House {
    House::with_rules(settings(), Rules::new(vec![FINANCE.to_owned()], Vec::new()).with_pace(pace)).await
}

fn events(house: &House) -> Vec<String> {
    house.smtp.messages().iter().map(|letter| letter.header("X-Depositd-Event").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_that_touches_many_deposits_is_one_letter_and_none_is_lost() {
    // `DEPOSITD_FLOOD=10000` is the long form, with the threshold that nothing else was said about.
    let count: usize = std::env::var("DEPOSITD_FLOOD").map_or(300, |count| count.parse().unwrap());
    let above = if count > 2000 { 2000 } else { 20 };
    let flood = Digesting { above, wait: 15 * MINUTE };
    let house = house(RetrySchedule { flood: Some(flood), ..RetrySchedule::default() }).await;
    for n in 0..count {
        let who = if n == 7 { vec!["payer@example.net".to_owned()] } else { Vec::new() };
        let new = flow::NewDeposit {
            currency: Some("USDT".to_owned()),
            network: Some("TRON".to_owned()),
            amount: "5".to_owned(),
            notify: who,
            ..flow::NewDeposit::default()
        };
        house.open(new).await;
    }
    for _ in 0..count.div_ceil(1000) {
        house.make_wallets().await;
    }
    // Nothing could be polled until every deadline had passed; then all have expired at once.
    house.clock.advance(90 * MINUTE);
    flow::poll_due(&house.flow, &CancellationToken::new()).await.unwrap();
    assert_eq!(house.sql("SELECT count(*) FROM deposit WHERE state = 'expired'"), count.to_string());
    flow::digest(&house.flow).await.unwrap();
    let stop = CancellationToken::new();
    flow::deliver(&house.flow, 0, &stop).await.unwrap();
    let told = events(&house);
    assert_eq!(told.len(), 3, "the digest and the payer's two; the flood is gathered for a moment: {told:?}");
    for _ in 0..3 {
        house.clock.advance(MINUTE);
        flow::deliver(&house.flow, 0, &stop).await.unwrap();
    }
    let told = events(&house);
    let singles = told.iter().filter(|event| *event == "expired").count();
    assert_eq!(told.iter().filter(|event| *event == "summary").count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|event| *event == "digest").count(), 1, "the digest goes by itself");
    assert_eq!(singles, 1, "who has one deposit is in no flood: the payer's own letter");
    let summary = house
        .smtp
        .messages()
        .into_iter()
        .find(|letter| {
            letter.to == [FINANCE] && letter.header("X-Depositd-Event").as_deref() == Some("summary")
        })
        .unwrap();
    let message = mail_parser::MessageParser::default().parse(&summary.data).unwrap();
    assert_eq!(message.subject(), Some(format!("{count} events in one letter: {count} expired").as_str()));
    let text = message.body_text(0).unwrap();
    assert!(text.contains(&format!("expired: {count}")) && text.contains("The first 40"), "{text}");
    // Each owed mail says in which letter it was told, and when.
    let sql = |what: &str| {
        house.sql(&format!(
            "SELECT {what} FROM accounting_mails m WHERE event = 'expired' AND recipient = '{FINANCE}'"
        ))
    };
    assert_eq!(
        sql("count(*), count(told_in), count(sent_at), min(state)"),
        format!("{count}|{count}|{count}|sent")
    );
    assert_eq!(sql("DISTINCT (SELECT event FROM accounting_mails s WHERE s.id = m.told_in)"), "summary");
    assert_eq!(house.flow.ledger.mails(&["told"], 100_000).await.unwrap().len(), count);
    house.prove().await;
    // One of them is wanted as a letter of its own after all.
    let one = house.flow.ledger.mails(&["told"], 1).await.unwrap()[0].id;
    assert_eq!(house.flow.retry_mails(Some(one)).await.unwrap(), 1);
    house.rounds().await;
    let (row, _) = house.flow.ledger.mail(one).await.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.told_in), ("sent", None));
    house.prove().await;
}

#[tokio::test]
async fn a_summary_that_is_given_up_takes_what_it_tells_with_it_and_comes_back_with_it() {
    let flood = Digesting { above: 5, wait: MINUTE };
    let house = house(RetrySchedule { flood: Some(flood), ..RetrySchedule::default() }).await;
    for _ in 0..12 {
        house.request("USDT", "TRON", "5").await;
    }
    house.rounds().await;
    for order in house.simulator.orders() {
        house.simulator.act(&order.order_id, Action::Pay { amount_usd: None }).unwrap();
    }
    house.smtp.fail(FINANCE, crate::support::smtp::SmtpFault::Rcpt(550), u32::MAX);
    house.clock.advance(MINUTE);
    flow::poll_due(&house.flow, &CancellationToken::new()).await.unwrap();
    house.pass(3 * MINUTE, MINUTE).await;
    assert_eq!(house.sql("SELECT DISTINCT state FROM outbox"), "dead");
    let why = house.sql("SELECT DISTINCT last_error FROM outbox WHERE told_in IS NOT NULL");
    assert!(why.contains("which tells it: recipient: 550"), "{why}");
    house.smtp.fail(FINANCE, crate::support::smtp::SmtpFault::Rcpt(550), 0);
    assert_eq!(house.flow.retry_mails(None).await.unwrap(), 13);
    house.rounds().await;
    assert_eq!(events(&house), ["summary"]);
    assert_eq!(house.sql("SELECT state, count(*) FROM outbox GROUP BY state"), "sent|13");
    house.prove().await;
}

#[tokio::test]
async fn ordinary_traffic_is_never_summed_up() {
    let flood = Digesting { above: 100, wait: 15 * MINUTE };
    let house =
        house(RetrySchedule { flood: Some(flood), per_second: Some(1000), ..RetrySchedule::default() }).await;
    for _ in 0..100 {
        house.request("USDT", "TRON", "5").await;
    }
    house.rounds().await;
    for order in house.simulator.orders() {
        house.simulator.act(&order.order_id, Action::Pay { amount_usd: None }).unwrap();
    }
    house.poll().await;
    assert_eq!(events(&house).iter().filter(|event| *event == "settled").count(), 100);
    assert!(!events(&house).contains(&"summary".to_owned()));
}

#[tokio::test]
async fn in_quiet_hours_only_what_is_urgent_goes() {
    let quiet = QuietHours { from: 9 * 60, to: 17 * 60, utc_offset_seconds: 0 };
    let pace =
        RetrySchedule { quiet_hours: Some(quiet), urgent: vec![EventName::Held], ..RetrySchedule::default() };
    // The house's clock begins at 09:00.
    let house = house(pace).await;
    let (paid, held) = (house.wallet("10").await, house.wallet("20").await);
    house.simulator.act(&house.order(&paid), Action::Pay { amount_usd: None }).unwrap();
    house.simulator.act(&house.order(&held), Action::Lock).unwrap();
    house.poll().await;
    flow::digest(&house.flow).await.unwrap();
    house.flow.mail_test(None).await.unwrap();
    house.rounds().await;
    let mut told = events(&house);
    told.sort();
    assert_eq!(told, ["digest", "held", "mail_test"]);
    let waits = house.flow.ledger.mails(&["owed"], 9).await.unwrap();
    assert_eq!((waits.len(), waits[0].event.as_str(), waits[0].attempts), (1, "settled", 0));
    assert_eq!(
        waits[0].last_error.as_deref(),
        Some("held back by the quiet hours until 2026-03-01T17:00:00Z")
    );
    assert_eq!(waits[0].due_at().unwrap().to_string(), "2026-03-01T17:00:00.000Z");
    let asked = house.wallet("30").await;
    house.simulator.act(&house.order(&asked), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let newest = house.flow.ledger.mails(&["owed"], 1).await.unwrap()[0].id;
    house.flow.retry_mails(Some(newest)).await.unwrap();
    house.rounds().await;
    assert_eq!(house.letters(&asked), ["settled"], "a person asked for it");
    assert!(house.letters(&paid).is_empty());
    house.pass(7 * 60 * MINUTE, 60 * MINUTE).await;
    assert!(house.letters(&paid).is_empty());
    house.pass(60 * MINUTE, 30 * MINUTE).await;
    assert_eq!(house.letters(&paid), ["settled"]);
    house.prove().await;
}

#[tokio::test]
async fn the_digest_tells_how_everything_stands() {
    let house = house(RetrySchedule::default()).await;
    let (paid, open, lost) = (house.wallet("10").await, house.wallet("20").await, house.wallet("30").await);
    house.baseline().await;
    house.simulator.act(&house.order(&paid), Action::Pay { amount_usd: None }).unwrap();
    house.simulator.act(&house.order(&lost), Action::Cancel).unwrap();
    house.poll().await;
    house.simulator.adjust(300, 300).unwrap();
    house.reconcile().await;
    house.smtp.fail(FINANCE, crate::support::smtp::SmtpFault::Rcpt(550), 1);
    house.rounds().await;
    house.clock.advance(3 * 24 * 60 * MINUTE);
    assert_eq!(open.facts.state.as_str(), "awaiting_payment");
    flow::digest(&house.flow).await.unwrap();
    let facts: serde_json::Value =
        serde_json::from_str(&house.sql("SELECT facts FROM event WHERE name = 'digest'")).unwrap();
    assert_eq!(
        facts["settled_count"], 0,
        "nothing in the last 24 hours: the first digest goes no further back"
    );
    assert_eq!(facts["credited_in_all_usd"], "10.00");
    assert_eq!(
        (&facts["open"][0]["state"], &facts["open"][0]["count"]),
        (&"awaiting_payment".into(), &1.into())
    );
    assert_eq!(facts["cases_by_age"], serde_json::json!({ "today": 0, "this_week": 1, "older": 0 }));
    assert_eq!((&facts["unsent_mail"], &facts["unsent_dead"]), (&1.into(), &1.into()));
    let head = facts["head_hash"].as_str().unwrap();
    assert_eq!(
        house.sql(&format!("SELECT seq FROM event WHERE hash = '{head}'")),
        facts["head_seq"].to_string()
    );
    // The next one begins where this one ended.
    let late = house.wallet("40").await;
    house.simulator.act(&house.order(&late), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    house.clock.advance(3 * 24 * 60 * MINUTE);
    flow::digest(&house.flow).await.unwrap();
    let facts: serde_json::Value = serde_json::from_str(
        &house.sql("SELECT facts FROM event WHERE name = 'digest' ORDER BY seq DESC LIMIT 1"),
    )
    .unwrap();
    assert_eq!((&facts["settled_count"], &facts["settled_usd"]), (&1.into(), &"40.00".into()), "{facts}");
    house.rounds().await;
    let letter = house
        .smtp
        .messages()
        .into_iter()
        .rfind(|letter| letter.header("X-Depositd-Event").as_deref() == Some("digest"))
        .unwrap();
    let message = mail_parser::MessageParser::default().parse(&letter.data).unwrap();
    let text = message.body_text(0).unwrap();
    for part in ["Ledger's head hash", "of them, by age", "Open deposits", "Credited in all, USD:"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}
