//! Tables of values as people write them, right and wrong.

use super::*;

#[test]
fn durations_are_read_and_shown() {
    for (text, millis) in [
        ("300ms", 300),
        ("15s", 15_000),
        ("5m", 300_000),
        ("7d", 604_800_000),
        ("1h30m", 5_400_000),
        ("1d2h3m4s5ms", 93_784_005),
    ] {
        assert_eq!(duration(text, LONGEST), Ok(Duration::from_millis(millis)), "{text}");
        assert_eq!(shown(Duration::from_millis(millis)), text);
    }
    assert_eq!(duration("0h30m", LONGEST), Ok(Duration::from_mins(30)));
    for text in
        ["", "15", "s", "-5s", "1.5h", "5 m", "30m1h", "1h1h", "5M", "5min", "٣s", "1e3s", "+5s", "5s "]
    {
        assert!(duration(text, LONGEST).is_err_and(|e| e.contains("\"15s\"")), "{text:?}");
    }
    for text in ["0s", "0ms", "0h0m"] {
        assert!(duration(text, LONGEST).is_err_and(|e| e.contains("longer than zero")), "{text}");
    }
    for text in ["3651d", "99999999999999999999d", "18446744073709551615d1h"] {
        assert!(duration(text, LONGEST).is_err_and(|e| e.contains("at most 3650d")), "{text}");
    }
}

#[test]
fn offsets() {
    for (text, seconds) in [("+00:00", 0), ("-05:30", -19_800), ("+14:00", 50_400), ("Z", 0)] {
        assert_eq!(utc_offset(text), Ok(seconds), "{text}");
    }
    for text in ["", "00:00", "+1:00", "+15:00", "+00:60", "Europe/Berlin", "+0100", "+٠٠:00"] {
        assert!(utc_offset(text).is_err(), "{text}");
    }
}

#[test]
fn addresses() {
    for text in
        ["a@b", "Deposits <deposits@example.com>", "x.y+z@mail.example.com", "Jürgen <j@münchen.example>"]
    {
        assert_eq!(mail_address(text), Ok(()), "{text}");
    }
    for text in [
        "",
        "a",
        "@b",
        "a@",
        "a@b@c",
        "a b@c",
        "a@b c",
        "a@-b",
        "a@b..c",
        "a <a@b",
        "a@b>",
        "a@b\r\nBcc: c@d",
        "<>",
        "a,b@c",
        "N\n <a@b>",
    ] {
        assert!(mail_address(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_recipient_is_the_address_without_the_name() {
    for text in ["ops@mailhost", "Ops <ops@mailhost>"] {
        assert_eq!(recipient(text).as_deref(), Ok("ops@mailhost"), "{text}");
    }
}

#[test]
fn base_urls() {
    for (text, kept) in [
        ("https://api-x.smsonline.cloud", "https://api-x.smsonline.cloud"),
        ("https://example.com:8443/v3//", "https://example.com:8443/v3"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("HTTPS://Example.com/", "HTTPS://Example.com"),
        ("http://127.1", "http://127.1"),
    ] {
        assert_eq!(base_url(text).as_deref(), Ok(kept), "{text}");
    }
    for text in [
        "",
        "example.com",
        "ftp://example.com",
        "https://",
        "https://u:hunter2@example.com",
        "https://e.com/?k=hunter2",
        "https://e.com:0",
        "https://e.com:99999",
        "https://e com",
        "https://[::g]",
        "http://example.com",
        "http://127.0.0.1.hunter2.com",
        "http://10.0.0.1",
        "https:example.com",
        "https:\\\\e.com",
        "https://e.com\t/",
        "https://hunter2@e.com",
        "https://@e.com",
        "https://e.com?",
        "https://e.com/#",
        "http://127.0.0.1@e.com",
        "http://localhost.e.com",
        "http://e.com#@localhost",
    ] {
        let error = base_url(text).unwrap_err();
        assert!(error.contains("https://") && !error.contains("hunter2"), "{text}: {error}");
    }
}

#[test]
fn listeners() {
    assert_eq!(listen("unix:/run/d.sock"), Ok(Listen::Unix("/run/d.sock".into())));
    assert_eq!(listen("[::1]:8787").unwrap().to_string(), "[::1]:8787");
    for text in ["", "unix:", "8787", "localhost:8787", "127.0.0.1", "tcp:127.0.0.1:1", "127.0.0.1:70000"] {
        assert!(listen(text).is_err(), "{text}");
    }
}

#[test]
fn event_globs() {
    assert_eq!(events("settled"), Ok(vec![EventName::Settled]));
    assert_eq!(events("discrepancy_*"), Ok(vec![EventName::DiscrepancyOpened, EventName::DiscrepancyClosed]));
    assert_eq!(events("w*c*d"), Ok(vec![EventName::WalletCreated]));
    assert_eq!(events("*").unwrap().len(), EventName::ALL.iter().filter(|n| n.is_mailable()).count());
    assert!(events("refunding").is_err_and(|e| e.contains("never is")));
    assert!(events("setled").is_err_and(|e| e.contains("did you mean \"settled\"")));
    assert!(events("paid*").is_err_and(|e| e.contains("glob")));
    assert!(events("").is_err());
}
