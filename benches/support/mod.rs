//! What the benchmarks share: their arguments, medians, and the line that machines read.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "each benchmark uses a part of it, measures real time, and may fail loudly"
)]

pub mod books;
pub mod cast;
pub mod daemon;
pub mod process;
pub mod server;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The arguments of one benchmark: `--name value`.
pub struct Args {
    given: Vec<(String, String)>,
}

impl Args {
    /// Reads them; prints `about` and the options (name, default, meaning) and ends the program for `--help`.
    pub fn read(about: &str, options: &[(&str, &str, &str)]) -> Self {
        let mut given = Vec::new();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                // What `cargo bench` itself hands over.
                "--bench" => {}
                "-h" | "--help" => {
                    println!("{about}\n\nOptions, after `--`:");
                    for (name, usual, meaning) in options {
                        println!("  --{name:<10} {meaning} [{usual}]");
                    }
                    std::process::exit(0);
                }
                other => {
                    let name = other.strip_prefix("--").unwrap_or_default();
                    let value = words.next();
                    match value {
                        Some(value) if options.iter().any(|(known, ..)| *known == name) => {
                            given.push((name.to_owned(), value));
                        }
                        _ => {
                            eprintln!("unknown or incomplete option {other:?}; --help tells which there are");
                            std::process::exit(2);
                        }
                    }
                }
            }
        }
        Self { given }
    }

    pub fn get<T: FromStr>(&self, name: &str, usual: T) -> T {
        match self.given.iter().rev().find(|(given, _)| given == name) {
            None => usual,
            Some((_, value)) => value.parse().unwrap_or_else(|_| {
                eprintln!("--{name} {value}: not understood");
                std::process::exit(2);
            }),
        }
    }
}

/// A fresh folder on the disk that the project is built on, gone when dropped.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the run")
}

pub fn path(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// The value that `part` of all lie below.
pub fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small and positive")]
    let at = ((values.len() as f64 - 1.0) * part).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

pub fn now() -> Instant {
    Instant::now()
}

/// Things a second.
#[expect(clippy::cast_precision_loss, reason = "small")]
pub fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Processor time for each of `count` things, in microseconds.
#[expect(clippy::cast_precision_loss, reason = "small")]
pub fn micros_each(cpu: Duration, count: usize) -> f64 {
    cpu.as_secs_f64() * 1e6 / count as f64
}

pub fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

/// What this disk takes for one small durable write, in milliseconds.
pub fn fdatasync(path: &Path) -> f64 {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path).unwrap();
    let mut took: Vec<f64> = (0..50)
        .map(|_| {
            let begun = now();
            file.write_all(&[0; 4096]).unwrap();
            file.sync_data().unwrap();
            millis(begun.elapsed())
        })
        .collect();
    median(&mut took)
}

/// One line for machines: `BENCH {json}`.
pub fn line(value: &serde_json::Value) {
    println!("BENCH {value}");
}

/// How this machine is shaped.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, name)| name);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!("{cores} cores ({model}), load {load} at the start")
}

/// Numbers without a pattern, the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = self.next() % (at as u64 + 1);
            items.swap(at, usize::try_from(other).unwrap_or(0));
        }
    }
}
