//! The callers that wait for a deposit. One reader follows the ledger for all of them, and wakes each by the events of
//! its deposit.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::ids::DepositId;
use crate::ledger::Ledger;

/// How many may wait; whoever comes then is answered at once.
const MOST: usize = 1024;
/// How many events are read at a time.
const PAGE: u32 = 256;

/// By deposit: each place's number, and its waker.
type WakersByDeposit = HashMap<String, Vec<(u64, watch::Sender<()>)>>;

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiters: Mutex<WakersByDeposit>,
    next: std::sync::atomic::AtomicU64,
}

/// A place among those who wait; given back when it is dropped.
#[derive(Debug)]
pub(super) struct WaiterSlot<'w> {
    waiting: &'w Waiters,
    deposit: String,
    number: u64,
    changed: watch::Receiver<()>,
}

impl Waiters {
    /// A place, if there is one left. What happened before is to be read from the ledger after this call.
    pub(super) fn place(&self, deposit: DepositId) -> Option<WaiterSlot<'_>> {
        let deposit = deposit.to_string();
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (wake, changed) = watch::channel(());
        let mut waiters = self.lock();
        if waiters.values().map(Vec::len).sum::<usize>() >= MOST {
            return None;
        }
        waiters.entry(deposit.clone()).or_default().push((number, wake));
        drop(waiters);
        Some(WaiterSlot { waiting: self, deposit, number, changed })
    }

    /// Wakes whoever waits, event by event, until `stop`.
    pub(super) async fn follow(&self, ledger: &Ledger, stop: &CancellationToken) {
        let mut head = ledger.head();
        let mut seen = *head.borrow_and_update();
        while let Some(Ok(())) = stop.run_until_cancelled(head.changed()).await {
            let newest = *head.borrow_and_update();
            while seen < newest {
                if self.lock().is_empty() {
                    // A caller that comes later reads the ledger itself first.
                    seen = newest;
                } else if let Ok(events) = ledger.events_after(seen, PAGE).await {
                    seen = events.last().map_or(newest, |event| event.seq);
                    for event in events {
                        self.wake(event.deposit_id.as_deref());
                    }
                } else {
                    self.wake_all();
                    seen = newest;
                }
            }
        }
    }

    fn wake(&self, deposit: Option<&str>) {
        if let Some(waiters) = deposit.and_then(|deposit| self.lock().get(deposit).cloned()) {
            waiters.iter().for_each(|(_, waiter)| waiter.send_modify(|()| ()));
        }
    }

    fn wake_all(&self) {
        self.lock().values().flatten().for_each(|(_, waiter)| waiter.send_modify(|()| ()));
    }

    fn lock(&self) -> MutexGuard<'_, WakersByDeposit> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WaiterSlot<'_> {
    /// Completes when an event of the deposit has come since the last call.
    pub(super) async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            // Cannot be: the sender stays in the table as long as this place does.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for WaiterSlot<'_> {
    fn drop(&mut self) {
        let mut waiters = self.waiting.lock();
        if let Some(places) = waiters.get_mut(&self.deposit) {
            places.retain(|(number, _)| *number != self.number);
            if places.is_empty() {
                waiters.remove(&self.deposit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> DepositId {
        format!("0190f000-0000-7000-8000-{number:012}").parse().unwrap()
    }

    #[tokio::test]
    async fn places_are_bounded_and_given_back() {
        let waiting = Waiters::default();
        let ids = (0..MOST).map(|n| id(u32::try_from(n / 2).unwrap()));
        let places: Vec<_> = ids.map(|id| waiting.place(id).unwrap()).collect();
        assert!(waiting.place(id(9)).is_none());
        drop(places);
        assert!(waiting.lock().is_empty());
        assert!(waiting.place(id(9)).is_some());
    }

    #[tokio::test]
    async fn only_the_deposits_own_waiters_wake_and_no_wake_is_lost() {
        let waiting = Waiters::default();
        let (mut one, mut two) = (waiting.place(id(1)).unwrap(), waiting.place(id(2)).unwrap());
        waiting.wake(Some(&id(1).to_string()));
        waiting.wake(None);
        one.changed().await;
        assert!(futures_util::poll!(std::pin::pin!(one.changed())).is_pending());
        assert!(futures_util::poll!(std::pin::pin!(two.changed())).is_pending());
        waiting.wake_all();
        two.changed().await;
    }
}
