//! The stream that nudges pages: it says that something has happened, and nothing of what; the page asks again for itself.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use tokio::sync::watch;

use super::guard::session;
use super::refusal::PageRefusal;
use super::state::SharedPage;
use super::watchers::Watcher;
use crate::api::ProblemKind;
use crate::clock::Clock as _;

/// A page is nudged even where nothing happens: what it says of a minute ago is no longer true.
const AT_LEAST: Duration = Duration::from_secs(60);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const COME_BACK: Duration = Duration::from_secs(3);

/// One page that is watched.
struct Watching {
    page: SharedPage,
    head: watch::Receiver<i64>,
    watcher: Watcher,
    /// The session, which may end meanwhile.
    session: String,
}

/// `GET /live`
pub(super) async fn nudges(
    State(page): State<SharedPage>,
    headers: HeaderMap,
) -> Result<Response, PageRefusal> {
    let busy =
        || PageRefusal::of(ProblemKind::Busy, "too many pages are watched; this one asks from time to time");
    let watcher = page.watchers.join().ok_or_else(busy)?;
    let (head, session) = (page.api.flow.ledger.head(), session(&headers).unwrap_or_default());
    let watching = Watching { page, head, watcher, session };
    let events = stream::unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((Ok::<_, Infallible>(event), watching))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

impl Watching {
    /// The next nudge; `None` once the daemon stops or the session has ended.
    async fn next(&mut self) -> Option<Event> {
        let (stop, clock) = (&self.page.api.stop, &self.page.clock);
        stop.run_until_cancelled(clock.sleep(self.watcher.pause())).await?;
        let news = async {
            tokio::select! {
                changed = self.head.changed() => changed.is_ok(),
                () = clock.sleep(AT_LEAST) => true,
            }
        };
        stop.run_until_cancelled(news).await.filter(|goes_on| *goes_on)?;
        self.page.sessions.find(&self.session, clock.monotonic(), false)?;
        let seq = *self.head.borrow_and_update();
        Some(Event::default().retry(COME_BACK).data(seq.to_string()))
    }
}
