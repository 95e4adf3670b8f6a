//! A real SMTP receiver on loopback: keeps what it is given, and fails in the ways that mail servers fail.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use depositd::clock::{Clock, SystemClock};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A message that was taken, dots unstuffed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    pub data: Vec<u8>,
}

impl Received {
    /// The message as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }

    /// The first header of this name, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let text = self.text();
        let head = text.split("\r\n\r\n").next()?.replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    }
}

/// What goes wrong for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpFault {
    /// This code at RCPT: 4xx, 5xx.
    Rcpt(u16),
    /// This code at DATA, before the message is sent.
    Data(u16),
    /// This code after the message; it is not kept.
    AfterData(u16),
    /// The message is kept, and the connection cut before the 250.
    AcceptThenCut,
    /// The connection is cut in the middle of the message; it is not kept.
    CutMidData,
    /// The answer to RCPT comes after this much real time.
    Tarpit(Duration),
}

#[derive(Default)]
struct State {
    faults: HashMap<String, (SmtpFault, u32)>,
    greet_with: Option<(u16, u32)>,
    refusing: bool,
    plain: bool,
    connections: usize,
    logins: usize,
}

struct Shared {
    state: Mutex<State>,
    messages: watch::Sender<Vec<Received>>,
    stop: CancellationToken,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The fault of one of these recipients that `wanted` is interested in; it counts as used.
    fn fault(&self, recipients: &[String], wanted: fn(SmtpFault) -> bool) -> Option<SmtpFault> {
        let mut state = self.state();
        for recipient in recipients {
            if let Some((fault, left)) = state.faults.get_mut(&recipient.to_ascii_lowercase())
                && *left > 0
                && wanted(*fault)
            {
                *left = if *left == u32::MAX { u32::MAX } else { *left - 1 };
                return Some(*fault);
            }
        }
        None
    }
}

/// The receiver; stops when it is dropped.
pub struct SmtpReceiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    _guard: DropGuard,
}

impl SmtpReceiver {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self::start_on("127.0.0.1:0".parse().unwrap()).await
    }

    /// Listens on this address, so that a server can come back where it was.
    pub async fn start_on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            messages: watch::Sender::default(),
            stop: stop.clone(),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, _guard: stop.drop_guard() }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Everything kept so far, in order of arrival.
    pub fn messages(&self) -> Vec<Received> {
        self.shared.messages.borrow().clone()
    }

    /// Waits until the messages are as wanted, and returns them.
    ///
    /// # Panics
    /// When they are not after `limit` of real time.
    pub async fn wait_for(
        &self,
        mut wanted: impl FnMut(&[Received]) -> bool,
        limit: Duration,
    ) -> Vec<Received> {
        let mut seen = self.shared.messages.subscribe();
        let found = tokio::time::timeout(limit, seen.wait_for(|messages| wanted(messages))).await;
        if let Ok(Ok(messages)) = found {
            return messages.clone();
        }
        let subjects: Vec<_> = self.messages().iter().map(|message| message.header("subject")).collect();
        panic!("not the awaited messages after {limit:?}: {subjects:?}");
    }

    /// The next `times` deliveries to this recipient fail in this way; `u32::MAX` is for ever, 0 takes it back.
    pub fn fail(&self, recipient: &str, fault: SmtpFault, times: u32) {
        self.shared.state().faults.insert(recipient.to_ascii_lowercase(), (fault, times));
    }

    /// The next `times` connections are greeted with this code (421, 554) and closed.
    pub fn greet_with(&self, code: u16, times: u32) {
        self.shared.state().greet_with = Some((code, times));
    }

    /// While on, connections are closed without a word.
    pub fn refuse_everything(&self, on: bool) {
        self.shared.state().refusing = on;
    }

    /// While on, the server does not offer SMTPUTF8 (RFC 6531).
    pub fn without_smtputf8(&self, on: bool) {
        self.shared.state().plain = on;
    }

    /// How many connections there were, refused ones too.
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// How many logins there were; any name and password is right.
    pub fn logins(&self) -> usize {
        self.shared.state().logins
    }

    /// Forgets what was kept.
    pub fn clear(&self) {
        self.shared.messages.send_replace(Vec::new());
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    while let Some(taken) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = taken else { return };
        let greeting = {
            let mut state = shared.state();
            state.connections += 1;
            if state.refusing {
                continue;
            }
            match &mut state.greet_with {
                Some((code, left)) if *left > 0 => {
                    *left -= 1;
                    *code
                }
                _ => 220,
            }
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let stop = shared.stop.clone();
            stop.run_until_cancelled(Session::new(shared, stream).run(greeting)).await;
        });
    }
}

struct Session {
    shared: Arc<Shared>,
    stream: BufReader<TcpStream>,
    from: Option<String>,
    to: Vec<String>,
    /// What it was told at the login; refusals say it back, as unkind servers do.
    told: String,
}

/// `None` ends the connection.
type Goes = Option<()>;

impl Session {
    fn new(shared: Arc<Shared>, stream: TcpStream) -> Self {
        Self { shared, stream: BufReader::new(stream), from: None, to: Vec::new(), told: String::new() }
    }

    async fn run(mut self, greeting: u16) {
        let alive = self.say(&format!("{greeting} receiver.test")).await.is_some() && greeting == 220;
        if alive {
            while let Some(line) = self.line().await {
                if self.obey(&String::from_utf8_lossy(&line)).await.is_none() {
                    return;
                }
            }
        }
    }

    async fn say(&mut self, line: &str) -> Goes {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await.ok()
    }

    /// The next line without its end.
    async fn line(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line).await.ok()?;
        let whole = read > 0 && line.len() < 1_000_000;
        whole.then(|| line.strip_suffix(b"\r\n").map(<[u8]>::to_vec).unwrap_or(line))
    }

    async fn obey(&mut self, line: &str) -> Goes {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                let plain = self.shared.state().plain;
                let utf8 = if plain { "" } else { "250-SMTPUTF8\r\n" };
                self.say(&format!("250-receiver.test\r\n250-8BITMIME\r\n{utf8}250 AUTH PLAIN LOGIN")).await
            }
            "HELO" | "NOOP" => self.say("250 ok").await,
            "AUTH" => self.login(rest).await,
            "MAIL" if rest.contains("SMTPUTF8") && self.shared.state().plain => {
                self.say("555 5.5.4 SMTPUTF8 was not offered").await
            }
            "MAIL" => {
                self.from = Some(address(rest));
                self.to.clear();
                self.say("250 ok").await
            }
            "RCPT" if self.from.is_some() => self.recipient(address(rest)).await,
            "DATA" if !self.to.is_empty() => self.data().await,
            "RCPT" | "DATA" => self.say("503 not now").await,
            "RSET" => {
                self.from = None;
                self.to.clear();
                self.say("250 ok").await
            }
            "QUIT" => {
                self.say("221 bye").await;
                None
            }
            _ => self.say("502 what").await,
        }
    }

    async fn login(&mut self, words: &str) -> Goes {
        let (method, initial) = words.split_once(' ').unwrap_or((words, ""));
        let questions = match (method.to_ascii_uppercase().as_str(), initial.is_empty()) {
            ("LOGIN", true) => vec!["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"],
            ("LOGIN", false) => vec!["334 UGFzc3dvcmQ6"],
            (_, true) => vec!["334 "],
            (_, false) => Vec::new(),
        };
        for question in questions {
            self.say(question).await?;
            self.line().await?;
        }
        self.shared.state().logins += 1;
        self.told = format!(", {words}");
        self.say("235 welcome").await
    }

    async fn recipient(&mut self, recipient: String) -> Goes {
        let wanted = |fault| matches!(fault, SmtpFault::Rcpt(_) | SmtpFault::Tarpit(_));
        match self.shared.fault(std::slice::from_ref(&recipient), wanted) {
            Some(SmtpFault::Rcpt(code)) => {
                return self.say(&format!("{code} not this recipient{}", self.told)).await;
            }
            Some(SmtpFault::Tarpit(span)) => SystemClock::new().sleep(span).await,
            _ => {}
        }
        self.to.push(recipient);
        self.say("250 ok").await
    }

    async fn data(&mut self) -> Goes {
        let wanted = |fault| !matches!(fault, SmtpFault::Rcpt(_) | SmtpFault::Tarpit(_));
        let fault = self.shared.fault(&self.to, wanted);
        if let Some(SmtpFault::Data(code)) = fault {
            return self.say(&format!("{code} not now{}", self.told)).await;
        }
        self.say("354 go on").await?;
        let mut data = Vec::new();
        loop {
            let line = self.line().await?;
            if fault == Some(SmtpFault::CutMidData) {
                return None;
            }
            if line == b"." {
                break;
            }
            data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            data.extend_from_slice(b"\r\n");
        }
        if let Some(SmtpFault::AfterData(code)) = fault {
            return self.say(&format!("{code} not this message{}", self.told)).await;
        }
        let message =
            Received { from: self.from.take().unwrap_or_default(), to: std::mem::take(&mut self.to), data };
        self.shared.messages.send_modify(|messages| messages.push(message));
        if fault == Some(SmtpFault::AcceptThenCut) {
            return None;
        }
        self.say("250 kept").await
    }
}

/// The address between the angle brackets.
fn address(rest: &str) -> String {
    let inner = rest.split_once('<').and_then(|(_, inner)| inner.split_once('>'));
    inner.map_or(rest, |(inner, _)| inner).to_owned()
}
