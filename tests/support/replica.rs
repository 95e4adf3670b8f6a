//! The real Litestream, and a real object store (SeaweedFS).

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};

/// The key of the store, and its secret.
pub const ACCESS: &str = "depositd-test";
pub const SECRET: &str = "a-secret-of-the-store";
/// The store's one bucket.
pub const BUCKET: &str = "ledgers";
/// Nothing here takes longer to start.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the answer of a Litestream may take that is asked to copy; it is given a little less.
const ANSWER: Duration = Duration::from_secs(5);

/// A program of `target/python`, where `.ci/test` puts it.
pub fn python(name: &str) -> String {
    format!("{}/target/python/bin/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Waits until `wanted` gives something; `None` where it never does.
fn eventually<T>(mut wanted: impl FnMut() -> Option<T>) -> Option<T> {
    let clock = SystemClock::new();
    let began = clock.monotonic();
    loop {
        if let Some(found) = wanted() {
            return Some(found);
        }
        if clock.monotonic().saturating_sub(began) > PATIENCE {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn logging(command: &mut Command, log: &Path) {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A program that runs; killed when it is dropped.
#[derive(Debug)]
struct Running(Child);

impl Running {
    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The parts of SeaweedFS, each with a port of its own for programs and one for the other parts.
#[derive(Debug, Clone, Copy)]
struct Ports {
    master: [u16; 2],
    volume: [u16; 2],
    filer: [u16; 2],
    s3: [u16; 2],
}

impl Ports {
    /// Ports that nobody has just now.
    fn free() -> Self {
        let held: Vec<TcpListener> = (0..8).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let port = |number: usize| held[number].local_addr().unwrap().port();
        let pair = |number: usize| [port(number), port(number + 1)];
        Self { master: pair(0), volume: pair(2), filer: pair(4), s3: pair(6) }
    }
}

/// SeaweedFS on loopback, with what it keeps in a folder of its own.
#[derive(Debug)]
pub struct Store {
    folder: tempfile::TempDir,
    ports: Ports,
    running: Option<Running>,
}

impl Store {
    /// One that answers, with an empty bucket.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identities = format!(
            r#"{{"identities":[{{"name":"test","credentials":[{{"accessKey":"{ACCESS}","secretKey":"{SECRET}"}}],"actions":["Admin"]}}]}}"#
        );
        std::fs::write(folder.path().join("identities.json"), identities).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let mut store = Self { folder, ports: Ports::free(), running: None };
        // Another program may have taken one of the ports in between.
        while !store.run() {
            store.ports = Ports::free();
        }
        store.make_bucket();
        store
    }

    /// Where programs ask for objects.
    pub fn port(&self) -> u16 {
        self.ports.s3[0]
    }

    /// As a power cut would: no time for anything.
    pub fn kill(&mut self) {
        self.running = None;
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The same store again, with all it had.
    pub fn restart(&mut self) {
        self.kill();
        // With what it remembers of elections it would wait half a minute for masters that are not there.
        let _ = std::fs::remove_dir_all(self.folder.path().join(format!("data/m{}", self.ports.master[0])));
        assert!(self.run(), "{}", self.log());
    }

    pub fn log(&self) -> String {
        read(&self.folder.path().join("log"))
    }

    /// Whether it came up.
    fn run(&mut self) -> bool {
        let Ports { master, volume, filer, s3 } = self.ports;
        let place = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = Command::new(python("weed"));
        command.current_dir(self.folder.path()).arg("server").args([
            format!("-dir={}", place("data")),
            "-ip=127.0.0.1".to_owned(),
            "-ip.bind=127.0.0.1".to_owned(),
            "-filer".to_owned(),
            "-s3".to_owned(),
            format!("-s3.config={}", place("identities.json")),
            format!("-master.port={}", master[0]),
            format!("-master.port.grpc={}", master[1]),
            format!("-volume.port={}", volume[0]),
            format!("-volume.port.grpc={}", volume[1]),
            format!("-filer.port={}", filer[0]),
            format!("-filer.port.grpc={}", filer[1]),
            format!("-s3.port={}", s3[0]),
            format!("-s3.port.grpc={}", s3[1]),
            "-s3.port.iceberg=0".to_owned(),
            "-s3.port.lance=0".to_owned(),
            // It tells nobody that it was here.
            "-master.telemetry=false".to_owned(),
            "-master.volumeSizeLimitMB=64".to_owned(),
            "-volume.max=30".to_owned(),
        ]);
        logging(&mut command, &self.folder.path().join("log"));
        let running = self.running.insert(Running(command.spawn().unwrap()));
        let up = eventually(|| {
            let listens = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
            match running.has_ended() {
                true => Some(false),
                false => [volume[0], filer[0], s3[0]].into_iter().all(listens).then_some(true),
            }
        });
        up == Some(true)
    }

    fn make_bucket(&self) {
        let Ports { master, filer, .. } = self.ports;
        let made = eventually(|| {
            let mut shell = Command::new(python("weed"));
            shell.arg("shell").args([
                format!("-master=127.0.0.1:{}.{}", master[0], master[1]),
                format!("-filer=127.0.0.1:{}.{}", filer[0], filer[1]),
            ]);
            shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut shell = shell.spawn().unwrap();
            let ask = format!("s3.bucket.create -name {BUCKET}\n");
            shell.stdin.take().unwrap().write_all(ask.as_bytes()).unwrap();
            let said = shell.wait_with_output().unwrap();
            String::from_utf8_lossy(&said.stdout).contains("created bucket").then_some(())
        });
        assert!(made.is_some(), "{}", self.log());
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.kill();
        // It leaves sockets behind, named after its ports.
        let Ports { filer, s3, .. } = self.ports;
        for name in [("filer", filer[0]), ("s3", s3[0]), ("filer-grpc", filer[1]), ("s3-grpc", s3[1])] {
            let _ = std::fs::remove_file(format!("/tmp/seaweedfs-{}-{}.sock", name.0, name.1));
        }
    }
}

/// A machine's Litestream: its configuration, and the program while it runs.
#[derive(Debug)]
pub struct Litestream {
    folder: PathBuf,
    ledger: PathBuf,
    running: Option<Running>,
}

impl Litestream {
    /// Copies `ledger` to the store at `port`, under `name`. Its configuration is the one that is shipped, with this test's
    /// places; that and its log and its socket are in `folder`.
    pub fn prepare(folder: &Path, ledger: &Path, port: u16, name: &str) -> Self {
        let own = Self { folder: folder.to_owned(), ledger: ledger.to_owned(), running: None };
        let shipped = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/litestream.yml"));
        let mut config = shipped;
        for (there, here) in [
            ("/run/depositd-litestream/litestream.sock", own.socket().display().to_string()),
            ("/var/lib/depositd/ledger.db", ledger.display().to_string()),
            ("https://s3.example.com", format!("http://127.0.0.1:{port}")),
            ("bucket: ledgers", format!("bucket: {BUCKET}")),
            ("path: main/generation-", format!("path: {name}/generation-")),
            ("AKIAEXAMPLE", ACCESS.to_owned()),
            ("the secret of that key", SECRET.to_owned()),
        ] {
            assert!(config.contains(there), "{there} is not in deploy/litestream.yml any more");
            config = config.replace(there, &here);
        }
        std::fs::write(own.config(), config).unwrap();
        own
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("litestream.yml")
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("litestream.sock")
    }

    pub fn log(&self) -> String {
        read(&self.folder.join("litestream.log"))
    }

    /// Starts it, and waits until it listens.
    pub fn start(&mut self, generation: u64) {
        self.kill();
        let _ = std::fs::remove_file(self.socket());
        let mut command = self.command("replicate", generation);
        logging(&mut command, &self.folder.join("litestream.log"));
        let running = self.running.insert(Running(command.spawn().unwrap()));
        let socket = self.folder.join("litestream.sock");
        let up = eventually(|| (running.has_ended() || UnixStream::connect(&socket).is_ok()).then_some(()));
        assert!(up.is_some() && UnixStream::connect(socket).is_ok(), "{}", self.log());
    }

    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Asks it as the daemon does; what it answered, once that is that the store has everything.
    pub fn sync(&self) -> Option<String> {
        let mut stream = UnixStream::connect(self.socket()).ok()?;
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        let seconds = ANSWER.as_secs() - 2;
        let body = format!(r#"{{"path":"{}","wait":true,"timeout":{seconds}}}"#, self.ledger.display());
        let request = format!(
            "POST /sync HTTP/1.1\r\nHost: l\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200 ").then_some(answer)
    }

    /// Waits until the store has everything.
    pub fn copied(&self) {
        assert!(eventually(|| self.sync()).is_some(), "{}", self.log());
    }

    pub fn restore(&self, generation: u64, to: &Path) -> Output {
        self.command("restore", generation).arg("-o").arg(to).arg(&self.ledger).output().unwrap()
    }

    fn command(&self, verb: &str, generation: u64) -> Command {
        let mut command = Command::new(python("litestream"));
        command.arg(verb).arg("-config").arg(self.config()).current_dir(&self.folder);
        command.env_remove("AWS_CA_BUNDLE").env("DEPOSITD_GENERATION", generation.to_string());
        command
    }
}
