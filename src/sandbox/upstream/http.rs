//! The bytes of HTTP/1.1, written here by hand so that every way of breaking them is in reach.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::domain::time::Timestamp;

const MAX_HEAD: usize = 16 * 1024;
const MAX_BODY: usize = 256 * 1024;

/// A request as it was read.
#[derive(Debug)]
pub(super) struct SimulatorRequest {
    pub(super) method: String,
    /// The path's parts, percent-decoded.
    pub(super) path: Vec<String>,
    query: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) keep_alive: bool,
}

impl SimulatorRequest {
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What an answer's head says of its time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) date: Option<Timestamp>,
    pub(super) age: Option<u64>,
}

/// An answer to be written.
#[derive(Debug, Clone)]
pub(super) struct SimulatorResponse {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl SimulatorResponse {
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string().into_bytes() }
    }

    pub(super) fn text(status: u16, body: String, headers: Vec<(String, String)>) -> Self {
        Self { status, headers, body: body.into_bytes() }
    }

    /// The head and the body. Without a `length` the body ends where the connection does.
    pub(super) fn to_bytes(&self, stamp: Stamp, length: Option<usize>, keep_alive: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        if let Some(now) = stamp.date {
            head.push_str(&format!("Date: {}\r\n", date(now)));
        }
        if let Some(age) = stamp.age {
            head.push_str(&format!("Age: {age}\r\n"));
        }
        let typed = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if !typed {
            head.push_str("Content-Type: application/json; charset=utf-8\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(length) = length {
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        if !keep_alive || length.is_none() {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        409 => "Conflict",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Answer",
    }
}

/// RFC 7231's form of an instant.
fn date(now: Timestamp) -> String {
    let instant = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or_default();
    instant.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A connection and what has been read ahead of it.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::with_capacity(1024) }
    }

    /// The next request; `None` where the other side has closed.
    pub(super) async fn read(&mut self) -> io::Result<Option<SimulatorRequest>> {
        let head_end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(invalid("the head is too long"));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        };
        let head = self.buffer.get(..head_end).unwrap_or_default();
        let (mut request, length) = parse_head(&String::from_utf8_lossy(head))?;
        let body_start = head_end.saturating_add(4);
        let end = body_start.saturating_add(length);
        while self.buffer.len() < end {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
        request.body = self.buffer.get(body_start..end).unwrap_or_default().to_vec();
        self.buffer.drain(..end);
        Ok(Some(request))
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Waits until the other side gives up.
    pub(super) async fn wait_for_close(&mut self) {
        let mut scrap = [0; 1024];
        while matches!(self.stream.read(&mut scrap).await, Ok(read) if read > 0) {}
    }
}

fn parse_head(head: &str) -> io::Result<(SimulatorRequest, usize)> {
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Err(invalid("no request line"));
    };
    let (mut length, mut keep_alive) = (0, version != "HTTP/1.0");
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(|_| invalid("an unreadable Content-Length"))?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(invalid("a chunked body; send Content-Length"));
        } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
            keep_alive = false;
        }
    }
    if length > MAX_BODY {
        return Err(invalid("the body is too long"));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.split('/').skip(1).map(|part| decode(part, false)).collect();
    let query = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decode(key, true), decode(value, true)))
        .collect();
    Ok((SimulatorRequest { method: method.to_owned(), path, query, body: Vec::new(), keep_alive }, length))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let pair = (ahead.next(), ahead.next());
        match (byte, pair) {
            (b'%', (Some(high), Some(low))) => match hex::decode([high, low]) {
                Ok(decoded) => {
                    bytes.extend(decoded);
                    rest = ahead;
                }
                Err(_) => bytes.push(b'%'),
            },
            (b'+', _) if plus_is_space => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_with_its_path_and_query_decoded() {
        let (request, length) =
            parse_head("PUT /v3/a%20b/c?apiKey=x%2By+z&n=1 HTTP/1.1\r\nContent-Length: 12\r\n").unwrap();
        assert_eq!(request.path, ["v3", "a b", "c"]);
        assert_eq!(request.query("apiKey"), Some("x+y z"));
        assert_eq!((length, request.keep_alive), (12, true));
        assert!(parse_head("GET /\r\n").is_err());
        assert_eq!(decode("100%", false), "100%");
    }

    #[test]
    fn the_date_is_the_clocks() {
        let response = SimulatorResponse::text(200, "{}".to_owned(), Vec::new());
        let stamp = Stamp { date: Some(Timestamp::from_seconds(1_748_615_577)), age: None };
        let bytes = response.to_bytes(stamp, Some(2), true);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("\r\nDate: Fri, 30 May 2025 14:32:57 GMT\r\n"), "{text}");
        assert!(text.ends_with("Content-Length: 2\r\n\r\n{}"), "{text}");
    }
}
