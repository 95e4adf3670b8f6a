//! A receiver of webhooks that keeps what it gets, checks its signature, and answers as a test says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use depositd::clock::{Clock as _, SystemClock};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const OTHER_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

/// One webhook as it came.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub(crate) id: String,
    pub(crate) timestamp: i64,
    pub(crate) signature: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) body: Value,
    /// It was answered with a 2xx.
    pub(crate) taken: bool,
}

impl Hook {
    pub(crate) fn kind(&self) -> String {
        self.body["type"].as_str().unwrap().to_owned()
    }

    pub(crate) fn deposit(&self) -> String {
        self.body["data"]["deposit"]["id"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn seq(&self) -> i64 {
        self.body["data"]["event"]["seq"].as_i64().unwrap()
    }

    /// Whether one of its signatures is by this secret.
    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        let bytes = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let signed = [format!("{}.{}.", self.id, self.timestamp).as_bytes(), &self.raw].concat();
        let wanted = format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed).as_ref()));
        self.signature.split(' ').any(|one| one == wanted)
    }
}

/// How a request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Status(u16),
    /// With this header line.
    With(u16, &'static str),
    /// Bytes as they are; then the connection ends.
    Raw(&'static [u8]),
    /// A status, and a body without end.
    Endless(u16),
    /// Nothing at all.
    Never,
}

type Script = Box<dyn FnMut(&Hook) -> Answer + Send>;

#[derive(Clone)]
pub(crate) struct Receiver {
    port: u16,
    hooks: Arc<Mutex<Vec<Hook>>>,
    script: Arc<Mutex<Script>>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = Self {
            port,
            hooks: Arc::default(),
            script: Arc::new(Mutex::new(Box::new(|_: &Hook| Answer::Status(204)))),
        };
        let own = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let own = own.clone();
                tokio::spawn(async move { own.serve(stream).await });
            }
        });
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks/deposits?s3cret=path", self.port)
    }

    pub(crate) fn answer(&self, script: impl FnMut(&Hook) -> Answer + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// What came, in its order.
    pub(crate) fn hooks(&self) -> Vec<Hook> {
        self.hooks.lock().unwrap().clone()
    }

    /// The types of what was taken about one deposit, in its order.
    pub(crate) fn taken(&self, deposit: &str) -> Vec<String> {
        self.hooks().iter().filter(|hook| hook.taken && hook.deposit() == deposit).map(Hook::kind).collect()
    }

    /// Waits, in real time, until so many have come.
    pub(crate) async fn until(&self, count: usize) {
        let clock = SystemClock::new();
        for _ in 0..2000 {
            if self.hooks.lock().unwrap().len() >= count {
                return;
            }
            clock.sleep(Duration::from_millis(10)).await;
        }
        panic!("only {} of {count} webhooks have come", self.hooks.lock().unwrap().len());
    }

    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return;
                }
                if line.trim_end().is_empty() {
                    break;
                }
                head.push(line.trim_end().to_owned());
            }
            let header = |name: &str| {
                let found = head.iter().skip(1).filter_map(|line| line.split_once(':'));
                found
                    .filter(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.trim().to_owned())
                    .next()
            };
            let length = header("content-length").map_or(0, |length| length.parse().unwrap());
            let mut raw = vec![0; length];
            if stream.read_exact(&mut raw).await.is_err() {
                return;
            }
            if head[0].starts_with("HEAD ") {
                let _ =
                    stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n").await;
                continue;
            }
            assert!(head[0].starts_with("POST /hooks/deposits?s3cret=path "), "{head:?}");
            assert_eq!(header("content-type").as_deref(), Some("application/json"));
            let mut hook = Hook {
                id: header("webhook-id").unwrap(),
                timestamp: header("webhook-timestamp").unwrap().parse().unwrap(),
                signature: header("webhook-signature").unwrap(),
                body: serde_json::from_slice(&raw).unwrap(),
                raw,
                taken: false,
            };
            let answer = (self.script.lock().unwrap())(&hook);
            hook.taken = matches!(answer, Answer::Status(200..=299) | Answer::Endless(200..=299));
            self.hooks.lock().unwrap().push(hook);
            let text = match answer {
                Answer::Status(status) => format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"),
                Answer::With(status, line) => {
                    format!("HTTP/1.1 {status} X\r\n{line}\r\nContent-Length: 4\r\n\r\nwhat")
                }
                Answer::Raw(bytes) => {
                    let _ = stream.write_all(bytes).await;
                    return;
                }
                Answer::Endless(status) => {
                    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 5000000000\r\n\r\n");
                    let _ = stream.write_all(head.as_bytes()).await;
                    while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
                    return;
                }
                Answer::Never => std::future::pending().await,
            };
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}
