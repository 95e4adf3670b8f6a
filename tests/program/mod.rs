//! The real program in a folder of its own, with a simulated upstream, and every byte it writes kept in that folder.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod marks;

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output};
use std::sync::Arc;
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::sandbox::upstream::{SimulatedUpstream, SimulatorSettings};

pub(crate) use marks::{KEY, PASSWORD, TOKEN};

/// Where the secrets come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    File,
    Environment,
    Credential,
    Inline,
}

pub(crate) struct Program {
    pub(crate) simulator: SimulatedUpstream,
    folder: tempfile::TempDir,
    source: Source,
    child: Option<Child>,
    environment: Vec<(String, String)>,
    /// Where the letters go; to files without it.
    smtp_port: Option<u16>,
}

impl Program {
    pub(crate) async fn prepare(source: Source) -> Self {
        Self::prepare_with_mail(source, None).await
    }

    pub(crate) async fn prepare_with_mail(source: Source, smtp_port: Option<u16>) -> Self {
        let simulator = SimulatedUpstream::start(SimulatorSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            user_id: "12345".to_owned(),
            api_key: KEY.to_owned(),
            clock: Arc::new(SystemClock::new()),
            seed: 5,
            store: None,
        })
        .await
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let program = Self { simulator, folder, source, child: None, environment: Vec::new(), smtp_port };
        fs::create_dir(program.folder.path().join("out")).unwrap();
        fs::create_dir(program.secrets()).unwrap();
        let mut own = program;
        own.configure();
        own
    }

    /// Sets an environment variable of the program, and of every command.
    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.environment.retain(|(name, _)| name != variable);
        self.environment.push((variable.to_owned(), value.to_owned()));
    }

    /// Everything that the program writes lies below.
    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// The only place where secrets may be.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.folder.path().join("secrets")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.out().join("d.sock")
    }

    fn configure(&mut self) {
        let secrets = self.secrets();
        let mail = match self.smtp_port {
            None => "transport = \"file\"\n".to_owned(),
            Some(port) => format!(
                "transport = \"smtp\"\nretry_initial = \"100ms\"\nretry_max = \"300ms\"\n[mail.smtp]\nhost = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\nusername = \"deposits\"\n"
            ),
        };
        let mut given = [
            ("upstream", "api_key", "upstream-api-key", KEY),
            ("api", "token", "api-token", TOKEN),
            ("mail.smtp", "password", "smtp-password", PASSWORD),
        ]
        .to_vec();
        given.truncate(if self.smtp_port.is_some() { 3 } else { 2 });
        let mut lines = std::collections::HashMap::new();
        for (section, key, name, secret) in given {
            let file = secrets.join(name);
            match self.source {
                Source::File | Source::Credential => {
                    fs::write(&file, format!("{secret}\n")).unwrap();
                    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
                    if self.source == Source::File {
                        lines.insert(section, format!("{key}_file = \"{}\"\n", file.display()));
                    }
                }
                Source::Environment => {
                    let variable = format!("DEPOSITD_{}__{key}", section.replace('.', "__")).to_uppercase();
                    self.environment.push((variable, secret.to_owned()));
                }
                Source::Inline => {
                    lines.insert(section, format!("{key} = {}\n", serde_json::to_string(secret).unwrap()));
                }
            }
        }
        if self.source == Source::Credential {
            let folder = secrets.display().to_string();
            self.environment.push(("CREDENTIALS_DIRECTORY".to_owned(), folder));
        }
        let line = |section: &str| lines.get(section).cloned().unwrap_or_default();
        let out = self.out();
        let config = format!(
            "[upstream]\nbase_url = \"{}\"\nuser_id = \"12345\"\nrequests_per_second = 0\ntimeout = \"2s\"\n{}\
             [ledger]\npath = \"{}/ledger.db\"\nbackup_dir = \"{}/backups\"\nbackup_schedule = \"*/2 * * * * *\"\n\
             [polling]\ninterval = \"200ms\"\nconfirming_interval = \"200ms\"\n\
             [api]\nlisten = [\"unix:{}/d.sock\", \"127.0.0.1:0\"]\n{}\
             [mail]\nfrom = \"deposits@example.com\"\nto = [\"finance@example.com\"]\ndirectory = \"{}/mail\"\n{mail}{}",
            self.simulator.base_url(),
            line("upstream"),
            out.display(),
            out.display(),
            out.display(),
            line("api"),
            out.display(),
            line("mail.smtp"),
        );
        let path = secrets.join("daemon.toml");
        fs::write(&path, config).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A command of the program, everything logged.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_depositd"));
        command.args(args);
        self.prepare_command(command)
    }

    fn prepare_command(&self, mut command: Command) -> Command {
        command.current_dir(self.out()).env_clear().env("RUST_LOG", "trace");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.env("DEPOSITD_CONFIG", self.secrets().join("daemon.toml"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end; what it says is kept beside everything else.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.keep(args, self.command(args))
    }

    /// Runs this, and fails where it says a secret.
    pub(crate) fn say(&self, mut command: Command) {
        let output = command.output().unwrap();
        let said = [output.stdout.as_slice(), b"\n", output.stderr.as_slice()].concat();
        marks::found_in(&format!("{command:?}"), &said);
    }

    /// Runs this, and keeps what it says.
    pub(crate) fn keep(&self, what: &[&str], mut command: Command) -> Output {
        let output = command.output().unwrap();
        let said = [output.stdout.as_slice(), b"\n", output.stderr.as_slice()].concat();
        self.note(&what.join("-").replace('/', "_"), &said);
        output
    }

    /// Keeps what was heard from the program by other ways.
    pub(crate) fn note(&self, name: &str, bytes: &[u8]) {
        let number = fs::read_dir(self.out()).unwrap().count();
        let name: String = name.chars().take(60).collect();
        fs::write(self.out().join(format!("said-{number}-{name}")), bytes).unwrap();
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn start(&mut self) {
        self.start_logging("warn");
    }

    pub(crate) fn start_logging(&mut self, level: &str) {
        self.start_within(&[], level);
    }

    /// The same by way of another program, which gets the daemon's command line behind its own.
    pub(crate) fn start_within(&mut self, outer: &[&str], level: &str) {
        let log = |name: &str| -> File {
            OpenOptions::new().create(true).append(true).open(self.out().join(name)).unwrap()
        };
        let mut command = match outer.split_first() {
            None => self.command(&["run"]),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(env!("CARGO_BIN_EXE_depositd")).arg("run");
                self.prepare_command(command)
            }
        };
        command.env("RUST_LOG", level).stdout(log("stdout.log")).stderr(log("stderr.log"));
        let mut child = command.spawn().unwrap();
        let (clock, limit) = (SystemClock::new(), Duration::from_secs(60));
        let started = clock.monotonic();
        while !self.answers() {
            assert_eq!(child.try_wait().unwrap(), None, "it ended: {}", self.log());
            assert!(clock.monotonic() - started < limit, "it does not answer: {}", self.log());
            std::thread::yield_now();
        }
        self.child = Some(child);
    }

    /// Whether it answers. Its socket is there before its ledger is open; what is asked meanwhile waits.
    fn answers(&self) -> bool {
        let Ok(mut stream) = std::os::unix::net::UnixStream::connect(self.socket()) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: depositd\r\nConnection: close\r\n\r\n");
        asked.and_then(|()| stream.read(&mut [0; 1])).is_ok_and(|count| count > 0)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.out().join("stderr.log")).unwrap_or_default()
    }

    /// Where it listens for TCP, as its log says.
    pub(crate) fn port(&self) -> u16 {
        // Each door is said as it opens, and the one that `start` waits for may be the first.
        let clock = SystemClock::new();
        let started = clock.monotonic();
        loop {
            let log = self.log();
            let said =
                log.rsplit_once("the API listens on 127.0.0.1:").and_then(|(_, rest)| rest.split_once('\n'));
            if let Some((rest, _)) = said {
                return rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
            }
            assert!(
                clock.monotonic() - started < Duration::from_secs(60),
                "it does not say where it listens: {log}"
            );
            std::thread::yield_now();
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.pid().to_string()).join(file)
    }

    /// What it shows of itself; nothing where nobody but root may look.
    pub(crate) fn read_proc(&self, file: &str) -> Vec<u8> {
        match fs::read(self.proc(file)) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Vec::new(),
            read => read.unwrap(),
        }
    }

    /// The most memory it ever had.
    pub(crate) fn peak_memory_kib(&self) -> u64 {
        let status = fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// How many connections at its unix socket it holds, and those that wait.
    pub(crate) fn sockets(&self) -> usize {
        let own = self.socket().display().to_string();
        let all = fs::read_to_string("/proc/net/unix").unwrap();
        all.lines().filter(|line| line.ends_with(&own)).count()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.take().unwrap().wait().unwrap()
    }

    /// Without warning.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// As systemd stops it.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        assert!(child.wait().unwrap().success(), "{}", self.log());
    }

    pub(crate) fn sql(&self, query: &str) -> String {
        let ledger = self.out().join("ledger.db");
        let output = Command::new("sqlite3").arg("-readonly").arg(ledger).arg(query).output().unwrap();
        assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The ledger is whole.
    pub(crate) fn verify(&self) {
        let output = self.run(&["verify"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How many files one process may have open.
pub(crate) fn open_files() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap_or(1024)
}
