//! Whole answers: what each status and body means to the caller.

use super::super::{Error, NewOrder, Priority, Upstream};
use super::server::{Reaction, Server, http};
use super::{settings, upstream, upstream_with};
use crate::domain::asset::Asset;
use crate::domain::money::Amount;
use crate::domain::report::OrderReport;
use crate::domain::time::{Timestamp, Zone};

/// The seed document's own answer.
pub(super) const SEED: &str = r#"{
    "ok": true,
    "body": {
        "to_address": "0x66b928a82377d75ced043e95738372e9e9607f1f",
        "currency": "USDT",
        "network": "bsc",
        "amountInUSD": "5.00",
        "amountInCrypto": "4.99",
        "expire_at": 1748615577,
        "url": "https://pay.cryptomus.com/pay/35a4ee29-16ef-4b18-9960-b7812c836bb1",
        "order_id": "af161c5a-936c-4294-b656-6da12b77e232"
    }
}"#;

/// Orders what the seed document orders.
pub(super) async fn create(upstream: &Upstream, coupon: Option<&str>) -> Result<Box<OrderReport>, Error> {
    let amount = Amount::parse("5.15").unwrap();
    let order = NewOrder { paid_by: Asset::parse("usdt", "bsc").unwrap().into(), amount: &amount, coupon };
    let permit = upstream.admit(Priority::Create).await;
    upstream.create(permit, &order).await.map(|answer| answer.value)
}

pub(super) async fn poll_order(upstream: &Upstream) -> Result<Box<OrderReport>, Error> {
    let permit = upstream.admit(Priority::Poll).await;
    upstream.poll(permit, "af161c5a-936c").await.map(|answer| answer.value)
}

/// What an error is called in the tables below.
pub(super) fn kind<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Error::Settings(_)) => "settings",
        Err(Error::NotTaken { .. }) => "not taken",
        Err(Error::Unknown { .. }) => "unknown",
        Err(Error::Unreadable { .. }) => "unreadable",
        Err(Error::Refused { .. }) => "refused",
        Err(Error::UnknownOrder { .. }) => "unknown order",
        Err(Error::Denied { .. }) => "denied",
    }
}

#[tokio::test]
async fn the_seeds_own_request_gets_the_seeds_own_answer() {
    let server = Server::answering(200, SEED).await;
    let report = create(&upstream(&server.url), None).await.unwrap();
    assert_eq!(report.order_id.as_deref(), Some("af161c5a-936c-4294-b656-6da12b77e232"));
    assert_eq!(report.address.as_deref(), Some("0x66b928a82377d75ced043e95738372e9e9607f1f"));
    assert_eq!((report.currency.as_deref(), report.network.as_deref()), (Some("USDT"), Some("bsc")));
    assert_eq!(report.amount_usd.unwrap().as_str(), "5.00");
    assert_eq!(report.amount_crypto.unwrap().as_str(), "4.99");
    assert_eq!(report.expire_at, Some(Timestamp::from_seconds(1_748_615_577)));
    assert_eq!(report.status, None);

    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("PUT /v3/customers/12345/cryptomus/direct/USDT/BSC/5.15 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(head.contains(concat!("user-agent: depositd/", env!("CARGO_PKG_VERSION"))), "{head}");
    assert!(!head.contains("MARKED"), "the key belongs in the body: {head}");
    assert_eq!(body, format!("{{\"apiKey\":{}}}", serde_json::to_string(super::KEY).unwrap()));
}

#[tokio::test]
async fn a_coupon_goes_into_the_body_and_an_empty_one_nowhere() {
    let server = Server::answering(200, SEED).await;
    let upstream = upstream(&server.url);
    create(&upstream, Some("SPRING\"1")).await.unwrap();
    create(&upstream, Some("")).await.unwrap();
    let [first, second] = &server.requests()[..] else { panic!("two requests") };
    assert!(first.ends_with(r#","couponCode":"SPRING\"1"}"#), "{first}");
    assert!(!second.contains("couponCode"), "{second}");
}

#[tokio::test]
async fn each_poll_names_the_order_in_the_path_and_the_key_in_the_query() {
    let server = Server::answering(200, r#"{"ok":true,"body":{"status":"paid"}}"#).await;
    let upstream = upstream(&format!("{}/behind/a/proxy/", server.url));
    let permit = upstream.admit(Priority::Poll).await;
    let answer = upstream.poll(permit, "a b/../c?d#e").await.unwrap();
    assert_eq!(answer.value.status.as_deref(), Some("paid"));
    assert_eq!((answer.evidence.call, answer.evidence.http_status), ("look", Some(200)));
    assert_eq!(answer.evidence.text(), r#"{"ok":true,"body":{"status":"paid"}}"#);
    let request = server.requests().remove(0);
    let expected = "GET /behind/a/proxy/v3/customers/12345/cryptomus/transaction/a%20b%2F..%2Fc%3Fd%23e\
        ?apiKey=MARKED%2Fk%2Be%26y%3D%22100%25%5C%3C%3E%27%3F%23 HTTP/1.1\r\n";
    assert!(request.starts_with(expected), "{request}");

    for climbing in ["", ".", ".."] {
        let permit = upstream.admit(Priority::Poll).await;
        let result = upstream.poll(permit, climbing).await;
        assert_eq!(kind(&result), "unknown order");
    }
    assert_eq!(server.requests().len(), 1, "and nothing was asked");
}

#[tokio::test]
async fn what_each_answer_to_a_creation_means() {
    let no = |text: &str| format!(r#"{{"ok":false,"body":"{text}"}}"#);
    let page = "<html><body><h1>502 Bad Gateway</h1></body></html>".to_owned();
    let cases = [
        (200, SEED.to_owned(), None, "ok", ""),
        (201, SEED.to_owned(), None, "ok", ""),
        (200, no("Non-acceptable Network"), None, "refused", "Non-acceptable Network"),
        (200, r#"{"ok":false}"#.to_owned(), None, "refused", "200 OK"),
        (400, no("Non-acceptable Currency"), None, "refused", "Non-acceptable Currency"),
        (400, String::new(), None, "refused", "400 Bad Request"),
        (
            401,
            r#"{"message":"User-verification Failed"}"#.to_owned(),
            None,
            "refused",
            "User-verification Failed",
        ),
        (422, r#"{"error":{"code":7,"message":"too\nsmall"}}"#.to_owned(), None, "refused", "too small"),
        (404, no("no such customer"), None, "refused", "no such customer"),
        (404, page.clone(), None, "unknown", "404 Not Found: 502 Bad Gateway"),
        (403, page.clone(), None, "unknown", "403 Forbidden: 502 Bad Gateway"),
        (408, String::new(), None, "unknown", "408 Request Timeout"),
        (500, no("Invalid, or expired Coupon"), Some("C"), "refused", "Invalid, or expired Coupon"),
        (500, "Invalid, or expired coupon".to_owned(), Some("C"), "refused", "Invalid, or expired coupon"),
        (500, String::new(), Some("C"), "refused", "500 Internal Server Error"),
        (500, "{\"ok\":false,\"body\":null}".to_owned(), Some("C"), "refused", "500 Internal Server Error"),
        (500, no("database down"), Some("C"), "unknown", "500 Internal Server Error: database down"),
        (
            500,
            no("Invalid, or expired Coupon"),
            None,
            "unknown",
            "500 Internal Server Error: Invalid, or expired Coupon",
        ),
        (500, String::new(), None, "unknown", "500 Internal Server Error"),
        (502, page.clone(), Some("C"), "unknown", "502 Bad Gateway: 502 Bad Gateway"),
        (503, page.clone(), None, "not taken", "502 Bad Gateway"),
        (429, String::new(), None, "not taken", "too many requests"),
        (200, page, None, "unreadable", "the answer is an HTML page"),
        (200, String::new(), None, "unreadable", "the answer is empty"),
        (200, r#"{"ok":true}"#.to_owned(), None, "unreadable", "the answer has no body"),
        (
            200,
            r#"{"body":{}}"#.to_owned(),
            None,
            "unreadable",
            "the answer does not have the expected fields",
        ),
        (200, r#"{"ok":true,"body":[1]}"#.to_owned(), None, "unreadable", "body is not an object"),
    ];
    for (status, body, coupon, expected, words) in cases {
        let server = Server::answering(status, &body).await;
        let result = create(&upstream(&server.url), coupon).await;
        assert_eq!(kind(&result), expected, "{status} {body} {coupon:?}: {result:?}");
        if let Err(error) = result {
            assert_eq!(error.words(), words, "{status} {body}");
            assert_eq!(error.evidence().unwrap().http_status, Some(status));
        }
    }
}

#[tokio::test]
async fn a_creation_without_its_order_or_its_address_is_unreadable_and_names_the_order() {
    for needed in ["order_id", "to_address"] {
        let server = Server::answering(200, &SEED.replace(needed, "elsewhere")).await;
        let error = create(&upstream(&server.url), None).await.unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
        assert_eq!(error.words(), format!("{needed} is missing"));
        let named = (needed != "order_id").then_some("af161c5a-936c-4294-b656-6da12b77e232");
        assert_eq!(error.order_id(), named);
    }
}

#[tokio::test]
async fn a_creation_with_its_order_and_its_address_is_known_whatever_else_it_lacks() {
    for needed in ["amountInUSD", "amountInCrypto", "expire_at", "currency", "network"] {
        let server = Server::answering(200, &SEED.replace(needed, "elsewhere")).await;
        let report = create(&upstream(&server.url), None).await.unwrap();
        assert_eq!(report.order_id.as_deref(), Some("af161c5a-936c-4294-b656-6da12b77e232"));
        assert_eq!(report.unreadable, [format!("{needed} is missing")]);
    }
}

#[tokio::test]
async fn what_each_answer_to_a_poll_means() {
    let cases = [
        (200, r#"{"ok":true,"body":{}}"#, "ok"),
        (200, r#"{"ok":false,"message":"no such order"}"#, "unknown order"),
        (404, "", "unknown order"),
        (404, r#"{"ok":false,"body":"gone"}"#, "unknown order"),
        (400, r#"{"ok":false,"body":"no such order"}"#, "unknown order"),
        (400, "", "unknown"),
        (401, "", "denied"),
        (403, r#"{"ok":false,"body":"no"}"#, "denied"),
        (429, "", "not taken"),
        (503, "", "not taken"),
        (500, r#"{"ok":false,"body":"Invalid, or expired Coupon"}"#, "unknown"),
        (502, "<html>", "unknown"),
        (200, "<html><h1>Down for maintenance</h1>", "unreadable"),
        (200, r#"{"ok":true,"body":null}"#, "unreadable"),
        (200, r#"{"ok":true,"body":"paid"}"#, "unreadable"),
        (204, "", "unreadable"),
        (304, "", "unknown"),
    ];
    for (status, body, expected) in cases {
        let server = Server::answering(status, body).await;
        let result = poll_order(&upstream(&server.url)).await;
        assert_eq!(kind(&result), expected, "{status} {body}: {result:?}");
    }
}

#[tokio::test]
async fn the_lists_and_figures_come_from_their_own_paths() {
    let invoices = r#"{"ok":true,"body":[{"method":"Cryptomus","sesid":"s","payId":7,"amount":500,
        "created":"2025-05-15 18:37:30","expires_at":null,"status":"cancel","userId":"userId"}]}"#;
    let balance = r#"{"ok":true,"body":{"userId":"12345","balance":500,"totalCharges":"1500","discountRates":[[8000,0.8]]}}"#;
    let coupons = r#"{"ok":true,"body":{"totalReceived":30,"codes":[{"code":"SPRING","status":"issued",
        "percentage":10,"expiredAt":"2025-06-14 02:17:30"}]}}"#;
    let reactions = [invoices, balance, coupons].map(|body| Reaction::Send(http(200, "", body)));
    let server = Server::reacting(reactions.to_vec()).await;
    let settings = super::UpstreamSettings { zone: Zone::parse("+03:00").unwrap(), ..settings(&server.url) };
    let (upstream, _) = upstream_with(settings);

    let permit = upstream.admit(Priority::Reconcile).await;
    let list = upstream.invoices(permit, Vec::new()).await.unwrap().value;
    assert_eq!((list.rows, list.bytes, list.sha256.len()), (1, invoices.len(), 64));
    let list = list.sink;
    assert_eq!((list[0].amount_cents, list[0].pay_id.as_deref()), (Some(500), Some("7")));
    assert_eq!(list[0].created.unwrap().to_seconds_text(), "2025-05-15T15:37:30Z", "three hours east of UTC");
    let figures = upstream.balance(upstream.admit(Priority::Reconcile).await).await.unwrap().value;
    assert_eq!((figures.balance_cents, figures.total_charges_cents), (500, 1500));
    let coupons = upstream.coupons(upstream.admit(Priority::Reconcile).await).await.unwrap().value;
    assert_eq!((coupons[0].code.as_str(), coupons[0].percentage), ("SPRING", Some(10)));

    let paths: Vec<_> = server.requests().iter().map(|r| r.split_once('?').unwrap().0.to_owned()).collect();
    assert_eq!(paths, ["payments", "balance", "coupons"].map(|p| format!("GET /v3/customers/12345/{p}")));
}

#[tokio::test]
async fn what_each_no_to_the_lists_means() {
    let cases = [
        (401, "", "denied"),
        (403, "", "denied"),
        (200, r#"{"ok":false,"body":"User-verification Failed"}"#, "denied"),
        (400, r#"{"ok":false,"body":"User-verification Failed"}"#, "denied"),
        (404, "", "unknown"),
        (500, "", "unknown"),
        (503, "", "not taken"),
        (200, r#"{"ok":true,"body":{"balance":500.5,"totalCharges":"500"}}"#, "unreadable"),
        (200, r#"{"ok":true,"body":{"balance":500.0,"totalCharges":"5.00e2"}}"#, "ok"),
        (200, "<html>", "unreadable"),
    ];
    for (status, body, expected) in cases {
        let server = Server::answering(status, body).await;
        let upstream = upstream(&server.url);
        let permit = upstream.admit(Priority::Reconcile).await;
        assert_eq!(kind(&upstream.balance(permit).await), expected, "{status} {body}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_and_a_password_in_them_is_not_told() {
    let new = |base_url: &str| {
        let clock = std::sync::Arc::new(crate::clock::ManualClock::new(super::noon()));
        Upstream::new(settings(base_url), super::SecretString::from("key".to_owned()), clock)
    };
    for good in [
        "https://api-x.smsonline.cloud",
        "https://x/y/",
        "http://127.0.0.1:1",
        "http://[::1]:1",
        "http://localhost",
    ] {
        new(good).unwrap();
    }
    let bad = [
        "",
        "api-x.smsonline.cloud",
        "ftp://x",
        "http://api-x.smsonline.cloud",
        "http://127.0.0.1.example.com",
        "https://u:hunter2@x",
        "https://hunter2@x",
        "https://x?apiKey=hunter2",
        "https://x#hunter2",
        "file:///etc",
    ];
    for url in bad {
        let error = new(url).unwrap_err();
        assert_eq!(kind::<()>(&Err(Error::Settings(String::new()))), kind::<()>(&Err(error)), "{url}");
        assert!(!format!("{0} {0:?}", new(url).unwrap_err()).contains("hunter2"), "{url}");
    }
}
