//! The decoder by tables: what is read, what makes an answer unreadable, and that nothing makes it panic.

use proptest::prelude::*;

use super::super::wire::{self, Decoded};
use crate::domain::money::Amount;
use crate::domain::report::{Invoice, OrderReport};
use crate::domain::time::Zone;

fn order(body: &str) -> Result<OrderReport, String> {
    match wire::order(format!(r#"{{"ok":true,"body":{body}}}"#).as_bytes()) {
        Ok(Decoded::Yes(report)) => Ok(*report),
        Ok(Decoded::No) => Err("no".to_owned()),
        Err(wrong) => Err(wrong.to_string()),
    }
}

fn yes<T: std::fmt::Debug>(decoded: Decoded<T>) -> T {
    match decoded {
        Decoded::Yes(value) => value,
        Decoded::No => panic!("the answer says no"),
    }
}

#[test]
fn the_status_is_the_first_string_of_four_places() {
    let cases = [
        (r#"{"status":"paid","payment_status":"check"}"#, Some("paid")),
        (r#"{"status":null,"payment_status":"check","state":"paid"}"#, Some("check")),
        (r#"{"status":1,"transaction":{"status":"confirm_check"},"state":"x"}"#, Some("confirm_check")),
        (r#"{"status":{},"transaction":"x","state":"PAID"}"#, Some("PAID")),
        (r#"{"status":"","state":"locked"}"#, Some("locked")),
        (r#"{"transaction":[],"state":true}"#, None),
        (r#"{"status":"brand_new_word"}"#, Some("brand_new_word")),
        (r#"{}"#, None),
    ];
    for (body, status) in cases {
        assert_eq!(order(body).unwrap().status.as_deref(), status, "{body}");
    }
}

#[test]
fn amounts_are_read_digit_for_digit_and_a_doubles_tail_is_cut_off() {
    for (written, read) in [
        (r#""5.00""#, "5.00"),
        ("5.00", "5.00"),
        (r#""0.1234567890123456789""#, "0.1234567890123456789"),
        (r#""9007199254740993.000000001""#, "9007199254740993.000000001"),
        ("0.1234567890123456789", "0.123456789012346"),
        ("67.2000000000000028421709430404007434844970703125", "67.2"),
        ("29.949999999999999", "29.95"),
        (r#""29.949999999999999""#, "29.949999999999999"),
        (r#""67.2000000000000028421709430404007434844970703125""#, "67.20000000000000284217094304"),
        (r#""\u0035.1""#, "5.1"),
        ("7", "7"),
        ("1e3", "1000"),
        (r#""1e3""#, "1000"),
        ("5.0e-5", "0.000050"),
        (r#""5.0E-5""#, "0.000050"),
    ] {
        for (field, of) in [
            ("amountInCrypto", (|report| report.amount_crypto) as fn(OrderReport) -> Option<Amount>),
            ("amountInUSD", |report| report.amount_usd),
            ("payment_amount", |report| report.payment_amount),
            ("payment_amount_usd", |report| report.payment_amount_usd),
            ("payer_amount", |report| report.payer_amount),
            ("refund_amount", |report| report.refund_amount),
            ("refund_amount_usd", |report| report.refund_amount_usd),
        ] {
            let report = order(&format!(r#"{{"{field}":{written}}}"#)).unwrap();
            assert_eq!(report.unreadable, Vec::<String>::new(), "{field} {written}");
            assert_eq!(of(report).unwrap().as_str(), read, "{field}");
        }
    }
    for wrong in [
        "-1",
        "-0.5",
        r#""+5""#,
        r#""5,00""#,
        r#""1,212.50""#,
        r#""1 212.50""#,
        r#"" 5""#,
        "true",
        "[5]",
        "{}",
        r#""NaN""#,
        "1e40",
    ] {
        for field in ["payment_amount_usd", "refund_amount_usd"] {
            let error = order(&format!(r#"{{"{field}":{wrong}}}"#)).unwrap_err();
            assert_eq!(error, format!("{field} is not an amount"), "{wrong}");
        }
        for field in ["amountInUSD", "amountInCrypto", "payment_amount", "payer_amount", "refund_amount"] {
            let report = order(&format!(r#"{{"status":"paid","{field}":{wrong}}}"#)).unwrap();
            assert_eq!(report.unreadable, [format!("{field} is not an amount")], "{wrong}");
            assert_eq!(
                report,
                OrderReport {
                    status: report.status.clone(),
                    unreadable: report.unreadable.clone(),
                    ..OrderReport::default()
                }
            );
        }
    }
}

#[test]
fn a_deadline_is_read_in_every_scale_and_from_the_calendar() {
    for written in [
        "1795903165",
        r#""1795903165""#,
        "1795903165.0",
        "1.795903165e9",
        "1795903165000",
        r#""1795903165000""#,
        "1795903165000.0",
        "1795903165000000",
        r#""1795903165000000""#,
        r#""2026-11-28T21:59:25Z""#,
        r#""2026-11-28T21:59:25.000000Z""#,
        r#""2026-11-28 21:59:25Z""#,
        r#""2026-11-29T00:59:25+03:00""#,
        r#""2026-11-29T00:59:25+0300""#,
        r#""2026-11-28T21:59:25""#,
        r#""2026-11-28 21:59:25""#,
        r#""2026-11-28 21:59:25.000""#,
    ] {
        let report = order(&format!(r#"{{"expire_at":{written}}}"#)).unwrap();
        let shown = report.expire_at.map(|at| at.to_string());
        assert_eq!(shown.as_deref(), Some("2026-11-28T21:59:25.000Z"), "{written}: {:?}", report.unreadable);
    }
    for wrong in [
        "0",
        "-1795903165",
        "978307199",
        "4102444800",
        "4102444800000000",
        "1795903165000000000",
        "true",
        "{}",
        r#""soon""#,
        r#""1,795,903,165""#,
        r#""2026-11-28""#,
        r#""2026-11-28T21""#,
        r#""2026-13-28T21:59:25Z""#,
        r#""1970-01-01T00:00:00Z""#,
        r#""2101-01-01T00:00:00Z""#,
        r#""28.11.2026 21:59:25""#,
    ] {
        let report = order(&format!(r#"{{"expire_at":{wrong}}}"#)).unwrap();
        assert_eq!(
            (report.expire_at, report.unreadable),
            (None, vec!["expire_at is no time".to_owned()]),
            "{wrong}"
        );
    }
    assert_eq!(
        order(r#"{"expire_at":"1795903165.25"}"#).unwrap().expire_at.unwrap().as_millis(),
        1_795_903_165_250
    );
    assert_eq!(order(r#"{"expire_at":""}"#).unwrap(), OrderReport::default());
}

#[test]
fn a_memo_is_the_first_of_five_fields_that_says_one() {
    for name in ["memo", "tag", "dest_tag", "payment_id", "comment"] {
        for (written, read) in
            [(r#""a memo""#, Some("a memo")), ("101", Some("101")), (r#""""#, None), ("null", None)]
        {
            let report = order(&format!(r#"{{"{name}":{written}}}"#)).unwrap();
            assert_eq!((report.memo.as_deref(), report.unreadable.len()), (read, 0), "{name} {written}");
        }
        for (wrong, why) in
            [("true", "is neither a text nor a number"), (r#""a\nb""#, "has control characters")]
        {
            let report = order(&format!(r#"{{"{name}":{wrong}}}"#)).unwrap();
            assert_eq!((report.memo, report.unreadable), (None, vec![format!("{name} {why}")]));
        }
        let long = |len: usize| order(&format!(r#"{{"{name}":"{}"}}"#, "x".repeat(len))).unwrap();
        assert_eq!(long(256).memo.map(|memo| memo.len()), Some(256));
        assert_eq!(long(257).unreadable, [format!("{name} is too long")]);
    }
    let report = order(r#"{"comment":"c","tag":"","dest_tag":7,"memo":null}"#).unwrap();
    assert_eq!(report.memo.as_deref(), Some("7"));
}

/// Reads the answer to a creation whose fields are these.
fn created(body: &str) -> Result<OrderReport, String> {
    match wire::created(format!(r#"{{"ok":true,"body":{body}}}"#).as_bytes()) {
        Ok(Decoded::Yes(report)) => Ok(*report),
        Ok(Decoded::No) => Err("no".to_owned()),
        Err(wrong) => Err(wrong.to_string()),
    }
}

const WHOLE: &str = r#""order_id":"o","to_address":"a","currency":"TON","network":"ton","amountInUSD":"5","amountInCrypto":"1","expire_at":1795903165"#;

#[test]
fn a_created_order_is_known_whatever_else_of_it_cannot_be_read() {
    assert_eq!(created(&format!("{{{WHOLE}}}")).unwrap().unreadable, Vec::<String>::new());
    for (from, to, unreadable) in [
        (r#""1""#, r#""5.0E-5""#, None),
        (r#""5""#, r#""1,212.50""#, Some("amountInUSD is not an amount")),
        (r#""5""#, r#""""#, Some("amountInUSD is missing")),
        (r#""5""#, "null", Some("amountInUSD is missing")),
        (r#""1""#, "[]", Some("amountInCrypto is not an amount")),
        ("1795903165", "1795903165000", None),
        ("1795903165", r#""in an hour""#, Some("expire_at is no time")),
        (r#""ton""#, "{}", Some("network is not a text")),
        (r#""ton""#, r#""t\u0000n""#, Some("network has control characters")),
        (r#""TON""#, "7", Some("currency is not a text")),
        (r#""TON""#, r#""TON","memo":"m""#, None),
        (r#""TON""#, r#""TON","memo":{}"#, Some("memo is neither a text nor a number")),
        (r#""TON""#, r#""TON","status":"a\nb""#, Some("status has control characters")),
        (r#""TON""#, r#""TON","payment_amount_usd":-1"#, Some("payment_amount_usd is not an amount")),
        (r#""TON""#, r#""TON","refund_amount_usd":"x""#, Some("refund_amount_usd is not an amount")),
        (
            r#""TON""#,
            r#""TON","transaction":{"status":1,"status":2}"#,
            Some("transaction does not have the expected fields"),
        ),
        (r#""TON""#, r#""TON","url":7"#, Some("url is not a text")),
        (r#""TON""#, r#""TON","txid":[]"#, Some("txid is neither a text nor a number")),
        (r#""TON""#, r#""TON","currency":"BTC""#, Some("currency is given more than once")),
        (r#""TON""#, r#""TON","status":"paid","status":"check""#, Some("status is given more than once")),
    ] {
        let report = created(&format!("{{{}}}", WHOLE.replacen(from, to, 1))).unwrap();
        assert_eq!((report.order_id.as_deref(), report.address.as_deref()), (Some("o"), Some("a")), "{to}");
        assert_eq!(report.unreadable, unreadable.into_iter().collect::<Vec<_>>(), "{to}");
    }
    let bare = created(r#"{"order_id":"o","to_address":"a"}"#).unwrap();
    let missing = ["amountInUSD", "amountInCrypto", "expire_at", "currency", "network"];
    assert_eq!(bare.unreadable, missing.map(|name| format!("{name} is missing")));
    let mut bytes = format!(r#"{{"ok":true,"body":{{{WHOLE}}}}}"#).into_bytes();
    let at = bytes.windows(3).position(|window| window == b"ton").unwrap();
    bytes[at] = 0xe9;
    let report = yes(wire::created(&bytes).unwrap());
    assert_eq!(report.unreadable, ["network has letters that cannot be read"]);
}

#[test]
fn a_created_order_without_a_name_or_an_address_that_can_be_read_is_unreadable() {
    for (from, to, why) in [
        (r#""o""#, r#""""#, "order_id is missing"),
        (r#""o""#, "true", "order_id is neither a text nor a number"),
        (r#""o""#, r#""o","order_id":"p""#, "order_id is given more than once"),
        (r#""a""#, "null", "to_address is missing"),
        (r#""a""#, "7", "to_address is not a text"),
        (r#""a""#, r#""a","to_address":"b""#, "to_address is given more than once"),
    ] {
        assert_eq!(created(&format!("{{{}}}", WHOLE.replacen(from, to, 1))).unwrap_err(), why, "{to}");
    }
}

#[test]
fn nulls_extras_and_empty_texts_are_fine() {
    let body = r#"{"order_id":12345678901234567890123,"to_address":null,"txid":"","url":null,"expire_at":"1748615577",
        "payment_amount":null,"payment_amount_usd":"","is_final":false,"from":"x","new":{"deep":[1,{"a":null}]}}"#;
    let report = order(body).unwrap();
    assert_eq!(report.order_id.as_deref(), Some("12345678901234567890123"), "not through a float");
    assert_eq!(report.expire_at.unwrap().as_millis(), 1_748_615_577_000);
    assert_eq!((report.address, report.txid, report.payment_amount_usd), (None, None, None));
}

#[test]
fn what_moves_no_money_is_named_where_it_cannot_be_read() {
    let body = r#"{"status":"paid","expire_at":17959,"url":7,"txid":{},"payer_amount":"-1","currency":1,"network":[],"network":"x"}"#;
    let report = order(body).unwrap();
    assert_eq!(report.status.as_deref(), Some("paid"));
    assert_eq!((report.expire_at, report.url, report.txid, report.payer_amount), (None, None, None, None));
    let named = [
        "currency is not a text",
        "network is given more than once",
        "expire_at is no time",
        "url is not a text",
        "txid is neither a text nor a number",
        "payer_amount is not an amount",
    ];
    assert_eq!(report.unreadable, named);
    assert_eq!(order(r#"{"txid":5}"#).unwrap().txid.as_deref(), Some("5"));
}

#[test]
fn what_makes_an_order_unreadable_is_named_and_never_quoted() {
    let long = |len: usize| "x".repeat(len);
    let cases = [
        (r#"{"status":"paid","status":"check"}"#.to_owned(), "status is given more than once"),
        (r#"{"order_id":"a","order_id":"b"}"#.to_owned(), "order_id is given more than once"),
        (
            r#"{"payment_amount_usd":1,"payment_amount_usd":2}"#.to_owned(),
            "payment_amount_usd is given more than once",
        ),
        (r#"{"order_id":true}"#.to_owned(), "order_id is neither a text nor a number"),
        (r#"{"order_id":".."}"#.to_owned(), "order_id is no identifier"),
        (r#"{"to_address":"a\u0000b"}"#.to_owned(), "to_address has control characters"),
        (r#"{"status":"a\nb"}"#.to_owned(), "status has control characters"),
        (format!(r#"{{"order_id":"{}"}}"#, long(129)), "order_id is too long"),
        (format!(r#"{{"to_address":"{}"}}"#, long(257)), "to_address is too long"),
        (format!(r#"{{"status":"{}"}}"#, long(65)), "status is too long"),
        (r#"["af161c5a","0x66"]"#.to_owned(), "body is not an object"),
    ];
    for (body, why) in cases {
        assert_eq!(order(&body).unwrap_err(), why, "{body}");
    }
    for (answer, why) in [
        (r#"{"ok":true,"body":{"status":"pa"#, "the answer is cut off"),
        (r#"{"ok":true,"body":{}} trailing"#, "the answer is not JSON"),
        (r#"{"ok":true,"ok":true,"body":{}}"#, "the answer does not have the expected fields"),
        (r#"{"ok":"true","body":{}}"#, "the answer does not have the expected fields"),
        (r#"[true,{}]"#, "the answer is not a JSON object"),
    ] {
        assert_eq!(wire::order(answer.as_bytes()).unwrap_err().to_string(), why, "{answer}");
    }
    assert!(wire::order(b"\xef\xbb\xbf {\"ok\":true,\"body\":{}}\n").is_ok(), "a byte order mark is no harm");
}

/// Reads a list from memory.
fn listed(answer: &[u8], zone: &Zone) -> Result<Vec<Invoice>, String> {
    let mut taken = Vec::new();
    let read = wire::invoices(answer, "12345", zone, &mut |invoice| taken.push(invoice));
    let count = yes(read.map_err(|wrong| wrong.to_string())?);
    assert_eq!(count, taken.len());
    Ok(taken)
}

fn entry(entry: &str) -> Result<Invoice, String> {
    let list = format!(r#"{{"body":[{{"amount":1}},{entry}],"note":{{"a":[1]}},"ok":true}}"#);
    listed(list.as_bytes(), &Zone::UTC).map(|mut list| list.remove(1))
}

#[test]
fn another_customers_invoice_or_what_is_none_spoils_the_list() {
    for (row, why) in [
        (r#"{"amount":1,"userId":"67890"}"#, "in entry 1 of the list: it is another customer's answer"),
        ("null", "in entry 1 of the list: the entry is not an object"),
        (r#"[1,2,3,4,5,6,7]"#, "in entry 1 of the list: the entry is not an object"),
    ] {
        assert_eq!(entry(row).unwrap_err(), why, "{row}");
    }
    for ours in [r#""12345""#, r#""userId""#, r#""""#, "null", "67890"] {
        assert!(entry(&format!(r#"{{"amount":1,"userId":{ours}}}"#)).is_ok(), "{ours}");
    }
}

#[test]
fn an_invoice_of_which_money_or_name_cannot_be_read_is_named_and_the_others_stand() {
    for (row, flaw) in [
        (r#"{"amount":500.5,"payId":"p"}"#, "amount is not a whole number"),
        (r#"{"amount":485.00001,"payId":"p"}"#, "amount is not a whole number"),
        (r#"{"amount":"4,85","payId":"p"}"#, "amount is not a whole number"),
        (r#"{"amount":"+485","payId":"p"}"#, "amount is not a whole number"),
        (r#"{"amount":" 485","payId":"p"}"#, "amount is not a whole number"),
        (r#"{"amount":"","payId":"p"}"#, "amount is not a whole number"),
        (r#"{"amount":true,"payId":"p"}"#, "amount is not a whole number"),
        (r#"{"amount":null,"payId":"p"}"#, "amount is not a whole number"),
        (r#"{"payId":"p"}"#, "amount is not a whole number"),
        (r#"{"amount":"5.05","payId":"p"}"#, "amount is not a whole number"),
        (r#"{"amount":99999999999999999999,"payId":"p"}"#, "amount is not a whole number"),
    ] {
        let invoice = entry(row).unwrap();
        assert_eq!(invoice.flaw.as_deref(), Some(flaw), "{row}");
        assert_eq!((invoice.amount_cents, invoice.pay_id.as_deref()), (None, Some("p")), "{row}");
    }
    for (status, flaw) in [
        ("7", "status is not a text"),
        ("{}", "status is not a text"),
        (r#""a\nb""#, "status has control characters"),
    ] {
        let invoice = entry(&format!(r#"{{"amount":1,"payId":"p","status":{status}}}"#)).unwrap();
        assert_eq!(
            (invoice.status, invoice.amount_cents, invoice.flaw.as_deref()),
            (None, Some(1), Some(flaw))
        );
    }
    for none in ["null", r#""""#] {
        let invoice = entry(&format!(r#"{{"amount":1,"payId":"p","status":{none}}}"#)).unwrap();
        assert_eq!((invoice.status, invoice.flaw), (None, None));
    }
    let broken = entry(r#"{"payId":{},"amount":"x","status":1}"#).unwrap();
    let flaws = "payId is neither a text nor a number; amount is not a whole number; status is not a text";
    assert_eq!(broken.flaw.as_deref(), Some(flaws));
    let nameless = entry(r#"{"amount":1,"sesid":true}"#).unwrap();
    assert_eq!(nameless.flaw.as_deref(), Some("sesid is neither a text nor a number"));
    assert_eq!((nameless.amount_cents, nameless.sesid), (Some(1), None));
}

#[test]
fn cents_are_whole_whatever_way_they_are_written() {
    for (written, read) in [
        ("485", 485),
        ("485.0", 485),
        (r#""485""#, 485),
        (r#""485.00""#, 485),
        ("4.85e2", 485),
        (r#""4.85E+2""#, 485),
        ("485.0000000001", 485),
        ("484.9999999999", 485),
        ("485.000001", 485),
        ("485.00000000000005684341886080801486968994140625", 485),
        ("-485", -485),
        ("-485.0", -485),
        (r#""-4.85e2""#, -485),
        ("0", 0),
        ("-0", 0),
        ("9007199254740993", 9_007_199_254_740_993),
        ("-9223372036854775807", -9_223_372_036_854_775_807),
    ] {
        let invoice = entry(&format!(r#"{{"amount":{written}}}"#)).unwrap();
        assert_eq!((invoice.amount_cents, invoice.flaw), (Some(read), None), "{written}");
        let figures = format!(r#"{{"ok":true,"body":{{"balance":{written},"totalCharges":{written}}}}}"#);
        let figures = yes(wire::balance(figures.as_bytes(), "12345").unwrap());
        assert_eq!((figures.balance_cents, figures.total_charges_cents), (read, read), "{written}");
    }
}

#[test]
fn what_an_invoice_says_beside_money_and_name_may_be_missing() {
    let created = |text: &str| {
        let invoice =
            entry(&format!(r#"{{"amount":"500","created":{text},"status":null,"method":[]}}"#)).unwrap();
        assert_eq!(
            (invoice.amount_cents, invoice.status, invoice.method, invoice.flaw),
            (Some(500), None, None, None)
        );
        invoice.created.map(|at| at.to_seconds_text())
    };
    assert_eq!(created(r#""2025-05-15 18:37:30""#).as_deref(), Some("2025-05-15T18:37:30Z"));
    assert_eq!(created(r#""2025-05-15T18:37:30+02:00""#).as_deref(), Some("2025-05-15T16:37:30Z"));
    assert_eq!(created(r#""2025-05-15T18:37:30""#).as_deref(), Some("2025-05-15T18:37:30Z"));
    assert_eq!(created(r#""2025-05-15 18:37:30.000""#).as_deref(), Some("2025-05-15T18:37:30Z"));
    for unreadable in ["null", "5", r#""15.05.2025 18:37:30""#, r#""2025-02-30 18:37:30""#, r#""yesterday""#]
    {
        assert_eq!(created(unreadable), None, "{unreadable}");
    }
}

#[test]
fn times_of_the_list_are_read_where_their_clock_hangs() {
    let list = br#"{"ok":true,"body":[{"amount":1,"created":"2026-10-25 01:59:59"},
        {"amount":1,"created":"2026-10-25 02:30:00"},{"amount":1,"created":"2026-10-25 03:00:00"},
        {"amount":1,"created":"2026-10-25T03:00:00+03:00"}]}"#;
    let read = |zone: &str| -> Vec<String> {
        let rows = listed(list, &Zone::parse(zone).unwrap()).unwrap();
        rows.iter().map(|row| row.created.unwrap().to_seconds_text()[11..].to_owned()).collect()
    };
    assert_eq!(read("+00:00"), ["01:59:59Z", "02:30:00Z", "03:00:00Z", "00:00:00Z"]);
    assert_eq!(read("+03:00"), ["22:59:59Z", "23:30:00Z", "00:00:00Z", "00:00:00Z"]);
    assert_eq!(read("Europe/Berlin"), ["23:59:59Z", "00:30:00Z", "02:00:00Z", "00:00:00Z"]);
}

#[test]
fn what_is_no_whole_list_is_none_at_all() {
    let wrong = |answer: &str| listed(answer.as_bytes(), &Zone::UTC).unwrap_err();
    assert_eq!(wrong(""), "the answer is empty");
    assert_eq!(wrong(" \n"), "the answer is empty");
    assert_eq!(wrong("  <html>"), "the answer is an HTML page");
    assert_eq!(wrong("[]"), "the answer is not a JSON object");
    assert_eq!(wrong(r#"{"ok":true,"body":{}}"#), "body is not a list");
    assert_eq!(wrong(r#"{"ok":true,"body":"none"}"#), "body is not a list");
    assert_eq!(wrong(r#"{"ok":true,"body":7.5}"#), "body is not a list");
    assert_eq!(wrong(r#"{"ok":true,"body":null}"#), "the answer has no body");
    assert_eq!(wrong(r#"{"ok":true}"#), "the answer has no body");
    assert_eq!(wrong(r#"{"body":[]}"#), "the answer does not have the expected fields");
    assert_eq!(wrong(r#"{"ok":true,"body":[{"amount":1},{"amo"#), "the answer is cut off");
    assert_eq!(wrong(r#"{"ok":true,"body":[{"amount":1}]"#), "the answer is cut off");
    assert_eq!(wrong(r#"{"ok":true,"body":[{"amount":1},]}"#), "the answer is not JSON");
    assert_eq!(wrong(r#"{"ok":true,"body":[]} trailing"#), "the answer is not JSON");
    assert_eq!(wrong(r#"{"ok":true,"body":[],"body":[]}"#), "the answer does not have the expected fields");
    let no =
        wire::invoices(r#"{"ok":false,"body":[{"amount":1}]}"#.as_bytes(), "12345", &Zone::UTC, &mut |_| ());
    assert_eq!(no.unwrap(), Decoded::No);
    assert_eq!(listed(b"\xef\xbb\xbf {\"ok\":true,\"body\":[]}\n", &Zone::UTC).unwrap(), vec![]);
}

#[test]
fn another_customers_balance_is_not_ours() {
    let read = |body: &str| wire::balance(format!(r#"{{"ok":true,"body":{body}}}"#).as_bytes(), "12345");
    assert!(read(r#"{"userId":"67890","balance":1,"totalCharges":1}"#).is_err());
    let figures = yes(read(r#"{"balance":-5,"totalCharges":500}"#).unwrap());
    assert_eq!((figures.balance_cents, figures.total_charges_cents), (-5, 500));
    for half in [r#"{"balance":1}"#, r#"{"totalCharges":"1"}"#, r#"{"balance":null,"totalCharges":1}"#] {
        assert!(read(half).is_err(), "{half}");
    }
}

/// Answers that are nearly right: the seed's with a stretch of it replaced.
fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
    let seed = super::answers::SEED.as_bytes();
    (0..seed.len(), 0..40_usize, proptest::collection::vec(any::<u8>(), 0..20)).prop_map(|(at, len, new)| {
        let mut bytes = super::answers::SEED.as_bytes().to_vec();
        let end = at.saturating_add(len).min(bytes.len());
        bytes.splice(at..end, new);
        bytes
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), nearly_right()]) {
        let _ = wire::order(&bytes);
        let _ = wire::created(&bytes);
        let _ = wire::invoices(bytes.as_slice(), "12345", &Zone::UTC, &mut |_| ());
        let _ = wire::balance(&bytes, "12345");
        let _ = wire::coupons(&bytes, &Zone::UTC);
        let _ = wire::salvaged_order_id(&bytes);
        let words = wire::words(&bytes, str::to_owned);
        prop_assert!(words.is_none_or(|w| w.chars().count() <= 300 && !w.chars().any(char::is_control)));
    }

    #[test]
    fn no_json_panics(body in r#"[\[\]{}",:0-9a-z.\\-]{0,80}"#) {
        for wrapped in [body.clone(), format!(r#"{{"ok":true,"body":{body}}}"#)] {
            let _ = wire::created(wrapped.as_bytes());
            let _ = wire::invoices(wrapped.as_bytes(), "", &Zone::UTC, &mut |_| ());
            let _ = wire::coupons(wrapped.as_bytes(), &Zone::UTC);
        }
    }
}
