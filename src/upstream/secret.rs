//! The API key, and how to recognise it in whatever the upstream writes.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

const MASK: &[u8] = b"[secret]";
/// A text that ends in the middle of the key shows it too, from this many characters on.
const TELLING: usize = 4;
/// A text can be read in several ways at once (`\\\\` is one character or two); so many are followed.
const MOST_READINGS: usize = 4;
/// No spelling of one character is longer (`&#x0026;`).
const LONGEST_SPELLING: usize = 8;

/// The key that opens the account.
pub(super) struct ApiKey {
    key: SecretString,
    query: SecretString,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl ApiKey {
    /// Takes a key of visible ASCII characters; `None` for anything else (an empty file, a stray line break).
    pub(super) fn new(key: SecretString) -> Option<Self> {
        let text = key.expose_secret();
        if text.is_empty() || text.len() > 1024 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let query = SecretString::from(format!("?apiKey={}", percent_encoded(text)));
        Some(Self { key, query })
    }

    /// The key itself, for the body of a request.
    pub(super) fn expose(&self) -> &str {
        self.key.expose_secret()
    }

    /// `?apiKey=...`, for the end of an address.
    pub(super) fn expose_query(&self) -> &str {
        self.query.expose_secret()
    }

    /// `text` with the key masked wherever it stands: as it is, percent-encoded (once or twice), escaped as in JSON or
    /// as in HTML, or cut off at the end.
    pub(super) fn redact(&self, text: &[u8]) -> Vec<u8> {
        let mut redacted = Vec::with_capacity(text.len());
        let mut rest = text;
        let key_begins = self.expose().bytes().next();
        while let Some((first, after)) = rest.split_first() {
            // Nearly every byte: it begins neither the key nor a spelling of it.
            let telling = Some(*first) == key_begins || matches!(first, b'%' | b'\\' | b'&');
            if let Some(after_key) = telling.then(|| self.skip_key(rest)).flatten() {
                redacted.extend_from_slice(MASK);
                rest = after_key;
            } else {
                redacted.push(*first);
                rest = after;
            }
        }
        redacted
    }

    /// The same for text.
    pub(super) fn redact_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.redact(text.as_bytes())).into_owned()
    }

    /// What follows the key, if `text` begins with it in any spelling.
    fn skip_key<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        let mut reached = vec![text];
        let mut cut_off = false;
        for (matched, byte) in self.expose().bytes().enumerate() {
            let mut next = Vec::new();
            for rest in reached {
                let half_spelled =
                    rest.len() < LONGEST_SPELLING && matches!(rest.first(), Some(b'%' | b'\\' | b'&'));
                let before = next.len();
                skip_spelling(rest, byte, &mut next);
                let ended = rest.is_empty() || (half_spelled && next.len() == before);
                cut_off |= ended && matched >= TELLING;
            }
            next.sort_unstable_by_key(|rest| rest.len());
            next.dedup_by_key(|rest| rest.len());
            next.truncate(MOST_READINGS);
            if next.is_empty() {
                return cut_off.then_some(&[]);
            }
            reached = next;
        }
        reached.first().copied()
    }
}

/// Adds to `found` what follows `byte` in `text`, for each way of writing it that `text` begins with.
fn skip_spelling<'t>(text: &'t [u8], byte: u8, found: &mut Vec<&'t [u8]>) {
    match text {
        [first, rest @ ..] if *first == byte => found.push(rest),
        _ => {}
    }
    match text {
        [b'%', b'2', b'5', high, low, rest @ ..] if hex_byte(*high, *low) == Some(byte) => found.push(rest),
        [b'%', high, low, rest @ ..] if hex_byte(*high, *low) == Some(byte) => found.push(rest),
        [b'\\', b'u' | b'U', b'0', b'0', high, low, rest @ ..] if hex_byte(*high, *low) == Some(byte) => {
            found.push(rest);
        }
        [b'\\', escaped, rest @ ..] if *escaped == byte && !byte.is_ascii_alphanumeric() => found.push(rest),
        [b'&', rest @ ..] => found.extend(skip_entity(rest, byte)),
        _ => {}
    }
}

/// What follows an HTML entity for `byte`, its `&` already passed.
fn skip_entity(text: &[u8], byte: u8) -> Option<&[u8]> {
    let end = text.iter().take(LONGEST_SPELLING).position(|b| *b == b';')?;
    let (name, rest) = text.split_at_checked(end)?;
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    let meant = match name.as_str() {
        "amp" => u32::from(b'&'),
        "lt" => u32::from(b'<'),
        "gt" => u32::from(b'>'),
        "quot" => u32::from(b'"'),
        "apos" => u32::from(b'\''),
        other => match other.strip_prefix('#')?.strip_prefix('x') {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
            None => other.strip_prefix('#')?.parse().ok()?,
        },
    };
    if meant == u32::from(byte) { rest.get(1..) } else { None }
}

fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some((digit(high)? << 4) | digit(low)?)
}

/// `text` with everything but unreserved characters percent-encoded: right in a path segment and in a query.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    push_percent_encoded(&mut encoded, text);
    encoded
}

/// True for what means itself wherever it stands in an address (RFC 3986, section 2.3).
pub(super) fn is_unreserved(text: &str) -> bool {
    text.bytes().all(is_unreserved_byte)
}

const fn is_unreserved_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The same, written behind what `encoded` holds.
pub(super) fn push_percent_encoded(encoded: &mut String, text: &str) {
    for byte in text.bytes() {
        if is_unreserved_byte(byte) {
            encoded.push(char::from(byte));
        } else {
            let hex =
                |nibble: u8| char::from_digit(u32::from(nibble), 16).map_or('0', |c| c.to_ascii_uppercase());
            encoded.extend(['%', hex(byte >> 4), hex(byte & 0xf)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ApiKey {
        ApiKey::new(SecretString::from(text.to_owned())).unwrap()
    }

    #[test]
    fn every_spelling_of_the_key_is_masked() {
        let key = key(r#"k&1/"%\é2"#.replace('é', "+").as_str());
        for spelled in [
            r#"k&1/"%\+2"#,
            "k%261%2F%22%25%5C%2B2",
            "k%261%2f%22%25%5c%2b2",
            "k%25261%252F%2522%2525%255C%252B2",
            r#"k&1\/\"%\\+2"#,
            r"k\u00261\u002F\u0022\u0025\u005c\u002b2",
            "k&amp;1/&quot;%\\+2",
            "k&#38;1&#x2f;&#34;%\\&#x2B;2",
        ] {
            let text = format!("<{spelled}> and ?apiKey={spelled}");
            assert_eq!(key.redact_text(&text), "<[secret]> and ?apiKey=[secret]", "{spelled}");
        }
    }

    #[test]
    fn a_key_cut_off_at_the_end_is_masked_and_other_text_is_left_alone() {
        let key = key("abc&defgh");
        assert_eq!(key.redact_text("x abc&def"), "x [secret]");
        assert_eq!(key.redact_text("x abc%26d"), "x [secret]");
        assert_eq!(key.redact_text("x abc&defg%"), "x [secret]");
        assert_eq!(key.redact_text("x abc"), "x abc", "three letters tell nothing");
        assert_eq!(key.redact_text("abc&def is not it"), "abc&def is not it");
        assert_eq!(key.redact(b"\xff\xfeabc&defgh\xff"), b"\xff\xfe[secret]\xff");
    }

    #[test]
    fn a_key_that_fights_back_costs_no_more_than_another() {
        let key = key(&format!("{}x", "\\".repeat(100)));
        let text = "\\".repeat(400);
        assert!(key.redact_text(&text).len() <= text.len());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "key\n", "a b", "schlüssel"] {
            assert!(ApiKey::new(SecretString::from(text.to_owned())).is_none(), "{text:?}");
        }
        assert_eq!(format!("{:?}", key("abc&def")), "[secret]");
        assert_eq!(key("a/b&c=d+e").expose_query(), "?apiKey=a%2Fb%26c%3Dd%2Be");
    }
}
