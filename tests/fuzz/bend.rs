//! How bytes are bent: from a kept input to one that is nearly as good, by a seed that is printed.

use std::fmt;
use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// What bad bytes are made of.
const PIECES: &[&[u8]] = &[
    b"",
    b"0",
    b"-1",
    b"00",
    b"9999999999999999999999999999",
    b"1e400",
    b"1E-7",
    b"0.0000001",
    b".5",
    b"5.",
    b"NaN",
    b"null",
    b"true",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[",
    b",",
    b":",
    b" ",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\t",
    b"\0",
    b"\x7f",
    b"\x1b[2J",
    b"\xff",
    b"\xc3\xa9",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\"status\":\"paid\"",
    b"\"ok\":true",
    b"\"ok\":false",
    b"paid_over",
    b"cancel",
    b"Content-Length: 99999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Retry-After: 99999999999999999999\r\n",
    b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
    b"%2e%2e%2f",
    b"?cursor=9223372036854775808",
    b"&limit=-1",
    b"../",
    b"'",
    b"\"\"\"",
    b"#",
    b"= ",
    b"15s",
    b"-5m",
    b"1d1d",
    b"*/0 * * * * *",
    b"60 * * * * *",
    b"* * * 31 2 *",
];

/// The kept inputs of this name.
pub(crate) fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Gives one input after the other: the corpus as it stands, then bent.
pub(crate) struct Bender {
    name: &'static str,
    seed: u64,
    dice: StdRng,
    corpus: Vec<Vec<u8>>,
    round: usize,
    rounds: usize,
    last: Vec<u8>,
}

impl Bender {
    pub(crate) fn start(name: &'static str, rounds: usize) -> Self {
        let number = |variable: &str| std::env::var(variable).ok().map(|text| text.parse::<u64>().unwrap());
        let seed = number("DEPOSITD_FUZZ_SEED").unwrap_or_else(rand::random);
        let rounds = number("DEPOSITD_FUZZ_ROUNDS").map_or(rounds, |n| usize::try_from(n).unwrap());
        println!("{name}: {rounds} inputs, DEPOSITD_FUZZ_SEED={seed}");
        let (dice, corpus) = (StdRng::seed_from_u64(seed), corpus(name));
        Self { name, seed, dice, corpus, round: 0, rounds, last: Vec::new() }
    }

    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        if self.round >= self.rounds.max(self.corpus.len()) {
            return None;
        }
        let bent = match self.corpus.get(self.round) {
            Some(kept) => kept.clone(),
            None => self.bend(),
        };
        self.round += 1;
        self.last.clone_from(&bent);
        Some(bent)
    }

    /// True for an input of the corpus as it stands.
    pub(crate) fn is_kept(&self) -> bool {
        self.round <= self.corpus.len()
    }

    fn bend(&mut self) -> Vec<u8> {
        let mut bytes = self.any().clone();
        for _ in 0..self.dice.random_range(1..=4) {
            let at = self.dice.random_range(0..=bytes.len());
            let end = (at + self.dice.random_range(0..=12)).min(bytes.len());
            match self.dice.random_range(0..8) {
                0 => drop(bytes.drain(at..end)),
                1 => bytes.truncate(at),
                2 => {
                    let piece = PIECES[self.dice.random_range(0..PIECES.len())];
                    bytes.splice(at..end, piece.iter().copied());
                }
                3 => {
                    let piece = PIECES[self.dice.random_range(0..PIECES.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
                4 if at < bytes.len() => bytes[at] ^= 1 << self.dice.random_range(0..8),
                5 if at < bytes.len() => bytes[at] = self.dice.random(),
                6 => {
                    // A stretch again, up to many times.
                    let stretch = bytes[at..end].to_vec();
                    let again = stretch.repeat(1 << self.dice.random_range(0..8));
                    bytes.splice(at..at, again);
                }
                _ => {
                    let other = self.any().clone();
                    let from = self.dice.random_range(0..=other.len());
                    bytes.splice(at..end, other[from..].iter().copied());
                }
            }
            bytes.truncate(100_000);
        }
        bytes
    }

    fn any(&mut self) -> &Vec<u8> {
        let at = self.dice.random_range(0..self.corpus.len());
        &self.corpus[at]
    }
}

/// What finds the input again.
impl fmt::Display for Bender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.last.escape_ascii();
        write!(
            f,
            "[{}, input {}, DEPOSITD_FUZZ_SEED={}] keep in tests/corpus/{0}: {text}",
            self.name, self.round, self.seed
        )
    }
}
