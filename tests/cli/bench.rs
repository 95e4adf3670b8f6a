//! A folder with a configuration and a ledger, and the binary run in it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The place where one test works.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Others may look in, as at a real ledger's folder.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::write(folder.path().join("daemon.toml"), "[ledger]\npath = \"ledger.db\"\n").unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_depositd"));
        command.current_dir(self.folder.path()).args(args).env_clear();
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Run::of(&self.command(args).output().unwrap())
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(args);
        let run = self.run(&all);
        assert_eq!(run.code, 0, "{args:?}: {}{}", run.stdout, run.stderr);
        serde_json::from_str(&run.stdout).unwrap()
    }
}

/// What came of it.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
}

/// As a user who owns nothing here; `None` where that cannot be done: only root can become somebody else.
pub(crate) fn as_another(bench: &Bench, args: &[&str]) -> Option<Run> {
    let am_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !am_root {
        return None;
    }
    // The binary may lie where another user cannot look.
    let binary = bench.file("depositd");
    if !binary.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_depositd"), &binary).unwrap();
        std::fs::set_permissions(&binary, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary).args(args);
    Some(Run::of(
        &command.current_dir(bench.path()).env_clear().env("PATH", "/usr/bin:/bin").output().unwrap(),
    ))
}
