//! The other side, as small as a server can be: a process of its own that answers every poll at once with the same
//! 450 bytes, and every order after a fixed delay.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::cast;

const WORD: &str = "serve-bench-answers";
/// Answered with the number of polls so far.
pub const POLLS: &str = "/polls";
/// The length of the body that answers a poll.
pub const BODY: usize = 450;

/// Serves for ever, if this process was started to do that; call it first thing.
pub fn serve_if_asked() {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() != Some(WORD) {
        return;
    }
    let delay = Duration::from_millis(words.next().and_then(|ms| ms.parse().ok()).unwrap_or(0));
    let changing = words.next().is_some();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(serve(delay, changing));
    std::process::exit(0);
}

/// The server's process; gone when it is dropped.
pub struct Server {
    child: Child,
    pub base_url: String,
}

impl Server {
    /// With `changing`, no answer about an order is byte for byte the one before it, though it says the same.
    pub fn start(delay: Duration, changing: bool) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([WORD, &delay.as_millis().to_string()])
            .args(changing.then_some("changing"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("a server");
        let mut said = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut said).expect("its address");
        Self { child, base_url: format!("http://{}", said.trim()) }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn serve(delay: Duration, changing: bool) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let counts = Arc::new(Counts::default());
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(answer(stream, delay, changing, Arc::clone(&counts)));
        }
    }
}

/// What it was asked so far.
#[derive(Default)]
struct Counts {
    orders: AtomicUsize,
    polls: AtomicUsize,
}

async fn answer(mut stream: TcpStream, delay: Duration, changing: bool, counts: Arc<Counts>) {
    let mut held = Vec::with_capacity(4096);
    let mut out = Vec::with_capacity(1024);
    loop {
        let Some((head, length)) = request(&mut stream, &mut held).await else { return };
        let path = std::str::from_utf8(&held[..head]).unwrap_or_default();
        let path = path.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        out.clear();
        if path.contains("/direct/") {
            tokio::time::sleep(delay).await;
            let number = counts.orders.fetch_add(1, Ordering::Relaxed);
            reply(&mut out, &body(&cast::order_id(number.wrapping_add(usize::MAX / 2)), None));
        } else if path.contains("/transaction/") {
            let number = counts.polls.fetch_add(1, Ordering::Relaxed);
            let mut text = body(path.rsplit('/').next().unwrap_or_default(), Some(BODY));
            if changing {
                // Within the padding.
                text.replace_range(text.len() - 11..text.len() - 3, &format!("{:08}", number % 100_000_000));
            }
            reply(&mut out, &text);
        } else if path == POLLS {
            reply(&mut out, &counts.polls.load(Ordering::Relaxed).to_string());
        } else if path.ends_with("/payments") {
            reply(&mut out, r#"{"ok":true,"body":[]}"#);
        } else {
            reply(&mut out, r#"{"ok":true,"body":{"balance":0,"totalCharges":0}}"#);
        }
        held.drain(..head + length);
        if stream.write_all(&out).await.is_err() {
            return;
        }
    }
}

/// Where the next request's head ends, and how long its body is; `None` when the client is gone.
async fn request(stream: &mut TcpStream, held: &mut Vec<u8>) -> Option<(usize, usize)> {
    loop {
        if let Some(at) = held.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = std::str::from_utf8(&held[..at]).unwrap_or_default();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let length = length.unwrap_or(0);
            if held.len() >= at + 4 + length {
                return Some((at + 4, length));
            }
        }
        if stream.read_buf(held).await.ok()? == 0 {
            return None;
        }
    }
}

fn reply(out: &mut Vec<u8>, body: &str) {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body.as_bytes());
}

/// An answer about `order_id`, padded to `length` by a field that nobody knows.
pub fn body(order_id: &str, length: Option<usize>) -> String {
    let status = if length.is_some() { r#""status":"check","# } else { "" };
    let mut text = format!(
        r#"{{"ok":true,"body":{{"to_address":"{}","currency":"USDT","network":"bsc","amountInUSD":"25.00","amountInCrypto":"24.98","expire_at":{},"url":"{}{order_id}",{status}"order_id":"{order_id}""#,
        cast::address(order_id),
        cast::EXPIRE_AT,
        cast::PAY,
    );
    if let Some(length) = length {
        let room = length.saturating_sub(text.len() + r#","padding":""}}"#.len());
        text.push_str(r#","padding":""#);
        text.extend(std::iter::repeat_n('x', room));
        text.push('"');
    }
    text.push_str("}}");
    text
}
