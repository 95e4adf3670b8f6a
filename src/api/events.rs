//! The event stream: events are read from the ledger as fast as the client takes them, and a client resumes where it
//! stopped.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::input::{Params, clip};
use super::principal::Principal;
use super::problem::Problem;
use super::state::SharedState;
use super::streams::StreamSlot;
use crate::ledger::{EventRow, Ledger};

/// How many events are read for a client at a time.
const PAGE: u32 = 64;
/// How often a comment is sent, so that a dead connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When a client should reconnect.
const COME_BACK: Duration = Duration::from_secs(2);

/// `GET /v1/events`
pub(super) async fn follow(
    State(api): State<SharedState>,
    Extension(caller): Extension<Principal>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let ledger = api.flow.ledger.clone();
    let head = ledger.head();
    let after = match asked(&headers, &uri)? {
        None => *head.borrow(),
        Some((field, after)) => {
            let last = ledger.head_hash().await?.map_or(0, |(seq, _)| seq);
            if after > last {
                return Err(Problem::invalid(field, format!("{after} is after the last event, {last}")));
            }
            after
        }
    };
    let slot = api.streams.acquire(caller.origin());
    let slot = slot.ok_or_else(|| Problem::busy("too many event streams are open", 5))?;
    let feed = Feed { ledger, head, after, page: VecDeque::new(), stop: api.stop.clone(), slot };
    let first = stream::once(async { Ok::<_, Infallible>(Event::default().retry(COME_BACK)) });
    let events = first.chain(stream::unfold(feed, |mut feed| async move {
        let row = feed.next().await?;
        Some((Ok(event(&row)), feed))
    }));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// The event to begin after, and where it was given. The header, which clients send by themselves, goes before the
/// parameter.
fn asked(headers: &HeaderMap, uri: &Uri) -> Result<Option<(&'static str, i64)>, Problem> {
    let params = Params::read(uri, &["after"])?;
    let header = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let (field, text) = match (header.filter(|text| !text.is_empty()), params.last("after")) {
        (Some(text), _) => ("Last-Event-ID", text),
        (None, Some(text)) => ("after", text),
        (None, None) => return Ok(None),
    };
    match text.parse() {
        Ok(after) if after >= 0 => Ok(Some((field, after))),
        _ => Err(Problem::invalid(field, format!("{:?} is not the number of an event", clip(text)))),
    }
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
                self.after = row.seq;
                return Some(row);
            }
            // Marked as seen before the ledger is read: whatever is written after that wakes us.
            self.head.borrow_and_update();
            match self.ledger.events_after(self.after, PAGE).await {
                Ok(rows) => self.page = rows.into(),
                Err(error) => {
                    tracing::error!("an event stream ends: {}", error.chain());
                    return None;
                }
            }
            if self.page.is_empty() {
                let changed = self.slot.end.run_until_cancelled(self.head.changed());
                self.stop.run_until_cancelled(changed).await??.ok()?;
            }
        }
    }
}
