//! The real Litestream beside a program, and one that only says what it is told to.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use super::program::Program;
use super::until;

pub(crate) fn litestream() -> String {
    format!("{}/target/python/bin/litestream", env!("CARGO_MANIFEST_DIR"))
}

/// Where Litestream's configuration of this program is.
pub(crate) fn config(program: &Program) -> PathBuf {
    program.out().join("litestream.yml")
}

/// Writes Litestream's configuration for the program: to this folder.
pub(crate) fn configure(program: &Program, store: &Path) {
    let out = program.out();
    let text = format!(
        "socket:\n  enabled: true\n  path: {0}/litestream.sock\ndbs:\n  - path: {0}/ledger.db\n    replica:\n      type: file\n      path: {1}/generation-${{DEPOSITD_GENERATION}}\n      sync-interval: 1h\n",
        out.display(),
        store.display()
    );
    std::fs::write(config(program), text).unwrap();
}

/// A real Litestream that runs. Killed when it is dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Beside the program, as this generation.
    pub(crate) fn start(program: &Program, generation: u32) -> Self {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(program.out().join("litestream.log"))
            .unwrap();
        let socket = program.out().join("litestream.sock");
        let _ = std::fs::remove_file(&socket);
        let child = Command::new(litestream())
            .args(["replicate", "-config"])
            .arg(config(program))
            .env("DEPOSITD_GENERATION", generation.to_string())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        until("Litestream listens", || socket.exists());
        Self(child)
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a pretended Litestream answers: to `/info`, and to `/sync`.
#[derive(Clone)]
pub(crate) struct Words {
    pub(crate) info: (u16, String),
    pub(crate) sync: (u16, String),
    pub(crate) list: String,
}

impl Words {
    /// All is well.
    pub(crate) fn good() -> Self {
        Self {
            info: (200, r#"{"version":"0.5.17"}"#.to_owned()),
            sync: (200, r#"{"status":"synced","txid":3,"replicated_txid":3}"#.to_owned()),
            list: r#"{"databases":[]}"#.to_owned(),
        }
    }
}

/// Listens at the program's socket and says what it is told to. What it was asked is kept.
pub(crate) struct Pretender {
    pub(crate) words: Arc<Mutex<Words>>,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Pretender {
    pub(crate) fn start(program: &Program, words: Words) -> Self {
        let socket = program.out().join("litestream.sock");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(socket).unwrap();
        let words = Arc::new(Mutex::new(words));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (own, kept) = (Arc::clone(&words), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut request = Vec::new();
                let mut piece = [0; 4096];
                let text = loop {
                    let Ok(count) = stream.read(&mut piece) else { break String::new() };
                    request.extend_from_slice(&piece[..count]);
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let length = text
                        .to_lowercase()
                        .split_once("content-length: ")
                        .map_or(0, |(_, rest)| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
                    if count == 0 || text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length)
                    {
                        break text;
                    }
                };
                let line = text.lines().next().unwrap_or_default().to_owned();
                kept.lock().unwrap().push(line.clone());
                let words = own.lock().unwrap().clone();
                let (status, body) = match line.split(' ').nth(1) {
                    Some("/info") => words.info,
                    Some("/sync") => words.sync,
                    Some("/list") => (200, words.list),
                    _ => (404, "404 page not found".to_owned()),
                };
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { words, asked }
    }

    pub(crate) fn say(&self, change: impl FnOnce(&mut Words)) {
        change(&mut self.words.lock().unwrap());
    }

    /// How often it was asked to sync.
    pub(crate) fn syncs(&self) -> usize {
        self.asked.lock().unwrap().iter().filter(|line| line.contains("/sync")).count()
    }
}
