//! Makes words of others harmless, and writes figures, times and spans for people.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::domain::money::Amount;
use crate::domain::time::{Timestamp, largest_units};

/// The longest value shown in a letter; the ledger has the whole.
pub(super) const MAX_VALUE: usize = 300;
/// The longest link: as long as the ledger keeps one.
const MAX_LINK: usize = crate::domain::link::LONGEST;

/// One line without control characters, invisible marks or runs of spaces, at most `max` characters.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let mut line = String::new();
    let mut count = 0_usize;
    let shown = text.chars().filter(|c| !is_invisible(*c));
    for c in shown.map(|c| if c.is_whitespace() || c.is_control() { ' ' } else { c }) {
        if c == ' ' && (line.is_empty() || line.ends_with(' ')) {
            continue;
        }
        if count >= max {
            line.truncate(line.trim_end().len());
            line.push('…');
            return line;
        }
        count = count.saturating_add(1);
        line.push(c);
    }
    line.truncate(line.trim_end().len());
    line
}

/// Marks that reorder or hide text: no reference needs them, and a fraud could use them.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Words of the upstream's or a user's as one line that no mail client turns into a link: `://` and the dots of what
/// looks like a host's name are written in brackets.
pub(super) fn untrusted(text: &str) -> String {
    untrusted_within(text, MAX_VALUE)
}

/// The same, at most `max` characters before brackets are added.
pub(super) fn untrusted_within(text: &str, max: usize) -> String {
    let line = one_line(text, max);
    let plain: String = line.chars().map(|c| if c == '@' { '＠' } else { c }).collect();
    let plain = plain.replace("://", "[:]//").replace("mailto:", "mailto[:]");
    let mut out = String::with_capacity(plain.len());
    let mut rest = plain.as_str();
    while let Some((before, after)) = rest.split_once('.') {
        out.push_str(before);
        let joins = before.chars().next_back().is_some_and(char::is_alphanumeric);
        out.push_str(if joins && looks_like_a_host(after) { "[.]" } else { "." });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// True when a word of letters follows that could be the last or the next label of a host's name.
fn looks_like_a_host(after: &str) -> bool {
    let label: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect();
    label.chars().count() >= 2 && label.chars().all(|c| c.is_alphabetic() || c == '-')
}

/// An identifier (address, order id, transaction): as it is where it has the plain form of one, else made harmless.
pub(super) fn token(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':');
    let shown = text.len() <= MAX_VALUE && text.bytes().all(plain);
    if shown { text.to_owned() } else { untrusted(text) }
}

/// The link, if it may be shown: https, a host of its own and nothing but plain characters.
pub(crate) fn safe_link(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_ok = !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'))
        && host.contains('.');
    let plain = |b: u8| {
        b.is_ascii_graphic()
            && !matches!(b, b'"' | b'\'' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
    };
    (host_ok && url.len() <= MAX_LINK && url.bytes().all(plain)).then(|| url.to_owned())
}

/// RFC 4648 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Dollars with at least two decimals.
pub(super) fn usd(amount: &Amount) -> String {
    match amount.to_usd_micros() {
        Some(micros) => format!("{micros} USD"),
        None => format!("{amount} USD"),
    }
}

/// An instant to the second, in UTC and saying so.
pub(super) fn instant(at: Timestamp) -> String {
    at.to_seconds_text().replace('T', " ").replace('Z', " UTC")
}

/// An instant to the minute.
pub(super) fn minute(at: Timestamp) -> String {
    let text = at.to_seconds_text();
    let cut = text.char_indices().nth(16).map_or(text.len(), |(at, _)| at);
    format!("{} UTC", text.get(..cut).unwrap_or(&text).replace('T', " "))
}

/// A span in its two largest units.
pub(crate) fn span(span: Duration) -> String {
    match largest_units(span) {
        [(0, _), (one, unit)] | [(one, unit), (0, _)] => format!("{one} {unit}"),
        [(large, large_unit), (small, small_unit)] => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

/// A scalar of a notice for people; times are written as times. `None` for nothing, lists and objects.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => match Timestamp::parse(text) {
            Ok(at) if text.len() > 10 => Some(instant(at)),
            _ => Some(token(text)),
        },
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `amount_mismatch` as `Amount mismatch`.
pub(super) fn label(key: &str) -> String {
    let words = untrusted_within(&key.replace('_', " "), 40);
    let mut chars = words.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => words,
    }
}

/// Breaks at spaces, so that plain text reads well; a word longer than a line stays whole, to be copied.
pub(super) fn folded(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0_usize;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 {
            let next = column.saturating_add(1).saturating_add(length);
            out.push(if next > width { '\n' } else { ' ' });
            column = if next > width { length } else { next };
        } else {
            column = length;
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_single_and_short() {
        assert_eq!(one_line(" a\r\n\tb\u{0}c\u{202E}d\u{200B} ", 20), "a b cd");
        assert_eq!(one_line("abcdef", 3), "abc…");
        assert_eq!(one_line("ab \u{2028} cdef", 3), "ab…");
        assert_eq!(one_line("", 3), "");
        assert_eq!(one_line("žluťoučký", 40), "žluťoučký");
    }

    #[test]
    fn foreign_words_make_no_links() {
        assert_eq!(untrusted("see http://evil.com/x now"), "see http[:]//evil[.]com/x now");
        assert_eq!(untrusted("www.evil.co.uk."), "www[.]evil[.]co[.]uk.");
        assert_eq!(untrusted("a@evil.com"), "a＠evil[.]com");
        for calm in ["invoice-42", "2025.05.30", "v1.2", "Done. Next", "5.00 USD", "e.V."] {
            assert_eq!(untrusted(calm), calm);
        }
        assert_eq!(token("0x66b928a8"), "0x66b928a8");
        assert_eq!(token("bitcoincash:qpm2"), "bitcoincash:qpm2");
        assert_eq!(token("https://evil.com"), "https[:]//evil[.]com");
    }

    #[test]
    fn only_plain_https_links_are_shown() {
        let good = "https://pay.cryptomus.com/pay/35a4ee29-16ef-4b18-9960-b7812c836bb1";
        assert_eq!(safe_link(good).as_deref(), Some(good));
        for bad in [
            "http://pay.cryptomus.com/",
            "javascript:alert(1)",
            "https://",
            "https://user@evil.com/",
            "https://a b.com/",
            "https://pay.com/\r\nBcc:",
            "https://pay.com/\"onclick=",
            "HTTPS://pay.com",
            "https://localhost/",
            "",
        ] {
            assert_eq!(safe_link(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn times_and_spans() {
        let at = Timestamp::from_seconds(1_748_615_577);
        assert_eq!(instant(at), "2025-05-30 14:32:57 UTC");
        assert_eq!(minute(at), "2025-05-30 14:32 UTC");
        for (seconds, shown) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (725, "12 min 5 s"),
            (7_800, "2 h 10 min"),
            (273_600, "3 d 4 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), shown);
        }
        assert_eq!(usd(&Amount::parse("5.1").unwrap()), "5.10 USD");
        assert_eq!(usd(&Amount::parse("5.00").unwrap()), "5.00 USD");
    }

    #[test]
    fn plain_text_is_folded_at_spaces_only() {
        assert_eq!(folded("aa bb cc", 5), "aa bb\ncc");
        assert_eq!(folded("a 0123456789 b", 5), "a\n0123456789\nb");
        assert_eq!(folded("", 5), "");
    }
}
