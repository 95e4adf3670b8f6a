//! The tokens of the API: read from their files, one for each name, and never shown.

use secrecy::ExposeSecret as _;

use super::Bench;
use crate::config::Role;

const TEXT: &str = r#"
[api]
listen = ["127.0.0.1:0"]
[[api.tokens]]
name = "shop"
role = "request"
file = "shop"
[[api.tokens]]
name = "audit"
role = "read"
file = "audit"
[[api.groups]]
name = "accounting"
role = "read"
"#;

fn written(files: &[(&str, &str)]) -> Bench {
    let bench = Bench::new(Some(TEXT), &[]);
    for (name, text) in files {
        std::fs::write(bench.folder.path().join(name), text).unwrap();
    }
    bench
}

#[test]
fn each_is_read_from_its_file_and_the_strongest_is_shown_by_the_command_line() {
    let bench = written(&[("shop", "the-token-of-the-shop\n"), ("audit", "the-token-of-the-audit\n")]);
    let api = bench.load().unwrap().api;
    let tokens = api.read_tokens().unwrap();
    let found: Vec<_> = tokens.iter().map(|token| (token.name.as_str(), token.role)).collect();
    assert_eq!(found, [("shop", Role::Request), ("audit", Role::Read)]);
    assert_eq!(api.own_token().unwrap().unwrap().expose_secret(), "the-token-of-the-shop");
    assert_eq!((api.groups[0].name.as_str(), api.groups[0].role), ("accounting", Role::Read));
    std::fs::remove_file(bench.folder.path().join("shop")).unwrap();
    assert_eq!(api.own_token().unwrap().unwrap().expose_secret(), "the-token-of-the-audit");
    std::fs::remove_file(bench.folder.path().join("audit")).unwrap();
    assert!(api.own_token().unwrap_err().to_string().contains("api.tokens \"shop\" file"));
}

#[test]
fn one_that_is_short_or_twice_is_refused_without_being_shown() {
    for (shop, audit, part) in [
        ("fifteen-letters", "the-token-of-the-audit", "\"shop\" file: expected a token of at least 16"),
        ("the-token-of-the-shop", "the-token-of-the-shop", "\"audit\" file: expected a token of its own"),
        ("the token of the shop", "the-token-of-the-audit", "visible ASCII characters, without spaces"),
        ("the-token-of-the-shop", "one-of-two-tokens\nanother-of-two-tokens", "one line"),
        ("", "the-token-of-the-audit", "found nothing"),
    ] {
        let bench = written(&[("shop", shop), ("audit", audit)]);
        let error = bench.load().unwrap().api.read_tokens().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        assert!(!error.contains("fifteen") && !error.contains("-of-t"), "{error}");
    }
}

#[test]
fn they_are_enough_for_tcp() {
    let bench = written(&[]);
    let missing = bench.load().unwrap().validate_with(None).unwrap_err().to_string();
    assert!(!missing.contains("api.token"), "{missing}");
}
