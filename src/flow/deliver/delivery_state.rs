//! What delivery remembers between runs, in memory only: who was slow, how much each got, how fast it goes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::notifier::Digesting;

/// How many letters are under way at once.
pub(super) const AT_ONCE: usize = 16;
/// So many letters must go well before one more goes at once.
const WELL: u32 = 64;
/// How many recipients are remembered at most.
const MOST: usize = 4096;

/// Memory that a restart may lose: nothing owed depends on it.
#[derive(Debug, Default)]
pub(in crate::flow) struct DeliveryState {
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Recipients whose last letter was slow or was not taken.
    suspects: HashSet<String>,
    /// How many letters each got, minute by minute.
    traffic: HashMap<String, VecDeque<(i64, u64)>>,
    /// Whose letters are being gathered for a summary, and until when.
    gathering: HashMap<String, Timestamp>,
    /// Letters that a person has asked for: nothing holds them back.
    by_hand: HashSet<i64>,
    /// When the next letter may leave, by the rate.
    next: Duration,
    /// Until when the way out is closed, and why.
    closed: Option<(Timestamp, String)>,
    /// By how much the number of letters at a time was lowered, and how many went well since.
    fewer: usize,
    well: u32,
}

impl DeliveryState {
    pub(super) fn is_suspect(&self, recipient: &str) -> bool {
        self.lock().suspects.contains(recipient)
    }

    /// Remembers how the last letter to a recipient went.
    pub(super) fn suspect(&self, recipient: &str, bad: bool) {
        let suspects = &mut self.lock().suspects;
        if !bad {
            suspects.remove(recipient);
        } else if suspects.len() < MOST {
            suspects.insert(recipient.to_owned());
        }
    }

    /// A recipient was told of `count` events at `now`.
    pub(super) fn note(&self, recipient: &str, count: u64, now: Timestamp) {
        let minute = minute_of(now);
        let traffic = &mut self.lock().traffic;
        if traffic.len() >= MOST && !traffic.contains_key(recipient) {
            traffic.retain(|_, minutes| minutes.back().is_some_and(|(last, _)| is_within(*last, minute)));
        }
        if traffic.len() >= MOST && !traffic.contains_key(recipient) {
            return;
        }
        let minutes = traffic.entry(recipient.to_owned()).or_default();
        minutes.retain(|(old, _)| is_within(*old, minute));
        match minutes.back_mut() {
            Some((last, so_far)) if *last == minute => *so_far = so_far.saturating_add(count),
            _ => minutes.push_back((minute, count)),
        }
    }

    /// Of how many events each recipient was told within the last hour.
    pub(super) fn notified_within_hour(&self, recipient: &str, now: Timestamp) -> u64 {
        let minute = minute_of(now);
        let memory = self.lock();
        let Some(minutes) = memory.traffic.get(recipient) else { return 0 };
        minutes
            .iter()
            .filter(|(old, _)| is_within(*old, minute))
            .fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The most that anybody was told of.
    pub(super) fn busiest(&self, now: Timestamp) -> u64 {
        let whom: Vec<String> = self.lock().traffic.keys().cloned().collect();
        whom.iter().map(|whom| self.notified_within_hour(whom, now)).max().unwrap_or(0)
    }

    /// From now on these, and nobody else, have their letters gathered.
    pub(super) fn gather(&self, gathering: HashMap<String, Timestamp>) {
        self.lock().gathering = gathering;
    }

    pub(super) fn gathered_until(&self, recipient: &str) -> Option<Timestamp> {
        self.lock().gathering.get(recipient).copied()
    }

    /// A person has asked for this letter: neither quiet hours nor a flood hold it back.
    pub(in crate::flow) fn ask_for(&self, id: i64) {
        let by_hand = &mut self.lock().by_hand;
        if by_hand.len() < MOST {
            by_hand.insert(id);
        }
    }

    pub(super) fn is_asked_for(&self, id: i64) -> bool {
        self.lock().by_hand.contains(&id)
    }

    /// The letters that were asked for.
    pub(super) fn asked_for(&self) -> Vec<i64> {
        self.lock().by_hand.iter().copied().collect()
    }

    /// It has gone, or cannot.
    pub(super) fn answered(&self, id: i64) {
        self.lock().by_hand.remove(&id);
    }

    /// How long the rate asks to wait before the next letter; `None` when it may leave now.
    pub(super) fn wait(&self, per_second: Option<u32>, now: Duration) -> Option<Duration> {
        per_second?;
        // At most a second's worth at once.
        let ahead = self.lock().next.saturating_sub(now);
        ahead.checked_sub(Duration::from_secs(1)).filter(|wait| !wait.is_zero())
    }

    /// A letter leaves now.
    pub(super) fn left(&self, per_second: Option<u32>, now: Duration) {
        let Some(gap) = per_second.and_then(|rate| Duration::from_secs(1).checked_div(rate)) else { return };
        let next = &mut self.lock().next;
        *next = (*next).max(now).saturating_add(gap);
    }

    /// How many letters may be under way at once.
    pub(super) fn most(&self) -> usize {
        AT_ONCE.saturating_sub(self.lock().fewer).max(1)
    }

    /// Half as many from now on; false where it is one already.
    pub(super) fn narrow(&self) -> bool {
        let most = self.most();
        let mut memory = self.lock();
        memory.fewer = AT_ONCE.saturating_sub(most / 2);
        memory.well = 0;
        most > 1
    }

    /// A letter went well; many that did let one more go at once.
    pub(super) fn widen(&self) {
        let mut memory = self.lock();
        memory.well = memory.well.saturating_add(1);
        if memory.well >= WELL {
            memory.well = 0;
            memory.fewer = memory.fewer.saturating_sub(1);
        }
    }

    /// Nothing leaves until then: the server is out of reach.
    pub(super) fn close(&self, until: Timestamp, why: &str) {
        self.lock().closed = Some((until, why.to_owned()));
    }

    /// The next letter may try again at once.
    pub(in crate::flow) fn reopen(&self) {
        self.lock().closed = None;
    }

    /// Whether nothing leaves at `now`.
    pub(in crate::flow) fn is_closed(&self, now: Timestamp) -> bool {
        self.closed(now).is_some()
    }

    /// Until when nothing leaves, and why, where `now` is before that.
    pub(super) fn closed(&self, now: Timestamp) -> Option<(Timestamp, String)> {
        self.lock().closed.clone().filter(|(until, _)| now < *until)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn minute_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(60_000)
}

fn is_within(old: i64, now: i64) -> bool {
    let window = i64::try_from(Digesting::WINDOW.as_secs()).unwrap_or(i64::MAX).checked_div(60).unwrap_or(60);
    now.saturating_sub(old) < window
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_may_hold_no_more_than_the_rate_after_the_first() {
        let post = DeliveryState::default();
        let mut now = Duration::from_secs(100);
        let mut left = 0;
        for _ in 0..10_000 {
            match post.wait(Some(50), now) {
                None => {
                    post.left(Some(50), now);
                    left += 1;
                }
                Some(wait) => now += wait,
            }
            if now > Duration::from_secs(110) {
                break;
            }
        }
        assert!((540..=560).contains(&left), "{left} in ten seconds, and one second's worth before");
        assert_eq!(post.wait(None, now), None);
    }

    #[test]
    fn traffic_is_counted_for_an_hour() {
        let post = DeliveryState::default();
        let start = Timestamp::from_seconds(1_000_000);
        post.note("a", 5, start);
        post.note("a", 2, start.plus(Duration::from_secs(1800)));
        post.note("b", 1, start);
        assert_eq!((post.notified_within_hour("a", start), post.busiest(start)), (7, 7));
        assert_eq!(post.notified_within_hour("a", start.plus(Duration::from_secs(3660))), 2);
        assert_eq!(post.notified_within_hour("a", start.plus(Duration::from_secs(7200))), 0);
    }
}
