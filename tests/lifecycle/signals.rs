//! What each signal does: some end the daemon in order, one reloads, none kills it unasked.

use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use super::{ended, prepared, request, signal, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_stop_in_order_or_do_nothing_and_the_service_manager_hears_of_it() {
    for name in ["-TERM", "-INT", "-QUIT"] {
        let program = prepared().await;
        let notices = program.out().join("notices");
        let heard = UnixDatagram::bind(&notices).unwrap();
        heard.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut buffer = [0_u8; 4096];
        let mut next = || {
            let length = heard.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        let log = std::fs::File::create(program.out().join("run.log")).unwrap();
        let mut command = program.command(&["run"]);
        let child =
            command.env("NOTIFY_SOCKET", &notices).env("RUST_LOG", "info").stderr(log).spawn().unwrap();
        assert!(next().contains("READY=1"));
        request(&program, "5");
        for nothing in ["-USR1", "-USR2", "-PIPE"] {
            signal(child.id(), nothing);
        }
        signal(child.id(), "-HUP");
        let reloading = next();
        let at = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(reloading.contains("RELOADING=1") && at.unwrap().parse::<u64>().unwrap() > 0, "{reloading}");
        assert!(next().contains("READY=1"));
        request(&program, "6");
        signal(child.id(), name);
        assert!(next().contains("STOPPING=1"));
        // While it drains it is not ended by what would only reload it.
        signal_quietly(child.id(), "-HUP");
        assert_eq!(ended(child).code(), Some(0), "{name}");
        let log = std::fs::read_to_string(program.out().join("run.log")).unwrap();
        for words in ["SIGUSR1 means nothing here", "SIGUSR2 means nothing here", "reloaded: ", "stopping: "]
        {
            assert!(log.contains(words), "{words}: {log}");
        }
        assert!(!program.out().join("ledger.db-wal").exists(), "{name}: one whole file is left");
        program.verify();
    }
}

fn signal_quietly(pid: u32, name: &str) {
    let _ = std::process::Command::new("kill").args([name, &pid.to_string()]).stderr(Stdio::null()).status();
}

/// Who reads the log may go away, and the terminal with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_outlives_the_reader_of_its_log() {
    let program = prepared().await;
    let mut command = program.command(&["run"]);
    let mut child = command.env("RUST_LOG", "debug").stderr(Stdio::piped()).spawn().unwrap();
    until("it answers", || std::os::unix::net::UnixStream::connect(program.socket()).is_ok());
    drop(child.stderr.take());
    for amount in ["5", "6", "7"] {
        request(&program, amount);
    }
    signal(child.id(), "-HUP");
    request(&program, "8");
    signal(child.id(), "-TERM");
    assert_eq!(ended(child).code(), Some(0));
    assert_eq!(program.sql("SELECT count(*) FROM deposit"), "4");
    program.verify();
}
