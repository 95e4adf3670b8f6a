//! What each misbehaviour of a mail server means to the letter, to the others, and to the connection.

use std::time::Duration;

use mail_parser::MessageParser;
use secrecy::SecretString;

use super::super::{Culprit, MailBackend, Mailer, MailerSettings, Security, SendError, SettingsError};
use super::receiver::{HANG_UP, Receiver, Script};
use super::*;

fn settings(host: &str, port: u16, security: Security) -> MailerSettings {
    MailerSettings {
        transport: MailBackend::Smtp {
            host: host.to_owned(),
            port,
            security,
            username: None,
            ca_file: None,
            hello: None,
        },
        from: "Deposits <deposits@example.com>".to_owned(),
        account: "12345".to_owned(),
        send_timeout: Duration::from_millis(400),
    }
}

async fn receiver(script: Script) -> (Receiver, Mailer) {
    let receiver = Receiver::start(script).await;
    let mailer = Mailer::new(settings("127.0.0.1", receiver.port, Security::None), None).unwrap();
    (receiver, mailer)
}

fn to(address: &str) -> LetterInput {
    LetterInput { to: address.to_owned(), ..full(EventName::Settled) }
}

#[tokio::test]
async fn letters_share_a_connection() {
    let (receiver, mailer) = receiver(|_| Some("")).await;
    for address in ["a@example.com", "b@example.com", "c@example.com"] {
        let delivered = mailer.send(&to(address)).await.unwrap();
        assert_eq!(delivered.response, "250 OK");
    }
    let heard = receiver.heard();
    assert_eq!((heard.connections, heard.messages.len()), (1, 3));
    let message = MessageParser::default().parse(heard.messages[2].as_bytes()).unwrap();
    assert_eq!(message.to().unwrap().first().unwrap().address(), Some("c@example.com"));
    assert!(heard.lines.contains(&"MAIL FROM:<deposits@example.com>".to_owned()), "{:?}", heard.lines);
    mailer.close_idle().await;
    assert_eq!(receiver.heard().lines.last().map(String::as_str), Some("QUIT"));
    assert_eq!(mailer.check().await.unwrap().split(" answers ").nth(1), Some("without TLS, no login"));
    mailer.send(&to("d@example.com")).await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_the_recipients_and_the_next_letter_goes() {
    let (receiver, mailer) = receiver(|line| match line {
        "RCPT TO:<never@example.com>" => Some("550 5.1.1 <never@example.com> unknown\u{7}"),
        "RCPT TO:<later@example.com>" => Some("451-4.7.1 greylisted\r\n451 4.7.1 come back"),
        _ => Some(""),
    })
    .await;
    let never = mailer.send(&to("never@example.com")).await.unwrap_err();
    assert_eq!(
        never,
        SendError::Permanent {
            culprit: Culprit::Recipient,
            why: "recipient: 550 5.1.1 (address) unknown".to_owned()
        }
    );
    let later = mailer.send(&to("later@example.com")).await.unwrap_err();
    assert!(
        matches!(&later, SendError::Temporary { why } if why.starts_with("recipient: 451 4.7.1")),
        "{later}"
    );
    mailer.send(&to("good@example.com")).await.unwrap();
    let heard = receiver.heard();
    assert_eq!((heard.connections, heard.messages.len()), (1, 1), "{:?}", heard.lines);
    assert_eq!(heard.lines.iter().filter(|line| *line == "RSET").count(), 2);
}

#[tokio::test]
async fn a_refused_message_is_the_messages() {
    let (_, mailer) = receiver(|line| (line == "MESSAGE").then_some("554 too ugly").or(Some(""))).await;
    assert!(matches!(mailer.send(&to("a@example.com")).await, Err(SendError::Permanent { .. })));
    let (_, mailer) = receiver(|line| (line == "MESSAGE").then_some("452 disk full").or(Some(""))).await;
    assert!(matches!(mailer.send(&to("a@example.com")).await, Err(SendError::Temporary { .. })));
}

#[tokio::test]
async fn what_is_no_fault_of_the_letter_closes_the_way_out() {
    let scripts: [Script; 5] = [
        |line| (line == "GREETING").then_some("554 go away").or(Some("")),
        |line| (line == "GREETING").then_some(HANG_UP).or(Some("")),
        |line| line.starts_with("MAIL").then_some("530 5.7.0 authentication required").or(Some("")),
        |line| line.starts_with("RCPT").then_some("421 shutting down").or(Some("")),
        |line| (line != "GREETING").then_some(""),
    ];
    for (number, script) in scripts.into_iter().enumerate() {
        let (_, mailer) = receiver(script).await;
        let error = mailer.send(&to("a@example.com")).await.unwrap_err();
        assert!(matches!(error, SendError::Unreachable { .. }), "{number}: {error}");
    }
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mailer = Mailer::new(settings("127.0.0.1", free, Security::None), None).unwrap();
    let error = mailer.send(&to("a@example.com")).await.unwrap_err();
    assert!(matches!(&error, SendError::Unreachable { why, .. } if why.contains("refused")), "{error}");
    assert!(matches!(mailer.check().await, Err(SendError::Unreachable { .. })));
}

#[tokio::test]
async fn a_hang_costs_one_letter_one_deadline_and_never_mixes_answers() {
    let (receiver, mailer) = receiver(|line| match line {
        "RCPT TO:<tarpit@example.com>" => None,
        _ => Some(""),
    })
    .await;
    mailer.send(&to("good@example.com")).await.unwrap();
    let error = mailer.send(&to("tarpit@example.com")).await.unwrap_err();
    assert!(matches!(error, SendError::Temporary { .. }), "{error}");
    mailer.send(&to("good@example.com")).await.unwrap();
    let heard = receiver.heard();
    assert_eq!((heard.connections, heard.messages.len()), (2, 2), "the hung connection is not used again");
}

#[tokio::test]
async fn a_cut_before_the_answer_leaves_the_same_message_to_send_again() {
    let (receiver, mailer) = receiver(|line| (line == "MESSAGE").then_some(HANG_UP).or(Some(""))).await;
    for _ in 0..2 {
        let error = mailer.send(&to("a@example.com")).await.unwrap_err();
        assert!(matches!(error, SendError::Temporary { .. }), "{error}");
    }
    let messages = receiver.heard().messages;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0], messages[1]);
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced_unnoticed() {
    // The server hangs up on whoever wants to send a second letter over one connection.
    let (receiver, mailer) = receiver(|_| Some("")).await;
    mailer.send(&to("a@example.com")).await.unwrap();
    let (second, _) =
        self::receiver(|line| (line == "MESSAGE").then_some("250 OK\r\n421 idle").or(Some(""))).await;
    let mailer_of_second = Mailer::new(settings("127.0.0.1", second.port, Security::None), None).unwrap();
    mailer_of_second.send(&to("a@example.com")).await.unwrap();
    mailer_of_second.send(&to("b@example.com")).await.unwrap();
    assert_eq!((second.heard().connections, second.heard().messages.len()), (2, 2));
    assert_eq!(receiver.heard().connections, 1);
}

#[tokio::test]
async fn nothing_is_said_in_the_clear_where_tls_is_asked_for() {
    let receiver = Receiver::start(|_| Some("")).await;
    let mut settings = settings("127.0.0.1", receiver.port, Security::StartTls);
    if let MailBackend::Smtp { username, .. } = &mut settings.transport {
        *username = Some("deposits".to_owned());
    }
    let mailer = Mailer::new(settings.clone(), Some(SecretString::from("geheim"))).unwrap();
    let error = mailer.send(&to("a@example.com")).await.unwrap_err();
    assert!(matches!(&error, SendError::Unreachable { why, .. } if why.contains("STARTTLS")), "{error}");
    assert!(receiver.heard().lines.iter().all(|line| line.starts_with("EHLO") || line == "QUIT"));
    assert!(matches!(Mailer::new(settings, None), Err(SettingsError::Password)));
}

#[tokio::test]
async fn a_refused_login_names_no_secret() {
    let receiver =
        Receiver::start(|line| line.starts_with("AUTH").then_some("535 no geheim").or(Some(""))).await;
    let mut settings = settings("localhost", receiver.port, Security::None);
    if let MailBackend::Smtp { username, .. } = &mut settings.transport {
        *username = Some("deposits".to_owned());
    }
    let mailer = Mailer::new(settings, Some(SecretString::from("geheim"))).unwrap();
    let error = mailer.check().await.unwrap_err();
    assert!(
        matches!(&error, SendError::Unreachable { why, .. } if why == "login: 535 no [secret] (is the user name or the password wrong?)"),
        "{error}"
    );
    assert!(!format!("{mailer:?} {error:?}").contains("geheim"));
}

#[tokio::test]
async fn a_password_that_is_said_back_after_the_login_is_masked() {
    let script: Script = |line| match line {
        "RCPT TO:<plain@example.com>" => Some("550 you said geheim!wort to me"),
        "RCPT TO:<packed@example.com>" => {
            Some("550 AUTH PLAIN AGRlcG9zaXRzAGdlaGVpbSF3b3J0 Z2VoZWltIXdvcnQ= was it")
        }
        "MESSAGE" => Some("250 kept, geheim!wort"),
        _ => Some(""),
    };
    let receiver = Receiver::start(script).await;
    let mut settings = settings("localhost", receiver.port, Security::None);
    if let MailBackend::Smtp { username, .. } = &mut settings.transport {
        *username = Some("deposits".to_owned());
    }
    let mailer = Mailer::new(settings, Some(SecretString::from("geheim!wort"))).unwrap();
    let plain = mailer.send(&to("plain@example.com")).await.unwrap_err();
    assert_eq!(plain.why(), "recipient: 550 you said [secret] to me");
    let packed = mailer.send(&to("packed@example.com")).await.unwrap_err();
    assert_eq!(packed.why(), "recipient: 550 AUTH PLAIN [secret] [secret] was it");
    assert_eq!(mailer.send(&to("good@example.com")).await.unwrap().response, "250 kept, [secret]");
}

#[test]
fn settings_that_would_leak_are_refused() {
    for host in ["smtp.example.com", "192.0.2.1", "localhost.example.com", "127.0.0.1.example.com"] {
        let outcome = Mailer::new(settings(host, 25, Security::None), None);
        assert!(matches!(outcome, Err(SettingsError::Unprotected(_))), "{host}");
    }
    for host in ["localhost", "127.0.0.1", "::1", "[::1]", "127.1.2.3"] {
        assert!(Mailer::new(settings(host, 25, Security::None), None).is_ok(), "{host}");
    }
    let bad = MailerSettings { from: "nobody".to_owned(), ..settings("localhost", 25, Security::None) };
    assert!(matches!(Mailer::new(bad, None), Err(SettingsError::From(_))));
    let mut missing = settings("localhost", 25, Security::Tls);
    if let MailBackend::Smtp { ca_file, .. } = &mut missing.transport {
        *ca_file = Some("/nonexistent/ca.pem".into());
    }
    assert!(matches!(Mailer::new(missing, None), Err(SettingsError::CaFile(..))));
}
