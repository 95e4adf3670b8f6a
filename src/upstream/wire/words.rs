//! The text of a refusal, and the order that a broken answer still names.

use serde_json::Value;

/// How much of a text is used.
const LONGEST: usize = 300;
/// Words stand at the beginning; of a larger answer no tree is built.
const READ: usize = 64 * 1024;
const ORDER_ID: &[u8] = b"\"order_id\"";

/// The words of an answer: `body`, `message` or `error` of its object, else its text; `None` where it has none.
/// The words are changed and cut only after `redact` has seen all of them.
pub(in crate::upstream) fn words(answer: &[u8], redact: impl Fn(&str) -> String) -> Option<String> {
    let answer = answer.get(..READ).unwrap_or(answer);
    let found = match serde_json::from_slice::<Value>(answer) {
        Ok(Value::Object(fields)) => {
            ["body", "message", "error"].iter().find_map(|name| fields.get(*name).and_then(told))
        }
        Ok(value) => told(&value),
        // Before the tags go: a key with a `<` in it would not be recognised afterwards.
        Err(_) => Some(plain(&redact(&String::from_utf8_lossy(answer)))),
    }?;
    let clean = cleaned(&redact(&found));
    (!clean.is_empty()).then_some(clean)
}

/// The text of a string, or the likeliest text of an object.
fn told(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Object(fields) if !fields.is_empty() => ["message", "error", "text"]
            .iter()
            .find_map(|name| fields.get(*name)?.as_str().filter(|text| !text.trim().is_empty()))
            .map_or_else(|| Some(value.to_string()), |text| Some(text.to_owned())),
        Value::Array(entries) if !entries.is_empty() => Some(value.to_string()),
        _ => None,
    }
}

/// The text of a page without its tags.
fn plain(page: &str) -> String {
    if !page.trim_start().starts_with('<') {
        return page.to_owned();
    }
    let mut inside = false;
    let kept = page.chars().map(|c| match c {
        '<' => {
            inside = true;
            ' '
        }
        '>' if inside => {
            inside = false;
            ' '
        }
        _ if inside => ' ',
        other => other,
    });
    kept.collect()
}

/// One line without control characters, at most [`LONGEST`] characters of it.
fn cleaned(text: &str) -> String {
    let mut line = String::new();
    let blank = |c: char| c.is_whitespace() || c.is_control();
    for word in text.split(blank).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > LONGEST.saturating_mul(4) {
            break;
        }
    }
    line.chars().take(LONGEST).collect()
}

/// The `order_id` that a broken answer still shows whole.
pub(in crate::upstream) fn salvaged_order_id(answer: &[u8]) -> Option<String> {
    let at = answer.windows(ORDER_ID.len()).position(|window| window == ORDER_ID)?;
    let rest = answer.get(at.checked_add(ORDER_ID.len())?..)?.trim_ascii_start();
    let rest = rest.strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let end = rest.iter().take(129).position(|b| *b == b'"')?;
    let id = std::str::from_utf8(rest.get(..end)?).ok()?;
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    plain.then(|| id.to_owned())
}
