//! What a poll, the list or a person brings into the books: what is credited, what is locked, what went back.

use super::draft::Draft;
use super::observation::InvalidTransition;
use super::reading::dollars;
use crate::domain::arrival::stated;
use crate::domain::deposit::{Booked, FigureSource, Held, Outcome, Refund, ReviewKind, State};
use crate::domain::event::EventName;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::report::OrderReport;
use crate::domain::status::{Status, StatusMeaning};

/// One cent in millionths.
const CENT: u64 = 10_000;

impl Draft {
    /// A short deposit is booked as soon as, and only as far as, the upstream says what it credited. More later is
    /// booked too; less is flagged. False where nothing else of the poll may be applied.
    pub(super) fn book_short(&mut self, report: &OrderReport) -> bool {
        let Some(new) = self.short_credit(report) else { return true };
        let old = self.facts.booked.clone();
        match &old {
            Some(old) if new.usd == old.usd => true,
            Some(old) if new.usd < old.usd => {
                let reason = format!("the upstream now counts {} USD, {} are booked", new.usd, old.total());
                self.flag(ReviewKind::Passing, reason);
                false
            }
            _ => {
                let said = self.said_otherwise(&new);
                self.facts.booked = self.rebased(Some(new));
                self.facts.settled_at = self.facts.settled_at.or(Some(self.now));
                let name = if old.is_none() { EventName::Short } else { EventName::FiguresChanged };
                self.same_state(name, Some("the upstream credits a new figure".to_owned()));
                match said {
                    Some(reason) => {
                        self.flag(ReviewKind::Passing, reason);
                        false
                    }
                    None => true,
                }
            }
        }
    }

    pub(super) fn short_credit(&self, report: &OrderReport) -> Option<Booked> {
        let usd = self.stated_dollars(report)?;
        Some(self.credit(usd, FigureSource::PaymentAmountUsd, self.stated_crypto(report)))
    }

    pub(super) fn credit_of(&self, report: &OrderReport, status: Status) -> Option<Booked> {
        let wallet = self.facts.wallet.as_ref()?;
        let (usd, source) = match self.stated_dollars(report) {
            Some(paid) if report.listed => (paid, FigureSource::Invoice),
            Some(paid) => (paid, FigureSource::PaymentAmountUsd),
            None => (dollars(wallet.amount_usd.as_ref(), None)?, FigureSource::AmountInUsd),
        };
        let whole = || wallet.amount_crypto.clone().filter(|_| status.meaning() == StatusMeaning::Paid);
        Some(self.credit(usd, source, self.stated_crypto(report).or_else(whole)))
    }

    /// The prepaid account holds whole cents: the rest of the figure is rounding.
    fn credit(&self, usd: UsdMicros, source: FigureSource, crypto: Option<Amount>) -> Booked {
        let (correction, said) = (UsdMicros::ZERO, false);
        let (credited, expected) = (Some(usd.to_whole_cents()), self.expected(usd.to_whole_cents()));
        Booked { usd, crypto, source, credited, correction, said, expected }
    }

    /// What the upstream states as paid in dollars: zero, and what the first poll bore, state nothing.
    fn stated_dollars(&self, report: &OrderReport) -> Option<UsdMicros> {
        dollars(report.payment_amount_usd.as_ref(), self.facts.first_payment.amount_usd.as_ref())
    }

    fn stated_crypto(&self, report: &OrderReport) -> Option<Amount> {
        let first = &self.facts.first_payment;
        stated(report.payment_amount.as_ref(), first.amount.as_ref())
            .or_else(|| stated(report.payer_amount.as_ref(), first.payer_amount.as_ref()))
            .cloned()
    }

    /// True where a deposit that is called paid can be booked.
    pub(super) fn can_book(&self, report: &OrderReport) -> bool {
        let wallet = self.facts.wallet.as_ref().and_then(|wallet| wallet.amount_usd.as_ref());
        self.facts.booked.is_some()
            || self.stated_dollars(report).is_some()
            || dollars(report.amount_usd.as_ref().or(wallet), None).is_some()
    }

    /// Why a person should look at a figure that was written and states nothing.
    pub(super) fn unstated_figure(&self, report: &OrderReport, status: Status) -> Option<String> {
        let written = report.payment_amount_usd.as_ref().filter(|_| status.is_credited())?;
        let booked =
            self.facts.booked.as_ref().filter(|booked| booked.source == FigureSource::AmountInUsd)?;
        self.stated_dollars(report).is_none().then(|| {
            let usd = booked.total();
            format!("the upstream says that it was paid, with a figure of {written}: {usd} USD are booked")
        })
    }

    /// A new booking in place of the old one: what a person said of the total stands.
    pub(super) fn rebased(&self, new: Option<Booked>) -> Option<Booked> {
        match (&self.facts.booked, new) {
            (old, None) => old.clone(),
            (Some(old), Some(mut new)) if old.is_said() => {
                new.say(old.total());
                Some(new)
            }
            (_, new) => new,
        }
    }

    /// Why a person should look: the upstream states another figure than a person, who alone had stated one.
    fn said_otherwise(&self, new: &Booked) -> Option<String> {
        let old =
            self.facts.booked.as_ref().filter(|old| old.source == FigureSource::Person && old.is_said())?;
        (old.total() != new.by_figure())
            .then(|| format!("the upstream now counts {} USD, a person said {} USD", new.usd, old.total()))
    }

    /// A settled deposit that is still called paid: more, or a better figure, is booked; less is flagged. False where
    /// nothing else of the poll may be applied.
    pub(super) fn rebook(&mut self, report: &OrderReport, status: Status) -> bool {
        let before = self.facts.clone();
        let Some(old) = before.booked.clone() else { return true };
        if before.outcome == Some(Outcome::Over) && status.meaning() == StatusMeaning::Paid {
            let reason = "the upstream says \"paid\" of a deposit that was paid over".to_owned();
            self.flag(ReviewKind::Passing, reason);
            return false;
        }
        self.take_figures(report, status);
        let became_over =
            before.outcome == Some(Outcome::Exact) && status.meaning() == StatusMeaning::PaidOver;
        let new = self.credit_of(report, status);
        let moved = new.filter(|new| (new.usd, new.source) != (old.usd, old.source));
        let mut said = None;
        if let Some(new) = moved {
            if old.source == FigureSource::Invoice && !became_over {
                // The list has stated it: only a figure that is new since then is flagged.
                let known =
                    before.wallet.as_ref().and_then(|wallet| dollars(wallet.amount_usd.as_ref(), None));
                let repeated = new.source == FigureSource::AmountInUsd && known == Some(new.usd);
                self.facts = before;
                if repeated || new.by_figure() == old.by_figure() {
                    return true;
                }
                let reason = format!(
                    "the upstream now counts {} USD, the list stated {} USD",
                    new.usd,
                    old.by_figure()
                );
                self.flag(ReviewKind::Passing, reason);
                return false;
            }
            let weaker = old.source == FigureSource::PaymentAmountUsd && new.source != old.source;
            let less = new.usd < old.usd && new.source == old.source;
            if less && !became_over {
                let reason = format!("the upstream now counts {} USD, {} are booked", new.usd, old.total());
                self.facts = before;
                self.flag(ReviewKind::Passing, reason);
                return false;
            }
            if !weaker {
                said = self.said_otherwise(&new);
                self.facts.booked = self.rebased(Some(new));
            }
        }
        if became_over {
            self.facts.outcome = Some(Outcome::Over);
        }
        if became_over || self.facts.booked != before.booked {
            let from = self.facts.state;
            let name = if became_over { EventName::Settled } else { EventName::FiguresChanged };
            self.push(name, Some(from), Some("the upstream credits a new figure".to_owned()));
        } else {
            self.facts = before;
        }
        if let Some(reason) = said {
            self.flag(ReviewKind::Passing, reason);
            return false;
        }
        true
    }

    /// What the wallet is for, by the upstream's latest word. A link for which nothing is stated is for what was asked
    /// for; with a coupon, what it is for is known by what is credited alone.
    fn expected(&self, credited: UsdMicros) -> Option<UsdMicros> {
        let wallet = self.facts.wallet.as_ref()?;
        match &wallet.amount_usd {
            Some(stated) => stated.to_usd_micros_floor(),
            None if !wallet.is_link() => None,
            None if self.deposit.request.coupon.is_some() => Some(credited),
            None => self.deposit.request.amount.to_usd_micros_floor(),
        }
    }

    /// What the processor has locked, as far as it is stated.
    pub(super) fn locked(&self) -> Option<Held> {
        let (payment, first) = (&self.facts.payment, &self.facts.first_payment);
        let usd = dollars(payment.amount_usd.as_ref(), first.amount_usd.as_ref())?;
        let crypto = payment.amount.clone().or_else(|| payment.payer_amount.clone());
        Some(Held { usd, crypto: crypto.filter(|crypto| !crypto.is_zero()) })
    }

    /// What the upstream states as refunded, in dollars.
    fn stated_refund(&self) -> Option<UsdMicros> {
        let (payment, first) = (&self.facts.payment, &self.facts.first_payment);
        dollars(payment.refund_amount_usd.as_ref(), first.refund_amount_usd.as_ref())
    }

    /// The part of the credit that went back, in whole cents, where the upstream states less than the whole.
    pub(super) fn part_refunded(&self) -> Option<Refund> {
        let (usd, total) = (self.stated_refund()?, self.facts.booked.as_ref()?.total());
        let crypto = self.facts.payment.refund_amount.clone().filter(|crypto| !crypto.is_zero());
        (usd < total).then_some(Refund { usd: usd.to_whole_cents(), crypto })
    }

    /// No more can be refunded than was credited: the whole is booked, and the deposit is flagged.
    pub(super) fn flag_refund_beyond_credit(&mut self) {
        let credited = self.facts.booked.as_ref().map_or(UsdMicros::ZERO, Booked::total);
        let stated = self.stated_refund().filter(|stated| stated.to_whole_cents() > credited);
        if let Some(stated) = stated {
            let reason = format!("the upstream counts {stated} USD as refunded, {credited} were credited");
            self.flag_always(ReviewKind::Standing, reason);
        }
    }

    /// A refunded deposit that is still called refunded: more that went back, or a figure where there was none, is
    /// booked; less is flagged. False where nothing else of the poll may be applied.
    pub(super) fn rebook_refund(&mut self, report: &OrderReport, status: Status) -> bool {
        let before = self.facts.clone();
        let first = before.first_payment.refund_amount_usd.as_ref();
        if before.booked.is_none() || dollars(report.refund_amount_usd.as_ref(), first).is_none() {
            return true;
        }
        let stated_before = self.stated_refund().is_some();
        self.take_figures(report, status);
        let part = self.part_refunded();
        let whole = before.booked.as_ref().map_or(UsdMicros::ZERO, Booked::total);
        let amount =
            |refund: &Option<Refund>| refund.as_ref().map_or(whole, |refund| refund.usd).to_whole_cents();
        let coins = |refund: &Option<Refund>| refund.as_ref().and_then(|refund| refund.crypto.clone());
        if amount(&part) == amount(&before.refund) && coins(&part) == coins(&before.refund) {
            self.facts = before;
            return true;
        }
        if stated_before && amount(&part) < amount(&before.refund) {
            let (now, then) = (amount(&part), amount(&before.refund));
            let reason = format!("the upstream now counts {now} USD as refunded, {then} are booked");
            self.facts = before;
            self.flag(ReviewKind::Passing, reason);
            return false;
        }
        self.facts.refund = part;
        self.same_state(EventName::FiguresChanged, Some("the upstream states another refund".to_owned()));
        true
    }

    /// A person's word on what was credited in all. Where nothing was booked it is the whole of it.
    ///
    /// # Errors
    /// Where that is booked already, or less than nothing.
    pub(super) fn correct(&mut self, credited: UsdMicros, reason: String) -> Result<(), InvalidTransition> {
        if credited.is_negative() {
            return Err(InvalidTransition::NegativeCredit);
        }
        let total = self.facts.booked.as_ref().map_or(UsdMicros::ZERO, Booked::total);
        if total == credited {
            return Err(InvalidTransition::NothingToCorrect(total));
        }
        self.facts
            .booked
            .get_or_insert(Booked {
                usd: UsdMicros::ZERO,
                crypto: None,
                source: FigureSource::Person,
                credited: Some(UsdMicros::ZERO),
                correction: UsdMicros::ZERO,
                said: true,
                expected: None,
            })
            .say(credited);
        self.facts.settled_at = self.facts.settled_at.or(Some(self.now));
        if self.facts.state == State::Refunded {
            self.facts.refunded_at = self.facts.refunded_at.or(Some(self.now));
        }
        self.recompute_refund();
        self.same_state(EventName::Corrected, Some(reason));
        Ok(())
    }

    /// What a person said no longer counts: the upstream's figure does, or nothing where it never gave one.
    ///
    /// # Errors
    /// Where no person has said anything.
    pub(super) fn uncorrect(&mut self, reason: String) -> Result<(), InvalidTransition> {
        let settled = self.facts.state == State::Settled;
        let booked = self.facts.booked.as_mut().filter(|booked| booked.is_said());
        let booked = booked.ok_or(InvalidTransition::NothingSaid)?;
        (booked.correction, booked.said) = (UsdMicros::ZERO, false);
        // A settled deposit has a booking, if only one of nothing.
        if booked.source == FigureSource::Person && !settled {
            self.facts.booked = None;
        }
        self.recompute_refund();
        self.same_state(EventName::Corrected, Some(reason));
        Ok(())
    }

    /// What part of a credit went back depends on what was credited.
    fn recompute_refund(&mut self) {
        if self.facts.refunded_at.is_some() {
            self.facts.refund = self.part_refunded();
        }
    }

    /// The first credited row settles a provisional figure; of a finer one, which of two cents it was rounded to.
    ///
    /// # Errors
    /// Where the figure is not provisional and the row is a cent or more away from it.
    pub(super) fn state_figure(&mut self, credited: UsdMicros) -> Result<(), InvalidTransition> {
        let state = self.facts.state;
        let out_of_place = InvalidTransition::OutOfPlace { state, observed: "given its figure" };
        let Some(booked) = self.facts.booked.as_mut() else { return Err(out_of_place) };
        if credited.is_negative() {
            return Err(InvalidTransition::NegativeCredit);
        }
        let (total, said) = (booked.total(), booked.is_said());
        let near = booked.usd.get().abs_diff(credited.get()) < CENT;
        let provisional = booked.source == FigureSource::AmountInUsd;
        if booked.by_figure() == credited {
            return Ok(());
        }
        match (near, provisional) {
            (false, false) => return Err(out_of_place),
            (false, true) => booked.usd = credited,
            (true, _) => {}
        }
        if provisional {
            booked.source = FigureSource::Invoice;
        }
        booked.credited = Some(credited);
        if said {
            booked.say(total);
        }
        self.recompute_refund();
        self.same_state(EventName::FigureStated, Some("the list states what was credited".to_owned()));
        Ok(())
    }
}
