//! What delivery remembers between runs, in memory only: who was slow, how much each got, how fast it goes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::refusals::{RefusalVerdict, Refusals};
use crate::domain::time::Timestamp;
use crate::notifier::{Culprit, Digesting};

/// How many letters are under way at once.
pub(super) const AT_ONCE: usize = 16;
/// So many letters must go well before one more goes at once; each time that this was one too many, twice as many.
const WELL: u32 = 16;
const MOST_WELL: u32 = 512;
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
    /// The server has refused letters for their number, and nothing has gone since.
    sated: bool,
    /// By how much the number of letters at a time was lowered, how many went well since, and how many must.
    fewer: usize,
    well: u32,
    patience: u32,
    /// One more goes at once since it was lowered.
    widened: bool,
    refusals: Refusals,
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

    /// No more than so many at once from now on: those that the server is busy with. True where that is fewer.
    pub(super) fn narrow(&self, to: usize) -> bool {
        let narrower = to.max(1) < self.most();
        let mut memory = self.lock();
        memory.well = 0;
        if narrower {
            memory.fewer = AT_ONCE.saturating_sub(to.max(1));
            let times = if std::mem::take(&mut memory.widened) { 2 } else { 1 };
            memory.patience = memory.patience.saturating_mul(times).clamp(WELL, MOST_WELL);
        }
        narrower
    }

    /// A letter went well; many that did let one more go at once.
    pub(super) fn widen(&self) {
        let mut memory = self.lock();
        memory.sated = false;
        memory.well = memory.well.saturating_add(1);
        if memory.fewer > 0 && memory.well >= memory.patience {
            memory.well = 0;
            memory.fewer = memory.fewer.saturating_sub(1);
            memory.widened = true;
        }
    }

    /// The server takes no letters for now, since it had `taken` some, or since it was sated already: true where that
    /// is the reason.
    pub(super) fn sate(&self, taken: bool) -> bool {
        let mut memory = self.lock();
        memory.sated |= taken;
        memory.sated
    }

    /// A letter was refused for good; what is to be done with it.
    pub(super) fn refused(&self, id: i64, recipient: &str, culprit: Culprit) -> RefusalVerdict {
        self.lock().refusals.refused(id, recipient, culprit)
    }

    /// A letter was taken.
    pub(super) fn taken(&self, id: i64, recipient: &str) {
        self.lock().refusals.taken(id, recipient);
    }

    /// Whether this letter's last refusal may not be its own fault.
    pub(super) fn is_doubted(&self, id: i64) -> bool {
        self.lock().refusals.is_doubted(id)
    }

    /// Whether the last refusals may well be about us, and nothing was taken since.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.lock().refusals.is_in_doubt()
    }

    /// The letters that were refused in a row, where that is everybody.
    pub(super) fn everybody_refused(&self) -> Option<Vec<i64>> {
        self.lock().refusals.everybody()
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

    /// How many letters are handed over until `letters` are taken, by a server that takes so many at a time.
    #[expect(clippy::arithmetic_side_effects, reason = "small numbers")]
    fn handovers(letters: usize, at_a_time: usize) -> usize {
        let state = DeliveryState::default();
        let (mut taken, mut handed_over) = (0, 0);
        while taken < letters {
            let at_once = state.most().min(letters - taken);
            handed_over += at_once;
            // What is too many is refused at once, one after another; the others are taken.
            for busy in (at_a_time..at_once).rev() {
                state.narrow(busy);
            }
            for _ in 0..at_once.min(at_a_time) {
                state.widen();
                taken += 1;
            }
        }
        handed_over
    }

    #[test]
    fn it_narrows_to_what_the_server_takes_and_widens_with_care() {
        for (letters, at_a_time, most) in
            [(96, 3, 115), (1000, 3, 1020), (96, 1, 116), (1000, 8, 1020), (96, 16, 96), (1000, 100, 1000)]
        {
            let handed_over = handovers(letters, at_a_time);
            assert!(handed_over <= most, "{letters} letters, {at_a_time} at a time: {handed_over}");
        }
        let state = DeliveryState::default();
        assert!(state.narrow(3) && !state.narrow(3) && !state.narrow(9));
        assert_eq!(state.most(), 3);
        assert!(state.narrow(0));
        assert_eq!(state.most(), 1);
        // A server that has become large again is used again.
        for _ in 0..16 * 16 {
            state.widen();
        }
        assert_eq!(state.most(), AT_ONCE);
    }

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
