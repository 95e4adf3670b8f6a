//! A first start, and later starts with their stops, killed at each of their steps: the ledger is whole, or whoever looks
//! is told that the next start finishes it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::daemon::{Daemon, Moment};

const PATIENCE: Duration = Duration::from_secs(20);

/// Dies in its first start at every `step`th of these calls, until it lives past the last; gives how often it died.
async fn deaths(call: &'static str, step: u32) -> u32 {
    for died in 0.. {
        // Nobody is asked for anything before the ledger is there.
        let mut daemon = Daemon::new("http://127.0.0.1:9", 9);
        let moment = Moment::At(call, died * step + 1);
        let at_the_moment = daemon.live_until(moment, &BTreeMap::new()).await;
        let (whole, said) = daemon.verify();
        assert!(whole, "{moment:?}: {said}");
        if !at_the_moment {
            return died;
        }
        // The next start finishes what was begun, and from then on it is a ledger.
        let mut running = daemon.start(None);
        daemon.takes_a_request(PATIENCE).await;
        running.kill();
        let (_, said) = daemon.verify();
        assert!(said.contains(r#""ok":true"#) && said.contains(r#""deposits":1"#), "{moment:?}: {said}");
    }
    0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_may_be_killed_at_any_step() {
    let (synced, written) = tokio::join!(deaths("fsync", 1), deaths("pwrite64", 13));
    eprintln!("torture: {synced} deaths before an fsync, {written} before a write");
    // The schema alone is four transactions, each synced.
    assert!(synced > 8 && written > 8, "{synced} {written}");
}

/// Starts it again and again and tells it to stop, until it lives past the last of these calls; gives how often it died.
async fn deaths_on_the_way_down(call: &'static str, step: u32) -> u32 {
    let daemon = Daemon::new("http://127.0.0.1:9", 9);
    let mut running = daemon.start(None);
    daemon.takes_a_request(PATIENCE).await;
    running.kill();
    for died in 0.. {
        let moment = Moment::At(call, died * step + 1);
        let mut running = daemon.start(Some(moment));
        let stopped = daemon.stop(&mut running, PATIENCE).await;
        drop(running);
        let (whole, said) = daemon.verify();
        let told = said.contains("start the daemon once") || said.contains(r#""deposits":1"#);
        assert!(whole && told, "{moment:?}: {said}");
        if stopped {
            return died;
        }
    }
    0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_may_be_cut_off_at_any_step() {
    let (synced, written) =
        tokio::join!(deaths_on_the_way_down("fsync", 1), deaths_on_the_way_down("pwrite64", 3));
    eprintln!("torture: {synced} deaths before an fsync, {written} before a write");
    // The log is carried over, and the journal that the file is left with is another one.
    assert!(synced > 3 && written > 3, "{synced} {written}");
}
