//! The invoice list (docs/contract.md, section 3): true rows first, then the lies, then the text.

use std::cmp::Reverse;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::value::RawValue;

use super::answers::{cased, clock_text, error};
use super::http::SimulatorResponse;
use super::lag::{Moment, Source};
use super::lies::{AmountStyle, ListLie, times};
use super::link_shape::{LinkShape, OrderMethod, PageRowId, RowFactor, RowsAt};
use super::order::{Entry, Order};
use super::shape::IdField;
use super::store::TopUp;
use super::world::World;
use crate::domain::money::UsdMicros;
use crate::domain::time::Timestamp;

/// A `payId` that names nobody's order.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// One row before it is written.
#[derive(Debug, Clone)]
struct Row {
    /// How lies name it: the order's id, or the `payId` of a top-up.
    key: String,
    /// Another name of it: the UUID of a page's link.
    page_id: Option<String>,
    /// The id by which its maker knows it; the same as `key` for most.
    known_as: String,
    /// When it was made in truth.
    made: Timestamp,
    created: Timestamp,
    expires_at: Timestamp,
    method: String,
    sesid: String,
    pay_id: String,
    amount: Decimal,
    style: Option<AmountStyle>,
    status: String,
    /// What was asked, and when it was credited after all: an order that was cancelled before.
    late: Option<(Decimal, Timestamp)>,
}

impl Row {
    fn is(&self, id: &str) -> bool {
        self.key == id || self.page_id.as_deref() == Some(id)
    }
}

/// One row as it is written.
#[derive(Serialize)]
struct Invoice<'a> {
    method: &'a str,
    sesid: &'a str,
    #[serde(rename = "payId")]
    pay_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Box<RawValue>>,
    created: String,
    expires_at: String,
    status: String,
    #[serde(rename = "userId")]
    user_id: &'a str,
}

#[derive(Serialize)]
struct Answer<'a> {
    ok: bool,
    body: Vec<Invoice<'a>>,
}

/// Section 3: the history, newest first.
pub(super) fn invoices(world: &mut World, user_id: &str, at: Timestamp) -> SimulatorResponse {
    let lies = world.lies.next_list();
    world.answer(Source::List, at);
    let mut rows = true_rows(world, at);
    for lie in &lies {
        tell(lie, &mut rows, at);
    }
    let body = rows
        .iter()
        .map(|row| Invoice {
            method: &row.method,
            sesid: &row.sesid,
            pay_id: &row.pay_id,
            amount: written(row.amount, row.style),
            created: clock_text(row.created),
            expires_at: clock_text(row.expires_at),
            status: cased(&world.shape, &row.status),
            user_id,
        })
        .collect();
    match serde_json::to_string(&Answer { ok: true, body }) {
        Ok(text) => SimulatorResponse::text(200, text, Vec::new()),
        Err(_) => error(&world.shape, 500, "The list cannot be written"),
    }
}

/// The rows as they stood when the list's lag says.
fn true_rows(world: &World, at: Timestamp) -> Vec<Row> {
    let moment = |key: &str| world.moment(Source::List, key, at);
    let ours = world.entries.iter().filter_map(|entry| {
        let seen = moment(&entry.order.order_id);
        if entry.creation() <= seen { order_row(world, entry, seen) } else { None }
    });
    let others =
        world.top_ups.iter().filter(|(number, top_up)| moment(&top_up.pay_id).has(top_up.at, *number));
    let mut rows: Vec<Row> = ours.chain(others.map(|(_, top_up)| foreign_row(top_up))).collect();
    sort(&mut rows);
    rows
}

fn sort(rows: &mut [Row]) {
    rows.sort_by_key(|row| Reverse(row.made));
}

fn order_row(world: &World, entry: &Entry, seen: Moment) -> Option<Row> {
    let standing = entry.standing(seen);
    let order = &entry.order;
    let links = &world.links;
    let by_link = order.method != OrderMethod::Wallet;
    let unpaid = standing.arrived == UsdMicros::ZERO;
    if standing.hidden || (by_link && unpaid && links.rows_at == RowsAt::Paid) {
        return None;
    }
    let (sesid, pay_id, known_as) = ids(world.shape.id_field, links, order);
    let cents = |cents: i64| {
        let RowFactor { num, den } = links.factor;
        if by_link { times(Decimal::from(cents), num, den) } else { Decimal::from(cents) }
    };
    let required = order.required.cents_floor();
    let amount = standing.shown.invoice_cents.or(standing.credited_cents).unwrap_or(required);
    let late = standing.late_at.filter(|_| standing.credited_cents.is_some());
    Some(Row {
        key: order.order_id.clone(),
        page_id: order.page_id().map(str::to_owned),
        known_as,
        made: order.created_at,
        created: order.created_at,
        expires_at: standing.expire_at,
        method: match order.method {
            OrderMethod::Wallet => "cryptomus",
            OrderMethod::Page => "Cryptomus",
            OrderMethod::Card => "Pay4bit",
        }
        .to_owned(),
        sesid,
        pay_id,
        amount: cents(amount),
        style: None,
        late: late.map(|late| (cents(required), late)),
        status: standing.invoice_status.unwrap_or(standing.status),
    })
}

/// `sesid`, `payId`, and the one of both by which the order's maker knows it.
fn ids(id_field: IdField, links: &LinkShape, order: &Order) -> (String, String, String) {
    // An id of nobody's, the same at every call.
    let other = order.sesid.chars().rev().collect::<String>();
    let (sesid, own, uuid) = (order.sesid.clone(), order.order_id.clone(), order.url_uuid.clone());
    match (order.method, links.page_row_id) {
        (OrderMethod::Page, PageRowId::PayId) => return (sesid, uuid.clone(), uuid),
        (OrderMethod::Page, PageRowId::Sesid) => return (uuid.clone(), other, uuid),
        (OrderMethod::Card, _) => {
            let named = order.card.as_ref().and_then(|card| card.value(links.card_row_id));
            let named = named.map_or(other, str::to_owned);
            return (sesid, named.clone(), named);
        }
        _ => {}
    }
    let (sesid, pay_id) = match id_field {
        IdField::PayId => (sesid, own.clone()),
        IdField::Sesid => (own.clone(), other),
        IdField::UrlUuid if order.method == OrderMethod::Wallet => (sesid, uuid),
        IdField::UrlUuid | IdField::None => (sesid, other),
    };
    (sesid, pay_id, own)
}

fn foreign_row(top_up: &TopUp) -> Row {
    Row {
        key: top_up.pay_id.clone(),
        page_id: None,
        known_as: top_up.pay_id.clone(),
        made: top_up.at,
        created: top_up.at,
        expires_at: top_up.at,
        method: top_up.method.clone(),
        sesid: top_up.sesid.clone(),
        pay_id: top_up.pay_id.clone(),
        amount: Decimal::from(top_up.cents),
        style: None,
        status: "paid".to_owned(),
        late: None,
    }
}

fn tell(lie: &ListLie, rows: &mut Vec<Row>, at: Timestamp) {
    match lie {
        ListLie::KeepNewest(_)
        | ListLie::KeepOldest(_)
        | ListLie::DropEvery(_)
        | ListLie::PurgeOlderThan(_)
        | ListLie::HideRow { .. }
        | ListLie::Empty => leave_out(lie, rows, at),
        ListLie::RowsTwice | ListLie::RepeatRow { .. } | ListLie::SplitRow { .. } | ListLie::SecondRow => {
            add(lie, rows)
        }
        ListLie::SwapIds | ListLie::TwoNames => mix_ids(lie, rows),
        _ => rows.iter_mut().for_each(|row| change(lie, row)),
    }
}

/// Lies that take rows away.
fn leave_out(lie: &ListLie, rows: &mut Vec<Row>, at: Timestamp) {
    match lie {
        ListLie::KeepNewest(count) => rows.truncate(*count),
        ListLie::KeepOldest(count) => drop(rows.drain(..rows.len().saturating_sub(*count))),
        ListLie::DropEvery(step) => {
            let mut left = rows.len();
            rows.retain(|_| {
                let number = left;
                left = left.saturating_sub(1);
                number.checked_rem(*step) != Some(0)
            });
        }
        ListLie::PurgeOlderThan(age) => rows.retain(|row| row.made >= at.minus(*age)),
        ListLie::HideRow { order_id } => rows.retain(|row| !row.is(order_id)),
        _ => rows.clear(),
    }
}

/// Lies that add rows.
fn add(lie: &ListLie, rows: &mut Vec<Row>) {
    let old = std::mem::take(rows);
    for mut row in old {
        match lie {
            ListLie::RowsTwice => rows.push(row.clone()),
            ListLie::RepeatRow { order_id, times } if row.is(order_id) => {
                rows.extend((1..*times).map(|_| row.clone()));
            }
            ListLie::SplitRow { order_id, cents } if row.is(order_id) => {
                let part = Decimal::from(*cents);
                rows.push(Row { amount: part, ..row.clone() });
                row.amount = row.amount.saturating_sub(part);
            }
            ListLie::SecondRow => {
                if let Some((required, credited_at)) = row.late.take() {
                    rows.push(Row { made: credited_at, created: credited_at, ..row.clone() });
                    row.amount = required;
                    "cancel".clone_into(&mut row.status);
                }
            }
            _ => {}
        }
        rows.push(row);
    }
    sort(rows);
}

/// Lies about which row bears which id.
fn mix_ids(lie: &ListLie, rows: &mut [Row]) {
    for pair in rows.chunks_exact_mut(2) {
        if let [one, other] = pair {
            if *lie == ListLie::SwapIds {
                std::mem::swap(&mut one.sesid, &mut other.sesid);
                std::mem::swap(&mut one.pay_id, &mut other.pay_id);
            } else {
                one.pay_id.clone_from(&one.known_as);
                other.pay_id.clone_from(&other.known_as);
                one.sesid.clone_from(&other.known_as);
                other.sesid.clone_from(&one.known_as);
            }
        }
    }
}

/// Lies about one row, or about each alike.
fn change(lie: &ListLie, row: &mut Row) {
    match lie {
        ListLie::SwapFields => std::mem::swap(&mut row.sesid, &mut row.pay_id),
        ListLie::Capitals => {
            row.sesid.make_ascii_uppercase();
            row.pay_id.make_ascii_uppercase();
        }
        ListLie::ConstantPayId => {
            row.sesid.clone_from(&row.known_as);
            NOBODY.clone_into(&mut row.pay_id);
        }
        ListLie::Factor { num, den } => row.amount = times(row.amount, *num, *den),
        ListLie::Zero => row.amount = Decimal::ZERO,
        ListLie::AmountOf { order_id, cents } if row.is(order_id) => row.amount = Decimal::from(*cents),
        ListLie::Shift(seconds) => {
            row.created = shifted(row.created, *seconds);
            row.expires_at = shifted(row.expires_at, *seconds);
        }
        ListLie::AmountAs(style) => row.style = Some(*style),
        ListLie::StatusOf { order_id, word } if row.is(order_id) => row.status.clone_from(word),
        ListLie::UnknownWord(word) => row.status.clone_from(word),
        _ => {}
    }
}

/// `at`, that many seconds later or earlier.
pub(super) fn shifted(at: Timestamp, seconds: i64) -> Timestamp {
    let span = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { at.minus(span) } else { at.plus(span) }
}

/// The amount's JSON text; `None` leaves the field out.
fn written(amount: Decimal, style: Option<AmountStyle>) -> Option<Box<RawValue>> {
    let amount = amount.normalize();
    let text = match style {
        None => amount.to_string(),
        Some(AmountStyle::Float) if amount.is_integer() => format!("{amount}.0"),
        Some(AmountStyle::Float) => amount.to_string(),
        Some(AmountStyle::Text) => format!("\"{amount}\""),
        Some(AmountStyle::Exponent) => format!("{amount:e}"),
        Some(AmountStyle::Fraction) => amount.saturating_add(Decimal::new(5, 1)).to_string(),
        Some(AmountStyle::Null) => "null".to_owned(),
        Some(AmountStyle::Missing) => return None,
        Some(AmountStyle::Words) => "\"unknown\"".to_owned(),
    };
    RawValue::from_string(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_in_every_style() {
        for (style, cents, text) in [
            (None, 485, "485"),
            (Some(AmountStyle::Float), 485, "485.0"),
            (Some(AmountStyle::Text), 485, "\"485\""),
            (Some(AmountStyle::Exponent), 485, "4.85e2"),
            (Some(AmountStyle::Exponent), 1000, "1e3"),
            (Some(AmountStyle::Exponent), 0, "0e0"),
            (Some(AmountStyle::Fraction), 485, "485.5"),
            (Some(AmountStyle::Null), 485, "null"),
            (Some(AmountStyle::Words), 485, "\"unknown\""),
        ] {
            let raw = written(Decimal::from(cents), style).unwrap();
            assert_eq!(raw.get(), text, "{style:?}");
        }
        assert!(written(Decimal::from(485), Some(AmountStyle::Missing)).is_none());
        assert_eq!(written(times(Decimal::from(485), 1, 100), None).unwrap().get(), "4.85");
        assert_eq!(times(Decimal::from(485), 1, 0), Decimal::from(485));
    }
}
