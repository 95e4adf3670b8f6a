//! One connection after the other: how many there may be at a time, how long each may take, and how they end.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, Method, Request};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection_slots::{ConnectionSlot, ConnectionSlots, Served};
use super::listener::{Listener, Stream};
use super::write_timeout::WriteTimeout;
use crate::api::auth::{Authenticator, is_guess};
use crate::api::principal::{Origin, Principal};
use crate::api::wrong_tokens::WrongTokens;
use crate::clock::{Clock as _, SystemClock};

/// How long a request's head may take, and how long a connection may say nothing.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// What one connection may hold in memory, each way.
const BUFFER: usize = 64 * 1024;
/// The largest head of a request, and its most headers.
const HEAD: usize = 16 * 1024;
const HEADERS: usize = 64;
/// The most connections of one listener.
const CONNECTIONS: usize = 1024;
/// How many connections beyond the limit are handled at a time: each takes the slot of an idle one, or gets a 503. And
/// how long either may take.
const TURNED_AWAY: usize = 64;
const TURNING_AWAY: Duration = Duration::from_secs(1);
/// How long a caller may take nothing of its answer.
const STALL_TIME: Duration = Duration::from_secs(10);
/// The pause after an accept that failed: mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const TOO_MANY: &str =
    r#"{"type":"busy","title":"Too much is going on already","status":503,"detail":"too many connections"}"#;

/// What every connection needs.
#[derive(Clone)]
pub(in crate::api) struct ServerContext {
    pub(in crate::api) authenticator: Arc<Authenticator>,
    pub(in crate::api) wrong_tokens: Arc<WrongTokens>,
    pub(in crate::api) router: Router,
    /// No new requests.
    pub(in crate::api) stop: CancellationToken,
    /// No more patience.
    pub(in crate::api) kill: CancellationToken,
    pub(in crate::api) tasks: TaskTracker,
}

/// Answers callers until the API stops.
pub(in crate::api) async fn serve(listener: Listener, context: ServerContext) {
    let slots = ConnectionSlots::new(places());
    let away = Arc::new(Semaphore::new(TURNED_AWAY));
    while let Some(accepted) = context.stop.run_until_cancelled(listener.accept()).await {
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!("{} could not accept a connection: {error}", listener.address());
                context.stop.run_until_cancelled(SystemClock::new().sleep(ACCEPT_PAUSE)).await;
                continue;
            }
        };
        let slot = slots.take();
        let permit = match slot {
            Some(_) => None,
            // The semaphore is never closed; without a permit the connection is dropped.
            None => match context.stop.run_until_cancelled(Arc::clone(&away).acquire_owned()).await {
                Some(Ok(permit)) => Some(permit),
                _ => continue,
            },
        };
        let (own, slots) = (context.clone(), Arc::clone(&slots));
        let work = async move {
            let slot = match slot {
                Some(slot) => Some(slot),
                None => slots.take_over(TURNING_AWAY).await,
            };
            let permit = permit.filter(|_| slot.is_none());
            match stream {
                Stream::Unix(stream) => {
                    let peer = stream.peer_cred().ok();
                    let (uid, gid) = (peer.map(|peer| peer.uid()), peer.map(|peer| peer.gid()));
                    let role = own.authenticator.access().role_of(uid, gid).await;
                    receive(Either::Left(stream), Principal::at_socket(uid, role), slot, own).await;
                }
                Stream::Tcp(stream, from) => {
                    receive(Either::Right(stream), Principal::at_address(from), slot, own).await;
                }
            }
            drop(permit);
        };
        context.tasks.spawn(work.boxed());
    }
}

/// A stream of either kind: what answers it is compiled once for both.
type AnyStream = Either<UnixStream, TcpStream>;

async fn receive(
    stream: AnyStream,
    caller: Principal,
    slot: Option<Arc<ConnectionSlot>>,
    context: ServerContext,
) {
    match slot {
        Some(slot) => converse(WriteTimeout::new(stream, STALL_TIME), caller, &slot, context).await,
        None => turn_away(stream, context).await,
    }
}

/// At most a quarter of the file descriptors that this process may have: the ledger and the upstream need some too.
fn places() -> usize {
    let soft = getrlimit(Resource::Nofile).current.and_then(|soft| usize::try_from(soft).ok());
    soft.map_or(CONNECTIONS, |soft| soft.div_euclid(4).clamp(16, CONNECTIONS))
}

/// One connection, request after request.
async fn converse(
    stream: WriteTimeout<AnyStream>,
    caller: Principal,
    slot: &Arc<ConnectionSlot>,
    context: ServerContext,
) {
    let router = TowerToHyperService::new(context.router.clone());
    let service = service_fn(|mut request: Request<Incoming>| {
        let (router, mut work) = (router.clone(), slot.work());
        let (context, caller) = (&context, &caller);
        async move {
            let method = request.method().clone();
            let response = match context.authenticator.check(&request) {
                Ok(token) => {
                    let caller = token.map_or_else(|| caller.clone(), |token| caller.with_token(token));
                    request.extensions_mut().insert(caller);
                    answer(&router, request).await
                }
                Err(problem) => {
                    if is_guess(&request, &problem) {
                        // Whoever is made to wait keeps nobody from a place.
                        drop(work);
                        slow_down(context, caller, slot).await;
                        work = slot.work();
                    }
                    problem.into_response()
                }
            };
            Ok::<_, Infallible>(finished(response, &method).map(|body| Served::body(body, work)))
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(BUFFER)
        .max_header_size(HEAD)
        .max_headers(HEADERS);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ServerContext { stop, kill, .. } = &context;
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = leave(slot, stop) => {
            if !slot.has_asked() && !stop.is_cancelled() {
                // A connection without a request loses nothing.
                return;
            }
            // A request under way is finished.
            connection.as_mut().graceful_shutdown();
            kill.run_until_cancelled(connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection broke off: {error}");
    }
}

/// Completes when the place is needed for somebody else, or the API stops.
async fn leave(slot: &ConnectionSlot, stop: &CancellationToken) {
    tokio::select! {
        () = slot.asked_to_leave() => {}
        () = stop.cancelled() => {}
    }
}

/// Waits as long as the wrong tokens of this caller's address have it wait, or until the connection has to go.
async fn slow_down(context: &ServerContext, caller: &Principal, slot: &ConnectionSlot) {
    let Origin::Address(address) = caller.origin() else { return };
    let wait = context.wrong_tokens.add(address);
    tokio::select! {
        () = SystemClock::new().sleep(wait) => {}
        () = leave(slot, &context.stop) => {}
    }
}

async fn answer(router: &TowerToHyperService<Router>, request: Request<Incoming>) -> Response {
    match router.call(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn finished(mut response: Response, method: &Method) -> Response {
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    tracing::debug!(http.method = %method, http.status = response.status().as_u16(), "request answered");
    response
}

/// Answers 503, and waits until the answer has arrived.
async fn turn_away(mut stream: AnyStream, context: ServerContext) {
    let words = async {
        let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 1\r\n";
        let rest = format!("Connection: close\r\nContent-Length: {}\r\n\r\n{TOO_MANY}", TOO_MANY.len());
        stream.write_all(format!("{head}{rest}").as_bytes()).await?;
        stream.shutdown().await?;
        // A socket that is closed with unread bytes may drop the answer.
        let mut scrap = [0; 1024];
        while stream.read(&mut scrap).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    tokio::select! {
        // Nothing more can be done, whether it arrived or not.
        _ = words => {}
        () = SystemClock::new().sleep(TURNING_AWAY) => {}
        () = context.stop.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room() {
        assert!((16..=CONNECTIONS).contains(&places()));
    }
}
