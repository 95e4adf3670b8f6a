//! What the daemon costs while there is nothing to do: memory and processor time of the real binary.
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark may fail loudly")]

mod support;

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::process::usage;
use support::{Args, machine, now, scratch};

const ABOUT: &str = "Memory and processor time of `depositd run` with an empty ledger, as /proc tells them.";
const OPTIONS: &[(&str, &str, &str)] = &[("seconds", "30", "how long it is watched, after it has started")];

fn main() {
    let args = Args::read(ABOUT, OPTIONS);
    let seconds = args.get("seconds", 30_u64);
    println!("idle: {}", machine());
    let folder = scratch();
    // Nobody is there: with an empty ledger nobody is asked.
    let path = support::daemon::configuration(folder.path(), "http://127.0.0.1:9");
    let mut daemon = Daemon(
        Command::new(env!("CARGO_BIN_EXE_depositd"))
            .arg("--config")
            .arg(&path)
            .arg("run")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let begun = now();
    while UnixStream::connect(support::daemon::socket(folder.path())).is_err() {
        assert!(daemon.0.try_wait().unwrap().is_none(), "it ended");
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let ready = support::millis(begun.elapsed());
    std::thread::sleep(Duration::from_secs(3));
    let before = usage(daemon.0.id());
    std::thread::sleep(Duration::from_secs(seconds));
    let after = usage(daemon.0.id());
    let mib = |bytes: u64| bytes as f64 / 1e6;
    let share = (after.cpu.saturating_sub(before.cpu)).as_secs_f64() / seconds as f64 * 100.0;
    println!("it listens after  {ready:>8.0} ms");
    println!(
        "resident          {:>8.1} MB   target 25 MB (at most {:.1} MB)",
        mib(after.resident),
        mib(after.peak)
    );
    println!("processor         {share:>8.3} %    target 0.1 % of one core, over {seconds} s");
    support::line(&serde_json::json!({
        "bench": "idle", "resident_bytes": after.resident, "peak_resident_bytes": after.peak,
        "cpu_percent": (share * 1000.0).round() / 1000.0, "seconds": seconds,
        "target_resident_bytes": 25_000_000, "target_cpu_percent": 0.1,
    }));
}

/// The daemon's process; gone when it is dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
