//! What the upstream may say when it is asked about an order.

use std::time::Duration;

use depositd::domain::deposit::State;
use depositd::sandbox::upstream::{Action, Call, Fault};

use crate::scene::{Effect, Trap, about, books, lie, patiently, poll, raw, says};
use crate::support::house::House;
use Effect::{Nothing, Passing, Standing};

const NO_ANSWER: &str = "no readable answer";

async fn tell(cases: Vec<(&str, Fault, Effect, &str)>) {
    for (name, fault, effect, line) in cases {
        lie(name, false, fault, effect, line).await;
    }
}

#[tokio::test]
async fn connections_that_break_off_say_nothing() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
    tell(vec![
        ("dropped before it acted", Fault::DropBeforeActing, Nothing, "the connection broke"),
        ("dropped after it acted", Fault::DropAfterActing, Nothing, "the connection broke"),
        ("an empty body", Fault::EmptyBody, Nothing, "the answer is empty"),
        ("JSON that breaks off", Fault::TruncatedJson, Nothing, "the answer is cut off"),
        ("a body that breaks off", Fault::CutBody, Nothing, "the connection broke"),
        ("a body without end", Fault::Endless, Nothing, "the answer is too large"),
        ("half a head", raw("HTTP/1.1 200 OK\r\nContent-Le", b""), Nothing, "the connection broke"),
        (
            "paid, and then it breaks off",
            raw(head, br#"{"ok":true,"body":{"status":"paid""#),
            Nothing,
            NO_ANSWER,
        ),
        ("another protocol", raw("220 mail.example.com ESMTP\r\n", b""), Nothing, "the connection broke"),
        ("binary", Fault::Garbage((0..=255).collect()), Nothing, "the connection broke"),
        (
            "a head without end",
            raw(&format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(2_000_000)), b""),
            Nothing,
            "the connection broke",
        ),
        (
            "ten thousand headers",
            raw(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(10_000)), b"{}"),
            Nothing,
            "the connection broke",
        ),
        (
            "two lengths",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n", b"{}"),
            Nothing,
            NO_ANSWER,
        ),
        (
            "a gzip that is none",
            raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n", b"{}"),
            Nothing,
            NO_ANSWER,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_call_that_never_ends_is_given_up() {
    lie("no answer ever", false, Fault::Hang, Nothing, "the answer took too long").await;
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up() {
    let slow = Fault::SlowBody(Duration::from_secs(120));
    lie("a body in two minutes", false, slow, Nothing, "the answer took too long").await;
}

#[tokio::test]
async fn pages_and_broken_json_are_no_answers() {
    let deep = "[".repeat(30_000);
    let closed = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let bytes = raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"{\"ok\":\xff}}");
    tell(vec![
        ("HTML with status 200", Fault::Html200, Nothing, "the answer is an HTML page"),
        ("nested without end", says(deep.clone()), Nothing, "the answer is not a JSON object"),
        ("nested and closed", says(closed.clone()), Nothing, "the answer is not a JSON object"),
        ("nested in the envelope", says(format!(r#"{{"ok":true,"body":{deep}"#)), Nothing, NO_ANSWER),
        ("nested in the body", says(format!(r#"{{"ok":true,"body":{closed}}}"#)), Nothing, NO_ANSWER),
        ("no JSON at all", says("paid"), Nothing, "the answer is not a JSON object"),
        ("two documents", says(r#"{"ok":true,"body":{}}{"ok":true,"body":{}}"#), Nothing, "is not JSON"),
        ("a word for a yes", says(r#"{"ok":"true","body":{"status":"paid"}}"#), Nothing, "expected fields"),
        ("a number for a yes", says(r#"{"ok":1,"body":{"status":"paid"}}"#), Nothing, "expected fields"),
        ("no envelope", says(r#"{"status":"paid"}"#), Nothing, "expected fields"),
        ("bytes that are no text", bytes, Nothing, NO_ANSWER),
        ("a text with NUL", says("{\"ok\":true,\0}"), Nothing, "is not JSON"),
    ])
    .await;
}

#[tokio::test]
async fn an_answer_about_the_order_that_cannot_be_read_is_flagged() {
    let forty = "1234567890123456789012345678901234567890";
    let read = "the upstream's answer cannot be read";
    tell(vec![
        ("a list for a body", says(r#"{"ok":true,"body":["paid"]}"#), Passing(read), "is not an object"),
        ("a text for a body", says(r#"{"ok":true,"body":"paid"}"#), Passing(read), "is not an object"),
        ("no body", says(r#"{"ok":true,"body":null}"#), Passing(read), "the answer has no body"),
        (
            "an object for an amount",
            about(r#""payment_amount_usd":{},"status":"paid""#),
            Passing(read),
            "payment_amount_usd",
        ),
        (
            "40 digits",
            about(&format!(r#""status":"paid","payment_amount_usd":"{forty}""#)),
            Passing(read),
            "payment_amount_usd is not an amount",
        ),
        (
            "40 digits as a number",
            about(&format!(r#""status":"paid","refund_amount_usd":{forty}"#)),
            Passing(read),
            "refund_amount_usd is not an amount",
        ),
        (
            "a separator of thousands",
            about(r#""status":"paid","payment_amount_usd":"1,212.50""#),
            Passing(read),
            "payment_amount_usd is not an amount",
        ),
        (
            "28 digits",
            about(r#""status":"paid","payment_amount_usd":"1234567890123456789012345678""#),
            Passing("too large for the books"),
            "too large for the books",
        ),
        ("less than nothing", about(r#""status":"paid","payment_amount_usd":"-25""#), Passing(read), read),
        ("no number", about(r#""status":"paid","payment_amount_usd":"NaN""#), Passing(read), read),
        ("an exponent", about(r#""status":"paid","payment_amount_usd":1e400"#), Passing(read), read),
        (
            "the word twice",
            about(r#""status":"check","status":"paid""#),
            Passing(read),
            "status is given more than once",
        ),
        (
            "a long word",
            about(&format!(r#""status":"{}""#, "x".repeat(3000))),
            Passing(read),
            "status is too long",
        ),
        ("a word with escapes", about(r#""status":"\u001b[2Jpaid""#), Passing(read), "control characters"),
    ])
    .await;
}

#[tokio::test]
async fn other_orders_and_changed_addresses_are_flagged_for_a_person() {
    tell(vec![
        (
            "another's order",
            Fault::WrongOrderId,
            Standing("names another order_id"),
            "names another order_id",
        ),
        ("another address", Fault::WrongAddress, Standing("names another address"), "names another address"),
        ("another network", Fault::WrongNetwork, Standing("names another network"), "names another network"),
        (
            "another currency",
            Fault::WrongCurrency,
            Standing("names another currency"),
            "names another currency",
        ),
        (
            "paid, but elsewhere",
            about(r#""status":"paid","to_address":"TXYZ","payment_amount_usd":"25.00""#),
            Standing("names another address"),
            "names another address",
        ),
        (
            "a word of its own",
            about(r#""status":"aml""#),
            Passing("unknown upstream status"),
            "unknown upstream status",
        ),
        (
            "an order it does not know",
            Fault::Status(404, String::new(), Vec::new()),
            Passing("does not know this order"),
            "does not know this order",
        ),
        (
            "no, with status 200",
            says(r#"{"ok":false,"message":"gone\u0007"}"#),
            Passing("does not know this order"),
            "does not know this order",
        ),
    ])
    .await;
}

#[tokio::test]
async fn statuses_that_go_backwards_unbook_nothing() {
    let back = |word: &str| about(&format!(r#""order_id":"@order","status":"{word}""#));
    for word in [
        "check",
        "process",
        "confirm_check",
        "wrong_amount_waiting",
        "wrong_amount",
        "cancel",
        "fail",
        "LOCKED",
    ] {
        lie(word, true, back(word), Passing("of a deposit that is settled"), "of a deposit that is settled")
            .await;
    }
    let less = about(r#""order_id":"@order","status":"paid","payment_amount_usd":"2.50""#);
    lie("less than before", true, less, Passing("25.00 are booked"), "25.00 are booked").await;
    let nothing = about(r#""order_id":"@order""#);
    lie("no word any more", true, nothing, Passing("of a deposit that is settled"), "no status").await;
}

#[tokio::test]
async fn refusals_of_the_account_and_outages_say_nothing_of_a_deposit() {
    let status =
        |code: u16| Fault::Status(code, r#"{"ok":false,"body":"User-verification Failed"}"#.into(), vec![]);
    let page = |code: u16| Fault::Status(code, "<html><h1>paid</h1></html>".into(), vec![]);
    tell(vec![
        ("denied", status(401), Nothing, "User-verification Failed"),
        ("forbidden", status(403), Nothing, "User-verification Failed"),
        ("denied with 200", status(200), Nothing, "User-verification Failed"),
        ("an outage", page(500), Nothing, "500 Internal Server Error"),
        ("a gateway", page(502), Nothing, "502 Bad Gateway"),
        ("a status nobody knows", page(599), Nothing, "status 599"),
        ("nothing modified", page(304), Nothing, "304 Not Modified"),
    ])
    .await;
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let trap = Trap::set().await;
    for code in [301, 302, 303, 307, 308] {
        let to = vec![("Location".to_owned(), trap.url.clone())];
        let fault = Fault::Status(code, String::new(), to);
        lie(&format!("redirect {code}"), false, fault, Nothing, "not followed").await;
    }
    let to = vec![
        ("Refresh".to_owned(), format!("0; url={}", trap.url)),
        ("Alt-Svc".to_owned(), "h2=\":1\"".to_owned()),
    ];
    let fault = Fault::Status(200, "<meta http-equiv=refresh>".to_owned(), to);
    lie("a page that leads on", false, fault, Nothing, "the answer is an HTML page").await;
    assert_eq!(trap.heard.lock().unwrap().len(), 0, "the key would have gone there");
}

#[tokio::test]
async fn being_told_to_wait_moves_nothing_and_is_obeyed_for_an_hour_at_most() {
    for (code, value, least, most) in [
        (429, "90", 90, 91),
        (429, "Sun, 01 Mar 2026 09:03:00 GMT", 120, 151),
        (503, "90", 90, 91),
        (503, "Sun, 01 Mar 2026 09:03:00 GMT", 120, 151),
        // Clocks that are years apart: never longer than an hour, never in the past.
        (429, "Fri, 01 Jan 2100 00:00:00 GMT", 3600, 3720),
        (429, "99999999999999999999999", 3600, 3720),
        (503, "Thu, 01 Jan 1970 00:00:00 GMT", 0, 61),
        (429, "-5", 0, 61),
        (429, "soon", 0, 61),
    ] {
        let name = format!("{code} Retry-After: {value}");
        let house = House::new().await;
        let deposit = house.wallet("25.00").await;
        let before = books(&house);
        let fault = Fault::Status(code, String::new(), vec![("Retry-After".to_owned(), value.to_owned())]);
        house.simulator.inject(Call::Look, fault, 1);
        let (log, guard) = crate::scene::Log::listen();
        poll(&house).await;
        assert!(log.text().contains("the upstream took nothing"), "{name}: {}", log.text());
        drop(guard);
        assert_eq!(books(&house), before, "{name}");
        assert_eq!(house.read(&deposit).await.facts.review, None, "{name}");
        house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
        let asked = depositd::clock::Clock::monotonic(&*house.clock);
        let mut waited = Duration::ZERO;
        // An hour in larger steps, which the figures allow for.
        let step = if least < 200 { 1 } else { 60 };
        while house.read(&deposit).await.facts.state != State::Settled {
            house.clock.advance(Duration::from_secs(step));
            patiently(&house, house.rounds()).await;
            waited = depositd::clock::Clock::monotonic(&*house.clock) - asked;
            assert!(waited.as_secs() < 4000, "{name}: never polled again");
        }
        assert!((least..=most).contains(&waited.as_secs()), "{name}: waited for {waited:?}");
        house.prove().await;
    }
}

#[tokio::test]
async fn clocks_that_are_years_apart_expire_nothing() {
    let at = |date: &str| {
        let body = r#"{"ok":true,"body":{"status":"check"}}"#.to_owned();
        Fault::Status(
            200,
            body,
            vec![("Date".to_owned(), date.to_owned()), ("Age".to_owned(), "999999999".to_owned())],
        )
    };
    for date in ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "yesterday"] {
        lie(date, false, at(date), Nothing, "a call to the upstream ended").await;
    }
    // What is no deadline at all replaces none.
    for deadline in ["0", "-1", "1", "999999999999999999", "1e30", "\"soon\"", "1772358000000000000", "{}"] {
        let fault = about(&format!(r#""status":"check","expire_at":{deadline}"#));
        lie(&format!("expire_at {deadline}"), false, fault, Nothing, "a call to the upstream ended").await;
    }
}

#[tokio::test]
async fn money_behind_a_false_deadline_is_credited_late() {
    let house = House::new().await;
    let deposit = house.wallet("25.00").await;
    let order = house.order(&deposit);
    house.simulator.inject_for(&order, about(r#""status":"check","expire_at":1000000001"#), 1);
    poll(&house).await;
    assert_eq!(
        house.read(&deposit).await.facts.state,
        State::Expired,
        "a moved deadline is taken as it is said"
    );
    assert_eq!(house.sql("SELECT count(*) FROM accounting_entries"), "0");
    house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    house.clock.advance(Duration::from_secs(600));
    poll(&house).await;
    let settled = house.read(&deposit).await;
    assert!(settled.facts.state == State::Settled && settled.facts.late, "{settled:?}");
    house.prove().await;
}
