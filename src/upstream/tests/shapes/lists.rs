//! The list of invoices: its rows, one at a time, and what is no whole list.

use super::*;

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
