//! The journal against the rows: one deposit and all rows that bear an id of it.

use super::{CaseKind, Difference};
use crate::domain::deposit::State;
use crate::domain::ids::DepositId;
use crate::domain::money::UsdMicros;
use crate::domain::status::{Status, StatusMeaning};
use crate::domain::time::Timestamp;

/// What a person accepted of a deposit: while its rows credit `listed_cents`, they count `counted_cents`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// What the rows credited when it was accepted.
    pub listed_cents: i64,
    /// What they count instead: what the journal held.
    pub counted_cents: i64,
}

/// A deposit and its rows, side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepositRows {
    /// Which deposit.
    pub deposit_id: DepositId,
    /// Its order; of a link `None` while it has none that is known.
    pub order_id: Option<String>,
    /// Where it stands here.
    pub state: State,
    /// What the journal credited, before refunds.
    pub booked: Option<UsdMicros>,
    /// The upstream's own figure that it was booked by, with all its digits; `None` where a person said what it is, and
    /// in what earlier versions booked.
    pub figure: Option<UsdMicros>,
    /// It was booked at the wallet's `amountInUSD`, because nothing better was stated.
    pub provisional: bool,
    /// When the deposit last moved: its last booking, or its arrival in its state.
    pub moved_at: Timestamp,
    /// The event of its last booking.
    pub moved_seq: i64,
    /// How many rows bear an id of it.
    pub rows: i64,
    /// What those credit by their amount, in cents.
    pub paid_cents: i64,
    /// What the row counts that is probably this deposit's, in cents; it opens and closes nothing, and counts as
    /// another's until a person accepts the deposit's figure.
    pub probable_cents: i64,
    /// One of them has a word that follows the journal (`wrong_amount`, the refunds').
    pub follows: bool,
    /// One of them could count and cannot be read.
    pub unread: bool,
    /// The status words of the rows, as they were written, most recent last.
    pub words: Vec<String>,
    /// The rows in words, for a person.
    pub described: Option<String>,
    /// When the rows last changed.
    pub rows_changed_at: Timestamp,
    /// What a person accepted of it.
    pub accepted: Option<Accepted>,
}

/// Within this share of the provisional figure a row settles it: 5 in 100.
const PROVISIONAL_SHARE: u64 = 20;
const CENT: i64 = 10_000;

/// What a comparison comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Both sides agree.
    Agrees,
    /// The rows state what was booked provisionally, or to which cent a finer figure was rounded: to be booked so.
    StatesFigure(UsdMicros),
    /// They do not.
    Differs(Box<Difference>),
}

impl DepositRows {
    /// What the journal credited, in whole cents; nothing is 0.
    #[must_use]
    pub fn booked_cents(&self) -> i64 {
        self.booked.map_or(0, UsdMicros::cents_floor)
    }

    /// What the rows credit by themselves, in cents: what an acceptance is held against.
    #[must_use]
    pub fn listed_cents(&self) -> i64 {
        if self.follows { self.paid_cents.max(self.booked_cents()) } else { self.paid_cents }
    }

    /// What the rows count in the account's sum, in cents.
    #[must_use]
    pub fn counted_cents(&self) -> i64 {
        self.in_force().map_or_else(|| self.listed_cents(), |accepted| accepted.counted_cents)
    }

    /// What a person accepted, while the rows credit what they credited then.
    fn in_force(&self) -> Option<Accepted> {
        self.accepted.filter(|accepted| accepted.listed_cents == self.listed_cents())
    }

    /// What the row counts that was probably this deposit's, where a person accepted the deposit's figure: it no longer counts
    /// as another's, in cents.
    #[must_use]
    pub fn taken_from_others_cents(&self) -> i64 {
        if self.in_force().is_some() && self.rows == 0 { self.probable_cents } else { 0 }
    }

    /// True for a deposit that is booked here and has no row that credits anything.
    #[must_use]
    pub fn is_not_listed(&self) -> bool {
        self.booked_cents() != 0 && !self.follows && self.paid_cents == 0 && self.counted_cents() == 0
    }

    /// True where the rows show money that no poll of the deposit has shown yet. How much of it the total holds is not
    /// known before the next poll, so no baseline can be taken. A payment that was refunded before any poll saw it paid
    /// is such a case: no poll states any more what was credited, only a person can.
    #[must_use]
    pub fn is_unbooked(&self) -> bool {
        let heard = matches!(self.state, State::Short | State::Settled);
        self.booked.is_none() && (self.paid_cents != 0 || (self.follows && !heard))
    }

    fn word(&self) -> String {
        self.words.last().cloned().unwrap_or_else(|| "none".to_owned())
    }

    fn has(&self, meaning: StatusMeaning) -> bool {
        self.words.iter().any(|word| Status::parse(word).map(Status::meaning) == Some(meaning))
    }
}

/// Holds a deposit against its rows. `tolerance_cents` apart is equal; so is less than a cent.
#[must_use]
pub fn compare(pair: &DepositRows, tolerance_cents: i64) -> Verdict {
    // A row that cannot be read is a case of its own; until it is read, nothing is compared.
    if pair.unread {
        return Verdict::Agrees;
    }
    let status = || differs(pair, CaseKind::StatusMismatch, pair.state.to_string(), pair.word());
    let Some(booked) = pair.booked else {
        let counted = pair.counted_cents() != 0;
        let told_otherwise = pair.in_force().is_none() && pair.is_unbooked();
        return if counted || told_otherwise { status() } else { Verdict::Agrees };
    };
    if pair.in_force().is_some() && pair.counted_cents() == pair.booked_cents() {
        return Verdict::Agrees;
    }
    if pair.rows == 0 {
        let nothing = booked == UsdMicros::ZERO;
        let missing = || differs(pair, CaseKind::InvoiceMissing, booked.to_string(), "no invoice".to_owned());
        return if nothing { Verdict::Agrees } else { missing() };
    }
    if pair.follows {
        return if follows_agree(pair) { amounts(pair, booked, tolerance_cents) } else { status() };
    }
    if pair.paid_cents == 0 && booked != UsdMicros::ZERO {
        return status();
    }
    amounts(pair, booked, tolerance_cents)
}

/// Refunds and short payments are compared by word and state: their rows do not say what was credited.
fn follows_agree(pair: &DepositRows) -> bool {
    if pair.has(StatusMeaning::Refunded) {
        return pair.state == State::Refunded;
    }
    if pair.has(StatusMeaning::RefundFailed) {
        // The money stayed as it is booked, whatever the state: a person may have stated what no poll did.
        return true;
    }
    if pair.has(StatusMeaning::Refunding) {
        // One under way is seen by the next poll.
        return matches!(pair.state, State::Refunding | State::Refunded | State::Settled);
    }
    // `wrong_amount`: short, or completed later by a payment that has a row of its own.
    pair.state == State::Short || pair.paid_cents != 0
}

fn amounts(pair: &DepositRows, booked: UsdMicros, tolerance_cents: i64) -> Verdict {
    let listed = UsdMicros::from_cents(pair.listed_cents()).unwrap_or(UsdMicros::new(i64::MAX));
    let apart = booked.get().abs_diff(listed.get());
    if apart == 0 {
        return Verdict::Agrees;
    }
    // The row states to which of two neighbouring cents a finer figure was rounded.
    let rounded = pair.figure.is_some_and(|figure| figure.get().abs_diff(listed.get()) < CENT.unsigned_abs());
    let settles = pair.provisional && apart <= booked.get().unsigned_abs().div_euclid(PROVISIONAL_SHARE);
    if rounded || settles {
        return Verdict::StatesFigure(listed);
    }
    let tolerated = tolerance_cents.unsigned_abs().saturating_mul(CENT.unsigned_abs());
    if apart < CENT.unsigned_abs() || apart <= tolerated {
        return Verdict::Agrees;
    }
    differs(pair, CaseKind::AmountMismatch, booked.to_string(), listed.to_string())
}

fn differs(pair: &DepositRows, kind: CaseKind, expected: String, found: String) -> Verdict {
    Verdict::Differs(Box::new(Difference {
        kind,
        deposit_id: Some(pair.deposit_id),
        order_id: pair.order_id.clone(),
        row: None,
        expected,
        found,
        expected_cents: Some(pair.booked_cents()),
        found_cents: Some(pair.listed_cents()),
        detail: pair.described.clone(),
    }))
}
