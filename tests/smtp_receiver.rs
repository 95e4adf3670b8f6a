//! The mail receiver of the other tests, tried with the mailer that the program uses.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use support::smtp::{SmtpFault, SmtpReceiver};

type Mailer = AsyncSmtpTransport<Tokio1Executor>;

fn mailer(receiver: &SmtpReceiver) -> Mailer {
    Mailer::builder_dangerous("127.0.0.1")
        .port(receiver.port())
        .credentials(Credentials::new("name".to_owned(), "password".to_owned()))
        .timeout(Some(Duration::from_secs(5)))
        .build()
}

fn letter(to: &str) -> Message {
    let to = format!("<{to}>").parse().unwrap();
    let from = "Deposits <deposits@example.com>".parse().unwrap();
    let body = "first\r\n.second\r\n..third\r\n".to_owned();
    Message::builder().from(from).to(to).subject("A letter").body(body).unwrap()
}

#[tokio::test]
async fn a_letter_arrives_whole() {
    let receiver = SmtpReceiver::start().await;
    mailer(&receiver).send(letter("finance@example.com")).await.unwrap();
    let messages = receiver.wait_for(|messages| messages.len() == 1, Duration::from_secs(5)).await;
    assert_eq!(messages[0].from, "deposits@example.com");
    assert_eq!(messages[0].to, ["finance@example.com"]);
    assert_eq!(messages[0].header("Subject").as_deref(), Some("A letter"));
    assert!(messages[0].text().contains("first\r\n.second\r\n..third\r\n"), "{}", messages[0].text());
    assert_eq!(receiver.logins(), 1);
}

#[tokio::test]
async fn each_fault_fails_in_its_own_way_and_spares_the_neighbour() {
    let receiver = SmtpReceiver::start().await;
    let bad = "bad@example.com";
    for (fault, permanent, kept) in [
        (SmtpFault::Rcpt(450), Some(false), 0),
        (SmtpFault::Rcpt(550), Some(true), 0),
        (SmtpFault::Data(451), Some(false), 0),
        (SmtpFault::Data(554), Some(true), 0),
        (SmtpFault::AfterData(552), Some(true), 0),
        (SmtpFault::AcceptThenCut, None, 1),
        (SmtpFault::CutMidData, None, 0),
    ] {
        receiver.clear();
        receiver.fail(bad, fault, 1);
        let error = mailer(&receiver).send(letter(bad)).await.unwrap_err();
        let said = error.status().map(|_| error.is_permanent());
        assert_eq!(said, permanent, "{fault:?}: {error:?}");
        assert_eq!(receiver.messages().len(), kept, "{fault:?}");
        mailer(&receiver).send(letter("good@example.com")).await.unwrap();
        mailer(&receiver).send(letter(bad)).await.unwrap();
        assert_eq!(receiver.messages().len(), kept + 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_busy_a_dead_and_a_slow_server() {
    let receiver = SmtpReceiver::start().await;
    receiver.greet_with(421, 1);
    assert!(mailer(&receiver).send(letter("a@example.com")).await.unwrap_err().is_transient());
    receiver.refuse_everything(true);
    assert!(mailer(&receiver).send(letter("a@example.com")).await.is_err());
    receiver.refuse_everything(false);
    receiver.fail("a@example.com", SmtpFault::Tarpit(Duration::from_secs(60)), 1);
    let mailer = mailer(&receiver);
    let slow = tokio::time::timeout(Duration::from_millis(300), mailer.send(letter("a@example.com"))).await;
    assert!(slow.is_err());
    mailer.send(letter("a@example.com")).await.unwrap();
    assert_eq!(receiver.messages().len(), 1);
}
