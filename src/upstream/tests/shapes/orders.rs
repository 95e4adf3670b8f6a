//! An order: its word, its figures, its deadline, its memo, and what makes it unreadable.

use super::*;
use crate::domain::money::Amount;

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
