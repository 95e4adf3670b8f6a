//! The connections of one listener: a bounded number, and which of them is closed when a new one arrives.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock as _, SystemClock};

/// The places of one listener.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    places: Arc<Semaphore>,
    idle: Mutex<Idle>,
}

/// Those who ask for nothing at the moment, the longest idle first.
#[derive(Debug, Default)]
struct Idle {
    next: u64,
    rows: BTreeMap<u64, CancellationToken>,
}

/// One connection's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    _place: OwnedSemaphorePermit,
    leave: CancellationToken,
    /// Its number among the idle.
    row: Mutex<Option<u64>>,
    has_asked: AtomicBool,
}

/// Says for as long as it lives that a request is being answered.
#[derive(Debug)]
pub(super) struct Work(Arc<ConnectionSlot>);

impl ConnectionSlots {
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { places: Arc::new(Semaphore::new(count)), idle: Mutex::default() })
    }

    /// A place that is free.
    pub(super) fn take(self: &Arc<Self>) -> Option<Arc<ConnectionSlot>> {
        Arc::clone(&self.places).try_acquire_owned().ok().map(|place| self.acquire(place))
    }

    /// The place of the one that has been idle for longest; `None` where all are busy, or none is free after `patience`.
    pub(super) async fn take_over(self: &Arc<Self>, patience: Duration) -> Option<Arc<ConnectionSlot>> {
        let (_, leave) = self.idle().rows.pop_first()?;
        leave.cancel();
        tokio::select! {
            place = Arc::clone(&self.places).acquire_owned() => place.ok().map(|place| self.acquire(place)),
            () = SystemClock::new().sleep(patience) => None,
        }
    }

    fn acquire(self: &Arc<Self>, place: OwnedSemaphorePermit) -> Arc<ConnectionSlot> {
        let slot = ConnectionSlot {
            slots: Arc::clone(self),
            _place: place,
            leave: CancellationToken::new(),
            row: Mutex::default(),
            has_asked: AtomicBool::new(false),
        };
        slot.rest();
        Arc::new(slot)
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionSlot {
    /// A request has come: until the work is dropped, nobody takes this place over.
    pub(super) fn work(self: &Arc<Self>) -> Work {
        self.has_asked.store(true, Ordering::Relaxed);
        self.rise();
        Work(Arc::clone(self))
    }

    /// True once a request has come. Before that, nothing is lost by closing the connection.
    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Completes when the slot has to be given up.
    pub(super) async fn asked_to_leave(&self) {
        self.leave.cancelled().await;
    }

    fn rest(&self) {
        let mut idle = self.slots.idle();
        let number = idle.next;
        idle.next = number.saturating_add(1);
        idle.rows.insert(number, self.leave.clone());
        *self.row() = Some(number);
    }

    fn rise(&self) {
        let mut idle = self.slots.idle();
        if let Some(number) = self.row().take() {
            idle.rows.remove(&number);
        }
    }

    fn row(&self) -> MutexGuard<'_, Option<u64>> {
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.rise();
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.rest();
    }
}

/// An answer's body, and the work that goes on until it has been taken.
pub(super) struct Served {
    body: Body,
    _work: Work,
}

impl Served {
    /// The same body.
    pub(super) fn body(body: Body, work: Work) -> Body {
        Body::new(Self { body, _work: work })
    }
}

impl HttpBody for Served {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(60);
    const AT_ONCE: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn the_longest_idle_has_to_go_and_who_works_never() {
        let slots = ConnectionSlots::new(3);
        let [one, two, three] = [(); 3].map(|()| slots.take().unwrap());
        assert!(slots.take().is_none(), "that is all there is");
        let work = one.work();
        drop(two.work());
        // Now `three` has been idle for longer than `two`, and `one` works.
        let newcomer = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.take_over(SOON).await }
        });
        three.asked_to_leave().await;
        assert!(!three.has_asked() && two.has_asked());
        drop(three);
        let four = newcomer.await.unwrap().unwrap();
        let _more = four.work();
        assert!(slots.take_over(AT_ONCE).await.is_none(), "two does not go");
        two.asked_to_leave().await;
        let _more = two.work();
        assert!(slots.take_over(AT_ONCE).await.is_none(), "and nobody else is idle");
        drop((one, work));
        assert!(slots.take().is_some());
    }
}
