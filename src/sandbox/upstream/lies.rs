//! Answers that are not true: what can be wrong with a list and with the account's figures, and what the whole account refuses.
//! None of it changes an order or the books.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::lag::Lags;
use super::overlay::OverlayFields;

/// One way in which an invoice list is wrong. Several may stand at once; they are applied in the order in which they
/// were set. A row is named by its order's id, the row of a top-up by its `payId`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListLie {
    /// Every row stands twice.
    RowsTwice,
    /// One row stands this often.
    RepeatRow {
        /// The row.
        order_id: String,
        /// How often.
        times: u32,
    },
    /// `payId` and `sesid` have changed places.
    SwapFields,
    /// Each two neighbouring rows have exchanged their ids.
    SwapIds,
    /// `payId` is the row's order, `sesid` its neighbour's: a row names two orders.
    TwoNames,
    /// The ids are in capitals.
    Capitals,
    /// `payId` is the same in all rows, `sesid` is the order's id.
    ConstantPayId,
    /// All amounts are multiplied, exactly: what is no whole number shows its digits. A `den` of 0 changes nothing.
    Factor {
        /// Times this.
        num: i64,
        /// Divided by this.
        den: i64,
    },
    /// All amounts are 0.
    Zero,
    /// One row says this amount.
    AmountOf {
        /// The row.
        order_id: String,
        /// What it says.
        cents: i64,
    },
    /// Only the newest rows are there.
    KeepNewest(usize),
    /// Only the oldest rows are there.
    KeepOldest(usize),
    /// Each row whose number, counted from the oldest, is a multiple of this is missing.
    DropEvery(usize),
    /// Rows that were made longer ago than this are missing.
    PurgeOlderThan(Duration),
    /// One row is missing.
    HideRow {
        /// The row.
        order_id: String,
    },
    /// No rows.
    Empty,
    /// Times are this many seconds later than in UTC, without saying so.
    Shift(i64),
    /// Amounts are written in another way.
    AmountAs(AmountStyle),
    /// One row says another status word.
    StatusOf {
        /// The row.
        order_id: String,
        /// The raw word.
        word: String,
    },
    /// Every row says this status word.
    UnknownWord(String),
    /// The row of one order stands as two rows of the same ids.
    SplitRow {
        /// The row.
        order_id: String,
        /// What one of them says; the other says the rest.
        cents: i64,
    },
    /// A payment after `cancel` is listed as a second row beside the `cancel` one, made when it was credited.
    SecondRow,
}

/// How an amount of 485 cents is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmountStyle {
    /// `485.0`
    Float,
    /// `"485"`
    Text,
    /// `4.85e2`
    Exponent,
    /// `485.5`, which is no whole number of cents.
    Fraction,
    /// `null`
    Null,
    /// The field is left out.
    Missing,
    /// `"unknown"`
    Words,
}

/// How `totalCharges` and `balance` are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TotalLie {
    /// Both times this,
    pub num: i64,
    /// and divided by this; 0 changes nothing.
    pub den: i64,
    /// Cents that are then added to both.
    pub shift_cents: i64,
}

impl Default for TotalLie {
    fn default() -> Self {
        Self { num: 1, den: 1, shift_cents: 0 }
    }
}

impl TotalLie {
    pub(super) fn of(self, cents: i64) -> Decimal {
        let product = times(Decimal::from(cents), self.num, self.den);
        product.saturating_add(Decimal::from(self.shift_cents)).normalize()
    }
}

/// `figure` times `num` by `den`.
pub(super) fn times(figure: Decimal, num: i64, den: i64) -> Decimal {
    let product = figure.checked_mul(Decimal::from(num));
    product.and_then(|product| product.checked_div(Decimal::from(den))).unwrap_or(figure)
}

/// What is wrong with the whole account; nothing at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountLie {
    /// The key is good no more: 401 to every call, and nothing happens.
    pub key_revoked: bool,
    /// 429 to every call, and nothing happens.
    pub throttled: bool,
    /// Every look is answered 200 `{"ok":false,"body":"Temporarily unavailable"}`.
    pub looks_refused: bool,
    /// Seconds that the `Date` header is ahead of the simulator's clock.
    pub date_offset: i64,
    /// No `Date` header at all.
    pub without_date: bool,
    /// An `Age` header, as a cache adds it.
    pub age: Option<u64>,
}

/// All lags, lies and overlays of a simulator.
#[derive(Debug, Default)]
pub(super) struct Lies {
    pub(super) lags: Lags,
    /// With how many lists each is still good for; `None` is for ever.
    list: Vec<(ListLie, Option<u32>)>,
    pub(super) total: TotalLie,
    totals_once: VecDeque<(TotalLie, u32)>,
    pub(super) account: AccountLie,
    /// Laid over looks, by the order's id.
    pub(super) overlays: HashMap<String, OverlayFields>,
    /// Answers to looks, by the order's id.
    pub(super) bodies: HashMap<String, String>,
    /// Laid over the answers to the next requests that make a wallet.
    pub(super) wallets: VecDeque<OverlayFields>,
    /// Answered in place of the next links.
    pub(super) links: VecDeque<String>,
    pub(super) share_address: bool,
    pub(super) next_address: Option<String>,
    pub(super) next_order_id: Option<String>,
}

impl Lies {
    /// A lie that stands already is not told twice over.
    pub(super) fn tell(&mut self, lie: ListLie, times: Option<u32>) {
        self.list.retain(|(told, _)| *told != lie);
        if times != Some(0) {
            self.list.push((lie, times));
        }
    }

    pub(super) fn clear_list(&mut self) {
        self.list.clear();
    }

    /// The lies of the list that is being answered.
    pub(super) fn next_list(&mut self) -> Vec<ListLie> {
        let lies = self.list.iter().map(|(lie, _)| lie.clone()).collect();
        for left in self.list.iter_mut().filter_map(|(_, left)| left.as_mut()) {
            *left = left.saturating_sub(1);
        }
        self.list.retain(|(_, left)| *left != Some(0));
        lies
    }

    pub(super) fn tell_total(&mut self, lie: TotalLie, times: u32) {
        if times > 0 {
            self.totals_once.push_back((lie, times));
        }
    }

    pub(super) fn clear_total(&mut self) {
        self.total = TotalLie::default();
        self.totals_once.clear();
    }

    /// The lie of the figures that are being answered.
    pub(super) fn next_total(&mut self) -> TotalLie {
        let Some((lie, left)) = self.totals_once.front_mut() else { return self.total };
        let lie = *lie;
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.totals_once.pop_front();
        }
        lie
    }

    /// Lays fields over the looks at an order, above those that lie there already.
    pub(super) fn lay_over(&mut self, order_id: &str, fields: OverlayFields) {
        self.overlays.entry(order_id.to_owned()).or_default().extend(fields);
    }

    pub(super) fn uncover(&mut self, order_id: &str) {
        self.overlays.remove(order_id);
        self.bodies.remove(order_id);
    }

    /// Everything but the lags.
    pub(super) fn clear(&mut self) {
        let lags = std::mem::take(&mut self.lags);
        *self = Self { lags, ..Self::default() };
    }
}
