//! The client of the daemon's API: by its unix socket, else by TCP with the token; and what its refusals mean here.

mod events;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryFutureExt as _;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};

pub(super) use self::events::Events;
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::output::Output;
use crate::api_types::{ProblemBody, ProblemKind, ServiceReadiness};
use crate::clock::SharedClock;
use crate::config::{ApiConfig, Listen};

/// How long a connection may take. The daemon is on this machine.
const CONNECT: Duration = Duration::from_secs(5);
/// The usual call, unless the daemon itself waits for something.
pub(super) const USUAL: Duration = Duration::from_secs(30);
/// No answer of the daemon is larger.
const LARGEST: usize = 16 * 1024 * 1024;

/// A stream of either kind: what speaks over it is compiled once for both.
type AnyStream = tokio_util::either::Either<UnixStream, TcpStream>;

/// The way to the daemon.
#[derive(Debug)]
pub(super) struct Client {
    api: ApiConfig,
    clock: SharedClock,
}

/// One call.
#[derive(Debug, Clone, Default)]
pub(super) struct ApiCall {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
    limit: Duration,
}

impl ApiCall {
    /// Reads something.
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), limit: USUAL, ..Self::default() }
    }

    /// Asks for something to be done.
    pub(super) fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::POST, path: path.into(), body: Some(body), limit: USUAL, ..Self::default() }
    }

    /// With this header.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer may take so long.
    pub(super) fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

/// An answer with a status that says yes.
#[derive(Debug)]
pub(super) struct ApiReply {
    /// The body, with whatever a newer daemon says in it.
    pub(super) value: Value,
}

impl ApiReply {
    /// What the body says.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        T::deserialize(&self.value).map_err(|error| {
            ClientError::Nonsense(format!("the daemon's answer is none to this question: {error}"))
        })
    }

    /// Ends a command with the body as it came, where a program reads it, or with what `text` writes of it for a person.
    pub(super) fn answer<T: DeserializeOwned>(
        &self,
        out: &mut Output,
        text: impl FnOnce(&mut Output, T),
    ) -> CommandResult {
        if out.json {
            out.document(&self.value)?;
        } else {
            text(out, self.read()?);
        }
        Ok(ExitStatus::Done)
    }
}

/// Why there is no such answer.
#[derive(Debug)]
pub(super) enum ClientError {
    /// Nobody there: what was tried.
    Unreachable(String),
    /// Somebody was there, and the answer did not come whole: it may have been done.
    Broken(String),
    /// The daemon says no.
    Refused(Box<ProblemBody>),
    /// What was to be sent, or what came, makes no sense.
    Nonsense(String),
}

/// The exit status of a refusal.
fn exit_of(problem: &ProblemBody) -> ExitStatus {
    match problem.status {
        _ if problem.is(ProblemKind::UpstreamRefused) => ExitStatus::Refused,
        400 | 401 | 403 | 409 | 413 | 422 => ExitStatus::Usage,
        404 => ExitStatus::Unknown,
        _ => ExitStatus::Failed,
    }
}

/// A refusal in the daemon's own words.
fn words_of(problem: &ProblemBody) -> String {
    let words = [&problem.detail, &problem.title].into_iter().find(|words| !words.is_empty());
    let words =
        words.map_or_else(|| format!("the daemon answered {}", problem.status), |it| super::table::plain(it));
    match problem.status {
        401 => format!("{words} ([api] token_file or [[api.tokens]]; the unix socket needs none)"),
        _ => words,
    }
}

impl From<ClientError> for CommandFailure {
    fn from(trouble: ClientError) -> Self {
        match trouble {
            ClientError::Unreachable(words) | ClientError::Broken(words) => {
                Self::new(ExitStatus::Unreachable, words)
            }
            ClientError::Refused(problem) => Self::refused(exit_of(&problem), words_of(&problem), problem),
            ClientError::Nonsense(words) => Self::new(ExitStatus::Failed, words),
        }
    }
}

impl Client {
    /// To the daemon that listens as `api` says.
    pub(super) fn new(api: ApiConfig, clock: SharedClock) -> Self {
        Self { api, clock }
    }

    /// Makes one call.
    pub(super) async fn call(&self, call: ApiCall) -> Result<ApiReply, ClientError> {
        let limit = call.limit;
        let answer = async {
            let response = self.send(call).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            let body =
                body.map_err(|error| ClientError::Broken(format!("the daemon's answer broke off: {error}")))?;
            read(status, &body.to_bytes())
        };
        let late = || ClientError::Broken(format!("the daemon did not answer within {} s", limit.as_secs()));
        self.within(limit, answer).await.unwrap_or_else(|| Err(late()))
    }

    /// Follows the daemon's events, those after `last` where it is given.
    pub(super) async fn events(&self, last: Option<&str>) -> Result<Events, ClientError> {
        let mut call = ApiCall::get("/v1/events").header("accept", "text/event-stream");
        if let Some(last) = last {
            call = call.header("last-event-id", last);
        }
        let opened = async {
            let response = self.send(call).await?;
            let status = response.status().as_u16();
            if status == 200 {
                return Ok(Events::new(response.into_body()));
            }
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            Err(match read(status, &body) {
                Err(trouble) => trouble,
                Ok(_) => ClientError::Nonsense(format!("the daemon answered {status} and no events")),
            })
        };
        let late = || ClientError::Broken("the daemon sent no events within 30 s".to_owned());
        self.within(USUAL, opened).await.unwrap_or_else(|| Err(late()))
    }

    /// Where the daemon answered, for `check`; or what was tried.
    pub(super) async fn knock(&self) -> Result<String, ClientError> {
        let (place, _) = self.connect().await?;
        self.call(ApiCall::get("/healthz")).await?;
        Ok(place)
    }

    /// The name of the ledger of the daemon at this one place; `None` where whoever answers there does not say.
    pub(super) async fn ledger_at(&self, place: &Listen) -> Result<Option<String>, ClientError> {
        let answer = async {
            let connection = self.reach(place).await.map_err(ClientError::Unreachable)?;
            let response = send_on(connection, ApiCall::get("/readyz")).await?;
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            let said: ServiceReadiness = serde_json::from_slice(&body).unwrap_or_default();
            Ok(Some(said.ledger_id).filter(|id| !id.is_empty()))
        };
        let late = || ClientError::Broken("no answer".to_owned());
        self.within(CONNECT, answer).await.unwrap_or_else(|| Err(late()))
    }

    async fn send(&self, call: ApiCall) -> Result<Response<Incoming>, ClientError> {
        let (_, connection) = self.connect().await?;
        send_on(connection, call).await
    }

    /// The first of the configured places where somebody answers, sockets first.
    async fn connect(&self) -> Result<(String, Connection), ClientError> {
        let mut tried = Vec::new();
        let mut places: Vec<&Listen> = self.api.listen.iter().collect();
        places.sort_by_key(|place| matches!(place, Listen::Tcp(_)));
        for place in places {
            match self.reach(place).await {
                Ok(connection) => return Ok((place.to_string(), connection)),
                Err(why) => tried.push(format!("{place}: {why}")),
            }
        }
        let tried =
            if tried.is_empty() { "[api] listen names no place".to_owned() } else { tried.join("; ") };
        Err(ClientError::Unreachable(format!(
            "the daemon cannot be reached ({tried}); is `depositd run` running?"
        )))
    }

    async fn reach(&self, place: &Listen) -> Result<Connection, String> {
        match place {
            Listen::Unix(path) => self.open(UnixStream::connect(path).map_ok(AnyStream::Left), None).await,
            Listen::Tcp(address) if address.port() == 0 => Err("its port is chosen at each start".to_owned()),
            Listen::Tcp(address) => {
                let token = self.token()?;
                self.open(TcpStream::connect(reachable(*address)).map_ok(AnyStream::Right), token).await
            }
        }
    }

    async fn open(
        &self,
        stream: impl Future<Output = std::io::Result<AnyStream>>,
        token: Option<HeaderValue>,
    ) -> Result<Connection, String> {
        let opened = async {
            let stream = stream.await.map_err(|error| error.to_string())?;
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())
        };
        let (sender, connection) =
            self.within(CONNECT, opened).await.unwrap_or_else(|| Err("no answer".to_owned()))?;
        // It ends with the sender or with the answer's body, which report its errors.
        tokio::spawn(connection);
        Ok(Connection { sender, token })
    }

    fn token(&self) -> Result<Option<HeaderValue>, String> {
        let Some(token) = self.api.own_token().map_err(|error| error.to_string())? else { return Ok(None) };
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|_| "the token cannot be sent in a header".to_owned())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let work = std::pin::pin!(work);
        match select(work, Arc::clone(&self.clock).sleep(limit)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    token: Option<HeaderValue>,
}

async fn send_on(mut connection: Connection, call: ApiCall) -> Result<Response<Incoming>, ClientError> {
    let nonsense =
        |error: &dyn std::fmt::Display| ClientError::Nonsense(format!("the request cannot be sent: {error}"));
    let body = call.body.map(|body| body.to_string());
    let mut request = Request::builder().method(call.method).uri(call.path).header(HOST, "localhost");
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    for (name, value) in call.headers {
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|error| nonsense(&error))?;
        request = request.header(name, value);
    }
    if let Some(token) = connection.token.take() {
        request = request.header(AUTHORIZATION, token);
    }
    let body = Full::new(Bytes::from(body.unwrap_or_default()));
    let request = request.body(body).map_err(|error| nonsense(&error))?;
    connection
        .sender
        .send_request(request)
        .await
        .map_err(|error| ClientError::Broken(format!("the connection to the daemon broke: {error}")))
}

/// A listener on all addresses is reached on this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn read(status: u16, body: &[u8]) -> Result<ApiReply, ClientError> {
    if !(200..300).contains(&status) {
        let problem: ProblemBody = serde_json::from_slice(body).unwrap_or_default();
        return Err(ClientError::Refused(Box::new(ProblemBody { status, ..problem })));
    }
    let value = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(body) };
    match value {
        Ok(value) => Ok(ApiReply { value }),
        Err(error) => Err(ClientError::Nonsense(format!("the daemon's answer is no JSON: {error}"))),
    }
}

/// One segment of a path, whatever was typed.
pub(super) fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
        path
    })
}
