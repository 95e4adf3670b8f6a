//! How one observation is worked out, fact by fact: each event takes a snapshot of the facts as they stand.

use super::InvalidTransition;
use super::transition::{Move, transition};
use crate::domain::address::{self, AddressVerdict};
use crate::domain::asset::Asset;
use crate::domain::deposit::{
    Booked, Deposit, Facts, FigureSource, Outcome, Review, ReviewKind, State, Wallet,
};
use crate::domain::event::{Event, EventName, Step};
use crate::domain::journal;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::poll::{self, Policy};
use crate::domain::report::{OrderReport, Status};
use crate::domain::time::Timestamp;

/// A step while it is made: the facts as they stand, and what has happened so far.
pub(super) struct Draft {
    pub(super) deposit: Deposit,
    pub(super) facts: Facts,
    pub(super) now: Timestamp,
    events: Vec<Event>,
    expected_version: i64,
}

impl Draft {
    pub(super) fn new(deposit: Deposit, now: Timestamp) -> Self {
        let (facts, expected_version) = (deposit.facts.clone(), deposit.version);
        // A wall clock that went back must not put a later event before an earlier one.
        let now = now.max(deposit.updated_at);
        Self { deposit, facts, now, events: Vec::new(), expected_version }
    }

    pub(super) fn finish(mut self, policy: &Policy) -> Step {
        // A step without events leaves the deposit as it is on disk, to the letter: it may be kept in memory.
        if !self.events.is_empty() {
            self.deposit.facts = self.facts;
            let count = i64::try_from(self.events.len()).unwrap_or(i64::MAX);
            self.deposit.version = self.deposit.version.saturating_add(count);
            self.deposit.updated_at = self.now;
        }
        let due = poll::next_look(&self.deposit, self.now, policy);
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

    pub(super) fn flag(&mut self, kind: ReviewKind, reason: String) {
        let stands = self.facts.review.as_ref().is_some_and(|review| {
            review.reason == reason || (review.kind == ReviewKind::Standing && kind == ReviewKind::Passing)
        });
        if stands || self.facts.acknowledged.as_ref() == Some(&reason) {
            return;
        }
        self.facts.review = Some(Review { reason: reason.clone(), kind });
        self.same_state(EventName::NeedsReview, Some(reason));
    }

    fn clear_passing_flag(&mut self) {
        if self.facts.review.as_ref().is_some_and(|review| review.kind == ReviewKind::Passing) {
            self.facts.review = None;
            self.same_state(EventName::ReviewCleared, Some("a later look was ordinary again".to_owned()));
        }
    }

    pub(super) fn reviewed(&mut self, note: String) -> Result<(), InvalidTransition> {
        let review = self.facts.review.take().ok_or(InvalidTransition::NothingToReview)?;
        self.facts.acknowledged = Some(review.reason);
        self.same_state(EventName::Reviewed, Some(note));
        Ok(())
    }

    /// A person's word on what was credited in all. Where nothing was booked it is the whole of it.
    pub(super) fn correct(&mut self, credited: UsdMicros, reason: String) {
        let before = self.facts.booked.clone();
        let booked = self.facts.booked.get_or_insert(Booked {
            usd: UsdMicros::ZERO,
            crypto: None,
            source: FigureSource::Person,
            credited: Some(UsdMicros::ZERO),
            correction: UsdMicros::ZERO,
            said: true,
            expected: None,
        });
        booked.say(credited);
        if self.facts.booked == before {
            return;
        }
        self.facts.settled_at = self.facts.settled_at.or(Some(self.now));
        if self.facts.state == State::Refunded {
            self.facts.refunded_at = self.facts.refunded_at.or(Some(self.now));
        }
        self.same_state(EventName::Corrected, Some(reason));
    }

    /// What a person said no longer counts: the upstream's figure does, or nothing where it never gave one.
    pub(super) fn uncorrect(&mut self, reason: String) {
        let Some(booked) = self.facts.booked.as_mut().filter(|booked| booked.is_said()) else { return };
        (booked.correction, booked.said) = (UsdMicros::ZERO, false);
        if booked.source == FigureSource::Person {
            self.facts.booked = None;
        }
        self.same_state(EventName::Corrected, Some(reason));
    }

    /// The first credited row settles a provisional figure; of a finer one, which of two cents it was rounded to.
    pub(super) fn state_figure(&mut self, credited: UsdMicros) {
        let Some(booked) = self.facts.booked.as_mut() else { return };
        let before = booked.clone();
        if booked.source == FigureSource::AmountInUsd && booked.usd.get().abs_diff(credited.get()) >= 10_000 {
            (booked.usd, booked.source) = (credited, FigureSource::Invoice);
        }
        booked.credited = Some(credited);
        if *booked != before {
            self.same_state(EventName::FigureStated, Some("the list states what was credited".to_owned()));
        }
    }

    pub(super) fn receive_wallet(&mut self, report: &OrderReport, policy: &Policy) {
        let asset = self.deposit.request.asset;
        let wallet = match wallet_of(report, asset, self.now) {
            Ok(wallet) => wallet,
            Err(reason) => return self.contradict(reason),
        };
        let verdict = address::check(asset.network, &wallet.address);
        self.facts.wallet = Some(wallet);
        self.enter(State::AwaitingPayment, None);
        if let AddressVerdict::Malformed(why) = verdict {
            self.flag(ReviewKind::Standing, format!("do not pay: the address is malformed: {why}"));
        }
        if report.status.is_some() {
            self.look(report, policy);
        }
    }

    /// Never stored as fact, never shown, never asked for again by itself: a person must look.
    pub(super) fn contradict(&mut self, reason: String) {
        if self.facts.state == State::Requested {
            self.enter(State::Unresolved, Some(reason.clone()));
        }
        self.flag(ReviewKind::Standing, reason);
    }

    pub(super) fn look(&mut self, report: &OrderReport, policy: &Policy) {
        if let Some(reason) = contradiction(self.deposit.request.asset, &self.facts, report) {
            self.flag(ReviewKind::Standing, reason);
            return;
        }
        let status = match report.status.as_deref() {
            None => Status::Check,
            Some(word) => match Status::parse(word) {
                Some(status) => status,
                None => {
                    // The raw word is kept and shown; it is never final and moves nothing.
                    if self.facts.upstream_status.as_deref() != Some(word) {
                        self.facts.upstream_status = Some(word.to_owned());
                        self.same_state(EventName::StatusChanged, None);
                    }
                    self.flag(ReviewKind::Passing, format!("unknown upstream status {word:?}"));
                    return;
                }
            },
        };
        let figures = [&report.payment_amount_usd, &report.amount_usd, &report.refund_amount_usd];
        if figures.into_iter().flatten().any(|figure| figure.to_usd_micros_floor().is_none()) {
            self.flag(ReviewKind::Passing, "a figure in US dollars is too large for the books".to_owned());
            return;
        }
        let held = self.facts.booked.is_some() && self.facts.refunded_at.is_none();
        let cancelled = self.status_before() == Some(Status::Cancel);
        match transition(self.facts.state, status, held, cancelled) {
            Move::Backward => {
                let word = report.status.as_deref().unwrap_or("no status");
                let reason = format!("the upstream says {word:?} of a deposit that is {}", self.facts.state);
                self.flag(ReviewKind::Passing, reason);
            }
            Move::Flag(reason) => {
                let news = self.status_before() != Some(status);
                self.note_figures(report, status);
                if news {
                    self.flag(ReviewKind::Standing, reason.to_owned());
                }
            }
            Move::Stay => self.stay(report, status, policy),
            Move::To(state) => {
                self.advance(state, report, status);
                self.clear_passing_flag();
            }
            Move::ToFlagged(state, reason) => {
                self.advance(state, report, status);
                self.flag(ReviewKind::Standing, reason.to_owned());
            }
        }
    }

    fn status_before(&self) -> Option<Status> {
        self.facts.upstream_status.as_deref().and_then(Status::parse)
    }

    /// A look that agrees with the state: figures may have moved, time may have run out.
    fn stay(&mut self, report: &OrderReport, status: Status, policy: &Policy) {
        let found_nothing = matches!(status, Status::Check | Status::Process);
        let deadline = self.facts.wallet.as_ref().map(|wallet| report.expire_at.unwrap_or(wallet.expire_at));
        let over = deadline
            .is_some_and(|deadline| report.agrees_that_past(deadline.plus(policy.expiry_grace), self.now));
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
        if self.facts.state == State::Short {
            let flagged = self.facts.review.clone();
            self.book_short(report);
            if self.facts.review != flagged {
                return;
            }
        }
        let confirmed_for = self.now.since(self.facts.since);
        if self.facts.state == State::Confirming && confirmed_for > policy.confirming_limit {
            let minutes = policy.confirming_limit.as_secs().div_euclid(60);
            self.flag(ReviewKind::Passing, format!("confirming for longer than {minutes} min"));
        } else {
            self.clear_passing_flag();
        }
    }

    fn advance(&mut self, state: State, report: &OrderReport, status: Status) {
        self.take_figures(report, status);
        match state {
            State::Settled if self.facts.booked.is_none() => {
                self.facts.outcome = Some(outcome_of(status));
                self.facts.late = self.facts.expired_at.is_some();
                self.facts.settled_at = Some(self.now);
                self.facts.booked = self.credit_of(report, status);
            }
            State::Settled if matches!(status, Status::Paid | Status::PaidOver) => {
                // A short deposit that had been booked in part, now paid in full.
                self.facts.outcome = Some(outcome_of(status));
                self.facts.late = self.facts.expired_at.is_some();
                let correction = self.facts.booked.as_ref().map(|booked| booked.correction);
                self.facts.booked = self
                    .credit_of(report, status)
                    .map(|booked| Booked { correction: correction.unwrap_or_default(), ..booked });
            }
            State::Short => self.facts.booked = self.short_credit(report),
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

    /// Takes the report's figures and word; an event tells where they are new.
    fn note_figures(&mut self, report: &OrderReport, status: Status) {
        let before = self.facts.clone();
        self.take_figures(report, status);
        let word_moved = self.facts.upstream_status != before.upstream_status;
        let figures_moved =
            Facts { upstream_status: before.upstream_status.clone(), ..self.facts.clone() } != before;
        if figures_moved {
            self.same_state(EventName::FiguresChanged, None);
        } else if word_moved {
            self.same_state(EventName::StatusChanged, None);
        }
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
            replace_amount(&mut wallet.amount_usd, report.amount_usd.as_ref());
            replace_amount(&mut wallet.amount_crypto, report.amount_crypto.as_ref());
            wallet.expire_at = report.expire_at.unwrap_or(wallet.expire_at);
        }
        if facts.state == State::Held {
            self.facts.held = self.locked();
        }
    }
}

/// Why the report speaks of another order than ours.
pub(super) fn contradiction(asset: Asset, facts: &Facts, report: &OrderReport) -> Option<String> {
    let wallet = facts.wallet.as_ref()?;
    let differs = |what: &str, ours: &str, theirs: Option<&String>, same: bool| {
        theirs
            .filter(|_| !same)
            .map(|theirs| format!("the upstream's answer names another {what}: {theirs:?}, not {ours:?}"))
    };
    let same_address = report.address.as_ref().is_none_or(|theirs| {
        *theirs == wallet.address || (asset.network.is_evm() && theirs.eq_ignore_ascii_case(&wallet.address))
    });
    let same_order = report.order_id.as_ref().is_none_or(|theirs| *theirs == wallet.order_id);
    differs("order_id", &wallet.order_id, report.order_id.as_ref(), same_order)
        .or_else(|| differs("address", &wallet.address, report.address.as_ref(), same_address))
        .or_else(|| asset_contradiction(report, asset))
}

fn replace_amount(slot: &mut Amount, value: Option<&Amount>) {
    if let Some(value) = value
        && value != slot
    {
        *slot = value.clone();
    }
}

fn outcome_of(status: Status) -> Outcome {
    if status == Status::PaidOver { Outcome::Over } else { Outcome::Exact }
}

fn asset_contradiction(report: &OrderReport, asset: Asset) -> Option<String> {
    let pairs = [
        ("currency", asset.currency.as_str(), report.currency.as_ref()),
        ("network", asset.network.as_str(), report.network.as_ref()),
    ];
    pairs.into_iter().find_map(|(what, ours, theirs)| {
        theirs
            .filter(|theirs| !theirs.eq_ignore_ascii_case(ours))
            .map(|theirs| format!("the upstream's answer names another {what}: {theirs:?}, not {ours:?}"))
    })
}

/// The wallet that the report describes, if it is one for `asset` and complete.
fn wallet_of(report: &OrderReport, asset: Asset, now: Timestamp) -> Result<Wallet, String> {
    if let Some(reason) = asset_contradiction(report, asset) {
        return Err(reason);
    }
    let missing = |what: &str| format!("the upstream's answer has no {what}");
    if report.amount_usd.as_ref().is_some_and(|figure| figure.to_usd_micros_floor().is_none()) {
        return Err("the upstream's amountInUSD is too large for the books".to_owned());
    }
    Ok(Wallet {
        order_id: report.order_id.clone().ok_or_else(|| missing("order_id"))?,
        address: report.address.clone().ok_or_else(|| missing("to_address"))?,
        url: report.url.clone(),
        amount_usd: report.amount_usd.clone().ok_or_else(|| missing("amountInUSD"))?,
        amount_crypto: report.amount_crypto.clone().ok_or_else(|| missing("amountInCrypto"))?,
        memo: report.memo.clone(),
        expire_at: report.expire_at.ok_or_else(|| missing("expire_at"))?,
        created_at: now,
    })
}
