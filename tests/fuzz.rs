//! Bytes from outside, bent at random: everything that reads them answers or refuses, and never breaks, hangs, or makes
//! money of nonsense. The bending starts from the kept corpus (`tests/corpus`), where every input that once found a
//! fault is kept too.
//!
//! A short run is part of every test run. A long one: `DEPOSITD_FUZZ_ROUNDS=1000000 cargo test --test fuzz -- --nocapture`;
//! a seed again: `DEPOSITD_FUZZ_SEED=...`.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test code: a broken expectation is a failed test"
)]

#[path = "api/bench.rs"]
mod bench;
#[path = "fuzz/bend.rs"]
mod bend;
#[path = "fuzz/judge.rs"]
mod judge;

use std::time::Duration;

use bench::Bench;
use bend::{Bender, corpus};

#[test]
fn amounts_are_exact_or_refused() {
    let mut bender = Bender::start("amounts", 20_000);
    while let Some(bytes) = bender.next() {
        judge::amount(&bytes, &bender);
    }
}

#[test]
fn texts_are_read_or_refused() {
    let mut bender = Bender::start("texts", 20_000);
    while let Some(bytes) = bender.next() {
        judge::text(&bytes, &bender);
    }
}

#[test]
fn configurations_are_read_or_refused_in_one_line_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daemon.toml");
    let mut bender = Bender::start("configuration", 3000);
    while let Some(bytes) = bender.next() {
        judge::configuration(&file, &bytes, bender.is_kept(), &bender);
    }
}

#[tokio::test]
async fn answers_of_the_upstream_are_read_or_refused() {
    let answers = judge::Answers::start().await;
    let mut bender = Bender::start("answers", 1500);
    while let Some(bent) = bender.next() {
        answers.judge(&bent, &bender).await;
    }
}

#[tokio::test]
async fn requests_are_answered_or_refused_and_nothing_breaks() {
    let bench = Bench::start().await;
    let mut bender = Bender::start("requests", 1000);
    let mut made = 0;
    loop {
        // Many at once: some wait for more than comes.
        let batch: Vec<Vec<u8>> =
            std::iter::from_fn(|| bender.next()).take(100).map(judge::whole_request).collect();
        if batch.is_empty() {
            break;
        }
        let socket = bench.socket();
        let sent = batch.iter().map(|request| judge::send(&socket, request, Duration::from_secs(1)));
        let answers = futures_util::future::join_all(sent).await;
        for (request, status) in batch.iter().zip(answers) {
            judge::status(status, request, &bender);
            made += u32::from(matches!(status, Some(201 | 202)));
        }
    }
    assert!(made > 0, "some were still requests");
    assert_eq!(bench.get("/healthz").await.0, 200);
    let proof = bench.flow.ledger.verify(|_, _| {}).await.unwrap();
    assert_eq!(proof.findings, Vec::new());
    assert!(proof.deposits >= u64::from(made));
}

#[test]
fn the_corpus_is_there() {
    for name in ["amounts", "texts", "configuration", "answers", "requests"] {
        assert!(corpus(name).len() >= 5, "{name}");
    }
}
