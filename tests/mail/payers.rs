//! What an address of `--notify` gets: letters in a payer's words, about that one deposit, and nothing of the operators'.

use std::time::Duration;

use depositd::domain::deposit::Deposit;
use depositd::flow::{self, NewDeposit};
use depositd::notifier::{Digesting, QuietHours, RetrySchedule, Rules};
use depositd::sandbox::upstream::Action;
use tokio_util::sync::CancellationToken;

use crate::faults::rule;
use crate::support::house::{FINANCE, House, settings};
use crate::support::smtp::{Received, SmtpFault};

const PAYER: &str = "payer@example.net";
const MINUTE: Duration = Duration::from_secs(60);

async fn ask(house: &House, amount: &str, notify: &[&str]) -> Deposit {
    let new = NewDeposit {
        currency: Some("USDT".to_owned()),
        network: Some("TRON".to_owned()),
        amount: amount.to_owned(),
        reference: Some("invoice 42".to_owned()),
        notify: notify.iter().map(|address| (*address).to_owned()).collect(),
        ..NewDeposit::default()
    };
    let deposit = house.open(new).await;
    house.rounds().await;
    house.read(&deposit).await
}

fn act(house: &House, deposit: &Deposit, action: Action) {
    house.simulator.act(&house.order(deposit), action).unwrap();
}

/// The letters to `whom`, in the order of their arrival.
fn letters(house: &House, whom: &str) -> Vec<Received> {
    house.smtp.messages().into_iter().filter(|letter| letter.to == [whom]).collect()
}

fn events(house: &House, whom: &str) -> Vec<String> {
    letters(house, whom).iter().map(|letter| letter.header("X-Depositd-Event").unwrap()).collect()
}

/// Subject, text and page of a letter as its reader sees them.
fn read(letter: &Received) -> (String, String, String) {
    let message = mail_parser::MessageParser::default().parse(&letter.data).unwrap();
    let text = message.body_text(0).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    // The picture's name ends in the program's.
    let html = message.body_html(0).unwrap().replace("@depositd", "");
    (message.subject().unwrap().to_owned(), text, html)
}

/// The last letter to the payer, which says nothing of the operators'.
fn last(house: &House, deposit: &Deposit) -> (String, String, String) {
    let (subject, text, html) = read(letters(house, PAYER).last().unwrap());
    let order = house.order(deposit);
    for part in [&subject, &text, &html] {
        for foreign in [
            "SMSOnline",
            "depositd",
            "prepaid",
            "upstream",
            "account",
            "credited",
            &order,
            &deposit.id.to_string(),
        ] {
            assert!(!part.contains(foreign), "{foreign} in {part}");
        }
    }
    (subject, text, html)
}

fn address(deposit: &Deposit) -> &str {
    deposit.facts.wallet.as_ref().unwrap().address.as_deref().unwrap()
}

#[tokio::test]
async fn a_payer_is_told_where_to_pay_what_is_missing_and_when_it_is_done() {
    let house = House::new().await;
    let deposit = ask(&house, "25", &[PAYER]).await;
    let wallet = deposit.facts.wallet.clone().unwrap();
    let due = wallet.amount_crypto.unwrap();
    let (subject, text, html) = last(&house, &deposit);
    assert_eq!(subject, format!("Please pay {due} USDT on TRON – invoice 42"));
    let deadline = wallet.expire_at.unwrap().to_seconds_text().replace('T', " ").replace('Z', " UTC");
    assert!(text.starts_with(&format!("Pay exactly {due} USDT on TRON by {deadline}.")), "{text}");
    for part in [
        address(&deposit),
        "TRON (TRC-20)",
        "invoice 42",
        "Your mail address was given for this one payment.",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let raw = letters(&house, PAYER).remove(0);
    let message = mail_parser::MessageParser::default().parse(&raw.data).unwrap();
    assert!(html.contains("src=\"cid:") && message.attachment_count() == 1, "the QR code");
    assert!(events(&house, FINANCE).is_empty(), "operators are not told of wallets by default");

    act(&house, &deposit, Action::PayPart { amount_usd: Some("10".parse().unwrap()) });
    house.poll().await;
    let (subject, text, _) = last(&house, &deposit);
    let facts = house.read(&deposit).await.facts;
    let arrived = facts.payment.amount.unwrap();
    assert!(subject.starts_with("Please pay the missing "), "{subject}");
    assert!(text.starts_with(&format!("Only {arrived} USDT of {due} USDT arrived:")), "{text}");
    assert!(text.contains(address(&deposit)) && text.contains("Still missing:"), "{text}");

    act(&house, &deposit, Action::Pay { amount_usd: None });
    house.poll().await;
    let (subject, text, html) = last(&house, &deposit);
    assert!(subject.starts_with("Your payment is complete: "), "{subject}");
    assert!(text.contains("arrived and is complete.") && !text.contains(address(&deposit)), "{text}");
    assert!(!html.contains("cid:") && !html.contains("<a "), "{html}");
    assert_eq!(events(&house, PAYER), ["wallet_created", "underpaid", "settled"]);
    assert_eq!(events(&house, FINANCE), ["underpaid", "settled"]);

    // Every letter has an id of its own, and all are in one conversation.
    let all = house.smtp.messages();
    let ids: std::collections::BTreeSet<_> =
        all.iter().map(|letter| letter.header("Message-ID").unwrap()).collect();
    let threads: std::collections::BTreeSet<_> =
        all.iter().map(|letter| letter.header("References").unwrap()).collect();
    assert_eq!((ids.len(), threads.len()), (all.len(), 1));
    assert_eq!(
        house.sql("SELECT recipient, audience, count(*) FROM accounting_mails GROUP BY 1, 2 ORDER BY 1"),
        format!("{FINANCE}|operator|2\n{PAYER}|payer|3")
    );
    house.prove().await;
}

#[tokio::test]
async fn a_payer_hears_of_every_end_and_is_never_asked_to_pay_after_it() {
    let house = House::new().await;
    let ends: [(&str, Vec<Action>, &str, &str); 6] = [
        ("11", vec![Action::Cancel], "expired", "Do not pay to the address any more"),
        (
            "12",
            vec![Action::PayPart { amount_usd: None }, Action::CloseShort],
            "short",
            "Do not send the rest to the same address",
        ),
        ("13", vec![Action::Fail], "failed", "Do not pay to the address any more."),
        ("14", vec![Action::Lock], "held", "Do not pay a second time."),
        (
            "15",
            vec![Action::Pay { amount_usd: None }, Action::StartRefund, Action::FinishRefund],
            "refunded",
            "Do not pay to the address again.",
        ),
        (
            "16",
            vec![Action::Cancel, Action::Pay { amount_usd: None }],
            "settled",
            "It came after the deadline",
        ),
    ];
    for (amount, actions, event, words) in ends {
        let deposit = ask(&house, amount, &[PAYER]).await;
        for action in actions {
            act(&house, &deposit, action);
            house.pass(2 * MINUTE, MINUTE).await;
        }
        let (subject, text, html) = last(&house, &deposit);
        assert_eq!(events(&house, PAYER).last().unwrap(), event);
        assert!(text.contains(words), "{event}: {text}");
        assert!(subject.contains(amount) || event == "settled", "{subject}");
        for part in [&subject, &text, &html] {
            assert!(
                !part.contains(address(&deposit)) && !part.contains("cid:") && !part.contains("https://"),
                "{event}: {part}"
            );
        }
    }
    let told: std::collections::BTreeSet<String> = events(&house, PAYER).into_iter().collect();
    let kinds: Vec<&str> = told.iter().map(String::as_str).collect();
    assert!(!kinds.contains(&"confirming") && !kinds.contains(&"needs_review"), "{kinds:?}");
    house.prove().await;
}

#[tokio::test]
async fn a_letter_that_was_delayed_asks_for_no_money_that_is_not_awaited_any_more() {
    let house = House::new().await;
    house.smtp.fail(PAYER, SmtpFault::Rcpt(451), u32::MAX);
    let late = ask(&house, "25", &[PAYER]).await;
    let moved_on = ask(&house, "26", &[PAYER]).await;
    act(&house, &moved_on, Action::Pay { amount_usd: None });
    house.pass(2 * MINUTE, MINUTE).await;
    assert!(letters(&house, PAYER).is_empty());
    house.clock.advance(58 * MINUTE);
    house.smtp.fail(PAYER, SmtpFault::Rcpt(451), 0);
    house.flow.retry_mails(None).await.unwrap();
    flow::deliver(&house.flow, 0, &CancellationToken::new()).await.unwrap();
    let got = letters(&house, PAYER);
    assert_eq!(got.len(), 3, "two wallets and a settlement, nothing of the operators'");
    for letter in
        got.iter().filter(|letter| letter.header("X-Depositd-Event").as_deref() == Some("wallet_created"))
    {
        let (subject, text, html) = read(letter);
        assert!(
            subject.starts_with("Do not pay any more: ") && text.starts_with("Do not pay any more."),
            "{text}"
        );
        for deposit in [&late, &moved_on] {
            assert!(
                !text.contains(address(deposit))
                    && !html.contains(address(deposit))
                    && !html.contains("cid:")
            );
        }
    }
}

#[tokio::test]
async fn an_address_that_must_not_be_paid_is_given_to_no_payer() {
    let house = House::new().await;
    let first = ask(&house, "25", &[PAYER]).await;
    house.simulator.inject(
        depositd::sandbox::upstream::Call::Create,
        depositd::sandbox::upstream::Fault::WrongNetwork,
        1,
    );
    let wrong = ask(&house, "26", &[PAYER]).await;
    let (subject, text, html) = last(&house, &wrong);
    assert!(
        subject.starts_with("Do not pay yet: 26.00 USD") && text.starts_with("Do not pay yet."),
        "{subject} {text}"
    );
    assert!(
        !text.contains(address(&wrong)) && !html.contains(address(&wrong)) && !html.contains("cid:"),
        "{text}"
    );
    assert_eq!(events(&house, FINANCE), ["needs_review"], "the operators look into it");

    // The order's address changes under the payer: nothing more is asked for at the old one.
    act(&house, &first, Action::PayPart { amount_usd: Some("10".parse().unwrap()) });
    house.smtp.fail(PAYER, SmtpFault::Rcpt(451), u32::MAX);
    house.poll().await;
    act(&house, &first, Action::ChangeAddress { to: None });
    house.poll().await;
    house.smtp.fail(PAYER, SmtpFault::Rcpt(451), 0);
    house.flow.retry_mails(None).await.unwrap();
    house.rounds().await;
    let (subject, text, _) = last(&house, &first);
    assert_eq!(events(&house, PAYER).last().unwrap(), "underpaid");
    assert!(subject.starts_with("Do not pay yet: ") && !text.contains(address(&first)), "{subject} {text}");
    house.prove().await;
}

#[tokio::test]
async fn whom_a_rule_names_is_an_operator_even_where_a_request_names_it_too() {
    let house = House::with(settings(), vec![rule(&["settled"], &[], &[], &["Both@example.com"])]).await;
    let deposit = ask(&house, "25", &["both@example.com", PAYER]).await;
    act(&house, &deposit, Action::Pay { amount_usd: None });
    house.poll().await;
    let both: Vec<_> = house
        .smtp
        .messages()
        .into_iter()
        .filter(|letter| letter.to[0].eq_ignore_ascii_case("both@example.com"))
        .map(|letter| read(&letter).0)
        .collect();
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both[0].starts_with("Please pay ") && both[1].starts_with("Deposit settled: "), "{both:?}");
    assert_eq!(events(&house, PAYER), ["wallet_created", "settled"]);
    house.prove().await;
}

#[tokio::test]
async fn neither_quiet_hours_nor_a_flood_hold_up_a_payer() {
    let quiet = QuietHours { from: 9 * 60, to: 17 * 60, utc_offset_seconds: 0 };
    let flood = Digesting { above: 3, wait: 15 * MINUTE };
    let pace = RetrySchedule { quiet_hours: Some(quiet), flood: Some(flood), ..RetrySchedule::default() };
    // One address is the payer of some deposits and the operators' of all.
    let rules = vec![rule(&["settled"], &[], &[], &[FINANCE])];
    let house = House::with_rules(settings(), Rules::new(Vec::new(), rules).with_pace(pace)).await;
    for n in 0..8 {
        let deposit = ask(&house, &format!("{}", 20 + n), &[PAYER, FINANCE]).await;
        act(&house, &deposit, Action::Pay { amount_usd: None });
    }
    house.poll().await;
    // The house's clock begins at 09:00: what is the operators' waits, what is a payer's does not.
    assert_eq!(events(&house, PAYER).len(), 16, "each wallet and each settlement by itself");
    assert_eq!(events(&house, FINANCE), ["wallet_created"; 8], "as a payer");
    house.pass(8 * 60 * MINUTE, 10 * MINUTE).await;
    house.pass(5 * MINUTE, MINUTE).await;
    assert_eq!(events(&house, PAYER).len(), 16, "no summary tells a payer of others");
    assert_eq!(events(&house, FINANCE).iter().filter(|event| *event == "summary").count(), 1);
    assert_eq!(
        house.sql("SELECT count(*) FROM accounting_mails WHERE told_in IS NOT NULL AND audience = 'payer'"),
        "0"
    );
    house.prove().await;
}
