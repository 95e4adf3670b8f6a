//! A server that refuses: what is about us holds the way out and keeps every letter, what is about one letter ends one.

use std::time::Duration;

use depositd::clock::Clock as _;
use depositd::flow::{self, DeliveryRound};
use depositd::notifier::{MailBackend, Mailer, MailerSettings, RecipientRule, Security};
use tokio_util::sync::CancellationToken;

use crate::faults::{ask, rule};
use crate::scripted::{Limits, Scripted};
use crate::support::house::{House, settings};

const MINUTE: Duration = Duration::from_secs(60);

fn mailer(port: u16) -> Mailer {
    let settings = MailerSettings {
        transport: MailBackend::Smtp {
            host: "127.0.0.1".to_owned(),
            port,
            security: Security::None,
            username: None,
            ca_file: None,
            hello: None,
        },
        from: "Deposits <deposits@example.com>".to_owned(),
        account: "12345".to_owned(),
        send_timeout: Duration::from_secs(10),
    };
    Mailer::new(settings, None).unwrap()
}

async fn house_at(server: &Scripted, to: &[&str]) -> House {
    let rules: Vec<RecipientRule> = vec![rule(&["wallet_created"], &[], &[], to)];
    let mut house = House::with(settings(), rules).await;
    house.flow.mailer = mailer(server.port);
    house
}

/// As the loop does it: one run, and how often the way out was closed in a row.
async fn run(house: &House, failures: &mut u32) -> DeliveryRound {
    let done = flow::deliver(&house.flow, *failures, &CancellationToken::new()).await.unwrap();
    *failures = match (&done.unreachable, done.sent) {
        (Some(_), 0) => *failures + 1,
        (Some(_), _) => 1,
        (None, 0) => *failures,
        (None, _) => 0,
    };
    done
}

async fn until_all_is_sent(house: &House, step: Duration, limit: Duration) {
    let (mut failures, end) = (0, house.clock.now().plus(limit));
    while house.clock.now() < end {
        run(house, &mut failures).await;
        if house.sql("SELECT count(*) FROM outbox WHERE state <> 'sent'") == "0" {
            return;
        }
        house.clock.advance(step);
    }
    panic!(
        "not sent: {}",
        house.sql("SELECT id, state, attempts, last_error FROM outbox WHERE state <> 'sent'")
    );
}

fn states(house: &House) -> String {
    house.sql("SELECT state, attempts, count(*) FROM outbox GROUP BY 1, 2 ORDER BY 1, 2")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_refuses_of_us_costs_no_letter_and_is_told_in_its_words() {
    for (begins, answer, words) in [
        ("RCPT", "504 5.5.2 <host>: Helo command rejected: need fully-qualified hostname", "mail.smtp.hello"),
        (
            "RCPT",
            "553 5.7.1 <d@example.com>: Sender address rejected: not owned by user d",
            "may not send as mail.from",
        ),
        ("MESSAGE", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", "quota"),
        ("MESSAGE", "554 5.2.252 SendAsDenied; d not allowed to send as f", "SendAsDenied"),
        ("MAIL", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", "5.7.60"),
        (
            "MESSAGE",
            "550-5.4.5 Daily user sending limit exceeded.\r\n550 5.4.5 more",
            "Daily user sending limit",
        ),
        ("EHLO", "501 Syntactically invalid EHLO argument(s)", "mail.smtp.hello"),
        ("RCPT", "554 5.7.1 <a>: Relay access denied", "Relay access denied"),
        ("RCPT", "550 relay not permitted", "relay not permitted"),
        ("RCPT", "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "rcpthosts"),
        ("MESSAGE", "554 Message rejected: Email address is not verified.", "not verified"),
        ("RCPT", "550 5.1.1 User unknown", "letters in a row were refused"),
        ("MAIL", "530 5.5.1 Invalid command: Must issue an AUTH command first", "wants a login"),
    ] {
        let server = Scripted::start().await;
        let house = house_at(&server, &["a@example.com", "b@example.com", "c@example.com"]).await;
        for _ in 0..4 {
            house.request("USDT", "TRON", "5").await;
        }
        house.make_wallets().await;
        server.answers(begins, answer);
        let mut failures = 0;
        for _ in 0..6 {
            let done = run(&house, &mut failures).await;
            let told = done.unreachable.unwrap_or_default();
            assert!(failures == 0 || told.is_empty() || told.contains(words), "{answer}: {told}");
            house.clock.advance(MINUTE);
        }
        assert!(failures > 0, "{answer}: nobody is told");
        assert_eq!(house.sql("SELECT DISTINCT state FROM outbox"), "owed", "{answer}");
        let why = house.sql("SELECT DISTINCT last_error FROM outbox");
        assert!(why.contains(words), "{answer}: {why}");
        // It changes its mind, and each letter goes once.
        server.is_ordinary();
        until_all_is_sent(&house, 10 * MINUTE, 24 * 60 * MINUTE).await;
        let taken = server.taken();
        assert_eq!((taken.len(), taken.values().sum::<usize>()), (12, 12), "{answer}");
        house.prove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_recipient_or_one_message_is_its_own_trouble() {
    for (answer, tries) in [
        ("550 5.1.1 User unknown", 1),
        ("552 5.2.2 mailbox full", 1),
        ("550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup", 1),
        ("550 5.4.1 Recipient address rejected: Access denied", 1),
    ] {
        let server = Scripted::start().await;
        let house = house_at(&server, &["a@example.com", "gone@example.com"]).await;
        server.says(move |line| (line == "RCPT TO:<gone@example.com>").then(|| answer.to_owned()));
        for _ in 0..4 {
            house.request("USDT", "TRON", "5").await;
        }
        house.make_wallets().await;
        let mut failures = 0;
        for _ in 0..4 {
            let done = run(&house, &mut failures).await;
            assert_eq!(done.unreachable, None, "{answer}");
            house.clock.advance(10 * MINUTE);
        }
        let by = house.sql("SELECT recipient, state, count(*) FROM outbox GROUP BY 1, 2 ORDER BY 1");
        assert_eq!(by, "a@example.com|sent|4\ngone@example.com|dead|4", "{answer}");
        let heard = server.lines().iter().filter(|line| line.contains("RCPT TO:<gone@")).count();
        assert_eq!(heard, 4 * tries, "{answer}");
        house.prove().await;
    }
    // It may have been us; the next letter shows that it was not, and then the second refusal counts.
    let server = Scripted::start().await;
    let house = house_at(&server, &["a@example.com", "gone@example.com"]).await;
    server.says(|line| (line == "RCPT TO:<gone@example.com>").then(|| "554 5.7.1 Access denied".to_owned()));
    for round in 0..6 {
        house.request("USDT", "TRON", "5").await;
        house.make_wallets().await;
        assert_eq!(run(&house, &mut 0).await.unreachable, None, "nobody else waits for it");
        let sent = house.sql("SELECT count(*) FROM outbox WHERE recipient LIKE 'a@%' AND state = 'sent'");
        assert_eq!(sent, (round + 1).to_string());
        house.clock.advance(10 * MINUTE);
    }
    let dead = |tries: &str| -> u32 {
        house
            .sql(&format!("SELECT count(*) FROM outbox WHERE state = 'dead' AND attempts {tries}"))
            .parse()
            .unwrap()
    };
    assert!(dead("> 1") >= 4 && dead("= 1") == 0, "{}", states(&house));
    house.prove().await;
    // A message that is too large says nothing of the next one, however many are.
    let server = Scripted::start().await;
    let house = house_at(&server, &["a@example.com", "b@example.com"]).await;
    server.answers("MESSAGE", "552 5.3.4 Message too big");
    for _ in 0..4 {
        house.request("USDT", "TRON", "5").await;
    }
    house.make_wallets().await;
    assert_eq!(run(&house, &mut 0).await.unreachable, None);
    assert_eq!(states(&house), "dead|1|8");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_that_was_taken_is_never_sent_again_whatever_the_server_adds() {
    let server = Scripted::start().await;
    let house = house_at(&server, &["a@example.com"]).await;
    let garbage: String = ('\u{80}'..='\u{ff}').collect();
    let long = "x".repeat(100_000);
    let texts = [
        "250 2.0.0 accept\u{e9}".to_owned(),
        format!("250 2.0.0 {garbage}\u{0}"),
        format!("250-{garbage}\r\n250 {long}"),
        "250".to_owned(),
        "250-2.0.0 \u{c3}\u{28}\r\n250-\u{ff}\r\n250 2.0.0 \u{e9}".to_owned(),
    ];
    for text in texts {
        // Every answer is written like that.
        let text = std::sync::Arc::new(text);
        let count = server.taken().len();
        server.says(move |line| {
            let rest = text.strip_prefix("250").unwrap();
            let code = match line.split([' ', ':']).next().unwrap() {
                "GREETING" => "220",
                "EHLO" | "MAIL" | "RCPT" | "RSET" => "250",
                "DATA" => "354",
                "MESSAGE" => return None,
                _ => "250",
            };
            Some(format!("{code}{}", rest.replace("\r\n250", &format!("\r\n{code}"))))
        });
        house.flow.mailer.close_idle().await;
        house.request("USDT", "TRON", "5").await;
        house.make_wallets().await;
        for _ in 0..3 {
            run(&house, &mut 0).await;
            house.clock.advance(MINUTE);
        }
        assert_eq!(server.taken().len(), count + 1);
    }
    // The last word on the message itself.
    for text in ["250 2.0.0 accept\u{e9}", "250 \u{ff}\u{fe}", "250-\u{e9}\r\n250 \u{e9}", "250"] {
        server.answers("MESSAGE", text);
        let before = server.handovers();
        house.request("USDT", "TRON", "5").await;
        house.make_wallets().await;
        for _ in 0..5 {
            run(&house, &mut 0).await;
            house.clock.advance(MINUTE);
        }
        assert_eq!(server.handovers(), before + 1, "{text:?}");
    }
    assert_eq!(states(&house), "sent|1|9");
    assert!(server.taken().values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_narrows_to_what_a_server_takes_at_a_time_or_in_a_minute() {
    let letters = 96;
    for (at_a_time, in_a_minute, refusal) in [
        (3, usize::MAX, "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded"),
        (3, 30, "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded"),
        (usize::MAX, 30, "454 Throttling failure: Maximum sending rate exceeded"),
        (3, usize::MAX, "421 4.7.0 Try again later, closing connection."),
        (1, usize::MAX, "451 4.7.500 Server busy. Please try again later"),
    ] {
        let mut house = House::with(
            settings(),
            vec![rule(&["wallet_created"], &[], &[], &["a@example.com", "b@example.com", "c@example.com"])],
        )
        .await;
        let limits = Limits { at_a_time, in_a_minute, clock: house.clock.clone(), refusal };
        let server = Scripted::with(Some(limits)).await;
        house.flow.mailer = mailer(server.port);
        // Of each ten the first has a payer of its own, with one letter.
        ask(&house, 30).await;
        house.request("USDT", "TRON", "5").await;
        house.make_wallets().await;
        assert_eq!(house.sql("SELECT count(*) FROM outbox"), letters.to_string());
        until_all_is_sent(&house, Duration::from_secs(1), 60 * MINUTE).await;
        let taken = server.taken();
        assert_eq!((taken.len(), taken.values().sum::<usize>()), (letters, letters), "{refusal}");
        let handovers = server.handovers();
        assert!(handovers <= letters * 3 / 2, "{refusal}: {handovers} handovers for {letters} letters");
        assert_eq!(states(&house), "sent|1|96", "no letter is at fault");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_on_an_idle_connection_is_no_outage_and_costs_no_try() {
    for begins in ["MAIL", "RCPT", "DATA", "RSET"] {
        let server = Scripted::start().await;
        let house = house_at(&server, &["a@example.com"]).await;
        let wallet = || async {
            house.request("USDT", "TRON", "5").await;
            house.make_wallets().await;
            let done = run(&house, &mut 0).await;
            house.clock.advance(MINUTE);
            done
        };
        if begins == "RSET" {
            server.answers("RCPT", "451 4.7.1 not now");
        }
        wallet().await;
        // Once, on the connection that was kept.
        let first = std::sync::atomic::AtomicBool::new(true);
        server.says(move |line| {
            let once = line.starts_with(begins) && first.swap(false, std::sync::atomic::Ordering::Relaxed);
            once.then(|| "421 4.4.2 idle for too long, closing".to_owned())
        });
        let done = wallet().await;
        assert_eq!((done.unreachable, done.waiting), (None, 0), "{begins}");
        assert_eq!(server.connections(), 2, "{begins}");
        assert!(states(&house).starts_with("sent|1|"), "{begins}: {}", states(&house));
    }
}

#[tokio::test]
async fn a_connection_is_given_up_before_the_server_tires_of_it() {
    let server = Scripted::start().await;
    let house = house_at(&server, &["a@example.com"]).await;
    house.wallet("5").await;
    let clock = depositd::clock::SystemClock::new();
    let said_goodbye = async {
        while !server.lines().contains(&"QUIT".to_owned()) {
            depositd::clock::Clock::sleep(&clock, Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(25), said_goodbye).await.unwrap();
    house.wallet("5").await;
    assert_eq!((server.connections(), server.taken().len()), (2, 2));
}
