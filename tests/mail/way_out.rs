//! What an operator sees of the way out, with the real program: `check`, `mail test`, `/readyz`, metrics, and the log.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Output;

use crate::program::{PASSWORD, Program, Source};
use crate::scripted::Scripted;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat()).into_owned()
}

fn get(program: &Program, path: &str) -> String {
    let mut stream = UnixStream::connect(program.socket()).unwrap();
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Runs a command while the servers of this test go on, on threads of their own.
fn run(program: &Program, args: &[&str]) -> Output {
    program.command(args).env("RUST_LOG", "error").output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_asks_as_far_as_each_recipient_and_sends_nothing() {
    let server = Scripted::start().await;
    let program = Program::prepare_with_mail(Source::File, Some(server.port)).await;
    let found = run(&program, &["check"]);
    let text = said(&found);
    assert!(text.contains("login accepted, takes letters to 1 recipient"), "{text}");
    let lines = server.lines();
    for line in ["MAIL FROM:<deposits@example.com>", "RCPT TO:<finance@example.com>", "RSET", "QUIT"] {
        assert!(lines.iter().any(|heard| heard == line), "{line}: {lines:?}");
    }
    assert!(!lines.iter().any(|line| line == "DATA"), "{lines:?}");
    for (begins, answer, words) in [
        (
            "RCPT",
            "550 5.1.1 <finance@example.com> unknown",
            "finance@example.com is refused: recipient: 550 5.1.1 (address) unknown",
        ),
        (
            "RCPT",
            "504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname",
            "set mail.smtp.hello",
        ),
        (
            "AUTH",
            "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.",
            "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. (logins by password are switched off",
        ),
        (
            "AUTH",
            "534-5.7.9 Application-specific password required.\r\n534 5.7.9 more",
            "(Google wants an app password here",
        ),
        (
            "EHLO",
            "250-x\r\n250 AUTH NTLM GSSAPI",
            "offers AUTH NTLM GSSAPI only; depositd needs PLAIN or LOGIN",
        ),
        ("EHLO", "250 x", "the server offers no login (no AUTH)"),
        ("GREETING", "SSH-2.0-OpenSSH", "the answer is no SMTP: SSH-2.0-OpenSSH"),
        ("AUTH", PASSWORD_SAID_BACK, "login: 535 [secret]"),
    ] {
        server.answers(begins, answer);
        let found = run(&program, &["check"]);
        let text = said(&found);
        assert_eq!(found.status.code(), Some(1), "{answer}: {text}");
        assert!(text.contains(words), "{answer}: {text}");
        assert!(!text.contains(PASSWORD), "{text}");
    }
    // Asked to come back is no fault of the configuration.
    server.answers("RCPT", "451 4.7.1 Greylisted");
    let text = said(&run(&program, &["check"]));
    assert!(
        text.contains("finance@example.com would not be taken now") && text.contains("Greylisted"),
        "{text}"
    );
}

const PASSWORD_SAID_BACK: &str = "535 MARKEDPASSc6d1e8&<\"\\>%pass";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_test_waits_for_its_letters_fate_and_everybody_is_told() {
    let server = Scripted::start().await;
    let mut program = Program::prepare_with_mail(Source::File, Some(server.port)).await;
    program.start();
    let good = run(&program, &["mail", "test"]);
    assert_eq!((good.status.code(), server.taken().len()), (Some(0), 1), "{}", said(&good));
    assert!(said(&good).contains("sent to finance@example.com"), "{}", said(&good));

    // About us: kept, told everywhere, and the daemon is ready all the same.
    server.answers("RCPT", "553 5.7.1 <d@example.com>: Sender address rejected: not owned by user d");
    let refused = run(&program, &["mail", "test", "--to", "other@example.com"]);
    let text = said(&refused);
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(
        text.contains("not taken, to other@example.com: recipient: 553 5.7.1") && text.contains("kept"),
        "{text}"
    );
    assert_eq!(program.sql("SELECT state FROM outbox WHERE recipient LIKE 'other@%'"), "owed");
    let ready = get(&program, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains("not owned by user d"), "{ready}");
    assert!(get(&program, "/metrics").contains("\ndepositd_mail_failing 1\n"));
    assert!(
        program.log().contains("mail cannot leave") && program.log().contains("not owned"),
        "{}",
        program.log()
    );

    // About the recipient: given up, and a warning until a person has looked.
    server.says(|line| (line == "RCPT TO:<gone@example.com>").then(|| "550 5.1.1 no such user".to_owned()));
    let gone = run(&program, &["--json", "mail", "test", "--to", "gone@example.com"]);
    let json: serde_json::Value = serde_json::from_slice(&gone.stdout).unwrap();
    assert_eq!(gone.status.code(), Some(1));
    assert_eq!(
        (&json["mails"][0]["state"], &json["recipients"][0]),
        (&"dead".into(), &"gone@example.com".into())
    );
    let ready = get(&program, "/readyz");
    assert!(
        ready.contains("mail: 1 letter given up, the last: recipient: 550 5.1.1 no such user"),
        "{ready}"
    );
    let checked = said(&run(&program, &["check"]));
    assert!(checked.contains("1 letter given up"), "{checked}");
    let listed = said(&run(&program, &["mail", "list"]));
    assert!(listed.contains("550 5.1.1 no such user") && listed.contains("sent again by hand"), "{listed}");

    // What was held went as soon as it could.
    let again = run(&program, &["mail", "test"]);
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    server.is_ordinary();
    assert_eq!(run(&program, &["mail", "retry", "--all"]).status.code(), Some(0));
    let clock = depositd::clock::SystemClock::new();
    while program.sql("SELECT count(*) FROM outbox WHERE state <> 'sent'") != "0" {
        assert!(depositd::clock::Clock::monotonic(&clock).as_secs() < 60, "{}", program.log());
        depositd::clock::Clock::sleep(&clock, std::time::Duration::from_millis(50)).await;
    }
    assert!(server.taken().values().all(|times| *times == 1));
    program.stop();
    program.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_tries_at_once_what_had_been_put_off() {
    let server = Scripted::start().await;
    let mut program = Program::prepare_with_mail(Source::File, Some(server.port)).await;
    program.start();
    server.answers("RCPT", "554 5.7.64 TenantAttribution; Relay Access Denied");
    assert_eq!(run(&program, &["mail", "test"]).status.code(), Some(1));
    program.stop();
    server.is_ordinary();
    program.start();
    let clock = depositd::clock::SystemClock::new();
    while server.taken().is_empty() {
        assert!(depositd::clock::Clock::monotonic(&clock).as_secs() < 30, "{}", program.log());
        depositd::clock::Clock::sleep(&clock, std::time::Duration::from_millis(20)).await;
    }
}
