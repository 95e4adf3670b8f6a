//! The marked secrets, and the search for them in everything that a program wrote.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::path::Path;

/// Nobody writes these three for any other reason; with everything that is spelled in more than one way.
pub(crate) const KEY: &str = "MARKEDKEYa8f3c1/+&=%\"\\<>'key";
pub(crate) const TOKEN: &str = "MARKEDTOKENb7e2d9+/=~token";
pub(crate) const PASSWORD: &str = "MARKEDPASSc6d1e8&<\"\\>%pass";

/// What the three are called in a complaint, and the part of each that no percent-, JSON- or HTML-spelling changes.
const MARKS: [(&str, &str, &str); 3] = [
    ("the API key", "MARKEDKEYa8f3c1", KEY),
    ("the API token", "MARKEDTOKENb7e2d9", TOKEN),
    ("the mail password", "MARKEDPASSc6d1e8", PASSWORD),
];

pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let value =
        |six: &[u8]| six.iter().chain([0; 6].iter()).take(6).fold(0, |sum, bit| sum * 2 + usize::from(*bit));
    bits.chunks(6).map(|six| char::from(LETTERS[value(six)])).collect()
}

/// Every spelling that is searched for: as it stands (so also percent-encoded and escaped), in base64 at each of the
/// three places where it can begin, in hexadecimal, and backwards.
fn spellings() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, mark, _) in MARKS {
        all.push((format!("{name} as it stands"), mark.as_bytes().to_vec()));
        for shift in 0..3 {
            // Letters that also hold bits of what stands around are left out.
            let text = base64(&[vec![0; shift], mark.as_bytes().to_vec()].concat());
            let inner = &text[(shift * 8).div_ceil(6)..text.len() - 2];
            all.push((format!("{name} in base64, {shift}"), inner.as_bytes().to_vec()));
        }
        all.push((format!("{name} in hexadecimal"), hex::encode(mark).into_bytes()));
        all.push((format!("{name} backwards"), mark.bytes().rev().collect()));
    }
    all
}

/// What is found: the name of the spelling, and where it begins.
fn first_in(bytes: &[u8]) -> Option<(String, usize)> {
    let spellings = spellings();
    // Most bytes begin none of them.
    let mut beginning = [const { Vec::new() }; 256];
    for (number, (_, spelled)) in spellings.iter().enumerate() {
        let (small, large) = (spelled[0].to_ascii_lowercase(), spelled[0].to_ascii_uppercase());
        beginning[usize::from(small)].push(number);
        if large != small {
            beginning[usize::from(large)].push(number);
        }
    }
    for (at, byte) in bytes.iter().enumerate() {
        for number in &beginning[usize::from(*byte)] {
            let (name, spelled) = &spellings[*number];
            let here = bytes.get(at..at + spelled.len());
            if here.is_some_and(|here| here.eq_ignore_ascii_case(spelled)) {
                return Some((name.clone(), at));
            }
        }
    }
    None
}

/// Searches every file below, and gives how many bytes that were.
pub(crate) fn search(folder: &Path) -> u64 {
    let mut searched = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            searched += search(&entry.path());
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            found_in(&entry.path().display().to_string(), &bytes);
            searched += bytes.len() as u64;
        }
    }
    searched
}

/// Fails where one of the three is in these bytes.
pub(crate) fn found_in(place: &str, bytes: &[u8]) {
    if let Some((what, at)) = first_in(bytes) {
        let around = &bytes[at.saturating_sub(150)..bytes.len().min(at + 60)];
        panic!("{what} is in {place}: {:?}", String::from_utf8_lossy(around));
    }
}

#[test]
fn the_search_finds_what_it_looks_for() {
    for (_, mark, secret) in MARKS {
        for padding in ["", "a", "ab", "abc"] {
            let plain = format!("{padding}{secret}{padding}");
            for spelled in
                [plain.clone(), base64(plain.as_bytes()), hex::encode(&plain), plain.chars().rev().collect()]
            {
                assert!(first_in(spelled.as_bytes()).is_some(), "{mark}: {spelled}");
                assert!(first_in(spelled.to_ascii_lowercase().as_bytes()).is_some(), "{mark}: {spelled}");
            }
        }
    }
    assert_eq!(first_in(b"MARKEDKEY and nothing of it"), None);
}
