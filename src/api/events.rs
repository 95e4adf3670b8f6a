//! The events, page by page or as a stream: they are read from the ledger as fast as the client takes them, and a client
//! goes on where it stopped.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::input::{Params, clip};
use super::principal::Principal;
use super::problem::Problem;
use super::state::SharedState;
use super::streams::StreamSlot;
use crate::domain::event::EventName;
use crate::ledger::{EventRow, Ledger};

/// How many events are read for a stream at a time.
const PAGE: u32 = 64;
/// The usual and the largest page of events.
const LIST: u32 = 100;
const MOST_LIST: u32 = 1000;
const PARAMETERS: &[&str] = &["after", "types", "limit"];
const LAST_EVENT_ID: &str = "last-event-id";
/// How often a comment is sent, so that a dead connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When a client should reconnect.
const COME_BACK: Duration = Duration::from_secs(2);

/// `GET /v1/events`: a page of them as JSON, or all that come as a stream.
pub(super) async fn events(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let params = Params::read(&uri, PARAMETERS)?;
    let types = params.all("types").into_iter().map(name).collect::<Result<Vec<_>, _>>()?;
    if wants_stream(&headers, &params) {
        if params.last("limit").is_some() {
            return Err(Problem::invalid(
                "limit",
                "a stream has no end; ask with `Accept: application/json`",
            ));
        }
        return follow(api, caller, asked(&headers, &params)?, types).await;
    }
    let (field, after) = asked(&headers, &params)?.unwrap_or(("after", 0));
    not_beyond(&api.flow.ledger, field, after).await?;
    let limit = params.limit(LIST, MOST_LIST)?;
    Ok(Json(api.flow.ledger.events_page(after, &types, limit).await?).into_response())
}

/// What the client says that it takes decides; where it takes anything, whoever names a place or a number wants a page.
fn wants_stream(headers: &HeaderMap, params: &Params) -> bool {
    let accepts = |kind: &str| {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut kinds = values.flat_map(|value| value.split(','));
        kinds
            .any(|given| given.split(';').next().is_some_and(|given| given.trim().eq_ignore_ascii_case(kind)))
    };
    if accepts("text/event-stream") {
        return true;
    }
    let names_a_page = params.last("after").is_some() || params.last("limit").is_some();
    !accepts("application/json") && (headers.contains_key(LAST_EVENT_ID) || !names_a_page)
}

fn name(word: &str) -> Result<EventName, Problem> {
    EventName::parse(word).ok_or_else(|| {
        let known: Vec<_> = EventName::ALL.iter().map(|name| name.as_str()).collect();
        Problem::invalid("types", format!("{:?} is none of {}", clip(word), known.join(", ")))
    })
}

/// Refuses to begin after an event that there is not: whoever asks has followed another ledger, or a later state of this
/// one, and must not wait in silence.
async fn not_beyond(ledger: &Ledger, field: &str, after: i64) -> Result<(), Problem> {
    let last = ledger.head_hash().await?.map_or(0, |(seq, _)| seq);
    if after > last {
        return Err(Problem::invalid(field, format!("{after} is after the last event, {last}")));
    }
    Ok(())
}

async fn follow(
    api: SharedState,
    caller: Principal,
    from: Option<(&'static str, i64)>,
    types: Vec<EventName>,
) -> Result<Response, Problem> {
    let ledger = api.flow.ledger.clone();
    let head = ledger.head();
    let after = match from {
        None => *head.borrow(),
        Some((field, after)) => {
            not_beyond(&ledger, field, after).await?;
            after
        }
    };
    let slot = api.streams.acquire(caller.origin());
    let slot = slot.ok_or_else(|| Problem::busy("too many event streams are open", 5))?;
    let feed = Feed { ledger, head, after, types, page: VecDeque::new(), stop: api.stop.clone(), slot };
    let first = stream::once(async { Ok::<_, Infallible>(Event::default().retry(COME_BACK)) });
    let events = first.chain(stream::unfold(feed, |mut feed| async move {
        let row = feed.next().await?;
        Some((Ok(event(&row)), feed))
    }));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// The event to begin after, and where it was given. The header, which clients send by themselves, goes before the
/// parameter.
fn asked(headers: &HeaderMap, params: &Params) -> Result<Option<(&'static str, i64)>, Problem> {
    let header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    let number = |field: &'static str, text: &str| match text.parse() {
        Ok(after) if after >= 0 => Ok((field, after)),
        _ => Err(Problem::invalid(field, format!("{:?} is not the number of an event", clip(text)))),
    };
    let header =
        header.filter(|text| !text.is_empty()).map(|text| number("Last-Event-ID", text)).transpose()?;
    let given = params.last("after").map(|text| number("after", text)).transpose()?;
    Ok(header.or(given))
}

fn event(row: &EventRow) -> Event {
    let data = serde_json::to_string(row).unwrap_or_default();
    Event::default().id(row.seq.to_string()).event(&row.event).data(data)
}

/// One client's place in the ledger.
struct Feed {
    ledger: Ledger,
    head: watch::Receiver<i64>,
    after: i64,
    types: Vec<EventName>,
    page: VecDeque<EventRow>,
    stop: CancellationToken,
    slot: StreamSlot,
}

impl Feed {
    /// The next event, once there is one; `None` when the daemon stops, the place is needed for somebody else, or the
    /// ledger cannot be read: the client comes back and resumes.
    async fn next(&mut self) -> Option<EventRow> {
        loop {
            if self.stop.is_cancelled() || self.slot.end.is_cancelled() {
                return None;
            }
            if let Some(row) = self.page.pop_front() {
                return Some(row);
            }
            // Marked as seen before the ledger is read: whatever is written after that wakes us.
            self.head.borrow_and_update();
            let more = match self.ledger.events_page(self.after, &self.types, PAGE).await {
                Ok(page) => {
                    self.after = page.next_after;
                    self.page = page.events.into();
                    page.more
                }
                Err(error) => {
                    tracing::error!("an event stream ends: {}", error.chain());
                    return None;
                }
            };
            if self.page.is_empty() && !more {
                let changed = self.slot.end.run_until_cancelled(self.head.changed());
                self.stop.run_until_cancelled(changed).await??.ok()?;
            }
        }
    }
}
