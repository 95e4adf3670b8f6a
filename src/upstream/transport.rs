//! How bytes go to the upstream and come back: the client's settings, the limits on an answer, and the one place
//! where the client's errors lose their URL.

use std::error::Error as _;
use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{AGE, CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Url};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_util::bytes::Bytes;

use super::error::Error;
use crate::domain::causes::root;
use crate::domain::time::Timestamp;

/// The longest pause that the upstream can ask for.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// The longest time for connecting: past it, it is certain that nothing was taken.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A creation never uses a connection that has been idle for longer: if the server is just closing it, nobody can say
/// whether the order was made.
const CREATE_IDLE: Duration = Duration::from_secs(1);
const READ_IDLE: Duration = Duration::from_secs(60);

/// The way to the upstream.
pub(super) struct HttpTransport {
    reading: Client,
    creating: Client,
}

/// An answer, whole or broken.
#[derive(Debug)]
pub(super) struct HttpReply {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// The upstream's clock, where the answer is its own.
    pub(super) date: Option<Timestamp>,
    pub(super) body: Vec<u8>,
    /// Why the body is not whole.
    pub(super) broken: Option<String>,
}

/// How much of a long answer is taken, and how much of it is kept, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) whole: usize,
    pub(super) keep: usize,
}

/// What a long answer was.
#[derive(Debug)]
pub(super) struct Digested {
    pub(super) bytes: usize,
    pub(super) sha256: String,
}

/// No answer at all.
#[derive(Debug)]
pub(super) struct TransportFailure {
    /// False where no connection was made: then nothing was sent.
    pub(super) sent: bool,
    pub(super) words: String,
}

impl From<reqwest::Error> for TransportFailure {
    /// The one way out for the client's errors. Their texts print the URL, and the URL holds the key: only the
    /// innermost cause is used, which has neither.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let sent = !(error.is_connect() || error.is_builder());
        let late = error.is_timeout();
        let cause =
            error.source().map_or_else(|| "no reason given".to_owned(), |cause| root(cause).to_string());
        let words = match (sent, late) {
            (false, true) => "connecting took too long".to_owned(),
            (false, false) => format!("no connection: {cause}"),
            (true, true) => "the answer took too long".to_owned(),
            (true, false) => format!("the connection broke: {cause}"),
        };
        Self { sent, words }
    }
}

impl HttpTransport {
    pub(super) fn new(timeout: Duration, max_in_flight: usize) -> Result<Self, Error> {
        let client = |idle: Duration| {
            Client::builder()
                .user_agent(concat!("depositd/", env!("CARGO_PKG_VERSION")))
                .timeout(timeout)
                // Shorter than the whole timeout, to distinguish a server that cannot be reached from a slow one.
                .connect_timeout(
                    CONNECT_TIMEOUT.min(timeout.saturating_mul(3).checked_div(4).unwrap_or(timeout)),
                )
                .redirect(Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
                .no_proxy()
                .tcp_nodelay(true)
                .pool_idle_timeout(idle)
                .pool_max_idle_per_host(max_in_flight)
                .build()
                .map_err(|e| {
                    Error::Settings(format!(
                        "the HTTP client cannot start: {}",
                        TransportFailure::from(e).words
                    ))
                })
        };
        Ok(Self { reading: client(READ_IDLE)?, creating: client(CREATE_IDLE)? })
    }

    /// Asks; `url` holds the key.
    pub(super) async fn get(
        &self,
        url: Url,
        limit: usize,
        now: Timestamp,
    ) -> Result<HttpReply, TransportFailure> {
        Self::exchange(self.reading.get(url), limit, now).await
    }

    /// Orders; `body` holds the key.
    pub(super) async fn put(
        &self,
        url: &str,
        body: Vec<u8>,
        limit: usize,
        now: Timestamp,
    ) -> Result<HttpReply, TransportFailure> {
        let request = self.creating.put(url).header(CONTENT_TYPE, "application/json").body(body);
        Self::exchange(request, limit, now).await
    }

    /// Asks for what may be long; `url` holds the key. Its pieces go to `pieces` as they arrive, as long as they are
    /// wanted there; of the body only the first `keep` bytes come back.
    pub(super) async fn stream(
        &self,
        url: &str,
        limits: Limits,
        now: Timestamp,
        pieces: mpsc::Sender<Bytes>,
    ) -> Result<(HttpReply, Digested), TransportFailure> {
        let mut response = self.reading.get(url).send().await?;
        let mut reply = HttpReply {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers(), now),
            date: date(response.headers()),
            body: Vec::new(),
            broken: None,
        };
        let Limits { whole, keep } = limits;
        let (mut digest, mut bytes) = (Sha256::new(), 0_usize);
        loop {
            match response.chunk().await {
                Ok(None) => break,
                Ok(Some(chunk)) if chunk.len() > whole.saturating_sub(bytes) => {
                    reply.broken = Some(format!("the answer is too large: over {whole} bytes"));
                    break;
                }
                Ok(Some(chunk)) => {
                    bytes = bytes.saturating_add(chunk.len());
                    digest.update(&chunk);
                    let room = keep.saturating_sub(reply.body.len()).min(chunk.len());
                    reply.body.extend_from_slice(chunk.get(..room).unwrap_or_default());
                    if pieces.send(chunk).await.is_err() {
                        // What has come so far is enough to know that it cannot be read.
                        break;
                    }
                }
                Err(error) => {
                    reply.broken = Some(TransportFailure::from(error).words);
                    break;
                }
            }
        }
        Ok((reply, Digested { bytes, sha256: hex::encode(digest.finalize()) }))
    }

    async fn exchange(
        request: RequestBuilder,
        limit: usize,
        now: Timestamp,
    ) -> Result<HttpReply, TransportFailure> {
        let mut response = request.send().await?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), now);
        let date = date(response.headers());
        let announced = response.content_length().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        let mut body = Vec::with_capacity(announced.min(limit).min(16 * 1024));
        let broken = loop {
            match response.chunk().await {
                Ok(None) => break None,
                Ok(Some(chunk)) if chunk.len() > limit.saturating_sub(body.len()) => {
                    break Some(format!("the answer is too large: over {limit} bytes"));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Err(error) => break Some(TransportFailure::from(error).words),
            }
        };
        Ok(HttpReply { status, retry_after, date, body, broken })
    }
}

/// `Retry-After` as seconds or as a date, at most an hour.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = text(headers, RETRY_AFTER)?;
    let span = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().map_or(LONGEST_PAUSE, Duration::from_secs)
    } else {
        http_date(text)?.since(now)
    };
    Some(span.min(LONGEST_PAUSE))
}

/// The upstream's clock; `None` for an answer from a cache, which has an `Age` (RFC 9111, section 5.1): its date is
/// old.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    if headers.contains_key(AGE) {
        return None;
    }
    text(headers, DATE).and_then(http_date)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

fn http_date(text: &str) -> Option<Timestamp> {
    let since_epoch = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::EPOCH.plus(since_epoch))
}
