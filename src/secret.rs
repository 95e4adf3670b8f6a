//! Finds and masks a secret in the text of others: as it is, in the escapes of the web and of mail, and in base64.

use std::fmt;
use std::sync::{PoisonError, RwLock, TryLockError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

const MASK: &[u8] = b"[secret]";
/// A text that ends in the middle of the secret shows it too, from this many characters on.
const TELLING: usize = 4;
/// The same for base64, whose letters carry less. Shorter runs are not searched for.
const TELLING_LETTERS: usize = 6;
const FEWEST_LETTERS: usize = 4;
/// A text can be read in several ways at once (`\\\\` is one character or two); this many are followed.
const MOST_READINGS: usize = 4;
/// No spelling of one character is longer (`&#x0026;`).
const LONGEST_SPELLING: usize = 8;

/// Every secret that this process has read, for output that has no secret at hand, such as a panic's.
static KNOWN: RwLock<Vec<Secret>> = RwLock::new(Vec::new());
/// So many are remembered, the latest: those of the configuration, and what stands in the wrong place and could be one.
const MOST_KNOWN: usize = 512;
/// Where a secret was pasted by mistake, a shorter text is no secret, and masking it would garble other words.
const SHORTEST_SUSPECT: usize = 4;

/// Has [`without_known`] mask this one from now on.
pub(crate) fn remember(secret: &SecretString) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.retain(|one| one.expose() != secret.expose_secret());
    if known.len() >= MOST_KNOWN {
        known.remove(0);
    }
    known.push(Secret::new(secret.clone()));
}

/// Has [`without_known`] mask this too: it stands where something else belongs, and could be a secret.
pub(crate) fn suspect(text: &str) {
    if text.len() >= SHORTEST_SUSPECT {
        remember(&SecretString::from(text.to_owned()));
    }
}

/// True for what is hardly a secret, wherever it stands: a few words of at most `longest` small letters, short figures
/// with their units, and the signs between them.
pub(crate) fn is_plain(text: &str, longest: usize) -> bool {
    let between = |c: char| " -_.:/*,+".contains(c);
    text.chars().count() <= longest.saturating_mul(3)
        && text.split(between).all(|piece| is_word(piece, longest) || is_figure(piece))
}

/// Letters of one case; nothing at all is one, too.
fn is_word(piece: &str, longest: usize) -> bool {
    let letters = piece.chars().count();
    let small = piece.chars().skip(1).all(|c| c.is_alphabetic() && !c.is_uppercase());
    let large = letters <= 5 && piece.chars().all(|c| c.is_ascii_uppercase());
    letters <= longest && piece.chars().all(char::is_alphabetic) && (small || large)
}

/// Digits, and the letters of times and exponents between them: `9999d`, `1h30m`, `1e3`, `30T25`.
fn is_figure(piece: &str) -> bool {
    let digits = piece.chars().filter(char::is_ascii_digit).count();
    piece.starts_with(|c: char| c.is_ascii_digit())
        && (digits <= 6 && piece.len() <= 9)
        && piece.chars().all(|c| c.is_ascii_digit() || "dhmseDTZE".contains(c))
}

/// `text` without any secret that this process has read. Never waits: where the list is being written to, nothing of
/// the text is told.
pub(crate) fn without_known(text: &str) -> String {
    let known = match KNOWN.try_read() {
        Ok(known) => known,
        Err(TryLockError::Poisoned(known)) => known.into_inner(),
        Err(TryLockError::WouldBlock) => return "(not told: a secret is being read)".to_owned(),
    };
    known.iter().fold(text.to_owned(), |text, secret| secret.redact_text(&text))
}

/// A secret, and what its spellings begin with.
pub(crate) struct Secret {
    plain: SecretString,
    /// The letters of its base64 that hold nothing else, for each of the three places where it can begin.
    encoded: [SecretString; 3],
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Secret {
    /// Takes any text; of an empty one nothing is ever masked.
    pub(crate) fn new(plain: SecretString) -> Self {
        let encoded = [0, 1, 2].map(|shift| letters(plain.expose_secret(), shift));
        Self { plain, encoded }
    }

    /// The secret itself.
    pub(crate) fn expose(&self) -> &str {
        self.plain.expose_secret()
    }

    /// `text` with the secret masked wherever it stands: as it is, percent-encoded (once or twice), escaped as in
    /// JSON, HTML, quoted-printable or SMTP, anywhere in a word of base64, or cut off at the end.
    pub(crate) fn redact(&self, text: &[u8]) -> Vec<u8> {
        let mut redacted = Vec::with_capacity(text.len());
        let mut rest = text;
        let begins = [
            self.expose().bytes().next(),
            self.encoded(0).first().copied(),
            self.encoded(1).first().copied(),
            self.encoded(2).first().copied(),
        ];
        while let Some((first, after)) = rest.split_first() {
            // Nearly every byte: it begins neither the secret nor a spelling of it.
            let telling = begins.contains(&Some(standard(*first))) || begins.contains(&Some(*first));
            if !telling && !matches!(first, b'%' | b'\\' | b'&' | b'=' | b'+') {
                redacted.push(*first);
                rest = after;
            } else if let Some(after_secret) = self.skip_plain(rest) {
                redacted.extend_from_slice(MASK);
                rest = after_secret;
            } else if self.begins_encoded(rest) {
                // The rest of the base64 word is masked too: it belongs to the same encoded text.
                while redacted.last().is_some_and(|letter| is_letter(*letter)) {
                    redacted.pop();
                }
                redacted.extend_from_slice(MASK);
                let word = rest.iter().take_while(|letter| is_letter(**letter)).count();
                rest = rest.get(word..).unwrap_or_default();
            } else {
                redacted.push(*first);
                rest = after;
            }
        }
        redacted
    }

    /// The same for text.
    pub(crate) fn redact_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.redact(text.as_bytes())).into_owned()
    }

    /// What follows the secret, if `text` begins with it in any spelling but base64.
    fn skip_plain<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        if self.expose().is_empty() {
            return None;
        }
        let mut reached = vec![text];
        let mut cut_off = false;
        for (matched, byte) in self.expose().bytes().enumerate() {
            let mut next = Vec::new();
            for rest in reached {
                let half_spelled = rest.len() < LONGEST_SPELLING
                    && matches!(rest.first(), Some(b'%' | b'\\' | b'&' | b'=' | b'+'));
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

    fn encoded(&self, shift: usize) -> &[u8] {
        self.encoded.get(shift).map_or(&[], |letters| letters.expose_secret().as_bytes())
    }

    /// Whether `text` begins with the secret's own letters in base64, or ends in the middle of them.
    fn begins_encoded(&self, text: &[u8]) -> bool {
        [0, 1, 2].into_iter().any(|shift| {
            let wanted = self.encoded(shift);
            let same = wanted.iter().zip(text).take_while(|(a, b)| **a == standard(**b)).count();
            !wanted.is_empty() && (same == wanted.len() || (same == text.len() && same >= TELLING_LETTERS))
        })
    }
}

/// The letters of base64 that hold bits of `plain` alone, where it stands `shift` bytes behind a group's beginning.
fn letters(plain: &str, shift: usize) -> SecretString {
    let bytes = [vec![0; shift], plain.as_bytes().to_vec()].concat();
    let all = STANDARD_NO_PAD.encode(&bytes);
    let from = shift.saturating_mul(8).div_ceil(6);
    let to = bytes.len().saturating_mul(8).div_euclid(6);
    let own = all.get(from..to).filter(|own| own.len() >= FEWEST_LETTERS);
    SecretString::from(own.unwrap_or_default().to_owned())
}

/// The letter of the standard alphabet that one of the alphabet for addresses stands for.
fn standard(letter: u8) -> u8 {
    match letter {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}

/// Adds to `found` what follows `byte` in `text`, for each way of writing it that `text` begins with.
fn skip_spelling<'t>(text: &'t [u8], byte: u8, found: &mut Vec<&'t [u8]>) {
    match text {
        [first, rest @ ..] if *first == byte => found.push(rest),
        _ => {}
    }
    match text {
        [b'%', b'2', b'5', high, low, rest @ ..] if hex_byte(*high, *low) == Some(byte) => found.push(rest),
        [b'%' | b'=' | b'+', high, low, rest @ ..] if hex_byte(*high, *low) == Some(byte) => found.push(rest),
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

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(SecretString::from(text.to_owned()))
    }

    #[test]
    fn every_spelling_is_masked() {
        let secret = secret(r#"k&1/"%\+2"#);
        for spelled in [
            r#"k&1/"%\+2"#,
            "k%261%2F%22%25%5C%2B2",
            "k%261%2f%22%25%5c%2b2",
            "k%25261%252F%2522%2525%255C%252B2",
            r#"k&1\/\"%\\+2"#,
            r"k\u00261\u002F\u0022\u0025\u005c\u002b2",
            "k&amp;1/&quot;%\\+2",
            "k&#38;1&#x2f;&#34;%\\&#x2B;2",
            "k=261=2F=22=25=5C=2B2",
            "k+261+2F+22+25+5C+2B2",
        ] {
            let text = format!("<{spelled}> and ?apiKey={spelled}");
            assert_eq!(secret.redact_text(&text), "<[secret]> and ?apiKey=[secret]", "{spelled}");
        }
    }

    #[test]
    fn what_is_cut_off_at_the_end_is_masked_and_other_text_is_left_alone() {
        let secret = secret("abc&defgh");
        assert_eq!(secret.redact_text("x abc&def"), "x [secret]");
        assert_eq!(secret.redact_text("x abc%26d"), "x [secret]");
        assert_eq!(secret.redact_text("x abc&defg%"), "x [secret]");
        assert_eq!(secret.redact_text("x abc"), "x abc", "three letters tell nothing");
        assert_eq!(secret.redact_text("abc&def is not it"), "abc&def is not it");
        assert_eq!(secret.redact(b"\xff\xfeabc&defgh\xff"), b"\xff\xfe[secret]\xff");
    }

    #[test]
    fn the_whole_word_of_base64_that_holds_it_is_masked() {
        let secret = secret("pässword&?~1");
        for before in ["", "a", "ab", "\0deposits\0", "user\0user\0"] {
            for after in ["", "\n", "zz", "zzz"] {
                let plain = format!("{before}pässword&?~1{after}");
                for word in [STANDARD.encode(&plain), STANDARD_NO_PAD.encode(&plain), URL_SAFE.encode(&plain)]
                {
                    let said = format!("535 no to AUTH PLAIN {word}, friend");
                    assert_eq!(
                        secret.redact_text(&said),
                        "535 no to AUTH PLAIN [secret], friend",
                        "{plain:?}"
                    );
                    // Where the words were cut off, there is still enough of it.
                    let cut = &word[..before.len() * 4 / 3 + 12];
                    let masked = secret.redact_text(&format!("no to {cut}"));
                    assert_eq!(masked, "no to [secret]", "{plain:?} {cut}");
                }
            }
        }
        let other = STANDARD.encode("another word of somebody");
        assert_eq!(secret.redact_text(&other), other);
    }

    #[test]
    fn words_and_figures_are_plain_and_what_could_be_a_secret_is_not() {
        for text in [
            "",
            "0s",
            "-5s",
            "9999d",
            "1h30m",
            "22:00-07:00",
            "Berlin",
            "Europe/Berlin",
            "carrier pigeon",
            "many",
            "1e3",
            "127.0.0.1",
            "2026-05-30T25:00:00Z",
            "USDT",
            "*/15 * * * *",
            "0.5",
            "settle*",
        ] {
            assert!(is_plain(text, 8), "{text}");
        }
        for text in [
            "hunter2",
            "s3cret",
            "hunter2-s3cr3t",
            "swordfish",
            "p@ssword",
            "AbCdEfGh",
            "12345678",
            "7f3a9c1e",
            "correct horse battery staple",
            "ABCDEFGH",
            "sk_live_x9",
            "MARKEDKEY",
            "a&b",
            "key=",
            "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "pässwörtlich",
            "a\nb",
            "tok\u{200b}en",
        ] {
            assert!(!is_plain(text, 8), "{text}");
        }
    }

    #[test]
    fn what_was_read_is_known() {
        for known in ["known-to-the-test", "known-too", "known-too"] {
            remember(&SecretString::from(known.to_owned()));
        }
        // Other tests of this process may have read others, of one letter even.
        let told = without_known("a known-too, known-to-the-test");
        assert!(told.contains("[secret]") && !told.contains("known-to"), "{told}");
    }

    #[test]
    fn a_secret_that_fights_back_costs_no_more_than_another() {
        let secret = secret(&format!("{}x", "\\".repeat(100)));
        let text = "\\".repeat(400);
        assert!(secret.redact_text(&text).len() <= text.len());
    }

    #[test]
    fn short_ones_are_masked_as_they_stand_and_none_masks_nothing() {
        assert_eq!(secret("ab").redact_text("ab YWI= b"), "[secret] YWI= b");
        assert_eq!(secret("").redact_text("250 ok %20 =3D"), "250 ok %20 =3D");
        assert_eq!(format!("{:?}", secret("abc&def")), "[secret]");
    }
}
