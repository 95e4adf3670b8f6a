//! What an answer of the upstream says of a deposit, and what follows from it.

use std::time::Duration;

use super::draft::Draft;
use super::reading::{self, contradiction};
use super::transition::{Move, transition};
use crate::domain::address::{self, AddressVerdict};
use crate::domain::deposit::{Facts, Outcome, Payment, ReviewKind, State};
use crate::domain::event::EventName;
use crate::domain::journal;
use crate::domain::money::Amount;
use crate::domain::poll::Policy;
use crate::domain::report::{OrderReport, agree_that_past};
use crate::domain::status::{Status, StatusMeaning};
use crate::domain::time::Timestamp;

const NO_FIGURE: &str = "the upstream says that it was paid, and states no figure that could be booked";

impl Draft {
    pub(super) fn receive_wallet(&mut self, report: &OrderReport, shared: Option<String>, policy: &Policy) {
        let read = reading::wallet_of(report, &self.deposit.request, self.now);
        let mut wallet = match read {
            Ok(wallet) => wallet,
            Err(reason) => return self.contradict(reason),
        };
        if let Some(reason) = shared {
            (wallet.withheld, wallet.shared) = (Some(reason), true);
            wallet.unread.clear();
        }
        let Some((asset, address)) = self.deposit.request.asset().zip(wallet.address.as_deref()) else {
            return self.receive_link(wallet);
        };
        let verdict = address::check(asset.network, address);
        let (withheld, no_dollars) = (wallet.withheld.clone(), wallet.amount_usd.is_none());
        self.facts.wallet = Some(wallet);
        self.enter(State::AwaitingPayment, None);
        if let Some(reason) = withheld {
            return self.flag_always(ReviewKind::Standing, reason);
        }
        if let AddressVerdict::Malformed(why) = verdict {
            self.flag_always(ReviewKind::Standing, format!("do not pay: the address is malformed: {why}"));
        } else if no_dollars {
            let reason = "the upstream does not state readably what the wallet counts for in US dollars";
            self.flag(ReviewKind::Passing, reason.to_owned());
        }
        if report.status.is_some() {
            self.judge(report, policy);
        }
    }

    /// The answer is never stored as fact, never shown, and no other wallet is asked for: the deposit is flagged.
    pub(super) fn contradict(&mut self, reason: String) {
        if self.facts.state == State::Requested {
            self.enter(State::Unresolved, Some(reason.clone()));
        }
        self.flag_always(ReviewKind::Standing, reason);
    }

    /// Another deposit was given the same address: from now on it identifies neither.
    pub(super) fn share(&mut self, reason: String) {
        if let Some(wallet) = self.facts.wallet.as_mut() {
            wallet.shared = true;
        }
        self.flag_always(ReviewKind::Standing, reason);
        if self.events.is_empty() {
            self.same_state(
                EventName::StatusChanged,
                Some("another deposit has the same address".to_owned()),
            );
        }
    }

    pub(super) fn apply_poll(&mut self, report: &OrderReport, policy: &Policy) {
        self.tell_left_out();
        if let Some(reason) = contradiction(self.deposit.request.asset(), &self.facts, report) {
            self.flag(ReviewKind::Standing, reason);
            return;
        }
        self.take_order_of_page(report);
        if let Some(why) = reading::names_nothing(&self.deposit, report) {
            self.flag(ReviewKind::Passing, unreadable(why));
            return;
        }
        let named_before = self.facts.named;
        self.facts.named |= reading::names_order(&self.deposit, report);
        let memo_before = self.facts.wallet.as_ref().and_then(|wallet| wallet.memo.clone());
        let was_shown = self.facts.wallet.as_ref().is_some_and(|wallet| wallet.withheld.is_none());
        self.judge(report, policy);
        let memo = self.facts.wallet.as_ref().and_then(|wallet| wallet.memo.as_ref());
        if let (None, Some(memo), true) = (memo_before, memo, was_shown && !self.facts.state.is_final()) {
            let reason =
                format!("the upstream now names a memo for the address, which was shown without: {memo:?}");
            self.flag_always(ReviewKind::Standing, reason);
        }
        if self.facts.named != named_before && self.events.is_empty() {
            self.same_state(EventName::StatusChanged, Some("the status call names this order".to_owned()));
        }
    }

    /// What an answer about our order means.
    pub(super) fn judge(&mut self, report: &OrderReport, policy: &Policy) {
        let status = match report.status.as_deref() {
            None => Status::Check,
            Some(word) => match Status::parse(word) {
                Some(status) => status,
                None => return self.note_unknown_word(word),
            },
        };
        if reading::is_too_large(report) {
            self.flag(ReviewKind::Passing, "a figure in US dollars is too large for the books".to_owned());
            return;
        }
        if let Some(reason) = reading::contradicting_figures(&self.deposit, report, status) {
            self.flag(ReviewKind::Passing, reason);
            return;
        }
        // Money in an order that ended without any: the word counts, its figures do not.
        let odd = reading::money_in_an_end(&self.facts, report, status);
        let plain;
        let report = if odd.is_some() {
            plain = reading::without_payment(report);
            &plain
        } else {
            report
        };
        self.keep_first_payment(report, status);
        self.read_what_was_missing(report);
        let held = self.facts.booked.is_some() && self.facts.refunded_at.is_none();
        let cancelled = self.status_before().map(Status::meaning) == Some(StatusMeaning::Cancelled);
        let to = transition(self.facts.state, status, held, cancelled);
        match to {
            Move::Backward => {
                let word = report.status.as_deref().unwrap_or("no status");
                let reason = format!("the upstream says {word:?} of a deposit that is {}", self.facts.state);
                self.flag(ReviewKind::Passing, reason);
            }
            Move::Flag(reason) => {
                let news = self.status_before() != Some(status);
                self.note_figures(report, status);
                if news {
                    self.flag_always(ReviewKind::Standing, reason.to_owned());
                }
            }
            Move::Stay => self.stay(report, status, policy, odd),
            Move::To(State::Settled) if status.is_credited() && !self.can_book(report) => {
                self.note_figures(report, status);
                self.flag(ReviewKind::Standing, NO_FIGURE.to_owned());
            }
            Move::To(_) | Move::ToFlagged(..) if odd.is_some() && self.facts.held.is_some() => {
                // The step would release what is locked: not on the word of an answer that contradicts itself.
                self.flag(ReviewKind::Standing, odd.unwrap_or_default());
            }
            Move::To(state) => {
                self.advance(state, report, status);
                match (odd, self.unstated_figure(report, status)) {
                    (Some(reason), _) => self.flag_always(ReviewKind::Standing, reason),
                    (None, Some(reason)) => self.flag(ReviewKind::Passing, reason),
                    (None, None) => self.clear_passing_flag(),
                }
            }
            Move::ToFlagged(state, reason) => {
                self.advance(state, report, status);
                self.flag_always(ReviewKind::Standing, odd.unwrap_or_else(|| reason.to_owned()));
            }
        }
    }

    /// The raw word is kept and shown; it is never final and moves nothing.
    fn note_unknown_word(&mut self, word: &str) {
        if self.facts.upstream_status.as_deref() != Some(word) && self.may_chatter() {
            self.facts.upstream_status = Some(word.to_owned());
            self.same_state(EventName::StatusChanged, None);
        }
        self.flag(ReviewKind::Passing, format!("unknown upstream status {word:?}"));
    }

    fn status_before(&self) -> Option<Status> {
        self.facts.upstream_status.as_deref().and_then(Status::parse)
    }

    /// What the first poll of an unpaid order bears says nothing of a payment, however often it is repeated.
    fn keep_first_payment(&mut self, report: &OrderReport, status: Status) {
        let facts = &mut self.facts;
        let first = facts.state == State::AwaitingPayment
            && status.meaning() == StatusMeaning::Unseen
            && facts.upstream_status.is_none()
            && facts.txid.is_none()
            && facts.payment.is_empty();
        if first {
            facts.first_payment = Payment {
                amount: report.payment_amount.clone(),
                amount_usd: report.payment_amount_usd.clone(),
                payer_amount: report.payer_amount.clone(),
                refund_amount: report.refund_amount.clone(),
                refund_amount_usd: report.refund_amount_usd.clone(),
            };
            facts.first_txid.clone_from(&report.txid);
        }
    }

    /// An address that was withheld because something could not be read is shown once everything is known.
    fn read_what_was_missing(&mut self, report: &OrderReport) {
        let Some(wallet) = self.facts.wallet.as_mut().filter(|wallet| !wallet.unread.is_empty()) else {
            return;
        };
        wallet.unread.retain(|field| !reading::states(report, field));
        if !wallet.unread.is_empty() {
            return;
        }
        let withheld = wallet.withheld.take();
        reading::take_wallet(wallet, report);
        if self.facts.review.as_ref().is_some_and(|review| withheld.as_ref() == Some(&review.reason)) {
            self.facts.review = None;
        }
        let reason = "what was missing is known now: the address may be paid".to_owned();
        self.same_state(EventName::FiguresChanged, Some(reason));
    }

    /// A poll that agrees with the state: figures may have changed, time may have run out.
    fn stay(&mut self, report: &OrderReport, status: Status, policy: &Policy, odd: Option<String>) {
        let found_nothing = status.meaning() == StatusMeaning::Unseen;
        let stated = report.expire_at.map(|deadline| deadline.plus(policy.expiry_grace));
        let over_at = stated.or_else(|| self.facts.over_at(policy.expiry_grace, policy.link_limit));
        let over = over_at.is_some_and(|over_at| report.agrees_that_past(over_at, self.ours));
        if self.facts.state == State::AwaitingPayment && found_nothing && over {
            self.advance(State::Expired, report, status);
            self.clear_passing_flag();
            return;
        }
        if self.facts.state == State::Settled && !self.rebook(report, status) {
            return;
        }
        if self.facts.state == State::Refunded && !self.rebook_refund(report, status) {
            return;
        }
        self.note_figures(report, status);
        if self.facts.state == State::Short && !self.book_short(report) {
            return;
        }
        let limit = self.facts.since.plus(policy.confirming_limit).plus(Duration::from_millis(1));
        let too_long =
            self.facts.state == State::Confirming && agree_that_past(limit, self.ours, self.theirs);
        if let Some(reason) = odd {
            self.flag(ReviewKind::Standing, reason);
        } else if too_long {
            let minutes = policy.confirming_limit.as_secs().div_euclid(60);
            self.flag(ReviewKind::Passing, format!("confirming for longer than {minutes} min"));
        } else if let Some(reason) = self.unstated_figure(report, status) {
            self.flag(ReviewKind::Passing, reason);
        } else {
            self.clear_passing_flag();
        }
    }

    fn advance(&mut self, state: State, report: &OrderReport, status: Status) {
        self.take_figures(report, status);
        match state {
            State::Settled if status.is_credited() => {
                self.facts.outcome = Some(outcome_of(status));
                self.facts.late = self.facts.expired_at.is_some();
                self.facts.settled_at = self.facts.settled_at.or(Some(self.now));
                self.facts.booked = self.rebased(self.credit_of(report, status));
            }
            State::Short => self.facts.booked = self.rebased(self.short_credit(report)),
            State::Expired => {
                self.facts.expired_at = self.facts.expired_at.or(Some(self.now));
            }
            State::Refunded if self.facts.booked.is_some() => {
                self.facts.refunded_at = self.facts.refunded_at.or(Some(self.now));
                self.facts.refund = self.part_refunded();
            }
            _ => {}
        }
        self.facts.held = if state == State::Held { self.locked() } else { None };
        if state == State::Short && self.facts.booked.is_some() {
            self.facts.settled_at = self.facts.settled_at.or(Some(self.now));
        }
        self.enter(state, None);
        if state == State::Refunded {
            self.flag_refund_beyond_credit();
        }
    }

    /// Takes the report's figures and word; where they are new, there is an event. What moves neither money nor
    /// anything that a payer is shown is bounded.
    fn note_figures(&mut self, report: &OrderReport, status: Status) {
        let before = self.facts.clone();
        self.take_figures(report, status);
        let word_moved = self.facts.upstream_status != before.upstream_status;
        let figures_moved =
            Facts { upstream_status: before.upstream_status.clone(), ..self.facts.clone() } != before;
        if !word_moved && !figures_moved {
            return;
        }
        let weighty = shown(&self.facts) != shown(&before)
            || !journal::postings(&self.deposit.request, Some(&before), &self.facts).is_empty();
        if !weighty {
            let after = std::mem::replace(&mut self.facts, before);
            if !self.may_chatter() {
                return;
            }
            let chatter = self.facts.chatter;
            self.facts = Facts { chatter, ..after };
        }
        let name = if figures_moved { EventName::FiguresChanged } else { EventName::StatusChanged };
        self.same_state(name, None);
    }

    pub(super) fn take_figures(&mut self, report: &OrderReport, status: Status) {
        fn newer<T: Clone>(slot: &mut Option<T>, value: Option<&T>) {
            if let Some(value) = value {
                *slot = Some(value.clone());
            }
        }
        let facts = &mut self.facts;
        // A missing word says nothing new where one was written before.
        if report.status.is_some() || status != Status::Check {
            facts.upstream_status.clone_from(&report.status);
        }
        newer(&mut facts.txid, report.txid.as_ref());
        newer(&mut facts.payment.amount, report.payment_amount.as_ref());
        newer(&mut facts.payment.amount_usd, report.payment_amount_usd.as_ref());
        newer(&mut facts.payment.payer_amount, report.payer_amount.as_ref());
        newer(&mut facts.payment.refund_amount, report.refund_amount.as_ref());
        newer(&mut facts.payment.refund_amount_usd, report.refund_amount_usd.as_ref());
        if let Some(wallet) = facts.wallet.as_mut() {
            reading::take_wallet(wallet, report);
        }
        if facts.state == State::Held {
            self.facts.held = self.locked();
        }
    }
}

/// Address, amount, memo and deadline.
type Shown<'a> = (Option<&'a str>, Option<&'a Amount>, Option<&'a str>, Option<Timestamp>);

/// What a payer is shown.
fn shown(facts: &Facts) -> Option<Shown<'_>> {
    let wallet = facts.wallet.as_ref()?;
    Some((wallet.shown_address(), wallet.shown_amount(), wallet.memo.as_deref(), wallet.expire_at))
}

/// Why a person should look where an answer cannot be read.
pub(super) fn unreadable(why: impl std::fmt::Display) -> String {
    format!("the upstream's answer cannot be read: {why}")
}

fn outcome_of(status: Status) -> Outcome {
    if status.meaning() == StatusMeaning::PaidOver { Outcome::Over } else { Outcome::Exact }
}
