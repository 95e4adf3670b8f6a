//! The places for event streams: bounded, and shared fairly. One caller may have them all for as long as nobody else asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::principal::Origin;

/// The most event streams at a time.
const STREAMS: usize = 64;

/// Who follows the events.
#[derive(Debug, Default)]
pub(super) struct StreamSlots(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    next: u64,
    /// The oldest first.
    rows: Vec<HeldSlot>,
}

#[derive(Debug)]
struct HeldSlot {
    number: u64,
    origin: Origin,
    end: CancellationToken,
}

/// One stream's place; free again when this is dropped.
#[derive(Debug)]
pub(super) struct StreamSlot {
    slots: Arc<StreamSlots>,
    number: u64,
    /// Cancelled when the stream has to end, for somebody else.
    pub(super) end: CancellationToken,
}

impl StreamSlots {
    /// A place; `None` where all are taken and nobody has more of them than this caller by two or more. Else the oldest
    /// stream of whoever has most is ended: its client comes back, and resumes.
    pub(super) fn acquire(self: &Arc<Self>, origin: Origin) -> Option<StreamSlot> {
        let mut held = self.lock();
        if held.rows.len() >= STREAMS {
            let count = |of: Origin| held.rows.iter().filter(|row| row.origin == of).count();
            let most = held.rows.iter().map(|row| row.origin).max_by_key(|of| count(*of))?;
            if count(most) < count(origin).saturating_add(2) {
                return None;
            }
            let oldest = held.rows.iter().position(|row| row.origin == most)?;
            held.rows.remove(oldest).end.cancel();
        }
        let (number, end) = (held.next, CancellationToken::new());
        held.next = number.saturating_add(1);
        held.rows.push(HeldSlot { number, origin, end: end.clone() });
        drop(held);
        Some(StreamSlot { slots: Arc::clone(self), number, end })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().rows.len()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.slots.lock().rows.retain(|row| row.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_most_makes_room_until_all_have_the_same() {
        let slots = Arc::<StreamSlots>::default();
        let (one, two) = (Origin::User(Some(1)), Origin::Address([10, 0, 0, 7].into()));
        let first: Vec<StreamSlot> = (0..STREAMS).map(|_| slots.acquire(one).unwrap()).collect();
        assert!(slots.acquire(one).is_none(), "it has them all");
        let second: Vec<StreamSlot> = (0..STREAMS / 2).map(|_| slots.acquire(two).unwrap()).collect();
        assert!(slots.acquire(two).is_none(), "both have the same");
        let ended = first.iter().take_while(|slot| slot.end.is_cancelled()).count();
        assert_eq!(ended, STREAMS / 2, "the oldest had to end");
        assert!(first[ended..].iter().chain(&second).all(|slot| !slot.end.is_cancelled()));
        assert!(slots.acquire(one).is_none(), "who had to end does not push the other out");
        assert_eq!(slots.count(), STREAMS);
        drop(second);
        assert_eq!(slots.count(), STREAMS / 2);
        drop(first);
        assert_eq!(slots.count(), 0);
    }
}
