//! How an observation changes a deposit: the only way one ever does. Pure; the old value is consumed.

mod booking;
mod draft;
mod judging;
mod listed;
mod observation;
mod reading;
#[cfg(test)]
mod tests;
mod transition;
mod unchanged;

use draft::Draft;
pub use observation::{InvalidTransition, Observation};

use super::deposit::{Deposit, Facts, ReviewKind, State};
use super::event::{EventName, Step};
use super::poll::{self, Due, Policy};
use super::report::OrderReport;
use super::time::Timestamp;

impl Deposit {
    /// The deposit after `observation`, with what happened and when to poll again.
    ///
    /// # Errors
    /// [`InvalidTransition`] where the observation does not fit the deposit; nothing has changed then.
    pub fn observe(
        self,
        observation: Observation,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<Step, InvalidTransition> {
        self.observe_by(observation, now, None, policy)
    }

    /// The same, with the time that the upstream's clock shows, where it is known; a poll carries its own. While the
    /// two clocks disagree, bookings carry the upstream's time.
    ///
    /// # Errors
    /// As [`Deposit::observe`].
    pub fn observe_by(
        self,
        observation: Observation,
        now: Timestamp,
        theirs: Option<Timestamp>,
        policy: &Policy,
    ) -> Result<Step, InvalidTransition> {
        let state = self.facts.state;
        let unborn = state == State::Requested;
        let out_of_place = |observed| Err(InvalidTransition::OutOfPlace { state, observed });
        if let Observation::Polled(report) = &observation
            && let Some(due) = self.next_after_unchanged_poll(report, now, policy)
        {
            return Ok(Step { expected_version: self.version, deposit: self, events: Vec::new(), due });
        }
        let mut draft = match &observation {
            Observation::Polled(report) => Draft::new(self, now, report.answered_at, policy),
            Observation::Listed(listing) => Draft::new(self, now, listing.answered_at, policy),
            _ => Draft::new(self, now, theirs, policy),
        };
        match observation {
            Observation::Wallet(report) if unborn => draft.receive_wallet(&report, None, policy),
            Observation::SharedWallet { report, reason } if unborn => {
                draft.receive_wallet(&report, Some(reason), policy);
            }
            Observation::AddressShared(reason) if draft.facts.wallet.is_some() => draft.share(reason),
            Observation::Refused(words) if state == State::Requested => {
                draft.enter(State::Rejected, Some(words));
            }
            Observation::Contradiction(reason) => draft.contradict(reason),
            Observation::OutOfAttempts if state == State::Requested => draft
                .enter(State::Unresolved, Some("every attempt ended without a readable answer".to_owned())),
            Observation::GivenUp(why) if state == State::Requested => {
                draft.enter(State::Unresolved, Some(why));
            }
            Observation::Polled(report) if draft.facts.wallet.is_some() => draft.apply_poll(&report, policy),
            Observation::UnknownOrder(_) if draft.leaves_status_call() => draft.follow_list(),
            Observation::UnknownOrder(words) if draft.facts.wallet.is_some() => {
                draft.flag(ReviewKind::Passing, format!("the upstream does not know this order: {words}"));
            }
            Observation::Unreadable(why) if draft.facts.wallet.is_some() => {
                draft.flag(ReviewKind::Passing, judging::unreadable(why));
            }
            Observation::Listed(listing) if draft.facts.wallet.is_some() => {
                draft.apply_listing(&listing, policy)
            }
            Observation::Matched { order_id, reason } => draft.match_row(order_id, reason)?,
            Observation::Unmatched { reason } => draft.unmatch_row(reason, policy)?,
            Observation::Reviewed(note) => draft.reviewed(note)?,
            Observation::Corrected { credited, reason } if draft.facts.wallet.is_some() => {
                draft.correct(credited, reason)?;
            }
            Observation::Uncorrected { reason } => draft.uncorrect(reason)?,
            Observation::FigureStated { credited } => draft.state_figure(credited)?,
            Observation::AddressShared(_) => return out_of_place("given an address that another has"),
            Observation::Wallet(_) | Observation::SharedWallet { .. } => {
                return out_of_place("given a wallet");
            }
            Observation::Refused(_) => return out_of_place("refused"),
            Observation::OutOfAttempts | Observation::GivenUp(_) => return out_of_place("out of attempts"),
            Observation::Polled(_)
            | Observation::UnknownOrder(_)
            | Observation::Unreadable(_)
            | Observation::Listed(_) => {
                return out_of_place("polled");
            }
            Observation::Corrected { .. } => return out_of_place("corrected"),
        }
        Ok(draft.finish(policy))
    }

    /// When to poll again after a poll that leaves the deposit exactly as it is, which nearly all do. It is what
    /// [`Deposit::observe`] returns for such a poll, without consuming the deposit. `None` decides nothing:
    /// [`Deposit::observe`] has to be asked.
    #[must_use]
    pub fn next_after_unchanged_poll(
        &self,
        report: &OrderReport,
        now: Timestamp,
        policy: &Policy,
    ) -> Option<Option<Due>> {
        unchanged::is_unchanged(self, report, now, policy)
            .then(|| poll::next_poll(self, now, report.answered_at, policy))
    }

    /// The same for a response with the very bytes that [`Deposit::next_after_unchanged_poll`] has found unchanged at
    /// this version of the deposit: then only the time can have changed something. `answered_at` is the upstream's own
    /// clock.
    #[must_use]
    pub fn next_after_same_response(
        &self,
        answered_at: Option<Timestamp>,
        now: Timestamp,
        policy: &Policy,
    ) -> Option<Option<Due>> {
        unchanged::nothing_ended(&self.facts, answered_at, now, policy)
            .then(|| poll::next_poll(self, now, answered_at, policy))
    }

    /// Why an answer of the status call is unreadable for this deposit: it names no order.
    #[must_use]
    pub fn unnamed_answer(&self, report: &OrderReport) -> Option<&'static str> {
        // An answer that names another order is a contradiction, and not unreadable.
        let about_another = reading::contradiction(self.request.asset(), &self.facts, report).is_some();
        if about_another { None } else { reading::names_nothing(self, report) }
    }

    /// True where `address` is this deposit's and a payment to it could belong to either deposit: the memo is the same,
    /// or not known.
    #[must_use]
    pub fn shares_address(&self, address: &str, memo: Option<&str>) -> bool {
        let Some(asset) = self.request.asset() else { return false };
        self.facts.wallet.as_ref().is_some_and(|wallet| {
            let told_apart = memo.is_some() && wallet.memo.is_some() && memo != wallet.memo.as_deref();
            let same = |ours: &str| reading::is_same_address(asset, address, ours);
            wallet.address.as_deref().is_some_and(same) && !told_apart
        })
    }

    /// The first step of a deposit: it was asked for.
    #[must_use]
    pub fn open(id: super::ids::DepositId, request: super::deposit::Request) -> Step {
        let now = request.requested_at;
        let facts = Facts::new(now);
        let deposit = Self { id, version: 0, request, facts, updated_at: now };
        let policy = Policy::default();
        let mut draft = Draft::new(deposit, now, None, &policy);
        draft.push(EventName::Requested, None, None);
        let mut step = draft.finish(&policy);
        step.due = Some(poll::Due { at: now, urgency: poll::Urgency::Create });
        step
    }
}

impl Facts {
    /// What is known of a deposit that was just asked for.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { since: now, ..Self::default() }
    }
}
