//! The API key: which one is fit to be sent, and how it is written into an address.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::secret::Secret;

/// The key that opens the account.
pub(super) struct ApiKey {
    key: Secret,
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
        Some(Self { key: Secret::new(key), query })
    }

    /// The key itself, for the body of a request.
    pub(super) fn expose(&self) -> &str {
        self.key.expose()
    }

    /// `?apiKey=...`, for the end of an address.
    pub(super) fn expose_query(&self) -> &str {
        self.query.expose_secret()
    }

    /// `text` with the key masked wherever it stands, in whatever spelling ([`Secret::redact`]).
    pub(super) fn redact(&self, text: &[u8]) -> Vec<u8> {
        self.key.redact(text)
    }

    /// The same for text.
    pub(super) fn redact_text(&self, text: &str) -> String {
        self.key.redact_text(text)
    }
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
    fn what_is_no_key_is_refused() {
        for text in ["", "key\n", "a b", "schlüssel"] {
            assert!(ApiKey::new(SecretString::from(text.to_owned())).is_none(), "{text:?}");
        }
        assert_eq!(format!("{:?}", key("abc&def")), "[secret]");
        assert_eq!(key("a/b&c=d+e").expose_query(), "?apiKey=a%2Fb%26c%3Dd%2Be");
    }
}
