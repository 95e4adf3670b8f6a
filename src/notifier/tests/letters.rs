//! What the letters say, and that nothing foreign can make them say or be anything else.

use mail_parser::{MessageParser, MimeHeaders, PartType};
use serde_json::json;

use super::super::{Letter, compose, qr};
use super::*;

fn composed(input: &LetterInput) -> Letter {
    compose(&super::super::Templates::builtin().unwrap(), input, "12345").unwrap()
}

fn bytes(input: &LetterInput) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    futures_util::FutureExt::now_or_never(async { file_mailer(directory.path()).preview(input) })
        .unwrap()
        .unwrap()
}

#[test]
fn every_event_makes_a_letter_from_much_and_from_little() {
    for event in EventName::ALL {
        let states = State::ALL.iter().flat_map(|state| {
            let (rich, poor) = (view(*state), bare(*state));
            [letter(*event, Some(rich)), letter(*event, Some(poor))]
        });
        let strange = ["null", "[]", "3", "{}", r#"{"date":{},"open":3,"cases":"x","kind":[1],"since":7}"#];
        let notices = strange.iter().map(|text| notice(*event, serde_json::from_str(text).unwrap()));
        for input in states.chain(notices).chain([full(*event), letter(*event, None)]) {
            let letter = composed(&input);
            assert!(!letter.subject.is_empty() && !letter.subject.contains(['\r', '\n']), "{event}");
            assert!(letter.text.len() > 60 && letter.html.contains("</html>"), "{event}: {}", letter.text);
            assert!(letter.text.lines().next().is_some_and(|line| !line.is_empty()), "{event}");
            assert!(
                !letter.text.contains("\n\n\n") && !letter.text.contains("{{"),
                "{event}: {}",
                letter.text
            );
        }
    }
}

#[test]
fn a_letter_about_the_upstream_says_what_is_the_matter_with_it() {
    for (trouble, subject, lead) in [
        (None, "Upstream down", "The upstream has not answered since 2025-05-30 13:00:00 UTC."),
        (Some("no_answer"), "Upstream down", "The upstream has not answered since 2025-05-30 13:00:00 UTC."),
        (
            Some("unreadable"),
            "Upstream unreadable",
            "The upstream answers, and since 2025-05-30 13:00:00 UTC none of its answers could be read.",
        ),
        (
            Some("throttled"),
            "Upstream asks to slow down",
            "Since 2025-05-30 13:00:00 UTC the upstream has turned every call away and asked us to slow down.",
        ),
        (
            Some("denied"),
            "Upstream denies access",
            "The upstream has denied access to the account since 2025-05-30 13:00:00 UTC.",
        ),
        (
            Some("unknown_orders"),
            "Upstream knows no order",
            "The upstream answers, and since 2025-05-30 13:00:00 UTC it has said of every order that it does not know it.",
        ),
    ] {
        let facts =
            json!({"since": "2025-05-30T13:00:00Z", "error": "words", "failures": 12, "trouble": trouble});
        let letter = composed(&notice(EventName::UpstreamDown, facts));
        assert_eq!(letter.subject, format!("{subject} since 2025-05-30 13:00 UTC"));
        let text = letter.text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.starts_with(lead), "{trouble:?}: {text}");
    }
}

#[test]
fn the_fact_comes_first() {
    let mut late = view(State::Settled);
    late.facts.late = true;
    let cases = [
        (full(EventName::Settled), "Deposit settled: 5.00 USD (USDT on BSC) – invoice-42"),
        (letter(EventName::Settled, Some(late)), "Deposit settled late: 5.00 USD (USDT on BSC) – invoice-42"),
        (
            letter(EventName::WalletCreated, Some(view(State::AwaitingPayment))),
            "Wallet ready: 5.15 USD, pay 4.99 USDT on BSC – invoice-42",
        ),
        (letter(EventName::Expired, Some(bare(State::Expired))), "Deposit expired: 5.15 USD (USDT on BSC)"),
        (full(EventName::NeedsReview), "Needs review: 5.15 USD (USDT on BSC) – invoice-42"),
        (full(EventName::UpstreamDown), "Upstream down since 2025-05-30 13:00 UTC"),
        (full(EventName::UpstreamBack), "Upstream back after 45 min 30 s"),
        (full(EventName::ReconciliationVoid), "Reconciliation void since 2025-05-30 13:00 UTC"),
        (full(EventName::ReconciliationBack), "Reconciliation whole again at 2025-05-30 13:45 UTC"),
        (full(EventName::DiscrepancyOpened), "Books differ: amount_mismatch, expected 5.00, found 4.50"),
        (full(EventName::Digest), "Digest 2025-05-30: 3 settled, 15.00 USD, 2 open, 1 open case"),
    ];
    for (input, subject) in cases {
        assert_eq!(composed(&input).subject, subject);
    }
    let text = composed(&full(EventName::Settled)).text;
    assert!(text.starts_with("5.00 USD were credited to the prepaid account, 12 min 5 s after"), "{text}");
    let text = composed(&letter(EventName::Underpaid, Some(view(State::Underpaid)))).text;
    assert!(text.starts_with("Only 3.00 USDT of 4.99 USDT arrived: 1.99 USDT on BSC are missing."), "{text}");
    let text = composed(&letter(EventName::WalletCreated, Some(view(State::AwaitingPayment)))).text;
    assert!(text.starts_with("Pay exactly 4.99 USDT on BSC by 2025-05-30 14:32:57 UTC."), "{text}");
    for fact in [ADDRESS, URL, "af161c5a-936c-4294-b656-6da12b77e232", "invoice-42", "5.15 USD", "4.99 USDT"]
    {
        assert!(text.contains(fact), "{fact} in {text}");
    }
}

#[test]
fn an_independent_reader_finds_headers_and_parts() {
    for event in EventName::ALL.iter().filter(|event| event.is_mailable()) {
        let input = full(*event);
        let raw = bytes(&input);
        assert!(raw.is_ascii());
        let message = MessageParser::default().parse(&raw).unwrap();
        assert_eq!(message.message_id(), Some(input.message_id.as_str()));
        assert_eq!(message.in_reply_to().as_text(), Some(ROOT));
        assert_eq!(message.references().as_text(), Some(ROOT));
        assert_eq!(message.date().unwrap().to_timestamp(), input.at.as_millis() / 1000);
        assert_eq!(message.header("Auto-Submitted").unwrap().as_text(), Some("auto-generated"));
        assert_eq!(message.header("X-Depositd-Event").unwrap().as_text(), Some(event.as_str()));
        let deposit = message.header("X-Depositd-Deposit").and_then(|value| value.as_text());
        assert_eq!(deposit.map(str::to_owned), input.deposit.as_ref().map(|view| view.id.to_string()));
        let to: Vec<_> = message.to().unwrap().iter().collect();
        assert_eq!(to.len(), 1);
        assert_eq!(to[0].address(), Some("finance@example.com"));
        let from = message.from().unwrap().first().unwrap();
        assert_eq!((from.name(), from.address()), (Some("Büro Deposits"), Some("deposits@example.com")));
        let letter = composed(&input);
        assert_eq!(message.subject(), Some(letter.subject.as_str()));
        assert_eq!(message.content_type().unwrap().subtype(), Some("alternative"));
        let text = message.body_text(0).unwrap().replace("\r\n", "\n");
        assert_eq!(text.trim_end(), letter.text.trim_end());
        assert!(message.body_html(0).unwrap().contains("<html"));
        assert_eq!(raw, bytes(&input), "the same bytes at every attempt");
    }
}

#[test]
fn the_first_letter_of_a_conversation_answers_nothing() {
    for thread_id in [None, Some("0197.settled@depositd.example".to_owned())] {
        let input = LetterInput { thread_id, ..full(EventName::Settled) };
        let raw = bytes(&input);
        let message = MessageParser::default().parse(&raw).unwrap();
        assert!(message.header("In-Reply-To").is_none() && message.header("References").is_none());
    }
}

#[test]
fn the_picture_says_where_to_pay() {
    let mut view = view(State::AwaitingPayment);
    for (currency, network, expected) in
        [("USDT", "BSC", ADDRESS.to_owned()), ("LTC", "LTC", format!("litecoin:{ADDRESS}?amount=4.99"))]
    {
        view.request.paid_by = Asset::parse(currency, network).unwrap().into();
        let raw = bytes(&letter(EventName::WalletCreated, Some(view.clone())));
        let message = MessageParser::default().parse(&raw).unwrap();
        let picture = message.parts.iter().find(|part| part.is_content_type("image", "png")).unwrap();
        let id = picture.content_id().unwrap();
        assert!(message.body_html(0).unwrap().contains(&format!("src=\"cid:{id}\"")));
        let (PartType::InlineBinary(png) | PartType::Binary(png)) = &picture.body else {
            panic!("no picture")
        };
        assert_eq!(qr::tests::read_png(png), expected);
        assert!(message.body_text(0).unwrap().contains(ADDRESS));
    }
}

#[test]
fn nothing_foreign_becomes_a_header_markup_or_a_link() {
    let evil = "x\r\nBcc: victim@evil.com\r\n\r\n<script>alert(1)</script> http://evil.com/ & <a href=\"//evil.com\">";
    let mut view = view(State::AwaitingPayment);
    view.request.reference = Some(evil.to_owned());
    view.facts.upstream_status = Some(evil.to_owned());
    view.facts.txid = Some(evil.to_owned());
    if let Some(wallet) = &mut view.facts.wallet {
        wallet.order_id = Some(evil.to_owned());
        wallet.address = Some(evil.to_owned());
        wallet.url = Some(format!("javascript:{evil}"));
    }
    let evil_notice = json!({"kind": evil, "expected": evil, "found": evil, "date": evil, "error": evil,
        "settled_usd": evil, "resolution": evil, "open": [evil, {evil: evil}], evil: evil});
    for event in EventName::ALL {
        let input = LetterInput {
            reason: Some(evil.to_owned()),
            notice: Some(evil_notice.clone()),
            ..letter(*event, Some(view.clone()))
        };
        let raw = bytes(&input);
        let message = MessageParser::default().parse(&raw).unwrap();
        assert!(message.bcc().is_none(), "{event}");
        assert_eq!(message.headers().iter().filter(|header| header.name().contains("Bcc")).count(), 0);
        let html = message.body_html(0).unwrap();
        assert!(
            !html.contains("<script") && !html.contains("evil.com") && !html.contains("<a "),
            "{event} {html}"
        );
        let text = message.body_text(0).unwrap();
        assert!(!text.contains("evil.com") && !text.contains("://"), "{event} {text}");
        assert!(!message.subject().unwrap().contains("evil.com"), "{event}");
    }
}

#[test]
fn a_doubtful_address_is_not_to_be_paid() {
    let reason = "the address is no valid address on BSC";
    let created = letter(EventName::WalletCreated, Some(flagged(view(State::AwaitingPayment), reason)));
    let review = LetterInput {
        reason: Some(reason.to_owned()),
        ..letter(EventName::NeedsReview, Some(view(State::AwaitingPayment)))
    };
    for input in [created, review] {
        let letter = composed(&input);
        assert!(letter.subject.contains("do not pay"), "{}", letter.subject);
        assert!(letter.text.starts_with("Do not pay."), "{}", letter.text);
        assert!(letter.inline.is_none() && !letter.html.contains("<a ") && !letter.text.contains(URL));
    }
    let word = LetterInput {
        reason: Some("unknown status word \"frozen\"".to_owned()),
        ..letter(EventName::NeedsReview, Some(view(State::AwaitingPayment)))
    };
    let letter = composed(&word);
    assert!(letter.subject.starts_with("Needs review: ") && !letter.text.contains("Do not pay."));
}

#[test]
fn a_payer_is_told_nothing_of_the_operators_and_asked_only_for_what_is_awaited() {
    let mut memo = view(State::AwaitingPayment);
    memo.facts.wallet.as_mut().unwrap().memo = Some("memo-77".to_owned());
    let mut shared = view(State::AwaitingPayment);
    shared.facts.wallet.as_mut().unwrap().shared = true;
    let mut withheld = view(State::AwaitingPayment);
    withheld.facts.wallet.as_mut().unwrap().withheld =
        Some("the address is not shown, do not pay".to_owned());
    let mut malformed = view(State::AwaitingPayment);
    malformed.facts.wallet.as_mut().unwrap().address = Some("0x66b928a8".to_owned());
    let flag = flagged(view(State::AwaitingPayment), "another address is named");
    let doubtful = [shared, withheld, malformed, flag];
    let in_doubt = doubtful.iter().map(|latest| (latest.facts.clone(), at(730), false));
    let whole = State::ALL.iter().map(|state| (view(*state).facts, at(730), true));
    let all = whole.chain(in_doubt).chain([(memo.facts.clone(), at(730), true)]);
    // To the second: at the deadline it is too late.
    let all = all.chain([(memo.facts.clone(), at(3576), true), (memo.facts, at(3577), false)]);
    let all: Vec<_> = all.collect();
    for event in EventName::ALL.iter().filter(|event| event.is_told_to_payers()) {
        for of_event in State::ALL {
            for (latest, now, good) in &all {
                let payer = super::super::PayerView { latest: latest.clone(), now: *now };
                let reason = Some("the upstream says: secret words".to_owned());
                let input =
                    LetterInput { payer: Some(payer), reason, ..letter(*event, Some(view(*of_event))) };
                let asks = matches!(event, EventName::WalletCreated | EventName::Underpaid);
                let payable = asks && latest.state == *of_event && *good;
                let letter = composed(&input);
                let html = letter.html.replace("@depositd", "");
                let told = [&letter.subject, &letter.text, &html];
                let shows = |word: &str| told.iter().any(|part| part.contains(word));
                for foreign in [
                    "12345",
                    "af161c5a",
                    "01971f3a",
                    "SMSOnline",
                    "depositd",
                    "upstream",
                    "secret",
                    "credited",
                    "prepaid",
                    "account",
                    "review",
                ] {
                    assert!(!shows(foreign), "{foreign} in {}\n{}", letter.subject, letter.text);
                }
                let what = format!("{event} of {of_event} in {}: {}", latest.state, letter.text);
                assert_eq!(shows(ADDRESS), payable, "{what}");
                assert_eq!(letter.inline.is_some() || shows("cid:"), payable, "{what}");
                assert_eq!(shows(URL), payable, "{what}");
                assert_eq!(
                    shows("memo-77"),
                    payable && latest.wallet.as_ref().unwrap().memo.is_some(),
                    "{what}"
                );
                assert!(payable || !shows("Pay exactly") && !shows("Please pay"), "{what}");
                assert!(shows("invoice-42") && shows("5.15 USD"), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_message_written_twice_is_one_whole_file() {
    let directory = tempfile::tempdir().unwrap();
    let mailer = file_mailer(&directory.path().join("new/mail"));
    mailer.check().await.unwrap();
    let input = full(EventName::WalletCreated);
    let first = mailer.send(&input).await.unwrap();
    assert_eq!(mailer.send(&input).await.unwrap(), first);
    mailer.send(&full(EventName::Settled)).await.unwrap();
    let mut names: Vec<String> = std::fs::read_dir(directory.path().join("new/mail"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["0197.settled@depositd.example.eml", "0197.wallet_created@depositd.example.eml"]);
    assert_eq!(std::fs::read(&first.response).unwrap(), mailer.preview(&input).unwrap());
}

#[tokio::test]
async fn an_operators_recipient_may_be_a_name_of_the_local_network() {
    let directory = tempfile::tempdir().unwrap();
    let input = LetterInput { to: "ops@mailhost".to_owned(), ..full(EventName::Settled) };
    file_mailer(directory.path()).send(&input).await.unwrap();
}

#[tokio::test]
async fn what_can_be_no_message_is_refused_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let mailer = file_mailer(directory.path());
    let good = full(EventName::Settled);
    for bad in [
        LetterInput { to: "a@example.com\r\nBcc: b@example.com".to_owned(), ..good.clone() },
        LetterInput { to: "nobody".to_owned(), ..good.clone() },
        LetterInput { message_id: "x>\r\nBcc: b@example.com".to_owned(), ..good.clone() },
        LetterInput { message_id: "../../etc/passwd".to_owned(), ..good.clone() },
        LetterInput { thread_id: Some("a b@c".to_owned()), ..good.clone() },
    ] {
        let error = mailer.send(&bad).await.unwrap_err();
        assert!(matches!(error, super::super::SendError::Permanent { .. }), "{error}");
        assert!(!error.to_string().contains('@'), "{error}");
    }
    let inside = LetterInput { message_id: "../../x@y".to_owned(), ..good };
    mailer.send(&inside).await.unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    let blocked = file_mailer(&directory.path().join("_.._x@y.eml/under"));
    assert!(matches!(blocked.check().await, Err(super::super::SendError::Unreachable { .. })));
}
