//! One ledger, one daemon, by whatever name the ledger is called.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ended, is_root, prepared, request, said, second, signal, until, with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_name_leads_to_the_same_lock() {
    let mut program = prepared().await;
    program.start();
    request(&program, "5");
    let out = program.out();
    let ledger = out.join("ledger.db");
    let elsewhere = program.secrets();
    symlink(&ledger, elsewhere.join("by-link.db")).unwrap();
    symlink(&out, elsewhere.join("folder")).unwrap();
    symlink(elsewhere.join("by-link.db"), elsewhere.join("twice.db")).unwrap();
    let names = [
        ledger.clone(),
        elsewhere.join("by-link.db"),
        elsewhere.join("twice.db"),
        elsewhere.join("folder/ledger.db"),
        PathBuf::from("../out/./ledger.db"),
        out.join("../out//ledger.db"),
    ];
    for name in names {
        let refused = second(&program, &name);
        assert_eq!(refused.status.code(), Some(1), "{}: {}", name.display(), said(&refused));
        assert!(said(&refused).contains("is in use by another depositd"), "{}", said(&refused));
        assert!(!elsewhere.join("by-link.db.lock").exists(), "nothing is put beside a link");
    }
    // A hard link is another name, under which SQLite would look for another log.
    fs::hard_link(&ledger, elsewhere.join("hard.db")).unwrap();
    let refused = second(&program, &elsewhere.join("hard.db"));
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("2 names (hard links)"), "{}", said(&refused));
    let reader =
        with(program.command(&["list"]), "ledger.path", &elsewhere.join("hard.db").display().to_string());
    let read = program.keep(&["list"], reader);
    assert_eq!(read.status.code(), Some(1), "half the books are no books");
    assert!(said(&read).contains("hard links"), "{}", said(&read));
    fs::remove_file(elsewhere.join("hard.db")).unwrap();
    assert!(program.command(&["list"]).output().unwrap().status.success());
    assert!(!program.has_ended());
    request(&program, "6");
    program.stop();
    program.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_mounted_in_another_folder_is_the_same_ledger() {
    if !is_root() {
        return;
    }
    let mut program = prepared().await;
    program.start();
    let (ledger, other) = (program.out().join("ledger.db"), program.secrets().join("mounted.db"));
    fs::write(&other, "").unwrap();
    let run = program.command(&["run"]);
    let mut mounted = Command::new("unshare");
    mounted.args(["--mount", "sh", "-c", "mount --bind \"$1\" \"$2\" && exec \"$3\" run", "sh"]);
    mounted.arg(&ledger).arg(&other).arg(run.get_program()).current_dir(program.out()).env_clear();
    mounted.envs(run.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
    let mounted = with(mounted, "ledger.path", &other.display().to_string());
    let refused = with(mounted, "api.listen", "unix:second.sock").output().unwrap();
    if said(&refused).contains("unshare") {
        println!("nothing can be mounted here: {}", said(&refused));
        return;
    }
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("is in use by another depositd"), "{}", said(&refused));
    assert!(said(&refused).contains("mounted.db is locked"), "by the file itself: {}", said(&refused));
    program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_begun_through_a_link_lies_where_the_link_leads() {
    let mut program = prepared().await;
    let (out, real) = (program.out(), program.secrets().join("real.db"));
    symlink(&real, out.join("ledger.db")).unwrap();
    program.start();
    request(&program, "5");
    assert!(real.exists() && program.secrets().join("real.db-wal").exists());
    assert!(program.secrets().join("real.db.lock").exists() && !out.join("ledger.db.lock").exists());
    let refused = second(&program, &real);
    assert!(said(&refused).contains("is in use by another depositd"), "{}", said(&refused));
    assert_eq!(program.sql("SELECT count(*) FROM deposit"), "1");
    // The link is made to lead elsewhere: this daemon's ledger is not the one that its configuration names any more.
    fs::write(program.secrets().join("other.db"), "x").unwrap();
    let moved = out.join("moved");
    symlink(program.secrets().join("other.db"), &moved).unwrap();
    fs::rename(&moved, out.join("ledger.db")).unwrap();
    let status = program.wait();
    assert_eq!(status.code(), Some(1), "{}", program.log());
    assert!(program.log().contains("has been replaced by another file"), "{}", program.log());
    assert_eq!(fs::read(program.secrets().join("other.db")).unwrap(), b"x", "which it leaves alone");
    assert!(program.secrets().join("real.db-wal").exists(), "its own it leaves as a kill would");
}

/// What beside a ledger is another one's by name is never removed by a daemon that has lost its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_whose_ledger_was_replaced_takes_nothing_from_the_new_one() {
    let mut program = prepared().await;
    program.start();
    request(&program, "5");
    let out = program.out();
    let aside = out.join("aside");
    fs::create_dir(&aside).unwrap();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock"] {
        fs::rename(out.join(name), aside.join(name)).unwrap();
    }
    fs::write(out.join("ledger.db"), "another ledger").unwrap();
    fs::write(out.join("ledger.db-wal"), "and its log").unwrap();
    let status = program.wait();
    assert_eq!(status.code(), Some(1), "{}", program.log());
    assert_eq!(fs::read(out.join("ledger.db")).unwrap(), b"another ledger");
    assert_eq!(fs::read(out.join("ledger.db-wal")).unwrap(), b"and its log");
    assert!(aside.join("ledger.db-wal").exists());
    let moved =
        with(program.command(&["verify"]), "ledger.path", &aside.join("ledger.db").display().to_string());
    let proof = program.keep(&["verify"], moved);
    assert!(proof.status.success(), "all is where it was put: {}", said(&proof));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_begin_one_ledger_at_once_one_is_refused() {
    let program = prepared().await;
    let link = program.secrets().join("by-link.db");
    symlink(program.out().join("ledger.db"), &link).unwrap();
    let start = |name: &Path, socket: &str| {
        let command = with(program.command(&["run"]), "ledger.path", &name.display().to_string());
        let log = fs::File::create(program.out().join(format!("{socket}.log"))).unwrap();
        with(command, "api.listen", &format!("unix:{socket}"))
            .env("RUST_LOG", "info")
            .stderr(log)
            .spawn()
            .unwrap()
    };
    for _ in 0..5 {
        let mut both = [start(&program.out().join("ledger.db"), "one.sock"), start(&link, "two.sock")];
        until("one of them is refused", || both.iter_mut().any(|child| child.try_wait().unwrap().is_some()));
        for child in both {
            signal_if_alive(&child);
            let status = ended(child);
            assert!(matches!(status.code(), Some(0 | 1)), "{status}");
        }
        let logs: Vec<String> = ["one", "two"]
            .iter()
            .map(|name| fs::read_to_string(program.out().join(format!("{name}.sock.log"))).unwrap())
            .collect();
        let refused = logs.iter().filter(|log| log.contains("is in use by another depositd")).count();
        assert_eq!(refused, 1, "{logs:?}");
        program.verify();
    }
}

fn signal_if_alive(child: &std::process::Child) {
    let sock = |name: &str| Path::new("/proc").join(child.id().to_string()).join(name);
    if fs::read_link(sock("exe")).is_ok() {
        signal(child.id(), "-TERM");
    }
}
