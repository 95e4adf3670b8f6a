//! The binary under torture: started, asked for deposits, killed, and asked for proof.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::Value;

pub(crate) const FINANCE: &str = "finance@example.com";

/// When the daemon dies.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// So long after its start, whatever it does.
    After(Duration),
    /// When one of its threads enters this system call for the `nth` time: before a durable write, or a network call.
    At(&'static str, u32),
}

impl Moment {
    pub(crate) fn choose(dice: &mut StdRng) -> Self {
        let nth = |dice: &mut StdRng, most: u32| dice.random_range(1..=most);
        match dice.random_range(0..10) {
            0 | 1 => Self::At("fdatasync", nth(dice, 12)),
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
        }
    }
}

pub(crate) struct Daemon {
    folder: tempfile::TempDir,
    clock: SystemClock,
}

impl Daemon {
    pub(crate) fn new(base_url: &str, smtp_port: u16, key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            r#"[upstream]
base_url = "{base_url}"
user_id = "12345"
api_key = "{key}"
requests_per_second = 0
timeout = "2s"
create_attempts = 4

[ledger]
path = "ledger.db"

[polling]
interval = "300ms"
confirming_interval = "200ms"
expiry_grace = "500ms"
late_watch = "5m"

[reconcile]
schedule = "*/2 * * * * *"

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

[api]
listen = ["unix:d.sock"]
"#
        );
        std::fs::write(folder.path().join("daemon.toml"), config).unwrap();
        Self { folder, clock: SystemClock::new() }
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    fn command(&self, moment: Option<Moment>) -> Command {
        match moment {
            Some(Moment::At(call, nth)) => self.injected(&format!("{call}:signal=SIGKILL:when={nth}")),
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
        command.current_dir(self.folder.path()).process_group(0);
        command.args(["--config", "daemon.toml"]).stdin(Stdio::null());
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
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log"));
        let child = command.arg("run").stdout(Stdio::null()).stderr(log.unwrap()).spawn().unwrap();
        Running { child, lock: self.folder.path().join("ledger.db.lock") }
    }

    /// Lives, takes every request of `asked` that it can, and dies at `moment`; at the latest after some seconds.
    /// Whether it died at the moment that was chosen.
    pub(crate) async fn live_until(&mut self, moment: Moment, asked: &BTreeMap<String, String>) -> bool {
        let mut running = self.start(Some(moment));
        let started = self.clock.monotonic();
        let limit = match moment {
            Moment::After(span) => span,
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
        running.kill();
        at_the_moment
    }

    pub(crate) fn listens(&self) -> bool {
        UnixStream::connect(self.folder.path().join("d.sock")).is_ok()
    }

    /// Asks for a deposit; `None` where no whole answer came.
    pub(crate) fn ask(&self, key: &str, amount: &str) -> Option<Value> {
        let body =
            format!(r#"{{"currency":"USDT","network":"TRON","amount":"{amount}","reference":"{key}"}}"#);
        let head = format!("Idempotency-Key: {key}\r\nPrefer: wait=0\r\nContent-Type: application/json\r\n");
        let (status, body) = self.http("POST", "/v1/deposits", &head, &body)?;
        assert!(matches!(status, 200..=202 | 422 | 503), "{status} {body}");
        (status < 300).then_some(body)
    }

    pub(crate) fn get(&self, path: &str) -> Option<(u16, Value)> {
        self.http("GET", path, "", "")
    }

    fn http(&self, method: &str, path: &str, head: &str, body: &str) -> Option<(u16, Value)> {
        let mut stream = UnixStream::connect(self.folder.path().join("d.sock")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(15))).ok()?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
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
        // Killed before the schema was there: the next start makes it.
        let unborn = ["no such table", "start the daemon once"].iter().any(|words| said.contains(words));
        (output.status.success() || unborn, said)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// A daemon that runs; killed with everything it started when it is dropped.
pub(crate) struct Running {
    child: Child,
    lock: PathBuf,
}

impl Running {
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its exit status, where it has ended by itself.
    pub(crate) fn status(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().and_then(|status| status.code())
    }

    pub(crate) fn kill(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        self.child.wait().unwrap();
        // A process that was traced outlives its tracer for a moment: it is gone when its lock is.
        while File::open(&self.lock).is_ok_and(|lock| lock.try_lock().is_err()) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
