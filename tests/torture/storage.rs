//! Disks that fail: where the ledger cannot be trusted the daemon stops loudly, else it goes on by itself; and what it
//! has accepted is there in either case.

use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::sandbox::upstream::{Call, Fate, Fault, SimulatedUpstream, SimulatorSettings};
use serde_json::Value;

use super::daemon::{Daemon, FINANCE, Running};
use super::marks;
use super::support::smtp::{SmtpFault, SmtpReceiver};

struct Scene {
    clock: SystemClock,
    upstream: SimulatedUpstream,
    smtp: SmtpReceiver,
    daemon: Daemon,
    /// The key of every request that was accepted, and its deposit.
    accepted: Vec<(String, String)>,
    asked: usize,
}

impl Scene {
    async fn new() -> Self {
        let clock = SystemClock::new();
        let upstream = SimulatedUpstream::start(SimulatorSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            user_id: "12345".to_owned(),
            api_key: marks::KEY.to_owned(),
            clock: std::sync::Arc::new(SystemClock::new()),
            seed: 3,
            store: None,
        })
        .await
        .unwrap();
        upstream.set_default_fate(Fate::Manual);
        let smtp = SmtpReceiver::start().await;
        // Both say back what they were told, in the midst of whatever the disk does.
        smtp.fail(FINANCE, SmtpFault::Rcpt(451), 3);
        upstream.inject(
            Call::Look,
            Fault::Status(404, format!("no order for {}", marks::KEY), Vec::new()),
            3,
        );
        let daemon = Daemon::new(&upstream.base_url(), smtp.port());
        Self { clock, upstream, smtp, daemon, accepted: Vec::new(), asked: 0 }
    }

    /// Waits until `wanted`, at most this long; whether it came.
    async fn until(&self, limit: Duration, mut wanted: impl FnMut() -> bool) -> bool {
        let began = self.clock.monotonic();
        while !wanted() {
            if self.clock.monotonic().saturating_sub(began) > limit {
                return false;
            }
            self.clock.sleep(Duration::from_millis(20)).await;
        }
        true
    }

    async fn up(&self, running: &mut Running) {
        let up = self.until(Duration::from_secs(20), || running.has_ended() || self.daemon.listens()).await;
        assert!(up && self.daemon.listens(), "{}", self.daemon.log());
    }

    /// Asks for one more deposit; whether it was accepted.
    fn ask(&mut self) -> bool {
        let key = format!("key-{}", self.asked);
        self.asked += 1;
        let answer = self.daemon.ask(&key, "12.00");
        let id = answer.as_ref().and_then(|answer| answer["id"].as_str()).map(str::to_owned);
        self.accepted.extend(id.map(|id| (key, id)));
        answer.is_some()
    }

    /// A new life without faults has every accepted deposit, and a whole ledger.
    async fn nothing_is_lost(mut self) {
        let mut running = self.daemon.start(None);
        self.up(&mut running).await;
        assert!(self.ask(), "it takes requests again: {}", self.daemon.log());
        for (key, id) in &self.accepted {
            let again = self.daemon.ask(key, "12.00").unwrap();
            assert_eq!(again["id"], Value::from(id.as_str()), "{key} was accepted and is lost");
        }
        self.daemon.shows_nothing(&running);
        drop(running);
        let (whole, said) = self.daemon.verify();
        assert!(whole, "{said}");
        for letter in self.smtp.messages() {
            self.daemon.note(&letter.data);
        }
        let searched = self.daemon.search();
        assert!(searched > 100_000, "there was something to search: {searched}");
        drop((self.upstream, self.smtp));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_fsync_stops_the_daemon_for_good() {
    let mut scene = Scene::new().await;
    // A first life, so that the second one opens an ordinary ledger.
    let mut running = scene.daemon.start(None);
    scene.up(&mut running).await;
    assert!(scene.ask());
    drop(running);
    let mut running = scene.daemon.start_with("fdatasync,fsync:error=EIO:when=12+");
    let mut refused = false;
    let ended = scene.until(Duration::from_secs(30), || running.status().is_some()).await;
    if !ended {
        refused = !scene.ask();
    }
    assert!(
        ended,
        "it goes on with a ledger that it cannot trust (refused: {refused})\n{}",
        scene.daemon.log()
    );
    assert_eq!(running.status(), Some(1));
    let log = scene.daemon.log();
    assert!(log.contains("can no longer be trusted"), "{log}");
    scene.nothing_is_lost().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_requests_and_goes_on_when_there_is_room() {
    let mut scene = Scene::new().await;
    let mut running = scene.daemon.start(None);
    scene.up(&mut running).await;
    assert!(scene.ask());
    drop(running);
    // The writing thread's 60th write finds no room, and so do the 400 after it.
    let mut running = scene.daemon.start_with("pwrite64:error=ENOSPC:when=60..460");
    scene.up(&mut running).await;
    let (mut refused, mut taken_again) = (0, false);
    for _ in 0..600 {
        if scene.ask() {
            taken_again = refused > 0;
        } else {
            refused += 1;
        }
        if taken_again {
            break;
        }
        scene.clock.sleep(Duration::from_millis(10)).await;
    }
    assert!(refused > 0, "the disk was never full");
    assert!(taken_again && !running.has_ended(), "it does not go on by itself\n{}", scene.daemon.log());
    drop(running);
    scene.nothing_is_lost().await;
}

/// Sectors that cannot be read or written for a while, each kind from several moments on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_with_errors_loses_nothing_that_was_accepted() {
    for fault in
        ["pwrite64:error=EIO:when=50..90", "pread64:error=EIO:when=60..90", "pread64:error=EIO:when=150+"]
    {
        let mut scene = Scene::new().await;
        let mut running = scene.daemon.start(None);
        scene.up(&mut running).await;
        for _ in 0..20 {
            assert!(scene.ask());
        }
        drop(running);
        let mut running = scene.daemon.start_with(fault);
        scene.until(Duration::from_secs(20), || running.has_ended() || scene.daemon.listens()).await;
        for _ in 0..100 {
            if running.has_ended() {
                break;
            }
            scene.ask();
            scene.daemon.get("/v1/deposits?limit=50");
            scene.clock.sleep(Duration::from_millis(10)).await;
        }
        assert!(matches!(running.status(), None | Some(1)), "{fault}: {}", scene.daemon.log());
        drop(running);
        let log = scene.daemon.log();
        assert!(log.contains("disk I/O error"), "{fault}: no error was met, or none was told\n{log}");
        scene.nothing_is_lost().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_becomes_read_only_takes_nothing_and_says_so() {
    let mut scene = Scene::new().await;
    let mut running = scene.daemon.start(None);
    scene.up(&mut running).await;
    assert!(scene.ask());
    drop(running);
    let mut running = scene.daemon.start_with("pwrite64:error=EROFS:when=40+");
    scene.up(&mut running).await;
    let refusing = {
        let mut refused = 0;
        for _ in 0..200 {
            refused = if scene.ask() { 0 } else { refused + 1 };
            if refused > 3 || running.has_ended() {
                break;
            }
            scene.clock.sleep(Duration::from_millis(10)).await;
        }
        refused > 3 || running.has_ended()
    };
    assert!(refusing, "it takes requests that it cannot write");
    let unready = scene
        .until(Duration::from_secs(30), || {
            running.status().is_some() || scene.daemon.get("/readyz").is_some_and(|(status, _)| status == 503)
        })
        .await;
    assert!(unready, "{}", scene.daemon.log());
    drop(running);
    scene.nothing_is_lost().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_that_holds_the_ledger_is_waited_for() {
    let mut scene = Scene::new().await;
    let mut running = scene.daemon.start(None);
    scene.up(&mut running).await;
    assert!(scene.ask());
    let ledger = scene.daemon.ledger().display().to_string();
    let mut other = std::process::Command::new("sqlite3")
        .arg(&ledger)
        .arg("BEGIN IMMEDIATE; SELECT 'held';")
        .arg(".shell sleep 3")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    scene.clock.sleep(Duration::from_millis(500)).await;
    assert!(scene.ask(), "three seconds are not too long to wait: {}", scene.daemon.log());
    other.wait().unwrap();
    assert!(!running.has_ended());
    drop(running);
    scene.nothing_is_lost().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupted_page_is_noticed_and_not_written_over() {
    let mut scene = Scene::new().await;
    let mut running = scene.daemon.start(None);
    scene.up(&mut running).await;
    for _ in 0..20 {
        assert!(scene.ask());
    }
    let wallets = scene
        .until(Duration::from_secs(20), || {
            scene.daemon.get("/v1/deposits?state=awaiting_payment&limit=50").is_some_and(|(_, page)| {
                page["deposits"].as_array().is_some_and(|deposits| deposits.len() == 20)
            })
        })
        .await;
    assert!(wallets, "{}", scene.daemon.log());
    drop(running);
    let path = scene.daemon.ledger();
    let folded =
        std::process::Command::new("sqlite3").arg(&path).arg("PRAGMA wal_checkpoint(TRUNCATE)").output();
    assert!(folded.unwrap().status.success());
    let sound = std::fs::read(&path).unwrap();
    let mut harmed = sound.clone();
    // Everything behind the schema: whatever is read first is nonsense.
    let from = 4096 * 8;
    for byte in &mut harmed[from..] {
        *byte = byte.wrapping_mul(167).wrapping_add(91);
    }
    std::fs::write(&path, &harmed).unwrap();
    let mut running = scene.daemon.start(None);
    let ended = scene.until(Duration::from_secs(30), || running.status().is_some()).await;
    assert!(ended, "it lives on a broken ledger\n{}", scene.daemon.log());
    assert_eq!(running.status(), Some(1));
    assert!(!scene.daemon.verify().0, "verify calls it whole");
    for beside in ["ledger.db-wal", "ledger.db-shm"] {
        let _ = std::fs::remove_file(path.with_file_name(beside));
    }
    std::fs::write(&path, &sound).unwrap();
    scene.nothing_is_lost().await;
}
