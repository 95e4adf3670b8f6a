//! What happens between a connection and the world: routing, the key, the log of calls, and faults on the wire.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answers::{contradict, error};
use super::faults::{Call, Fault};
use super::http::{Connection, SimulatorRequest, SimulatorResponse, Stamp};
use super::list::shifted;
use super::perform::perform;
use super::rng::Rng;
use super::state::SimulatorState;
use super::{address, control};
use crate::clock::{Clock, SystemClock};
use crate::domain::asset::Network;

/// How an answer goes out.
enum Delivery {
    Whole(SimulatorResponse),
    /// Closed without a byte.
    Cut,
    Hang,
    /// In pieces, over this much real time.
    Slow(SimulatorResponse, Duration),
    /// The head promises more than comes.
    Short(SimulatorResponse),
    Endless,
    Raw(Vec<u8>),
}

/// Takes connections until `stop`.
pub(super) async fn accept(
    listener: TcpListener,
    shared: Arc<SimulatorState>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    while let Some(taken) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = taken else {
            // Out of descriptors, mostly: wait for some to be closed.
            SystemClock::new().sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        tasks.spawn(async move {
            stop.run_until_cancelled_owned(converse(shared, stream)).await;
        });
    }
}

/// One connection, request after request.
async fn converse(shared: Arc<SimulatorState>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut connection = Connection::new(stream);
    loop {
        let request = match connection.read().await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(failure) => {
                let refusal = error(&shared.shape(), 400, &failure.to_string());
                let bytes = refusal.to_bytes(stamp(&shared), Some(refusal.body.len()), false);
                let _ = connection.write(&bytes).await;
                return;
            }
        };
        let delivery = answer(&shared, &request).await;
        if !deliver(&shared, &mut connection, delivery, request.keep_alive).await {
            return;
        }
    }
}

/// What every head says of its time now.
fn stamp(shared: &SimulatorState) -> Stamp {
    let account = shared.account();
    let date = shifted(shared.now(), account.date_offset);
    Stamp { date: Some(date).filter(|_| !account.without_date), age: account.age }
}

/// Writes the answer; true where the connection may be used again.
async fn deliver(
    shared: &SimulatorState,
    connection: &mut Connection,
    delivery: Delivery,
    keep_alive: bool,
) -> bool {
    let stamp = stamp(shared);
    match delivery {
        Delivery::Whole(response) => {
            let bytes = response.to_bytes(stamp, Some(response.body.len()), keep_alive);
            connection.write(&bytes).await.is_ok() && keep_alive
        }
        Delivery::Cut => false,
        Delivery::Hang => {
            connection.wait_for_close().await;
            false
        }
        Delivery::Slow(response, span) => {
            let bytes = response.to_bytes(stamp, Some(response.body.len()), keep_alive);
            trickle(connection, &bytes, span).await && keep_alive
        }
        Delivery::Short(mut response) => {
            let length = response.body.len();
            response.body.truncate(length.div_euclid(2));
            let _ = connection.write(&response.to_bytes(stamp, Some(length), false)).await;
            false
        }
        Delivery::Endless => {
            let start = SimulatorResponse::text(200, "{\"ok\": true, \"body\": \"".to_owned(), Vec::new());
            let mut alive = connection.write(&start.to_bytes(stamp, None, false)).await.is_ok();
            while alive {
                alive = connection.write(&[b'x'; 16 * 1024]).await.is_ok();
            }
            false
        }
        Delivery::Raw(bytes) => {
            let _ = connection.write(&bytes).await;
            false
        }
    }
}

async fn trickle(connection: &mut Connection, bytes: &[u8], span: Duration) -> bool {
    let pieces = 20_u32;
    let size = bytes.len().div_euclid(20).max(1);
    let pause = span.checked_div(pieces).unwrap_or_default();
    let real = SystemClock::new();
    for piece in bytes.chunks(size) {
        if connection.write(piece).await.is_err() {
            return false;
        }
        real.sleep(pause).await;
    }
    true
}

/// The kind of call that a request is, and the order that it names.
fn kind(request: &SimulatorRequest) -> (Call, Option<String>) {
    let parts: Vec<&str> = request.path.iter().map(String::as_str).collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("PUT", ["v3", "customers", _, "cryptomus", "direct", ..]) => (Call::Create, None),
        ("PUT", ["v3", "customers", _, "cryptomus", "invoice", _]) => (Call::CreatePage, None),
        ("PUT", ["v3", "customers", _, "pay4bit", "invoice", _]) => (Call::CreateCard, None),
        ("GET", ["v3", "customers", _, "cryptomus", "transaction", order_id]) => {
            (Call::Look, Some((*order_id).to_owned()))
        }
        ("GET", ["v3", "customers", _, "payments"]) => (Call::Invoices, None),
        ("GET", ["v3", "customers", _, "balance"]) => (Call::Balance, None),
        ("GET", ["v3", "customers", _, "coupons"]) => (Call::Coupons, None),
        _ => (Call::Any, None),
    }
}

async fn answer(shared: &SimulatorState, request: &SimulatorRequest) -> Delivery {
    if request.path.first().is_some_and(|first| first == "sandbox") {
        return Delivery::Whole(control::answer(shared, request));
    }
    let (call, order_id) = kind(request);
    let now = shared.now();
    let fault = shared.faults().next(call, order_id.as_deref(), now);
    let done =
        if fault.as_ref().is_none_or(Fault::acts) { Some(perform(shared, call, request)) } else { None };
    let made = done.as_ref().and_then(|done| done.order_id.clone());
    shared.log(call, order_id.or(made), now);
    let lost = done.as_ref().is_some_and(|done| done.lost);
    let arrives = fault.as_ref().map_or(!lost, Fault::delivers);
    if let Some(card) = done.as_ref().and_then(|done| done.card.as_deref()).filter(|_| arrives) {
        // Its payer has the link. What cannot be stored did not happen: it goes on waiting.
        let _ = shared.world().find_lost(card, now);
    }
    let response =
        done.map_or_else(|| SimulatorResponse::text(200, String::new(), Vec::new()), |done| done.response);
    match fault {
        None if lost => Delivery::Cut,
        None => Delivery::Whole(response),
        Some(fault) => misbehave(shared, fault, response).await,
    }
}

/// Turns a good answer into a bad one.
async fn misbehave(shared: &SimulatorState, fault: Fault, mut response: SimulatorResponse) -> Delivery {
    let mut fault = fault;
    while let Fault::After(inner) = fault {
        fault = *inner;
    }
    let html = || vec![("Content-Type".to_owned(), "text/html".to_owned())];
    match fault {
        Fault::DropBeforeActing | Fault::DropAfterActing => Delivery::Cut,
        Fault::Status(status, body, headers) => {
            Delivery::Whole(SimulatorResponse::text(status, body, headers))
        }
        Fault::Html200 => {
            let page = "<html><body>Checking your browser before you continue</body></html>";
            Delivery::Whole(SimulatorResponse::text(200, page.to_owned(), html()))
        }
        Fault::EmptyBody => Delivery::Whole(SimulatorResponse::text(200, String::new(), Vec::new())),
        Fault::TruncatedJson => {
            response.body.truncate(response.body.len().div_euclid(2));
            Delivery::Whole(response)
        }
        Fault::CutBody => Delivery::Short(response),
        Fault::SlowBody(span) => Delivery::Slow(response, span),
        Fault::Endless => Delivery::Endless,
        Fault::Redirect(to) => {
            Delivery::Whole(SimulatorResponse::text(302, String::new(), vec![("Location".to_owned(), to)]))
        }
        Fault::WrongAddress => Delivery::Whole(wrong_address(response)),
        Fault::WrongNetwork => Delivery::Whole(wrong_word(response, "network", "tron", "doge")),
        Fault::WrongCurrency => Delivery::Whole(wrong_word(response, "currency", "TRX", "DOGE")),
        Fault::WrongOrderId => {
            let other = Rng::new(0xbad).uuid().to_string();
            Delivery::Whole(contradict(response, "order_id", &other))
        }
        Fault::Delay(span) => {
            shared.clock.sleep(span).await;
            Delivery::Whole(response)
        }
        Fault::Garbage(bytes) => Delivery::Raw(bytes),
        Fault::Hang | Fault::After(_) => Delivery::Hang,
    }
}

fn body_word(response: &SimulatorResponse, field: &str) -> Option<String> {
    let answer: Value = serde_json::from_slice(&response.body).ok()?;
    answer.pointer(&format!("/body/{field}"))?.as_str().map(str::to_owned)
}

fn wrong_address(response: SimulatorResponse) -> SimulatorResponse {
    let network = body_word(&response, "network").and_then(|word| Network::parse(&word));
    let other = address::make(network.unwrap_or(Network::Eth), &mut Rng::new(0xbad));
    contradict(response, "to_address", &other)
}

fn wrong_word(response: SimulatorResponse, field: &str, other: &str, if_same: &str) -> SimulatorResponse {
    let same = body_word(&response, field).is_some_and(|word| word.eq_ignore_ascii_case(other));
    contradict(response, field, if same { if_same } else { other })
}
