//! The whole story in one process: every fate, an outage and foreign money, at many times the speed of life.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod books;

use std::path::Path;

use depositd::sandbox::scenario::{self, Options, SandboxOutcome, Summary};
use tokio_util::sync::CancellationToken;

fn options(dir: &Path, deposits: u32) -> Options {
    Options {
        dir: Some(dir.join("box")),
        speed: Some(1500),
        deposits: Some(deposits),
        seed: Some(20_250_530),
        ..Options::default()
    }
}

async fn told(options: Options) -> (Box<Summary>, String) {
    let mut out = Vec::new();
    let outcome = scenario::run_until(options, &mut out, CancellationToken::new()).await;
    let text = String::from_utf8(out).unwrap();
    match outcome {
        Ok(SandboxOutcome::Told(summary)) => (summary, text),
        other => panic!("{other:?}\n{text}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_story_ends_with_both_sides_agreeing_and_is_not_told_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (summary, text) = told(options(dir.path(), 24)).await;
    println!("{text}");
    assert_eq!(summary.mismatches, Vec::<String>::new(), "{text}");
    assert_eq!(summary.deposits, 24);
    let ended = |what: &str| summary.fates.iter().any(|row| row.ended == what);
    for what in ["settled (exact)", "settled (over)", "settled (exact, late)", "short", "expired", "failed"] {
        assert!(ended(what), "{what} is missing\n{text}");
    }
    assert!(ended("refunded (exact)") && ended("rejected"), "{text}");
    for line in ["the upstream stops answering", "upstream down", "upstream back", "somebody else tops up"] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert_eq!((summary.letters["upstream_down"], summary.letters["upstream_back"]), (1, 1));
    // It begins with what will be seen, and one deposit closely; it reads well on 80 columns.
    for line in [
        "All of depositd on this machine, against a simulated upstream. No money is real.\n",
        "1. A shop asks for 25.00 USD in USDT on TRON.",
        "2. The upstream has made a wallet. This is what the payer gets:",
        "pay exactly  24.95 USDT",
        "█",
        "| Subject: Please pay 24.95 USDT on TRON",
        "3. The payment is on the chain.",
        "4. The upstream says that it was paid: 25.00 USD are credited.",
        "assets:prepaid:smsonline         25.000000 USD       25.00 USD",
        "| Subject: Deposit settled: 25.00 USD",
        "Try next",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let folder = dir.path().display().to_string();
    let wide = |line: &&str| line.chars().count() > 80 && !line.contains(&folder);
    assert_eq!(text.lines().filter(wide).collect::<Vec<_>>(), Vec::<&str>::new());
    // It goes over the end of a month, so that one can be closed.
    let month = summary.month.clone().unwrap();
    assert!(text.contains(&format!("close {month}")), "{text}");
    // One case waits for a person, and the page says how to decide it.
    let waiting = summary.waiting.as_ref().unwrap();
    for line in [
        format!("cases show {}", waiting.case),
        format!("cases correct {} --note", waiting.case),
        format!("cases accept {} --note", waiting.case),
        format!("say that {} USD were paid", waiting.looks_say),
        "but for the one case that waits for a person".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert_eq!(summary.letters["discrepancy_opened"], 1);
    let sum: i64 = summary.trial_balance.iter().map(|row| row.usd_micros).sum();
    assert_eq!(sum, 0);

    // The same folder again: the same story, and nothing of it happens a second time.
    let (again, text) =
        told(Options { seed: None, speed: None, deposits: None, ..options(dir.path(), 24) }).await;
    assert!(!text.contains("stops answering"), "an outage that is over is no news\n{text}");
    assert_eq!(again.mismatches, Vec::<String>::new());
    assert!(again.resumed);
    assert_eq!((again.deposits, again.transactions), (summary.deposits, summary.transactions));
    assert_eq!(again.letters, summary.letters);
    assert_eq!(again.waiting.unwrap().case, summary.waiting.unwrap().case);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_story_that_was_interrupted_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let mut out = Heard { text: Vec::new(), enough: 12, stop: stop.clone() };
    let outcome = scenario::run_until(options(dir.path(), 12), &mut out, stop).await.unwrap();
    assert!(matches!(outcome, SandboxOutcome::Interrupted { .. }));
    let (summary, text) = told(options(dir.path(), 12)).await;
    assert_eq!(summary.mismatches, Vec::<String>::new(), "{text}");
    assert_eq!(summary.deposits, 12);
    assert!(summary.resumed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_that_serves_says_how_to_play_and_keeps_its_address() {
    let dir = tempfile::tempdir().unwrap();
    let serve = || Options { serve: true, dir: Some(dir.path().join("box")), ..Options::default() };
    let mut addresses = Vec::new();
    for _ in 0..2 {
        let stop = CancellationToken::new();
        let mut out = Heard { text: Vec::new(), enough: 12, stop: stop.clone() };
        let outcome = scenario::run_until(serve(), &mut out, stop).await.unwrap();
        assert!(matches!(outcome, SandboxOutcome::Interrupted { .. }));
        let text = String::from_utf8(out.text).unwrap();
        assert!(text.contains("/sandbox/orders/$ORDER/pay") && text.contains("--serve"), "{text}");
        addresses.push(text.split("http://").nth(1).unwrap().split([')', '/']).next().unwrap().to_owned());
    }
    assert_eq!(addresses[0], addresses[1]);
    // Told without serving, an empty story is in order too.
    let (summary, text) = told(Options { serve: false, ..serve() }).await;
    assert_eq!((summary.deposits, summary.mismatches), (0, Vec::new()), "{text}");
}

#[tokio::test]
async fn a_folder_of_other_things_and_another_story_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("box");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("thesis.txt"), "all of it").unwrap();
    let error = scenario::run_until(options(dir.path(), 1), &mut Vec::new(), CancellationToken::new()).await;
    assert!(error.unwrap_err().to_string().contains("holds other things"));
    std::fs::remove_file(folder.join("thesis.txt")).unwrap();
    let none = Options { speed: Some(0), ..options(dir.path(), 1) };
    let error = scenario::run_until(none, &mut Vec::new(), CancellationToken::new()).await;
    assert!(error.unwrap_err().to_string().contains("the speed is"));
    told(options(dir.path(), 1)).await;
    let other = Options { seed: Some(7), ..options(dir.path(), 1) };
    let error = scenario::run_until(other, &mut Vec::new(), CancellationToken::new()).await;
    assert!(error.unwrap_err().to_string().contains("--seed 20250530"));
}

/// Hears so many lines, and then asks for silence.
struct Heard {
    text: Vec<u8>,
    enough: usize,
    stop: CancellationToken,
}

impl std::io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.text.extend_from_slice(bytes);
        if self.text.iter().filter(|byte| **byte == b'\n').count() >= self.enough {
            self.stop.cancel();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
