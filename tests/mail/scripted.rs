//! A mail server that answers as it is told, byte for byte, and takes only so many letters at a time or in a minute.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use depositd::clock::{Clock as _, ManualClock, SystemClock};
use depositd::domain::time::Timestamp;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What it says to a line otherwise than an ordinary server; `MESSAGE recipient` is a whole message. Each character is
/// one byte, so that answers need not be UTF-8. An answer that begins with `421` ends the connection.
type Script = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// How much it takes.
#[derive(Clone)]
pub(crate) struct Limits {
    pub(crate) at_a_time: usize,
    pub(crate) in_a_minute: usize,
    pub(crate) clock: Arc<ManualClock>,
    /// What it says when that is exceeded.
    pub(crate) refusal: &'static str,
}

#[derive(Default)]
struct Shared {
    script: Mutex<Option<Script>>,
    limits: Option<Limits>,
    /// Letters under way, and when the latest were taken.
    busy: AtomicUsize,
    taken_at: Mutex<Vec<Timestamp>>,
    handovers: AtomicUsize,
    connections: AtomicUsize,
    /// By Message-ID.
    taken: Mutex<BTreeMap<String, usize>>,
    lines: Mutex<Vec<String>>,
}

pub(crate) struct Scripted {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    _guard: DropGuard,
}

impl Scripted {
    pub(crate) async fn start() -> Self {
        Self::with(None).await
    }

    pub(crate) async fn with(limits: Option<Limits>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { limits, ..Shared::default() });
        let stop = CancellationToken::new();
        let (own, ended) = (Arc::clone(&shared), stop.clone());
        tokio::spawn(async move {
            while let Some(Ok((stream, _))) = ended.run_until_cancelled(listener.accept()).await {
                let (own, ended) = (Arc::clone(&own), ended.clone());
                own.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move { ended.run_until_cancelled(own.converse(stream)).await });
            }
        });
        Self { port, shared, _guard: stop.drop_guard() }
    }

    /// From now on it answers like this.
    pub(crate) fn says(&self, script: impl Fn(&str) -> Option<String> + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Some(Box::new(script));
    }

    /// From now on it answers every command of this kind like this.
    pub(crate) fn answers(&self, begins: &'static str, answer: &'static str) {
        self.says(move |line| line.starts_with(begins).then(|| answer.to_owned()));
    }

    /// From now on it is an ordinary server.
    pub(crate) fn is_ordinary(&self) {
        *self.shared.script.lock().unwrap() = None;
    }

    /// How many letters were handed over, taken or not: whatever comes as far as MAIL.
    pub(crate) fn handovers(&self) -> usize {
        self.shared.handovers.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How often each letter was taken.
    pub(crate) fn taken(&self) -> BTreeMap<String, usize> {
        self.shared.taken.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.shared.lines.lock().unwrap().clone()
    }
}

impl Shared {
    async fn converse(&self, stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut stream = BufReader::new(stream);
        let (mut asked, mut to, mut id) = ("GREETING".to_owned(), String::new(), String::new());
        loop {
            let usual = match asked.split([' ', ':']).next().unwrap_or_default() {
                "GREETING" => "220 scripted.test ESMTP",
                "EHLO" => "250-scripted.test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN",
                "DATA" => "354 go on",
                "AUTH" => "235 2.7.0 welcome",
                "QUIT" => "221 bye",
                _ => "250 2.0.0 OK",
            };
            let scripted = self.script.lock().unwrap().as_ref().and_then(|script| script(&asked));
            let answer = match scripted {
                Some(answer) => answer,
                None if asked.starts_with("MESSAGE") => self.take(&id).await,
                None => usual.to_owned(),
            };
            let bytes: Vec<u8> = answer.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            stream.write_all(&[&bytes, &b"\r\n"[..]].concat()).await.ok()?;
            if asked.starts_with("QUIT") || answer.starts_with("421") {
                return None;
            }
            if asked == "DATA" && answer.starts_with("354") {
                id = message(&mut stream).await?;
                asked = format!("MESSAGE {to}");
                continue;
            }
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            line.truncate(line.trim_end().len());
            asked = line;
            if asked.starts_with("MAIL") {
                self.handovers.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(address) = asked.strip_prefix("RCPT TO:") {
                to = address.to_owned();
            }
            self.lines.lock().unwrap().push(asked.clone());
        }
    }

    /// Takes a letter, where the limits allow it.
    async fn take(&self, id: &str) -> String {
        let Some(limits) = &self.limits else { return self.keep(id) };
        let busy = self.busy.fetch_add(1, Ordering::SeqCst);
        let now = limits.clock.now();
        let room = {
            let mut taken = self.taken_at.lock().unwrap();
            taken.retain(|at| now.since(*at) < Duration::from_secs(60));
            let room = busy < limits.at_a_time && taken.len() < limits.in_a_minute;
            if room {
                taken.push(now);
            }
            room
        };
        if room {
            // What is under way at the same time is so for a while.
            SystemClock::new().sleep(Duration::from_millis(10)).await;
        }
        self.busy.fetch_sub(1, Ordering::SeqCst);
        if room { self.keep(id) } else { limits.refusal.to_owned() }
    }

    fn keep(&self, id: &str) -> String {
        *self.taken.lock().unwrap().entry(id.to_owned()).or_default() += 1;
        "250 2.0.0 kept".to_owned()
    }
}

/// Reads a message; gives its Message-ID.
async fn message(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut id = String::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        if line == b".\r\n" {
            return Some(id);
        }
        let line = String::from_utf8_lossy(&line);
        if let Some(value) = line.strip_prefix("Message-ID: ") {
            value.trim().clone_into(&mut id);
        }
    }
}
