//! The comparisons as tables and as properties: a deposit and its rows as every test here begins with them.
#![allow(clippy::arithmetic_side_effects, reason = "test code: small numbers")]

mod account;
mod comparison;
mod matching;
mod properties;
mod rows;

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::domain::deposit::State;
use crate::domain::money::UsdMicros;
use crate::domain::status::Weight;
use crate::domain::time::Timestamp;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + minutes * 60)
}

const HOUR: Duration = Duration::from_hours(1);

fn cents(cents: i64) -> UsdMicros {
    UsdMicros::from_cents(cents).unwrap()
}

/// A settled deposit of 50.00 with one row of 50.00 `paid`.
fn pair() -> DepositRows {
    DepositRows {
        deposit_id: DepositId::new(Uuid::from_u128(1)),
        order_id: Some("order-1".to_owned()),
        state: State::Settled,
        booked: Some(cents(5_000)),
        figure: None,
        provisional: false,
        moved_at: at(0),
        moved_seq: 3,
        rows: 1,
        paid_cents: 5_000,
        probable_cents: 0,
        follows: false,
        unread: false,
        words: vec!["paid".to_owned()],
        described: None,
        rows_changed_at: at(0),
        accepted: None,
    }
}

fn with(change: impl FnOnce(&mut DepositRows)) -> DepositRows {
    let mut pair = pair();
    change(&mut pair);
    pair
}

/// Nothing is booked, and it stands so.
fn unbooked(state: State, change: impl FnOnce(&mut DepositRows)) -> DepositRows {
    with(|pair| {
        (pair.state, pair.booked) = (state, None);
        change(pair);
    })
}

/// One row with this word, as the ledger gives it.
fn said(word: &str, cents: i64) -> impl FnOnce(&mut DepositRows) {
    let (weight, word) = (Weight::of(Some(word)), word.to_owned());
    move |pair| {
        pair.paid_cents = if weight == Weight::Amount { cents } else { 0 };
        pair.follows = weight == Weight::Follows;
        pair.words = vec![word];
    }
}

fn kind_of(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Agrees => "agrees",
        Verdict::StatesFigure(_) => "states",
        Verdict::Differs(difference) => difference.kind.as_str(),
    }
}

fn no_row(pair: &mut DepositRows) {
    (pair.rows, pair.paid_cents, pair.words) = (0, 0, Vec::new());
}
