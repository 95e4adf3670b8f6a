//! A step while it is being made: facts change one by one, and each event takes a snapshot of them.

use std::time::Duration;

use super::observation::InvalidTransition;
use crate::domain::deposit::{Chatter, Deposit, Facts, Review, ReviewKind, State};
use crate::domain::event::{Event, EventName, Step};
use crate::domain::journal;
use crate::domain::poll::{self, Policy};
use crate::domain::time::Timestamp;

/// Clocks that are further apart than this do not agree: what is booked takes the upstream's time then.
const CLOCKS_APART: Duration = Duration::from_mins(5);
/// How many minor events a deposit may write in one hour.
const MOST_CHATTER: u32 = 10;
/// A step while it is made: the facts as they stand, and what has happened so far.
pub(super) struct Draft {
    pub(super) deposit: Deposit,
    pub(super) facts: Facts,
    /// The instant of its events.
    pub(super) now: Timestamp,
    /// What our clock shows.
    pub(super) ours: Timestamp,
    /// The time by the upstream's clock, where it is known.
    pub(super) theirs: Option<Timestamp>,
    pub(super) events: Vec<Event>,
    expected_version: i64,
}

impl Draft {
    /// A step that an answer brings, which the upstream dated `answered_at`.
    pub(super) fn new(
        deposit: Deposit,
        ours: Timestamp,
        answered_at: Option<Timestamp>,
        policy: &Policy,
    ) -> Self {
        let (facts, expected_version) = (deposit.facts.clone(), deposit.version);
        let apart = |theirs: &Timestamp| theirs.since(ours).max(ours.since(*theirs)) > CLOCKS_APART;
        let at = answered_at.filter(apart).unwrap_or(ours);
        // A wall clock that went back must not put a later event before an earlier one, nor into a closed month.
        let now = at.max(deposit.updated_at).max(policy.books_open_from);
        Self { deposit, facts, now, ours, theirs: answered_at, events: Vec::new(), expected_version }
    }

    pub(super) fn finish(mut self, policy: &Policy) -> Step {
        // A step without events leaves the deposit as it is on disk, to the letter: it may be kept in memory. Only how
        // many changes were left out is not on disk; the next event says it.
        let chatter = self.facts.chatter;
        if let Some(last) = self.events.last_mut() {
            last.facts.chatter = chatter;
        }
        if self.events.is_empty() {
            self.deposit.facts.chatter = chatter;
        } else {
            self.deposit.facts = self.facts;
            let count = i64::try_from(self.events.len()).unwrap_or(i64::MAX);
            self.deposit.version = self.deposit.version.saturating_add(count);
            self.deposit.updated_at = self.now;
        }
        let due = poll::next_poll(&self.deposit, self.ours, self.theirs, policy);
        Step { expected_version: self.expected_version, deposit: self.deposit, events: self.events, due }
    }

    /// Records that `name` happened: the facts as they stand now are its snapshot.
    pub(super) fn push(&mut self, name: EventName, from: Option<State>, reason: Option<String>) {
        let before = self
            .events
            .last()
            .map(|event| &event.facts)
            .or_else(|| (self.deposit.version > 0).then_some(&self.deposit.facts));
        let postings = journal::postings(&self.deposit.request, before, &self.facts);
        let turnover = journal::turnover(before, &self.facts);
        self.events.push(Event {
            name,
            at: self.now,
            from,
            upstream_status: self.facts.upstream_status.clone(),
            reason,
            facts: self.facts.clone(),
            postings,
            turnover,
            mail_to: Vec::new(),
        });
    }

    pub(super) fn enter(&mut self, state: State, reason: Option<String>) {
        let from = self.facts.state;
        self.facts.state = state;
        self.facts.since = self.now;
        self.push(EventName::of_state(state), Some(from), reason);
    }

    pub(super) fn same_state(&mut self, name: EventName, reason: Option<String>) {
        let state = self.facts.state;
        self.push(name, Some(state), reason);
    }

    /// Raises a flag, unless it stands, a person has seen it, or too many were raised within this hour.
    pub(super) fn flag(&mut self, kind: ReviewKind, reason: String) {
        if !self.is_flagged(kind, &reason) && self.may_chatter() {
            self.raise(kind, reason);
        }
    }

    /// The same of a flag that no later poll would raise again: it is never left out.
    pub(super) fn flag_always(&mut self, kind: ReviewKind, reason: String) {
        if !self.is_flagged(kind, &reason) {
            self.raise(kind, reason);
        }
    }

    fn is_flagged(&self, kind: ReviewKind, reason: &String) -> bool {
        let stands = self.facts.review.as_ref().is_some_and(|review| {
            review.reason == *reason || (review.kind != ReviewKind::Passing && kind == ReviewKind::Passing)
        });
        stands || self.facts.acknowledged.as_ref() == Some(reason)
    }

    fn raise(&mut self, kind: ReviewKind, reason: String) {
        // What keeps further links from being asked for does so until a person has looked, whatever else turns up.
        let stops = self.facts.review.as_ref().is_some_and(|review| review.kind == ReviewKind::Stopping);
        let kind = if stops { ReviewKind::Stopping } else { kind };
        self.facts.review = Some(Review { reason: reason.clone(), kind });
        self.same_state(EventName::NeedsReview, Some(reason));
    }

    pub(super) fn clear_passing_flag(&mut self) {
        let passing = self.facts.review.as_ref().is_some_and(|review| review.kind == ReviewKind::Passing);
        if passing && self.may_chatter() {
            self.facts.review = None;
            self.same_state(EventName::ReviewCleared, Some("a later look was ordinary again".to_owned()));
        }
    }

    /// Whether one more minor event may be written within this hour; counts it either way.
    pub(super) fn may_chatter(&mut self) -> bool {
        self.tell_left_out();
        let now = self.ours;
        let chatter = self.facts.chatter.get_or_insert(Chatter { since: now, count: 0, left_out: 0 });
        if chatter.is_over(now) {
            *chatter = Chatter { since: now, count: 0, left_out: 0 };
        }
        let allowed = chatter.count < MOST_CHATTER;
        let slot = if allowed { &mut chatter.count } else { &mut chatter.left_out };
        *slot = slot.saturating_add(1);
        allowed
    }

    /// Says how many changes were left out, once their hour is over.
    pub(super) fn tell_left_out(&mut self) {
        let Some(chatter) = self.facts.chatter.filter(|chatter| chatter.left_out > 0) else { return };
        if chatter.is_over(self.ours) {
            self.facts.chatter = None;
            let many = format!(
                "{} more changes of flags, status words and figures since {} were left out",
                chatter.left_out, chatter.since
            );
            self.same_state(EventName::ChangesLeftOut, Some(many));
        }
    }

    pub(super) fn reviewed(&mut self, note: String) -> Result<(), InvalidTransition> {
        let review = self.facts.review.take().ok_or(InvalidTransition::NothingToReview)?;
        self.facts.acknowledged = Some(review.reason);
        self.same_state(EventName::Reviewed, Some(note));
        Ok(())
    }
}
