//! The real daemon, killed without warning under traffic, and a receiver that counts: each event is told at least once,
//! none that the ledger does not know, and those of one deposit in their order.
//!
//! In CI 12 kills. The long form: `WEBHOOK_KILLS=500 cargo test --release --test webhooks kills -- --nocapture`; the same
//! again: `WEBHOOK_SEED=..`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::sandbox::upstream::Fate;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::operating::{told, until};
use super::receiver::{Answer, Receiver};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_is_told_however_often_the_daemon_is_killed() {
    let kills = number("WEBHOOK_KILLS").unwrap_or(12);
    let seed = number("WEBHOOK_SEED").unwrap_or_else(rand::random);
    eprintln!("webhooks: {kills} kills, seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let (clock, shop) = (SystemClock::new(), Receiver::start().await);
    let mut program = told(&shop, "retry_initial = \"50ms\"\nretry_max = \"200ms\"\n").await;
    program.simulator.set_default_fate(Fate::Exact);
    program.simulator.set_lifetime(Duration::from_secs(10));
    // One in ten is refused, or answered too late for the daemon's life.
    let mut answers = StdRng::seed_from_u64(seed ^ 1);
    shop.answer(move |_| match answers.random_range(0..20) {
        0 => Answer::Status(500),
        1 => Answer::Raw(b""),
        _ => Answer::Status(200),
    });
    for kill in 0..kills {
        program.start_logging("warn");
        for _ in 0..dice.random_range(1..4) {
            let amount = format!("{}", 5 + kill % 50);
            let _ = program.run(&["request", "USDT", "TRON", &amount, "--wait", "created"]);
        }
        clock.sleep(Duration::from_millis(dice.random_range(0..400))).await;
        program.kill();
    }
    program.start_logging("warn");
    until("all are final", || {
        program.sql("SELECT count(*) FROM deposit WHERE state NOT IN ('settled', 'unresolved')") == "0"
    });
    until("all is told", || {
        program.sql("SELECT count(*) FROM webhook_delivery WHERE state <> 'sent'") == "0"
    });
    program.verify();
    let known: BTreeMap<String, (i64, String)> = program
        .sql("SELECT 'evt_' || substr(hash, 1, 32), seq, coalesce(deposit_id, '') FROM event")
        .lines()
        .map(|line| {
            let mut parts = line.split('|');
            let mut next = || parts.next().unwrap().to_owned();
            (next(), (next().parse().unwrap(), next()))
        })
        .collect();
    let (mut taken, mut last) = (BTreeSet::new(), BTreeMap::new());
    for hook in shop.hooks() {
        let (seq, deposit) =
            known.get(&hook.id).unwrap_or_else(|| panic!("the ledger knows nothing of {}", hook.id));
        assert_eq!((hook.seq(), &hook.deposit()), (*seq, deposit));
        if hook.taken && taken.insert(hook.id.clone()) && !deposit.is_empty() {
            let before = last.insert(deposit.clone(), *seq).unwrap_or(0);
            assert!(before < *seq, "of {deposit}, {seq} came behind {before}");
        }
    }
    let owed = program.sql("SELECT count(*) FROM webhook_delivery");
    assert_eq!(taken.len().to_string(), owed, "each at least once");
    let doubled = shop.hooks().iter().filter(|hook| hook.taken).count() - taken.len();
    eprintln!("webhooks: {owed} events told, {doubled} of them again");
}
