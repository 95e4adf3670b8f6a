//! `mail show`, `mail preview`, and templates of an operator's: the real binary in a folder of its own.

use std::process::{Command, Output};

use tokio_util::sync::CancellationToken;

use crate::support::house::{FINANCE, House};
use crate::support::smtp::SmtpFault;

fn run(house: &House, mail: &str, args: &[&str]) -> Output {
    let file = house.folder.path().join("daemon.toml");
    let text = format!("[ledger]\npath = \"ledger.db\"\n[mail]\nfrom = \"Büro <d@example.com>\"\n{mail}\n");
    std::fs::write(&file, text).unwrap();
    Command::new(env!("CARGO_BIN_EXE_depositd"))
        .current_dir(house.folder.path())
        .env_clear()
        .args(args)
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn a_dead_letter_is_shown_with_its_reason_and_its_words() {
    let house = House::new().await;
    house.smtp.fail(FINANCE, SmtpFault::Rcpt(550), 1);
    house.flow.mail_test(None).await.unwrap();
    depositd::flow::deliver(&house.flow, 0, &CancellationToken::new()).await.unwrap();
    let shown = printed(&run(&house, "", &["mail", "show", "1"]));
    for part in
        ["state         dead", "recipient: 550", "Message-ID    <1.", "Subject: Test message from depositd"]
    {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&printed(&run(&house, "", &["--json", "mail", "show", "1"]))).unwrap();
    assert_eq!((&json["mail"]["state"], &json["mail"]["due_at"]), (&"dead".into(), &serde_json::Value::Null));
    assert!(json["letter"]["eml"].as_str().unwrap().contains("Auto-Submitted: auto-generated"));
    let eml = printed(&run(&house, "", &["mail", "show", "1", "--format", "eml"]));
    let message = mail_parser::MessageParser::default().parse(eml.as_bytes()).unwrap();
    assert_eq!(message.message_id(), json["mail"]["message_id"].as_str());
    let unknown = run(&house, "", &["mail", "show", "99"]);
    assert_eq!((unknown.status.code(), unknown.stdout.len()), (Some(3), 0));
}

#[tokio::test]
async fn every_letter_can_be_seen_beforehand_in_every_shape() {
    let house = House::new().await;
    for event in depositd::notifier::mailed_events() {
        let text = printed(&run(&house, "", &["mail", "preview", event.as_str()]));
        assert!(text.starts_with("Subject: "), "{text}");
        let html = printed(&run(&house, "", &["mail", "preview", event.as_str(), "--format", "html"]));
        assert!(html.trim_end().ends_with("</html>") && !html.contains("cid:"), "{event}");
        assert!(!html.contains("src=\"http"), "no remote content: {event}");
        let eml = printed(&run(&house, "", &["mail", "preview", event.as_str(), "--format", "eml"]));
        let message = mail_parser::MessageParser::default().parse(eml.as_bytes()).unwrap();
        assert_eq!(message.from().unwrap().first().unwrap().name(), Some("Büro"));
        assert_eq!(text.lines().next().unwrap().strip_prefix("Subject: "), message.subject());
    }
    let payers = printed(&run(&house, "", &["mail", "preview", "wallet_created", "--payer"]));
    assert!(payers.starts_with("Subject: Please pay 4.99 USDT on BSC"), "{payers}");
    for (method, words, link) in [
        ("page", "by payment page", "https://pay.cryptomus.com/pay/"),
        ("card", "by card", "https://api.pay4bit.net/pay?"),
    ] {
        for payer in [&["--payer"][..], &[]] {
            let args = [&["mail", "preview", "wallet_created", "--method", method], payer].concat();
            let text = printed(&run(&house, "", &args));
            assert!(text.contains(&format!("Pay 5.00 USD {words} at the link below")), "{text}");
            assert!(text.contains(&format!("Open the payment page: {link}")), "{text}");
            assert!(!text.contains("USDT") && !text.contains("Address"), "{text}");
            let html = printed(&run(&house, "", &[&args[..], &["--format", "html"]].concat()));
            assert!(html.contains("alt=\"QR code of the payment link\""), "{html}");
        }
    }
    let never = run(&house, "", &["mail", "preview", "digest", "--payer"]);
    assert_eq!(never.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&never.stderr).contains("payers are not told of digest"));
    let unknown = run(&house, "", &["mail", "preview", "setled"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("settled"));
}

#[tokio::test]
async fn an_operators_templates_are_used_and_a_broken_one_is_named() {
    let house = House::new().await;
    let folder = house.folder.path().join("letters");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("settled.subject.txt"), "Gutschrift {{ deposit.credited_usd }} USD").unwrap();
    std::fs::write(folder.join("letter.txt"), "Für unsere Buchhaltung: {{ content.lead }}").unwrap();
    std::fs::write(folder.join("payer.settled.subject.txt"), "Danke für {{ payment.arrived }}!").unwrap();
    let mail = "templates = \"letters\"";
    let json: serde_json::Value =
        serde_json::from_str(&printed(&run(&house, mail, &["--json", "mail", "preview", "settled"])))
            .unwrap();
    assert_eq!(json["subject"], "Gutschrift 5.00 USD");
    assert!(json["text"].as_str().unwrap().starts_with("Für unsere"));
    let args = ["--json", "mail", "preview", "settled", "--payer"];
    let json: serde_json::Value = serde_json::from_str(&printed(&run(&house, mail, &args))).unwrap();
    assert_eq!(json["subject"], "Danke für 4.99!");
    assert!(
        !json["text"].as_str().unwrap().contains("unsere"),
        "what is meant for operators goes to no payer"
    );
    let checked = String::from_utf8(run(&house, mail, &["check"]).stdout).unwrap();
    assert!(
        checked.contains("templates      ok") && checked.contains("3 files, every letter tried"),
        "{checked}"
    );

    std::fs::write(folder.join("held.txt"), "Gesperrt\n\nBetrag: {{ deposit.betrag }}\n").unwrap();
    let broken = run(&house, mail, &["mail", "preview", "settled"]);
    let words = String::from_utf8(broken.stderr).unwrap();
    assert_eq!(broken.status.code(), Some(2), "{words}");
    assert!(
        words.contains("letters/held.txt, line 3: undefined value") && words.contains("sample of held"),
        "{words}"
    );
    let checked = String::from_utf8(run(&house, mail, &["check"]).stdout).unwrap();
    assert!(checked.contains("templates      FAILED") && checked.contains("held.txt, line 3"), "{checked}");
    // The daemon does not start with it either.
    let key =
        "to = [\"a@example.com\"]\ntransport = \"file\"\n[upstream]\nuser_id = \"1\"\napi_key = \"k\"\n";
    let start = run(&house, &format!("{mail}\n{key}"), &["run"]);
    assert_eq!(start.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&start.stderr).contains("held.txt, line 3"));
}
