//! The real daemon, killed without warning again and again under traffic: at random moments, and at chosen ones.
//!
//! In CI 40 kills. The long form: `TORTURE_KILLS=500 cargo test --release --test torture -- --nocapture`; the same
//! again: `TORTURE_SEED=..`. Chosen moments need `strace`.
//!
//! With `TORTURE_DISK=DIR` each death is a power cut; `disk.sh` beside this file makes that disk, and says what it needs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

#[path = "../program/marks.rs"]
mod marks;
#[path = "../webhooks/receiver.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod receiver;
#[path = "../support/mod.rs"]
mod support;

mod birth;
mod daemon;
mod heard;
mod machines;
mod reckoning;
mod running;
mod storage;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use daemon::{Daemon, Moment};
use depositd::clock::{SharedClock, SystemClock};
use depositd::sandbox::upstream::{
    Call, CardRowId, Fate, Fault, LinkShape, SimulatedUpstream, SimulatorSettings,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use support::smtp::{SmtpFault, SmtpReceiver};

const FATES: &[Fate] = &[
    Fate::Exact,
    Fate::Exact,
    Fate::Over,
    Fate::Short,
    Fate::UnderpaidThenCompleted,
    Fate::Expired,
    Fate::Late,
    Fate::LostAnswer,
    Fate::Failed,
    Fate::UnknownWord,
];
/// A wallet's hour, so that a whole life fits into half a minute.
const LIFETIME: Duration = Duration::from_secs(10);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_however_often_the_daemon_is_killed() {
    let kills = number("TORTURE_KILLS").unwrap_or(40);
    let seed = number("TORTURE_SEED").unwrap_or_else(rand::random);
    eprintln!("torture: {kills} kills, seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let clock: SharedClock = Arc::new(SystemClock::new());
    let upstream = SimulatedUpstream::start(SimulatorSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        user_id: "12345".to_owned(),
        api_key: marks::KEY.to_owned(),
        clock: clock.clone(),
        seed,
        store: None,
    })
    .await
    .unwrap();
    upstream.set_lifetime(LIFETIME);
    // An answer that came too late for the daemon's life, nobody was shown.
    upstream.set_payers_wait(true);
    upstream.set_links(LinkShape { card_row_id: CardRowId::Sign, ..LinkShape::default() });
    let smtp = SmtpReceiver::start().await;
    let disk = std::env::var_os("TORTURE_DISK").map(PathBuf::from);
    let mut daemon = Daemon::on_disk(&upstream.base_url(), smtp.port(), disk.clone());
    let mut asked: BTreeMap<String, String> = BTreeMap::new();
    let mut deaths: BTreeMap<&'static str, u64> = BTreeMap::new();
    for kill in 0..kills {
        for _ in 0..dice.random_range(1..=3) {
            let key = format!("key-{seed}-{}", asked.len());
            let mut amount = format!("{}.{:02}", dice.random_range(5..500), dice.random_range(1..100));
            let mut fate = *FATES.choose(&mut dice).unwrap();
            if asked.len() % 2 == 1 {
                amount.truncate(amount.len() - 3);
                // What the row of a link that was paid short credits, only a person can say.
                fate = if fate == Fate::Short { Fate::Exact } else { fate };
            }
            upstream.plan_next(&amount, fate);
            asked.insert(key, amount);
        }
        trouble(&upstream, &smtp, &mut dice);
        let moment = match &disk {
            Some(_) => Moment::PowerCut(Duration::from_millis(dice.random_range(100..1500))),
            None => Moment::choose(&mut dice),
        };
        let at_the_moment = daemon.live_until(moment, &asked).await;
        *deaths.entry(if at_the_moment { moment.name() } else { "past its moment" }).or_default() += 1;
        let proof = daemon.verify();
        assert!(proof.0, "after kill {kill} ({moment:?}), seed {seed}: {}", proof.1);
        reckoning::holds(&daemon, &upstream, &smtp).await;
    }
    let missed = deaths.get("past its moment").copied().unwrap_or(0);
    assert!(missed * 2 < kills, "{missed} of {kills} chosen moments never came: nothing was proven");
    upstream.clear_faults();
    upstream.inject(Call::Balance, Fault::Status(503, format!("busy with {}", marks::KEY), Vec::new()), 1);
    smtp.fail(daemon::FINANCE, SmtpFault::Rcpt(451), 0);
    let reckoning = reckoning::reckon(&mut daemon, &upstream, &smtp, &asked, &clock, kills).await;
    eprintln!("torture: killed {deaths:?}; {reckoning}; seed {seed}");
}

/// Some of what goes wrong in an ordinary bad week.
fn trouble(upstream: &SimulatedUpstream, smtp: &SmtpReceiver, dice: &mut StdRng) {
    let calls = [Call::Create, Call::CreatePage, Call::CreateCard, Call::Look, Call::Invoices, Call::Balance];
    let call = *calls.choose(dice).unwrap();
    let fault = match dice.random_range(0..9) {
        0 => Fault::DropBeforeActing,
        1 | 2 => Fault::DropAfterActing,
        3 => Fault::Html200,
        4 => Fault::TruncatedJson,
        5 => Fault::CutBody,
        // It says the key back.
        6 => Fault::Status(503, format!("busy with {}", marks::KEY), Vec::new()),
        _ => return,
    };
    upstream.inject(call, fault, 1);
    let fault = match dice.random_range(0..4) {
        0 => SmtpFault::AcceptThenCut,
        1 => SmtpFault::Data(451),
        2 => SmtpFault::CutMidData,
        _ => return,
    };
    smtp.fail(daemon::FINANCE, fault, 1);
}
