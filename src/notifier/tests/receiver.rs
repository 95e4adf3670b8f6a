//! A small real SMTP server on this machine that does as it is told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the server answers to a command: `None` is to stay silent for ever, "" to answer as usual.
pub(super) type Script = fn(&str) -> Option<&'static str>;

/// What it has heard.
#[derive(Debug, Default, Clone)]
pub(super) struct Heard {
    pub(super) connections: usize,
    pub(super) lines: Vec<String>,
    pub(super) messages: Vec<String>,
}

pub(super) struct Receiver {
    pub(super) port: u16,
    heard: Arc<Mutex<Heard>>,
}

impl Receiver {
    /// Listens; `script` answers what it wants to answer otherwise than an ordinary server (with `""` for "as usual").
    pub(super) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let shared = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut heard = shared.lock().unwrap();
                heard.connections = heard.connections.saturating_add(1);
                drop(heard);
                tokio::spawn(serve(stream, script, Arc::clone(&shared)));
            }
        });
        Self { port, heard }
    }

    pub(super) fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }
}

/// Hang up without a word.
pub(super) const HANG_UP: &str = "(hang up)";

async fn serve(stream: TcpStream, script: Script, heard: Arc<Mutex<Heard>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut asked = "GREETING".to_owned();
    loop {
        let usual = match asked.split([' ', ':']).next().unwrap_or_default() {
            "GREETING" => "220 test ESMTP",
            "EHLO" => "250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN",
            "DATA" => "354 go on",
            "AUTH" => "235 welcome",
            "QUIT" => "221 bye",
            _ => "250 OK",
        };
        match script(&asked) {
            None => std::future::pending::<()>().await,
            Some(HANG_UP) => return Ok(()),
            Some(answer) => {
                let answer = if answer.is_empty() { usual } else { answer };
                stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
                if asked == "DATA" && answer.starts_with("354") {
                    let message = read_message(&mut stream).await?;
                    heard.lock().unwrap().messages.push(message);
                    asked = "MESSAGE".to_owned();
                    continue;
                }
            }
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        asked = line.trim_end().to_owned();
        heard.lock().unwrap().lines.push(asked.clone());
    }
}

async fn read_message(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut message = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(message);
        }
        message.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
