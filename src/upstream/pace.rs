//! The pacer: who may call the upstream next. The whole account has one budget, one limit on calls at a time, one
//! pause, one breaker, and one queue.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::breaker::{Breaker, CallOutcome, CallTrouble, Change, Gate, Health};
use super::budget::Budget;
use crate::clock::SharedClock;

/// Who goes first. A class that was passed over `PATIENCE` times goes next all the same: no class starves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A caller waits for an address.
    Create,
    /// Reconciliation: a handful of calls a run.
    Reconcile,
    /// The many polls.
    Poll,
}

/// How many calls of other classes may go before one that waits.
const PATIENCE: u32 = 4;
/// The pause after a 429 that does not say how long, doubled for each that follows.
const THROTTLE_FIRST: Duration = Duration::from_secs(1);
const THROTTLE_LONGEST: Duration = Duration::from_secs(60);

/// Decides the order and the moment of every call.
#[derive(Debug)]
pub(super) struct Pacer {
    clock: SharedClock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    budget: Budget,
    breaker: Breaker,
    /// No call before this instant, because the upstream said so.
    paused_until: Duration,
    throttle: Duration,
    in_flight: usize,
    max_in_flight: usize,
    last_ticket: u64,
    classes: [Class; 3],
}

/// Those who wait with the same priority, in the order they came.
#[derive(Debug, Default)]
struct Class {
    waiting: VecDeque<(u64, Arc<Notify>)>,
    passed_over: u32,
}

/// What the first in the queue, or one behind it, has to do.
enum Turn {
    Go { probe: bool },
    WaitUntil(Duration),
    WaitForWord,
}

impl Pacer {
    pub(super) fn new(clock: SharedClock, budget: Budget, max_in_flight: usize) -> Self {
        let state = State {
            budget,
            breaker: Breaker::default(),
            paused_until: Duration::ZERO,
            throttle: THROTTLE_FIRST,
            in_flight: 0,
            max_in_flight: max_in_flight.max(1),
            last_ticket: 0,
            classes: Default::default(),
        };
        Self { clock, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a call may go out. Dropping the future gives the place in the queue back and costs nothing else.
    pub(super) async fn admit(self: &Arc<Self>, priority: Priority) -> Permit {
        match self.enter(priority) {
            Ok(permit) => permit,
            Err(mut place) => self.wait(&mut place).await,
        }
    }

    /// The same, for at most `limit`; then the place is given back, and the words say what was waited for.
    pub(super) async fn admit_within(
        self: &Arc<Self>,
        priority: Priority,
        limit: Duration,
    ) -> Result<Permit, String> {
        let mut place = match self.enter(priority) {
            Ok(permit) => return Ok(permit),
            Err(place) => place,
        };
        let over = self.clock.sleep(limit);
        let permit = tokio::select! {
            biased;
            permit = self.wait(&mut place) => Some(permit),
            () = over => None,
        };
        permit.ok_or_else(|| self.why_not(&place))
    }

    /// A permit where nobody waits and nothing prevents a call, else a place in the queue.
    fn enter(self: &Arc<Self>, priority: Priority) -> Result<Permit, Place<'_>> {
        let mut state = self.lock();
        if state.classes.iter().all(|class| class.waiting.is_empty())
            && let Turn::Go { probe } = state.gates(self.clock.monotonic())
        {
            state.grant(self.clock.monotonic(), probe);
            return Ok(Permit { pacer: Some(Arc::clone(self)), probe });
        }
        state.last_ticket = state.last_ticket.wrapping_add(1);
        let word = Arc::new(Notify::new());
        let ticket = state.last_ticket;
        state.class(priority).waiting.push_back((ticket, Arc::clone(&word)));
        Err(Place { pacer: self, priority, ticket, word, left: false })
    }

    async fn wait(self: &Arc<Self>, place: &mut Place<'_>) -> Permit {
        loop {
            let now = self.clock.monotonic();
            let turn = self.lock().turn(place.priority, place.ticket, now);
            match turn {
                Turn::Go { probe } => {
                    place.left = true;
                    return Permit { pacer: Some(Arc::clone(self)), probe };
                }
                Turn::WaitForWord => place.word.notified().await,
                Turn::WaitUntil(at) => {
                    let sleep = self.clock.sleep(at.saturating_sub(now));
                    // A manual clock may be moved between the two readings; the sleep would be too long then.
                    if self.clock.monotonic() >= at {
                        continue;
                    }
                    tokio::select! {
                        () = sleep => {}
                        () = place.word.notified() => {}
                    }
                }
            }
        }
    }

    /// Why a place in the queue has not come to be a permit, in words.
    fn why_not(&self, place: &Place<'_>) -> String {
        let health = self.health();
        if let Some(left) = health.paused_for {
            return format!("the upstream asks us to slow down until {}", self.clock.now().plus(left));
        }
        if let Some(words) = health.words().filter(|_| health.breaker_open) {
            return words;
        }
        match self.lock().before(place.priority, place.ticket) {
            0 if health.in_flight > 0 => format!("calls to the upstream under way: {}", health.in_flight),
            0 => "the budget of calls to the upstream is used up".to_owned(),
            1 => "1 call to the upstream waits before this one".to_owned(),
            count => format!("{count} calls to the upstream wait before this one"),
        }
    }

    /// What is known of the upstream's health.
    pub(super) fn health(&self) -> Health {
        let state = self.lock();
        let mut health = state.breaker.health.clone();
        health.breaker_open = state.breaker.is_open();
        let left = state.paused_until.saturating_sub(self.clock.monotonic());
        health.paused_for = (!left.is_zero()).then_some(left);
        health.in_flight = state.in_flight;
        health.waiting = state.classes.iter().map(|class| class.waiting.len()).sum();
        health
    }

    /// No call goes out before `span` has passed; an earlier, longer pause stays.
    fn pause(&self, state: &mut State, span: Duration) {
        let until = self.clock.monotonic().saturating_add(span);
        state.paused_until = state.paused_until.max(until);
    }
}

impl State {
    fn class(&mut self, priority: Priority) -> &mut Class {
        let [create, reconcile, poll] = &mut self.classes;
        match priority {
            Priority::Create => create,
            Priority::Reconcile => reconcile,
            Priority::Poll => poll,
        }
    }

    /// The place in `classes` of the one that goes next: the first that has lost its patience, else the first.
    fn front(&self) -> Option<usize> {
        let waiting = || self.classes.iter().enumerate().filter(|(_, class)| !class.waiting.is_empty());
        let impatient = waiting()
            .filter(|(_, class)| class.passed_over >= PATIENCE)
            .max_by_key(|(_, class)| class.passed_over);
        impatient.or_else(|| waiting().next()).map(|(at, _)| at)
    }

    /// How many wait before the one with `ticket`.
    fn before(&self, priority: Priority, ticket: u64) -> usize {
        let [create, reconcile, poll] = &self.classes;
        let (first, own): (&[&Class], &Class) = match priority {
            Priority::Create => (&[], create),
            Priority::Reconcile => (&[create], reconcile),
            Priority::Poll => (&[create, reconcile], poll),
        };
        let ahead = own.waiting.iter().take_while(|(other, _)| *other != ticket).count();
        first.iter().map(|class| class.waiting.len()).fold(ahead, usize::saturating_add)
    }

    fn front_waiter(&self) -> Option<&(u64, Arc<Notify>)> {
        self.front().and_then(|at| self.classes.get(at)).and_then(|class| class.waiting.front())
    }

    /// Whether a call may go out now, whoever makes it.
    fn gates(&self, now: Duration) -> Turn {
        if self.in_flight >= self.max_in_flight {
            return Turn::WaitForWord;
        }
        let (breaker, probe) = match self.breaker.gate(now) {
            Gate::Probing => return Turn::WaitForWord,
            Gate::Until(at) => (at, true),
            Gate::Open { probe } => (Duration::ZERO, probe),
        };
        let at = breaker.max(self.paused_until).max(self.budget.next());
        if at > now { Turn::WaitUntil(at) } else { Turn::Go { probe } }
    }

    fn turn(&mut self, priority: Priority, ticket: u64, now: Duration) -> Turn {
        if self.front_waiter().is_none_or(|(front, _)| *front != ticket) {
            return Turn::WaitForWord;
        }
        let turn = self.gates(now);
        if let Turn::Go { probe } = turn {
            for class in self.classes.iter_mut().filter(|class| !class.waiting.is_empty()) {
                class.passed_over = class.passed_over.saturating_add(1);
            }
            let class = self.class(priority);
            class.waiting.pop_front();
            class.passed_over = 0;
            self.grant(now, probe);
            self.wake_front();
        }
        turn
    }

    fn grant(&mut self, now: Duration, probe: bool) {
        self.in_flight = self.in_flight.saturating_add(1);
        self.budget.take(now);
        if probe {
            self.breaker.begin_probe();
        }
    }

    fn wake_front(&self) {
        if let Some((_, word)) = self.front_waiter() {
            word.notify_one();
        }
    }
}

/// A place in the queue, given back when it is dropped.
struct Place<'a> {
    pacer: &'a Pacer,
    priority: Priority,
    ticket: u64,
    word: Arc<Notify>,
    /// The call was granted: its place is gone already, and the next in the queue was notified.
    left: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let mut state = self.pacer.lock();
        let class = state.class(self.priority);
        class.waiting.retain(|(ticket, _)| *ticket != self.ticket);
        if class.waiting.is_empty() {
            class.passed_over = 0;
        }
        state.wake_front();
    }
}

/// The right to make one call. Dropped, it frees its place among the calls under way.
#[must_use = "a permit holds a place among the calls under way until it is used or dropped"]
pub struct Permit {
    pacer: Option<Arc<Pacer>>,
    probe: bool,
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit").field("probe", &self.probe).finish_non_exhaustive()
    }
}

impl Permit {
    /// The call has ended; `is_poll` where it was one for an order. `pause` is what a `Retry-After` asked for.
    pub(super) fn settle(mut self, outcome: CallOutcome, is_poll: bool, pause: Option<Duration>) {
        let Some(pacer) = self.pacer.take() else { return };
        let (at, now) = (pacer.clock.now(), pacer.clock.monotonic());
        let (change, failures) = {
            let mut state = pacer.lock();
            state.in_flight = state.in_flight.saturating_sub(1);
            let throttled = matches!(outcome, CallOutcome::Missed(CallTrouble::Throttled, _));
            if throttled && pause.is_none() {
                let span = state.throttle;
                pacer.pause(&mut state, span);
                state.throttle = span.saturating_mul(2).min(THROTTLE_LONGEST);
            } else if !throttled {
                state.throttle = THROTTLE_FIRST;
            }
            if let Some(span) = pause {
                pacer.pause(&mut state, span);
            }
            let change = state.breaker.settle(outcome, is_poll, self.probe, at, now);
            state.wake_front();
            (change, state.breaker.health.failures)
        };
        match change {
            Change::Opened => {
                tracing::warn!(failures, "the upstream keeps failing: one call at a time until it answers");
            }
            Change::Closed => tracing::info!("the upstream answers again"),
            Change::None => {}
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(pacer) = self.pacer.take() else { return };
        let mut state = pacer.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        if self.probe {
            state.breaker.abandon_probe();
        }
        state.wake_front();
    }
}
