//! The commands that ask the daemon: what its answers become on the page, and as exit statuses.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::bench::Bench;
use super::books::EVM;

/// What was asked: the first line, the headers, the body.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    headers: String,
    body: String,
}

/// Answers in a fixed order at the bench's socket, as the daemon would; an empty answer is a broken connection.
pub(crate) fn answering(bench: &Bench, answers: Vec<String>) -> Arc<Mutex<Vec<Asked>>> {
    let listener = UnixListener::bind(bench.file("depositd.sock")).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&heard);
    std::thread::spawn(move || {
        let mut answers = VecDeque::from(answers);
        while let Some(answer) = answers.pop_front() {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let (mut line, mut headers, mut length) = (String::new(), String::new(), 0);
            reader.read_line(&mut line).unwrap();
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).unwrap();
                if let Some(value) = header.strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
                if header.trim().is_empty() {
                    break;
                }
                headers.push_str(&header);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let body = String::from_utf8(body).unwrap();
            keep.lock().unwrap().push(Asked { line: line.trim().to_owned(), headers, body });
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    heard
}

pub(crate) fn answer(status: u16, body: &Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn problem(status: u16, kind: &str, detail: &str) -> String {
    answer(status, &json!({ "type": kind, "title": "No", "status": status, "detail": detail }))
}

pub(crate) fn deposit(state: &str, wallet: bool) -> Value {
    let mut deposit = json!({
        "id": "0197213c-0000-7000-8000-000000000009", "state": state, "outcome": null, "late": false,
        "currency": "USDT", "network": "BSC", "amount_requested": "25", "needs_review": null,
        "expire_at": null, "created_at": "2026-05-30T15:00:00.000Z", "updated_at": "2026-05-30T15:00:00.000Z",
    });
    if wallet {
        deposit["address"] = EVM.into();
        deposit["amount_crypto"] = "24.97".into();
        deposit["amount_usd"] = "25.00".into();
        deposit["order_id"] = "o-1".into();
        deposit["url"] = "https://pay.example/o-1".into();
        deposit["expire_at"] = "2090-05-30T16:00:00Z".into();
    }
    deposit
}

pub(crate) const REQUEST: &[&str] = &["request", "USDT", "BSC", "25"];

#[test]
fn a_request_prints_what_a_payer_needs() {
    let bench = Bench::new();
    let heard = answering(&bench, vec![answer(201, &deposit("awaiting_payment", true))]);
    let mut args = REQUEST.to_vec();
    args.extend(["--reference", "R 1", "--notify", "a@example.com", "--key", "k-1", "--qr"]);
    let run = bench.run(&args);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for part in
        [EVM, "24.97 USDT", "BSC", "2090-05-30 16:00:00 UTC", "left", "https://pay.example/o-1", "o-1", "█"]
    {
        assert!(run.stdout.contains(part), "{part}\n{}", run.stdout);
    }
    assert!(!run.stdout.contains("DO NOT PAY"));
    let asked = heard.lock().unwrap()[0].clone();
    assert_eq!(asked.line, "POST /v1/deposits HTTP/1.1");
    assert!(asked.headers.contains("idempotency-key: k-1"), "{}", asked.headers);
    assert!(asked.headers.contains("prefer: wait="), "{}", asked.headers);
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    let expected = json!({
        "currency": "USDT", "network": "BSC", "amount": "25", "reference": "R 1", "notify": ["a@example.com"],
    });
    assert_eq!(body, expected);
}

#[test]
fn an_address_that_is_none_is_said_before_anything_else() {
    for (address, reason) in [(EVM, Some("another network")), ("0x66b9", None)] {
        let bench = Bench::new();
        let mut flagged = deposit("awaiting_payment", true);
        flagged["address"] = address.into();
        flagged["needs_review"] = reason.into();
        answering(&bench, vec![answer(201, &flagged)]);
        let run = bench.run(&["request", "USDT", "BSC", "25", "--qr"]);
        assert!(run.stdout.starts_with("DO NOT PAY"), "{}", run.stdout);
        assert!(run.stdout.contains(address) && !run.stdout.contains('█'), "{}", run.stdout);
    }
}

#[test]
fn a_wallet_that_takes_its_time_is_asked_for_again_under_the_same_key() {
    let bench = Bench::new();
    let answers = vec![
        String::new(),
        answer(202, &deposit("requested", false)),
        answer(200, &deposit("awaiting_payment", true)),
    ];
    let heard = answering(&bench, answers);
    let run = bench.run(&["--json", "request", "USDT", "BSC", "25"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["address"], EVM);
    let heard = heard.lock().unwrap();
    let key = |asked: &Asked| {
        asked.headers.lines().find(|line| line.starts_with("idempotency-key: ")).unwrap().to_owned()
    };
    assert_eq!(heard.len(), 3);
    assert!(heard.iter().all(|asked| key(asked) == key(&heard[0]) && asked.body == heard[0].body));
}

#[test]
fn a_deposit_is_awaited_to_its_end() {
    for (state, code) in [("settled", 0), ("expired", 7), ("short", 7)] {
        let bench = Bench::new();
        let answers = vec![
            answer(201, &deposit("awaiting_payment", true)),
            answer(200, &deposit("confirming", true)),
            answer(200, &deposit(state, true)),
        ];
        let heard = answering(&bench, answers);
        let run = bench.run(&["request", "USDT", "BSC", "25", "--wait", "final"]);
        assert_eq!(run.code, code, "{}", run.stderr);
        assert!(run.stdout.trim_end().ends_with(state), "{}", run.stdout);
        assert!(run.stderr.contains("awaiting_payment -> confirming"), "{}", run.stderr);
        let line = heard.lock().unwrap()[2].line.clone();
        assert_eq!(line, "GET /v1/deposits/0197213c-0000-7000-8000-000000000009 HTTP/1.1");
    }
}

#[test]
fn refusals_have_their_exit_status() {
    let mut refused = json!({ "type": "upstream-refused", "status": 422, "detail": "no such coupon" });
    refused["deposit"] = deposit("rejected", false);
    for (args, answer, code, words) in [
        (REQUEST, problem(422, "invalid-request", "amount: too long"), 2, "amount: too long"),
        (REQUEST, answer(422, &refused), 4, "no such coupon"),
        (REQUEST, problem(409, "idempotency-conflict", "used"), 2, "used"),
        (REQUEST, problem(503, "ledger-unavailable", "full"), 1, "full"),
        (REQUEST, "HTTP/1.1 500 X\r\ncontent-length: 2\r\n\r\nno".to_owned(), 1, "500"),
        (REQUEST, answer(200, &deposit("unresolved", false)), 7, ""),
        (
            &["review", "a/b", "--note", "n"],
            problem(404, "not-found", "there is no deposit"),
            3,
            "no deposit",
        ),
        (&["review", "x", "--note", "n"], problem(422, "nothing-to-review", "no flag"), 2, "no flag"),
        (&["cases", "close", "9", "--note", "n"], problem(404, "not-found", "no case 9"), 3, "no case 9"),
        (&["mail", "retry", "9"], problem(404, "not-found", "no mail 9"), 3, "no mail 9"),
        (&["reconcile"], problem(502, "reconciliation-void", "the run is void"), 1, "void"),
    ] {
        let bench = Bench::new();
        let heard = answering(&bench, vec![answer]);
        let run = bench.run(args);
        assert_eq!(run.code, code, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
        if args[1..].contains(&"a/b") {
            assert_eq!(heard.lock().unwrap()[0].line, "GET /v1/deposits?limit=10&name=a%2Fb HTTP/1.1");
        }
    }
}

#[test]
fn a_daemon_that_is_away_is_5_and_what_was_tried_is_said() {
    let bench = Bench::new();
    let config = "[api]\nlisten = [\"127.0.0.1:1\", \"unix:depositd.sock\"]\ntoken = \"hunter2\"\n";
    std::fs::write(bench.file("daemon.toml"), config).unwrap();
    for args in [REQUEST, &["reconcile"], &["watch"], &["review", "x", "--note", "n"], &["mail", "test"]] {
        let run = bench.run(args);
        assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{args:?}");
        assert!(run.stderr.contains("depositd.sock") && run.stderr.contains("127.0.0.1:1"), "{}", run.stderr);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    }
}

#[test]
fn a_reconciliation_is_a_page_to_sign_and_an_exit_status() {
    let case = json!({
        "id": 3, "kind": "amount_mismatch", "deposit_id": "d", "order_id": "o", "expected": "5.00", "found": "5.15",
        "opened_at": "2026-05-30T15:00:00.000Z", "seen_runs": 1,
    });
    for (difference, cases, code) in [(0, json!([]), 0), (15, json!([]), 6), (0, json!([case]), 6)] {
        let bench = Bench::new();
        let report = json!({
            "at": "2026-05-30T15:45:00.000Z", "ok": true, "balance_cents": 5000, "total_charges_cents": 133_456,
            "credited_here_cents": 123_456 - difference, "credited_elsewhere_cents": 10_000, "baseline_cents": 5_000,
            "difference_cents": difference, "invoices": 12, "matches": { "pay_id_is_order": 11 }, "adopted": [],
            "opened": [], "closed": [2], "cases": cases, "identifier": "pay_id_is_order",
            "matched": [{ "rule": "pay_id_is_order", "invoices": 11, "credited": 7, "credited_cents": 7_700 }],
            "unreadable": 0, "flaws": [], "evidence": { "invoices": { "bytes": 2345, "sha256": "f00d" } },
        });
        answering(&bench, vec![answer(200, &report)]);
        let run = bench.run(&["reconcile"]);
        assert_eq!(run.code, code, "{}{}", run.stdout, run.stderr);
        for part in [
            "2026-05-30 15:45:00",
            "1334.56",
            "50.00",
            "pay_id_is_order",
            "11",
            "77.00",
            "f00d",
            "checked by",
        ] {
            assert!(run.stdout.contains(part), "{part}\n{}", run.stdout);
        }
        assert_eq!(run.stdout.contains("amount_mismatch"), !cases.as_array().unwrap().is_empty());
    }
}

#[test]
fn an_invoice_that_cannot_be_read_is_on_the_page_and_in_the_exit_status() {
    let bench = Bench::new();
    let report = json!({
        "at": "2026-05-30T15:45:00.000Z", "ok": true, "difference_cents": 0, "invoices": 1, "cases": [],
        "unreadable": 1, "flaws": [{ "entry": 0, "invoice": "pay:p3", "what": "amount is not a whole number" }],
    });
    answering(&bench, vec![answer(200, &report)]);
    let run = bench.run(&["reconcile"]);
    assert_eq!(run.code, 6, "{}", run.stdout);
    assert!(run.stdout.contains("pay:p3") && run.stdout.contains("not a whole number"), "{}", run.stdout);
    assert!(run.stderr.contains("cannot be read: 1"), "{}", run.stderr);
}

#[test]
fn events_are_followed_and_taken_up_again() {
    let bench = Bench::new();
    let event = |seq: u32, to: &str| {
        let data = json!({
            "seq": seq, "deposit_id": "d", "at": "2026-05-30T15:45:00.000Z", "event": to,
            "from_state": "awaiting_payment", "to_state": to, "upstream_status": "w", "reason": null, "hash": "h",
        });
        format!("id: {seq}\nevent: {to}\ndata: {data}\n\n")
    };
    let stream = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\nretry: 1\n\n{body}"
        )
    };
    let end = problem(422, "invalid-request", "enough");
    let heard = answering(&bench, vec![stream(&event(7, "confirming")), stream(&event(8, "settled")), end]);
    let run = bench.run(&["watch"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stdout.contains("awaiting_payment -> confirming (w)"), "{}", run.stdout);
    assert!(run.stdout.contains("awaiting_payment -> settled"), "{}", run.stdout);
    let heard = heard.lock().unwrap();
    assert!(!heard[0].headers.contains("last-event-id") && heard[1].headers.contains("last-event-id: 7"));
    assert!(heard[2].headers.contains("last-event-id: 8"), "{}", heard[2].headers);
}

#[test]
fn check_names_everything_it_tries() {
    let bench = Bench::new();
    let run = bench.run(&["check"]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    for name in [
        "configuration",
        "database",
        "upstream",
        "mail",
        "daemon",
        "clock",
        "listeners",
        "folders",
        "secrets",
        "letters",
    ] {
        assert!(run.stdout.lines().any(|line| line.starts_with(name)), "{name}\n{}", run.stdout);
    }
    let config = "[upstream]\nbase_url = \"http://127.0.0.1:1\"\nuser_id = \"1\"\napi_key = \"hunter2\"\ntimeout = \"2s\"\n\
                  [mail]\ntransport = \"file\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\n";
    std::fs::write(bench.file("daemon.toml"), config).unwrap();
    let run = bench.run(&["check"]);
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    let named = run.stdout.lines().filter(|line| !line.starts_with(' '));
    let found: Vec<&str> = named.map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    // The sender and the recipient of the letters are of a domain kept for examples.
    let expected =
        ["ok", "ok", "FAILED", "ok", "ok", "-", "-", "ok", "ok", "ok", "warn", "ok", "warn", "warn"];
    assert_eq!(found, expected, "{}", run.stdout);
    assert!(!run.stdout.contains("hunter2") && !run.stderr.contains("hunter2"));
    let json = bench.run(&["--json", "check"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json["ok"].as_bool(), json["checks"][2]["ok"].as_bool()), (Some(false), Some(false)));
}

#[test]
fn a_month_is_closed_by_the_daemon_and_each_refusal_has_its_status() {
    let bench = Bench::new();
    std::fs::write(bench.file("daemon.toml"), "[api]\nlisten = [\"unix:depositd.sock\"]\n").unwrap();
    let closed = json!({
        "month": "2026-10", "ends_at": "2026-11-01T00:00:00.000Z", "closed_at": "2026-11-02T08:00:00.000Z",
        "event_seq": 41, "hash": "beef", "figures": {
            "reconciled_at": "2026-11-02T07:59:00.000Z", "head_seq": 40, "head_hash": "cafe",
            "balances": [{"account": "assets:prepaid:smsonline", "commodity": "USD", "usd_micros": 12_340_000}],
        },
    });
    let heard = answering(
        &bench,
        vec![
            answer(200, &closed),
            answer(200, &closed),
            problem(409, "books-not-clean", "1 open cases"),
            problem(422, "invalid-request", "month: 2026-12 has not ended yet"),
            problem(502, "reconciliation-void", "the upstream does not answer"),
        ],
    );
    let page = bench.run(&["close", "2026-10"]);
    assert_eq!(page.code, 0, "{}", page.stderr);
    for part in ["2026-10 is closed\n", "event 40 cafe", "event 41 beef", "assets:prepaid:smsonline", "12.34"]
    {
        assert!(page.stdout.contains(part), "{part}\n{}", page.stdout);
    }
    assert!(bench.run(&["close", "2026-09"]).stdout.contains("it lies before 2026-10"));
    let refused: Vec<i32> =
        ["2026-10", "2026-12", "2026-10"].map(|it| bench.run(&["close", it]).code).to_vec();
    assert_eq!(refused, [6, 2, 1]);
    assert_eq!(heard.lock().unwrap()[0].line, "POST /v1/periods/2026-10/close HTTP/1.1");
    assert_eq!(bench.run(&["close", "October"]).code, 2, "no daemon is asked");
    std::fs::remove_file(bench.file("depositd.sock")).unwrap();
    assert_eq!(bench.run(&["close", "2026-10"]).code, 5);
}
