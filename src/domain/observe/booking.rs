//! What a look brings into the books: what is credited, what is locked, what went back, as far as the upstream says.

use super::draft::Draft;
use crate::domain::deposit::{Booked, FigureSource, Held, Outcome, Refund, ReviewKind};
use crate::domain::event::EventName;
use crate::domain::money::UsdMicros;
use crate::domain::report::{OrderReport, Status};

impl Draft {
    /// A short deposit is booked as soon as, and only as far as, the upstream says what it credited. More later is
    /// booked too; less is flagged.
    pub(super) fn book_short(&mut self, report: &OrderReport) {
        let Some(new) = self.short_credit(report) else { return };
        let old = self.facts.booked.clone();
        match &old {
            Some(old) if new.usd == old.usd => {}
            Some(old) if new.usd < old.usd => {
                let reason = format!("the upstream now counts {} USD, {} are booked", new.usd, old.total());
                self.flag(ReviewKind::Passing, reason);
            }
            _ => {
                let correction = old.as_ref().map_or(UsdMicros::ZERO, |old| old.correction);
                self.facts.booked = Some(Booked { correction, ..new });
                self.facts.settled_at = self.facts.settled_at.or(Some(self.now));
                let name = if old.is_none() { EventName::Short } else { EventName::FiguresChanged };
                self.same_state(name, Some("the upstream credits a new figure".to_owned()));
            }
        }
    }

    pub(super) fn short_credit(&self, report: &OrderReport) -> Option<Booked> {
        let usd = report.payment_amount_usd.as_ref()?.to_usd_micros_floor()?;
        let crypto = report.payment_amount.clone().or_else(|| report.payer_amount.clone());
        (usd > UsdMicros::ZERO).then_some(Booked {
            usd,
            crypto,
            source: FigureSource::PaymentAmountUsd,
            credited: None,
            correction: UsdMicros::ZERO,
            said: false,
            expected: self.expected(),
        })
    }

    pub(super) fn credit_of(&self, report: &OrderReport, status: Status) -> Option<Booked> {
        let wallet = self.facts.wallet.as_ref()?;
        let (figure, source) = match &report.payment_amount_usd {
            Some(paid) => (paid, FigureSource::PaymentAmountUsd),
            None => (&wallet.amount_usd, FigureSource::AmountInUsd),
        };
        let stated = report.payment_amount.clone().or_else(|| report.payer_amount.clone());
        let crypto = stated.or_else(|| (status == Status::Paid).then(|| wallet.amount_crypto.clone()));
        let usd = figure.to_usd_micros_floor()?;
        Some(Booked {
            usd,
            crypto,
            source,
            credited: None,
            correction: UsdMicros::ZERO,
            said: false,
            expected: self.expected(),
        })
    }

    /// A settled deposit that is still called paid: more, or a better figure, is booked; less is flagged.
    /// False where the look must not be taken any further.
    pub(super) fn rebook(&mut self, report: &OrderReport, status: Status) -> bool {
        let before = self.facts.clone();
        let Some(old) = before.booked.clone() else { return true };
        if before.outcome == Some(Outcome::Over) && status == Status::Paid {
            let reason = "the upstream says \"paid\" of a deposit that was paid over".to_owned();
            self.flag(ReviewKind::Passing, reason);
            return false;
        }
        self.take_figures(report, status);
        let new = self.credit_of(report, status);
        let became_over = before.outcome == Some(Outcome::Exact) && status == Status::PaidOver;
        let moved = new.as_ref().filter(|new| (new.usd, new.source) != (old.usd, old.source));
        if let Some(new) = moved {
            let weaker = old.source == FigureSource::PaymentAmountUsd && new.source != old.source;
            let less = new.usd < old.usd && new.source == old.source;
            if less && !became_over {
                let reason = format!("the upstream now counts {} USD, {} are booked", new.usd, old.total());
                self.facts = before;
                self.flag(ReviewKind::Passing, reason);
                return false;
            }
            if !weaker {
                self.facts.booked = Some(Booked { correction: old.correction, ..new.clone() });
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
        true
    }

    /// What the wallet is for, by the upstream's latest word.
    fn expected(&self) -> Option<UsdMicros> {
        self.facts.wallet.as_ref()?.amount_usd.to_usd_micros_floor()
    }

    /// What the processor has locked, as far as it is stated.
    pub(super) fn locked(&self) -> Option<Held> {
        let payment = &self.facts.payment;
        let usd = payment.amount_usd.as_ref()?.to_usd_micros_floor().filter(|usd| *usd > UsdMicros::ZERO)?;
        let crypto = payment.amount.clone().or_else(|| payment.payer_amount.clone());
        Some(Held { usd, crypto: crypto.filter(|crypto| !crypto.is_zero()) })
    }

    /// The part of the credit that went back, where the upstream states less than the whole.
    pub(super) fn part_refunded(&self) -> Option<Refund> {
        let payment = &self.facts.payment;
        let usd = payment.refund_amount_usd.as_ref()?.to_usd_micros_floor()?;
        let crypto = payment.refund_amount.clone().filter(|crypto| !crypto.is_zero());
        (usd < self.facts.booked.as_ref()?.total()).then_some(Refund { usd, crypto })
    }

    /// More cannot go back than was credited: the whole is booked, and a person looks.
    pub(super) fn flag_refund_beyond_credit(&mut self) {
        let stated = self.facts.payment.refund_amount_usd.as_ref().and_then(|usd| usd.to_usd_micros_floor());
        let credited = self.facts.booked.as_ref().map_or(UsdMicros::ZERO, Booked::total);
        if let Some(stated) = stated.filter(|stated| *stated > credited) {
            let reason = format!("the upstream counts {stated} USD as refunded, {credited} were credited");
            self.flag(ReviewKind::Standing, reason);
        }
    }

    /// A refunded deposit that is still called refunded: more that went back, or a figure where there was none, is
    /// booked; less is flagged. False where the look must not be taken any further.
    pub(super) fn rebook_refund(&mut self, report: &OrderReport, status: Status) -> bool {
        let before = self.facts.clone();
        if before.booked.is_none() || report.refund_amount_usd.is_none() {
            return true;
        }
        self.take_figures(report, status);
        let part = self.part_refunded();
        if part == before.refund {
            self.facts = before;
            return true;
        }
        let whole = before.booked.as_ref().map_or(UsdMicros::ZERO, Booked::total);
        let amount = |refund: &Option<Refund>| refund.as_ref().map_or(whole, |refund| refund.usd);
        let stated_before = before.payment.refund_amount_usd.is_some();
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
}
