//! A small server that answers as it is told, and can break off anywhere.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does with a connection.
#[derive(Clone)]
pub(super) enum Reaction {
    /// Closes it at once.
    CloseUnread,
    /// Reads the request, then sends these bytes and closes.
    Send(Vec<u8>),
    /// Reads the request, sends these bytes, and then nothing for ever.
    SendAndHang(Vec<u8>),
    /// Reads the request, sends these bytes, and then an answer without end.
    SendEndlessly(Vec<u8>),
}

/// A server on this machine; gone when it is dropped.
pub(super) struct Server {
    pub(super) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Reacts to each connection in turn; the last reaction stays.
    pub(super) async fn reacting(reactions: Vec<Reaction>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut reactions = reactions.into_iter();
            let mut reaction = Reaction::CloseUnread;
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                reaction = reactions.next().unwrap_or(reaction);
                tokio::spawn(react(stream, reaction.clone(), Arc::clone(&seen)));
            }
        });
        Self { url, requests, task }
    }

    /// Always answers with this status and body.
    pub(super) async fn answering(status: u16, body: &str) -> Self {
        Self::reacting(vec![Reaction::Send(http(status, "", body))]).await
    }

    /// The requests seen so far, head and body as they came.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// A whole answer; `headers` are lines, each with its line end.
pub(super) fn http(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {len}\r\nconnection: close\r\n{headers}\r\n{body}")
        .into_bytes()
}

/// An address that nobody listens at.
pub(super) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

async fn react(mut stream: TcpStream, reaction: Reaction, seen: Arc<Mutex<Vec<String>>>) {
    if matches!(reaction, Reaction::CloseUnread) {
        return;
    }
    let request = read_request(&mut stream).await;
    seen.lock().unwrap().push(request);
    match reaction {
        Reaction::CloseUnread => {}
        Reaction::Send(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reaction::SendAndHang(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
        Reaction::SendEndlessly(bytes) => {
            let _ = stream.write_all(&bytes).await;
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).await.unwrap_or(0);
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            body.len() >= length.map_or(0, |len| len.parse().unwrap())
        });
        if whole || read == 0 {
            return text;
        }
    }
}
