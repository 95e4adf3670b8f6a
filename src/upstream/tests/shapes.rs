//! The decoder by tables: what is read, what makes an answer unreadable, and that nothing makes it panic.

use proptest::prelude::*;

use super::super::wire::{self, Decoded};
use crate::domain::report::{Invoice, OrderReport};

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
fn amounts_are_read_digit_for_digit() {
    for (written, read) in [
        (r#""5.00""#, "5.00"),
        ("5.00", "5.00"),
        ("0.1234567890123456789", "0.1234567890123456789"),
        ("9007199254740993.000000001", "9007199254740993.000000001"),
        (r#""\u0035.1""#, "5.1"),
        ("7", "7"),
        ("1e3", "1000"),
        ("5.0e-5", "0.000050"),
    ] {
        let report = order(&format!(r#"{{"amountInCrypto":{written}}}"#)).unwrap();
        assert_eq!(report.amount_crypto.unwrap().as_str(), read);
    }
    for wrong in
        ["-1", "-0.5", r#""1e3""#, r#""+5""#, r#""5,00""#, r#"" 5""#, "true", "[5]", "{}", r#""NaN""#]
    {
        let error = order(&format!(r#"{{"amountInUSD":{wrong}}}"#)).unwrap_err();
        assert_eq!(error, "amountInUSD is not an amount", "{wrong}");
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
fn what_moves_no_money_is_none_where_it_cannot_be_read() {
    let body = r#"{"status":"paid","expire_at":1748615577000,"url":7,"txid":{},"payer_amount":"-1"}"#;
    let report = order(body).unwrap();
    assert_eq!(report.status.as_deref(), Some("paid"));
    assert_eq!((report.expire_at, report.url, report.txid, report.payer_amount), (None, None, None, None));
    assert_eq!(order(r#"{"txid":5}"#).unwrap().txid.as_deref(), Some("5"));
}

#[test]
fn what_makes_an_order_unreadable_is_named_and_never_quoted() {
    let long = |len: usize| "x".repeat(len);
    let cases = [
        (r#"{"status":"paid","status":"check"}"#.to_owned(), "body does not have the expected fields"),
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
fn listed(answer: &[u8], offset: i32) -> Result<Vec<Invoice>, String> {
    let mut taken = Vec::new();
    let read = wire::invoices(answer, "12345", offset, &mut |invoice| taken.push(invoice));
    let count = yes(read.map_err(|wrong| wrong.to_string())?);
    assert_eq!(count, taken.len());
    Ok(taken)
}

fn entry(entry: &str) -> Result<Invoice, String> {
    let list = format!(r#"{{"body":[{{"amount":1}},{entry}],"note":{{"a":[1]}},"ok":true}}"#);
    listed(list.as_bytes(), 0).map(|mut list| list.remove(1))
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
        (r#"{"amount":500.0,"payId":"p"}"#, "amount is not a whole number"),
        (r#"{"amount":null,"payId":"p"}"#, "amount is not a whole number"),
        (r#"{"payId":"p"}"#, "amount is not a whole number"),
        (r#"{"amount":"5.00","payId":"p"}"#, "amount is not a whole number"),
        (r#"{"amount":99999999999999999999,"payId":"p"}"#, "amount is not a whole number"),
    ] {
        let invoice = entry(row).unwrap();
        assert_eq!(invoice.flaw.as_deref(), Some(flaw), "{row}");
        assert_eq!((invoice.amount_cents, invoice.pay_id.as_deref()), (None, Some("p")), "{row}");
    }
    let nameless = entry(r#"{"amount":1,"sesid":true}"#).unwrap();
    assert_eq!(nameless.flaw.as_deref(), Some("sesid is neither a text nor a number"));
    assert_eq!((nameless.amount_cents, nameless.sesid), (Some(1), None));
}

#[test]
fn what_an_invoice_says_beside_money_and_name_may_be_missing() {
    let created = |text: &str| {
        let invoice =
            entry(&format!(r#"{{"amount":"500","created":{text},"status":7,"method":[]}}"#)).unwrap();
        assert_eq!(
            (invoice.amount_cents, invoice.status, invoice.method, invoice.flaw),
            (Some(500), None, None, None)
        );
        invoice.created.map(|at| at.to_seconds_text())
    };
    assert_eq!(created(r#""2025-05-15 18:37:30""#).as_deref(), Some("2025-05-15T18:37:30Z"));
    assert_eq!(created(r#""2025-05-15T18:37:30+02:00""#).as_deref(), Some("2025-05-15T16:37:30Z"));
    for unreadable in ["null", "5", r#""15.05.2025 18:37:30""#, r#""2025-02-30 18:37:30""#, r#""yesterday""#]
    {
        assert_eq!(created(unreadable), None, "{unreadable}");
    }
}

#[test]
fn what_is_no_whole_list_is_none_at_all() {
    let wrong = |answer: &str| listed(answer.as_bytes(), 0).unwrap_err();
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
    let no = wire::invoices(r#"{"ok":false,"body":[{"amount":1}]}"#.as_bytes(), "12345", 0, &mut |_| ());
    assert_eq!(no.unwrap(), Decoded::No);
    assert_eq!(listed(b"\xef\xbb\xbf {\"ok\":true,\"body\":[]}\n", 0).unwrap(), vec![]);
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
        let _ = wire::invoices(bytes.as_slice(), "12345", -3600, &mut |_| ());
        let _ = wire::balance(&bytes, "12345");
        let _ = wire::coupons(&bytes, 0);
        let _ = wire::salvaged_order_id(&bytes);
        let words = wire::words(&bytes, str::to_owned);
        prop_assert!(words.is_none_or(|w| w.chars().count() <= 300 && !w.chars().any(char::is_control)));
    }

    #[test]
    fn no_json_panics(body in r#"[\[\]{}",:0-9a-z.\\-]{0,80}"#) {
        for wrapped in [body.clone(), format!(r#"{{"ok":true,"body":{body}}}"#)] {
            let _ = wire::created(wrapped.as_bytes());
            let _ = wire::invoices(wrapped.as_bytes(), "", i32::MAX, &mut |_| ());
            let _ = wire::coupons(wrapped.as_bytes(), i32::MIN);
        }
    }
}
