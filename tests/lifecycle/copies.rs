//! Copies on the command line: wherever the user may write, over nothing and beside nothing that they could harm.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{can_read, ended, is_root, prepared, program::Program, request, said, signal, until};

async fn lived_in() -> Program {
    let mut program = prepared().await;
    program.start();
    request(&program, "5");
    program
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_takes_no_name_that_means_something() {
    let mut program = lived_in().await;
    let out = program.out();
    let elsewhere = program.secrets().join("copies");
    fs::create_dir(&elsewhere).unwrap();
    for (name, foreign) in
        [("x.db.partial", "precious"), ("y.db-wal", "precious"), ("z.db-journal", "precious")]
    {
        fs::write(elsewhere.join(name), foreign).unwrap();
    }
    std::os::unix::fs::symlink("nowhere", elsewhere.join("dangling.db")).unwrap();
    let backup = |file: &Path| program.command(&["backup", &file.display().to_string()]).output().unwrap();
    let copied = backup(&elsewhere.join("x.db"));
    assert!(copied.status.success(), "{}", said(&copied));
    assert_eq!(
        fs::read_to_string(elsewhere.join("x.db.partial")).unwrap(),
        "precious",
        "it is somebody else's"
    );
    for (file, words) in [
        (elsewhere.join("x.db"), "will not overwrite"),
        (elsewhere.join("dangling.db"), "will not overwrite"),
        (elsewhere.join("y.db"), "y.db-wal would be taken for a part of it"),
        (elsewhere.join("z.db"), "z.db-journal would be taken for a part of it"),
        (out.join("ledger.db"), "will not overwrite"),
        (out.join("ledger.db-journal"), "-journal at its end belongs to the file without it"),
        (out.join("../out/ledger.db-wal2-wal"), "-wal at its end"),
        (elsewhere.join("other.db-shm"), "-shm at its end"),
        (elsewhere.join("other.db.lock"), ".lock at its end"),
        (elsewhere.join("nowhere/x.db"), "No such file or directory"),
    ] {
        let refused = backup(&file);
        assert_eq!(refused.status.code(), Some(1), "{}: {}", file.display(), said(&refused));
        assert!(said(&refused).contains(words), "{}: {}", file.display(), said(&refused));
    }
    let expected = ["dangling.db", "x.db", "x.db.partial", "y.db-wal", "z.db-journal"];
    assert_eq!(names(&elsewhere), expected, "nothing was left, and nothing taken");
    if is_root() {
        can_read(&out.join("ledger.db"), "after all of that");
    }
    request(&program, "6");
    program.stop();
    program.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_cannot_be_finished_leaves_nothing() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("no strace: the disk cannot be full");
        return;
    }
    let mut program = lived_in().await;
    let copies = program.secrets().join("copies");
    fs::create_dir(&copies).unwrap();
    let traced = |inject: &str| {
        let copy = program.command(&["backup", &copies.join("x.db").display().to_string()]);
        let (calls, _) = inject.split_once(':').unwrap();
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
        command.args(["-e", &format!("inject={inject}")]).arg(copy.get_program()).args(copy.get_args());
        command.current_dir(program.out()).env_clear();
        command.envs(copy.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
        command
    };
    for full in ["pwrite64:error=ENOSPC:when=1+", "pwrite64:error=ENOSPC:when=9+", "fsync:error=EIO:when=1"] {
        let refused = traced(full).output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{full}: {}", said(&refused));
        assert_eq!(names(&copies), Vec::<String>::new(), "{full}: {}", said(&refused));
    }
    // A disk that knows no hard links gets its copy all the same.
    let copied = traced("link,linkat:error=EPERM").output().unwrap();
    assert!(copied.status.success(), "{}", said(&copied));
    assert_eq!(names(&copies), ["x.db"]);
    fs::remove_file(copies.join("x.db")).unwrap();
    // Broken off by its user, in the midst of it, and before SQLite has opened what is there for it.
    for slow in ["pwrite64:delay_enter=200000", "openat,exit_group:delay_enter=200000"] {
        let child = traced(slow).stderr(std::process::Stdio::null()).spawn().unwrap();
        until("it has begun", || !names(&copies).is_empty());
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
        signal(children.split_whitespace().next().unwrap().parse().unwrap(), "-INT");
        assert_eq!(ended(child).code(), Some(1), "{slow}");
        assert_eq!(names(&copies), Vec::<String>::new(), "{slow}");
    }
    program.stop();
    program.verify();
}
