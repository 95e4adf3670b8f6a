//! Who may only read can read whatever happens to the daemon: while it starts and stops, told to at any moment.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::{as_reader, can_read, is_root, prepared, read_as_reader, request, said, signal, until};

/// Starts that are told to stop when the program enters a system call for the n-th time: from the first look at the
/// configuration to the ready daemon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_told_to_stop_leaves_the_ledger_readable() {
    if !is_root() || Command::new("strace").arg("-V").output().is_err() {
        return;
    }
    let mut program = prepared().await;
    program.start();
    request(&program, "5");
    program.stop();
    let ledger = program.out().join("ledger.db");
    let (mut orderly, mut early, mut aborted) = (0, 0, 0);
    for (call, nths) in [
        ("openat", &[5, 15, 25, 35, 45, 60, 80][..]),
        ("pwrite64", &[1, 2, 3, 5, 8, 13]),
        ("fcntl", &[1, 3, 6, 10, 20, 40]),
        ("fdatasync,fsync", &[1, 2, 3]),
        ("unlink", &[1, 2]),
    ] {
        for nth in nths {
            let run = program.command(&["run"]);
            let mut traced = Command::new("strace");
            traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
            traced.args(["-e", &format!("inject={call}:signal=SIGTERM:when={nth}")]);
            traced.arg(run.get_program()).args(run.get_args()).current_dir(program.out()).env_clear();
            traced.envs(run.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
            let log = program.out().join("stopped.log");
            let mut child =
                traced.env("RUST_LOG", "info").stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
            stop(&mut child);
            let (status, log) = (child.wait().unwrap(), std::fs::read_to_string(log).unwrap());
            can_read(&ledger, &format!("{call} {nth}"));
            match (status.code(), status.signal()) {
                (Some(0), None) => orderly += 1,
                // Before it listens to signals it ends as any program does.
                (None, Some(15)) => early += 1,
                // Several of its threads came to their n-th call. It ends as by a kill.
                (Some(1), None) if log.contains("aborted by a second signal") => {
                    aborted += 1;
                    continue;
                }
                _ => panic!("{call} {nth}: {status}: {log}"),
            }
            assert!(
                aborted > 0 || !program.out().join("ledger.db-wal").exists(),
                "{call} {nth}: one whole file"
            );
        }
    }
    assert!(orderly > 5, "{orderly} orderly, {early} early, {aborted} aborted");
    program.verify();
}

/// Where the moment never came it is told now.
fn stop(child: &mut Child) {
    let (mut waited, mut told) = (0, false);
    while child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(10));
        waited += 1;
        if waited > 300 && !told {
            let children = format!("/proc/{0}/task/{0}/children", child.id());
            for pid in std::fs::read_to_string(children).unwrap_or_default().split_whitespace() {
                signal(pid.parse().unwrap(), "-TERM");
            }
            told = true;
        }
        assert!(waited < 6000, "it goes on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_read_on_while_the_daemon_comes_and_goes() {
    if !is_root() {
        return;
    }
    let mut program = prepared().await;
    program.start();
    request(&program, "5");
    let ledger = program.out().join("ledger.db");
    let (over, read) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                let [_, ours] = read_as_reader(&ledger);
                assert!(ours.status.success(), "{}", said(&ours));
                read.fetch_add(1, Ordering::SeqCst);
            }
        });
        for round in 0..12 {
            match round % 3 {
                0 => program.stop(),
                1 => program.kill(),
                _ => {
                    program.kill();
                    let mut refused = program.command(&["run"]);
                    refused.env("DEPOSITD_API__LISTEN", "unix:nowhere/d.sock");
                    assert!(!refused.output().unwrap().status.success());
                }
            }
            program.start();
        }
        program.stop();
        over.store(true, Ordering::SeqCst);
        reading.join().unwrap();
    });
    assert!(read.load(Ordering::SeqCst) > 10);
    can_read(&ledger, "in the end");
    program.verify();
}

/// A reader that has the ledger open while the daemon stops keeps its log there for all the others; and the next start
/// and stop leave one whole file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stays_takes_nothing_from_the_others() {
    if !is_root() {
        return;
    }
    use std::io::Write as _;
    let mut program = prepared().await;
    program.start();
    request(&program, "5");
    let ledger = program.out().join("ledger.db");
    let mut shell = Command::new("sqlite3");
    shell.arg("-readonly").arg(&ledger);
    let mut shell = as_reader(&shell);
    let mut staying =
        shell.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = staying.stdin.take().unwrap();
    stdin.write_all(b"BEGIN; SELECT count(*) FROM deposit;\n").unwrap();
    let mut one = [0_u8; 1];
    std::io::Read::read_exact(staying.stdout.as_mut().unwrap(), &mut one).unwrap();
    program.stop();
    can_read(&ledger, "beside one that stays");
    drop(stdin);
    until("it goes", || staying.try_wait().unwrap().is_some());
    can_read(&ledger, "after it went");
    program.start();
    program.stop();
    assert!(!program.out().join("ledger.db-wal").exists());
    can_read(&ledger, "after the next stop");
    program.verify();
}
