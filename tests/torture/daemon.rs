//! The binary under torture: started, asked for deposits, killed, and asked for proof.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use super::marks;
pub(crate) use super::running::Running;

pub(crate) const FINANCE: &str = "finance@example.com";

/// A folder for the time of the test; with `TORTURE_KEEP` it stays, to be looked at.
pub(crate) fn folder() -> tempfile::TempDir {
    let keep = std::env::var_os("TORTURE_KEEP").is_some();
    let folder = tempfile::Builder::new().prefix("torture-").disable_cleanup(keep).tempdir().unwrap();
    if keep {
        eprintln!("torture: kept in {}", folder.path().display());
    }
    folder
}

/// When the daemon dies.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// So long after its start, whatever it does.
    After(Duration),
    /// When one of its threads enters this system call for the `nth` time: before a durable write, or a network call.
    At(&'static str, u32),
    /// So long after its start, and the disk keeps only what it held then: the power is cut.
    PowerCut(Duration),
}

impl Moment {
    pub(crate) fn choose(dice: &mut StdRng) -> Self {
        let nth = |dice: &mut StdRng, most: u32| dice.random_range(1..=most);
        match dice.random_range(0..10) {
            0 | 1 => Self::At("fsync", nth(dice, 12)),
            2 => Self::At("pwrite64", nth(dice, 200)),
            3 => Self::At("writev", nth(dice, 20)),
            4 => Self::At("recvfrom", nth(dice, 40)),
            5 => Self::At("sendto", nth(dice, 20)),
            _ => Self::After(Duration::from_millis(dice.random_range(30..900))),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::After(_) => "at random",
            Self::At(call, _) => call,
            Self::PowerCut(_) => "by a power cut",
        }
    }
}

pub(crate) struct Daemon {
    folder: tempfile::TempDir,
    /// A disk whose power can be cut, made by `disk.sh`.
    disk: Option<PathBuf>,
    clock: SystemClock,
    /// What was answered: the request's key, and the deposit's id.
    accepted: Mutex<BTreeMap<String, String>>,
    /// Has every fsync do nothing and say that it did: the control of the power cuts.
    lying: bool,
}

impl Daemon {
    /// Everything that it writes lies in `out`; the secrets, and the configuration that names them, beside it.
    pub(crate) fn new(base_url: &str, smtp_port: u16) -> Self {
        Self::on_disk(base_url, smtp_port, None)
    }

    /// The same, with the ledger on this disk.
    pub(crate) fn on_disk(base_url: &str, smtp_port: u16, disk: Option<PathBuf>) -> Self {
        let folder = folder();
        let (out, secrets) = (folder.path().join("out"), folder.path().join("secrets"));
        let home = disk.as_ref().map_or_else(|| out.clone(), |disk| disk.join("disk/home"));
        for made in [&out, &secrets, &home] {
            std::fs::create_dir_all(made).unwrap();
        }
        for (name, secret) in [("key", marks::KEY), ("token", marks::TOKEN), ("password", marks::PASSWORD)] {
            std::fs::write(secrets.join(name), secret).unwrap();
            std::fs::set_permissions(secrets.join(name), Permissions::from_mode(0o600)).unwrap();
        }
        // The folder at least was there before anything else.
        assert!(Command::new("sync").arg("-f").arg(&home).status().unwrap().success());
        let home = home.display();
        let config = format!(
            r#"[upstream]
base_url = "{base_url}"
user_id = "12345"
api_key_file = "key"
requests_per_second = 0
timeout = "2s"
create_attempts = 4
page_amount = "dollars"

[ledger]
path = "{home}/ledger.db"

[polling]
interval = "300ms"
confirming_interval = "200ms"
expiry_grace = "500ms"
late_watch = "5m"
list_interval = "300ms"

[reconcile]
schedule = "*/2 * * * * *"
lag = "2s"

[mail]
transport = "smtp"
from = "Deposits <deposits@example.com>"
to = ["{FINANCE}"]
retry_initial = "100ms"
retry_max = "1s"

[mail.smtp]
host = "127.0.0.1"
port = {smtp_port}
security = "none"
username = "deposits"
password_file = "password"

[api]
listen = ["unix:{home}/d.sock", "127.0.0.1:0"]
token_file = "token"
"#
        );
        std::fs::write(secrets.join("daemon.toml"), config).unwrap();
        let lying = std::env::var_os("TORTURE_LYING_DISK").is_some();
        Self { folder, disk, clock: SystemClock::new(), accepted: Mutex::default(), lying }
    }

    /// Adds to its configuration, with a secret that is named there.
    pub(crate) fn add(&mut self, lines: &str, (name, secret): (&str, &str)) {
        let secrets = self.folder.path().join("secrets");
        std::fs::write(secrets.join(name), secret).unwrap();
        std::fs::set_permissions(secrets.join(name), Permissions::from_mode(0o600)).unwrap();
        let mut config = OpenOptions::new().append(true).open(secrets.join("daemon.toml")).unwrap();
        config.write_all(lines.as_bytes()).unwrap();
    }

    /// A folder that is not on the disk with the ledger.
    pub(crate) fn beside(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.home().join("d.sock")
    }

    /// Runs a command to its end: its exit status, and what it says.
    pub(crate) fn says(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.command(None).args(args).output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        self.note(said.as_bytes());
        (output.status.code(), said)
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.home().join("ledger.db")
    }

    /// Where what it says is kept, and what was heard of it.
    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// Where its ledger and its socket are.
    fn home(&self) -> PathBuf {
        self.disk.as_ref().map_or_else(|| self.out(), |disk| disk.join("disk/home"))
    }

    /// Has the disk be what it was at an instant of the daemon's life; everything that was written later is gone.
    async fn cut_power(&self, running: &mut Running) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture/disk.sh");
        let disk = |what: &str| {
            let done = Command::new("sh").arg(script).arg(what).arg(self.disk.as_ref().unwrap()).status();
            assert!(done.unwrap().success(), "{what}");
        };
        running.signal("-STOP");
        disk("cut");
        running.kill();
        disk("back");
    }

    fn command(&self, moment: Option<Moment>) -> Command {
        match moment {
            Some(Moment::At(call, nth)) => self.injected(&format!("{call}:signal=SIGKILL:when={nth}")),
            _ if self.lying => self.injected("fdatasync,fsync:retval=0"),
            _ => self.prepared(Command::new(env!("CARGO_BIN_EXE_depositd"))),
        }
    }

    /// The program with a fault in its system calls, in the words of `strace -e inject=`.
    fn injected(&self, fault: &str) -> Command {
        let mut command = Command::new("strace");
        let (calls, _) = fault.split_once(':').unwrap();
        let (trace, inject) = (format!("trace={calls}"), format!("inject={fault}"));
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject]);
        command.arg(env!("CARGO_BIN_EXE_depositd"));
        self.prepared(command)
    }

    fn prepared(&self, mut command: Command) -> Command {
        // A group of its own: strace lets no signal through.
        command.current_dir(self.out()).process_group(0).env("RUST_LOG", "trace");
        command.args(["--config", "../secrets/daemon.toml"]).stdin(Stdio::null());
        command
    }

    pub(crate) fn start(&self, moment: Option<Moment>) -> Running {
        self.run(self.command(moment))
    }

    /// Starts it with a fault in its system calls.
    pub(crate) fn start_with(&self, fault: &str) -> Running {
        self.run(self.injected(fault))
    }

    fn run(&self, mut command: Command) -> Running {
        let child = command.arg("run").stdout(self.file("stdout")).stderr(self.file("log")).spawn().unwrap();
        Running { child, lock: self.home().join("ledger.db.lock") }
    }

    /// The key of each request that was answered with a deposit, and that deposit's id.
    pub(crate) fn accepted(&self) -> BTreeMap<String, String> {
        self.accepted.lock().unwrap().clone()
    }

    /// One of the files in which what it says is kept.
    fn file(&self, name: &str) -> File {
        OpenOptions::new().create(true).append(true).open(self.out().join(name)).unwrap()
    }

    /// Keeps what was heard of it in other ways.
    pub(crate) fn note(&self, heard: &[u8]) {
        self.file("heard").write_all(heard).unwrap();
    }

    /// What the process shows of itself, while it runs and after it has been asked for everything: no secret.
    pub(crate) fn shows_nothing(&self, running: &Running) {
        for path in ["/metrics", "/v1/mails?limit=500", "/v1/cases", "/readyz", "/v1/deposits?limit=500"] {
            self.http("GET", path, "", "");
        }
        for shown in ["cmdline", "environ"] {
            let shown = std::fs::read(format!("/proc/{}/{shown}", running.child.id()));
            // Refused to everybody but root.
            self.note(&shown.unwrap_or_default());
        }
    }

    /// Searches every byte that was written or heard for the three secrets; gives how many bytes that were.
    pub(crate) fn search(&self) -> u64 {
        let beside = self.disk.as_ref().map_or(0, |_| marks::search(&self.home()));
        beside + marks::search(&self.out())
    }

    /// Lives, takes every request of `asked` that it can, and dies at `moment`; at the latest after some seconds.
    /// Whether it died at the moment that was chosen.
    pub(crate) async fn live_until(&mut self, moment: Moment, asked: &BTreeMap<String, String>) -> bool {
        let mut running = self.start(Some(moment));
        let started = self.clock.monotonic();
        let limit = match moment {
            Moment::After(span) | Moment::PowerCut(span) => span,
            Moment::At(..) => Duration::from_secs(3),
        };
        // The newest requests first: the older ones were probably taken in an earlier life.
        let mut waiting = asked.iter().rev();
        while !running.has_ended() && self.clock.monotonic().saturating_sub(started) < limit {
            if self.listens()
                && let Some((key, amount)) = waiting.next()
            {
                let _ = self.ask(key, amount);
            }
            self.clock.sleep(Duration::from_millis(5)).await;
        }
        let at_the_moment = running.has_ended() == matches!(moment, Moment::At(..));
        if matches!(moment, Moment::PowerCut(_)) {
            self.cut_power(&mut running).await;
        } else {
            running.kill();
        }
        at_the_moment
    }

    pub(crate) fn listens(&self) -> bool {
        UnixStream::connect(self.home().join("d.sock")).is_ok()
    }

    /// Asks for a deposit; `None` where no whole answer came.
    pub(crate) fn ask(&self, key: &str, amount: &str) -> Option<Value> {
        // Whole dollars are paid at a link: odd ones at a page, even ones by card.
        let paid_by = match amount.parse::<u64>() {
            Ok(odd) if odd % 2 == 1 => r#""method":"page""#,
            Ok(_) => r#""method":"card""#,
            Err(_) => r#""currency":"USDT","network":"TRON""#,
        };
        let body = format!(r#"{{{paid_by},"amount":"{amount}","reference":"{key}"}}"#);
        let head = format!("Idempotency-Key: {key}\r\nPrefer: wait=0\r\nContent-Type: application/json\r\n");
        let (status, body) = self.http("POST", "/v1/deposits", &head, &body)?;
        assert!(matches!(status, 200..=202 | 422 | 503), "{status} {body}");
        if status >= 300 {
            return None;
        }
        let id = body["id"].as_str().unwrap();
        let mut accepted = self.accepted.lock().unwrap();
        let before = accepted.entry(key.to_owned()).or_insert_with(|| id.to_owned());
        assert_eq!(before, id, "{key} was accepted, and is lost");
        Some(body)
    }

    /// Waits until it takes a request, at most this long.
    pub(crate) async fn takes_a_request(&self, limit: Duration) {
        let began = self.clock.monotonic();
        while !self.listens() || self.ask("a first request", "5").is_none() {
            assert!(
                self.clock.monotonic().saturating_sub(began) < limit,
                "nothing was taken: {}",
                self.log()
            );
            self.clock.sleep(Duration::from_millis(20)).await;
        }
    }

    /// Tells it to stop as soon as it listens, and waits for its end; whether that was an orderly one.
    pub(crate) async fn stop(&self, running: &mut Running, limit: Duration) -> bool {
        let began = self.clock.monotonic();
        let mut told = false;
        while !running.has_ended() {
            if !told && self.listens() {
                running.signal("-TERM");
                told = true;
            }
            assert!(self.clock.monotonic().saturating_sub(began) < limit, "it goes on: {}", self.log());
            self.clock.sleep(Duration::from_millis(5)).await;
        }
        running.status() == Some(0)
    }

    pub(crate) fn get(&self, path: &str) -> Option<(u16, Value)> {
        self.http("GET", path, "", "")
    }

    fn http(&self, method: &str, path: &str, head: &str, body: &str) -> Option<(u16, Value)> {
        let mut stream = UnixStream::connect(self.home().join("d.sock")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(15))).ok()?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        self.note(answer.as_bytes());
        read.ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, serde_json::from_str(body).ok()?))
    }

    /// Whether the ledger proves whole, and what was said.
    pub(crate) fn verify(&self) -> (bool, String) {
        if !self.ledger().exists() {
            return (true, "no ledger yet".to_owned());
        }
        let output = self.command(None).args(["--json", "verify"]).output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        self.note(said.as_bytes());
        // Killed before the ledger was made: the next start finishes it.
        let unborn = said.contains("start the daemon once");
        (output.status.success() || unborn, said)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.out().join("log")).unwrap_or_default()
    }
}
