//! The shapes of the upstream's JSON, and the one way from them to our own words. Nothing is guessed: what identity or
//! money hangs on and cannot be read makes the whole answer unreadable, and says which field it was; any other field
//! that cannot be read is none, and is named beside the rest. A row of the invoice list may have a flaw by itself.

mod field;
mod list;
mod words;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

pub(super) use self::field::Undecodable;
use self::field::{RawField, Undecodable as Wrong};
pub(super) use self::list::invoices;
pub(super) use self::words::{salvaged_order_id, words};
use crate::domain::report::{Balance, Coupon, OrderReport};
use crate::domain::time::Zone;

/// What the envelope says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded<T> {
    /// `ok: true`, and what was in it.
    Yes(T),
    /// `ok: false`; its words are found by [`words`].
    No,
}

impl<T> Decoded<T> {
    pub(super) fn map<U>(self, what: impl FnOnce(T) -> U) -> Decoded<U> {
        match self {
            Self::Yes(read) => Decoded::Yes(what(read)),
            Self::No => Decoded::No,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    ok: bool,
    #[serde(borrow, default)]
    body: RawField<'a>,
}

/// Reads the envelope and, where it says yes, its body.
fn envelope<'a, T>(
    answer: &'a [u8],
    read: impl FnOnce(&'a RawValue) -> Result<T, Wrong>,
) -> Result<Decoded<T>, Wrong> {
    // A byte order mark is no part of the text; some servers send one.
    let answer = answer.strip_prefix(b"\xef\xbb\xbf").unwrap_or(answer).trim_ascii();
    match answer.first() {
        None => return Err(Wrong::new("the answer is empty")),
        Some(b'<') => return Err(Wrong::new("the answer is an HTML page")),
        // The library would also read an object's fields from a list.
        Some(b'{') => {}
        Some(_) => return Err(Wrong::new("the answer is not a JSON object")),
    }
    // Letters are checked all at once; only where some are wrong does it matter in which field they are.
    let envelope: Result<Envelope<'a>, _> = match std::str::from_utf8(answer) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(answer),
    };
    let envelope = envelope.map_err(|e| Wrong::json("the answer", &e))?;
    if !envelope.ok {
        return Ok(Decoded::No);
    }
    let body = envelope.body.ok_or_else(|| Wrong::new("the answer has no body"))?;
    read(body).map(Decoded::Yes)
}

/// True where the answer is an envelope that says no.
pub(super) fn says_no(answer: &[u8]) -> bool {
    matches!(envelope(answer, |_| Ok(())), Ok(Decoded::No))
}

fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue, what: &'static str) -> Result<T, Wrong> {
    if !raw.get().starts_with('{') {
        return Err(Wrong::in_field(what, "is not an object"));
    }
    serde_json::from_str(raw.get()).map_err(|e| Wrong::json(what, &e))
}

fn list<'a>(raw: &'a RawValue, what: &'static str) -> Result<Vec<&'a RawValue>, Wrong> {
    serde_json::from_str(raw.get()).map_err(|_| Wrong::in_field(what, "is not a list"))
}

/// The fields of an order, in the order of [`OrderWire`].
const ORDER_FIELDS: [&str; 23] = [
    "order_id",
    "to_address",
    "currency",
    "network",
    "amountInUSD",
    "amountInCrypto",
    "expire_at",
    "url",
    "status",
    "payment_status",
    "transaction",
    "state",
    "txid",
    "payment_amount",
    "payment_amount_usd",
    "payer_amount",
    "refund_amount",
    "refund_amount_usd",
    "memo",
    "tag",
    "dest_tag",
    "payment_id",
    "comment",
];

/// Where a memo may stand, the likeliest first.
const MEMOS: [&str; 5] = ["memo", "tag", "dest_tag", "payment_id", "comment"];

/// What a payer needs, and so does who holds the answer against the request.
const NEEDED: [&str; 5] = ["amountInUSD", "amountInCrypto", "expire_at", "currency", "network"];

/// The fields of an order that are known here, as they stand in the answer.
#[derive(Default)]
struct OrderWire<'a> {
    fields: [RawField<'a>; ORDER_FIELDS.len()],
    /// Which of them are given more than once: nobody can say which one counts.
    twice: Vec<&'static str>,
}

impl<'de> Deserialize<'de> for OrderWire<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OrderVisitor)
    }
}

/// A field's name, copied only where it is written with escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct OrderVisitor;

impl<'de> Visitor<'de> for OrderVisitor {
    type Value = OrderWire<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OrderWire<'de>, A::Error> {
        let mut wire = OrderWire::default();
        let mut seen = [false; ORDER_FIELDS.len()];
        while let Some(Key(key)) = map.next_key()? {
            let place = ORDER_FIELDS.iter().position(|name| **name == *key);
            let slot = place
                .and_then(|at| Some((ORDER_FIELDS.get(at)?, wire.fields.get_mut(at)?, seen.get_mut(at)?)));
            match slot {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some((name, _, true)) => {
                    wire.twice.push(name);
                    map.next_value::<IgnoredAny>()?;
                }
                Some((_, field, seen)) => {
                    *field = map.next_value()?;
                    *seen = true;
                }
            }
        }
        Ok(wire)
    }
}

impl<'a> OrderWire<'a> {
    /// A field by its name.
    fn get(&self, name: &'static str) -> Result<RawField<'a>, Wrong> {
        if self.twice.contains(&name) {
            return Err(Wrong::in_field(name, "is given more than once"));
        }
        let place = ORDER_FIELDS.iter().position(|known| *known == name);
        Ok(place.and_then(|at| self.fields.get(at).copied().flatten()))
    }

    fn read<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(RawField<'a>, &'static str) -> Result<Option<T>, Wrong>,
    ) -> Result<Option<T>, Wrong> {
        self.get(name).and_then(|raw| read(raw, name))
    }
}

#[derive(Deserialize)]
struct TransactionWire<'a> {
    #[serde(borrow, default)]
    status: RawField<'a>,
}

/// Reads the answer to a poll: every field may be missing. Where the order's name, its address, its status or what was
/// paid or given back cannot be read, nothing of the answer counts.
pub(super) fn order(answer: &[u8]) -> Result<Decoded<Box<OrderReport>>, Wrong> {
    envelope(answer, |body| {
        let wire: OrderWire<'_> = object(body, "body")?;
        let mut side = Side::default();
        let status = status(&wire)?;
        let paid = wire.read("payment_amount_usd", field::amount)?;
        let refunded = wire.read("refund_amount_usd", field::amount)?;
        let report = order_report(&wire, &mut side)?;
        let report = OrderReport { status, payment_amount_usd: paid, refund_amount_usd: refunded, ..report };
        Ok(Box::new(OrderReport { unreadable: side.unreadable, ..report }))
    })
}

/// Reads the answer to a creation: with an order and an address its outcome is known, whatever else it says.
pub(super) fn created(answer: &[u8]) -> Result<Decoded<Box<OrderReport>>, Wrong> {
    // A field in another encoding must not hide which order was made: invalid bytes are replaced, field by field.
    envelope(String::from_utf8_lossy(answer).as_bytes(), |body| {
        let wire: OrderWire<'_> = object(body, "body")?;
        let mut side = Side::default();
        let status = side.keep(status(&wire));
        let paid = side.keep(wire.read("payment_amount_usd", field::amount));
        let refunded = side.keep(wire.read("refund_amount_usd", field::amount));
        let report = order_report(&wire, &mut side)?;
        for (name, there) in [("order_id", &report.order_id), ("to_address", &report.address)] {
            if there.is_none() {
                return Err(Wrong::in_field(name, "is missing"));
            }
        }
        let there = [
            report.amount_usd.is_some(),
            report.amount_crypto.is_some(),
            report.expire_at.is_some(),
            report.currency.is_some(),
            report.network.is_some(),
        ];
        for (name, there) in NEEDED.into_iter().zip(there) {
            side.need(name, there);
        }
        let report = OrderReport { status, payment_amount_usd: paid, refund_amount_usd: refunded, ..report };
        Ok(Box::new(OrderReport { unreadable: side.unreadable, ..report }))
    })
}

/// Reads the answer to a request for a payment page or a card payment: its body is the link, as it is.
pub(super) fn link(answer: &[u8]) -> Result<Decoded<Box<OrderReport>>, Wrong> {
    envelope(answer, |body| {
        let url = serde_json::from_str::<String>(body.get())
            .map_err(|_| Wrong::in_field("body", "is not a link"))?;
        Ok(Box::new(OrderReport { url: Some(url), ..OrderReport::default() }))
    })
}

/// The fields of which each can be missed by itself.
#[derive(Default)]
struct Side {
    unreadable: Vec<String>,
}

impl Side {
    /// What was read; where it could not be, nothing, and its name is kept.
    fn keep<T>(&mut self, read: Result<Option<T>, Wrong>) -> Option<T> {
        read.unwrap_or_else(|wrong| {
            self.unreadable.push(wrong.to_string());
            None
        })
    }

    /// Says that a field is missing, unless it was said already that it cannot be read.
    fn need(&mut self, name: &str, there: bool) {
        let said = |words: &String| words.split_once(' ').is_some_and(|(field, _)| field == name);
        if !there && !self.unreadable.iter().any(said) {
            self.unreadable.push(format!("{name} is missing"));
        }
    }
}

/// Everything but the status and the dollars paid and given back; an error only about who the order is.
fn order_report(wire: &OrderWire<'_>, side: &mut Side) -> Result<OrderReport, Wrong> {
    let order_id = wire.read("order_id", |raw, _| field::order_id(raw))?;
    let address = wire.read("to_address", |raw, name| field::text(raw, name, 256))?;
    let short = |raw: RawField<'_>, name| field::text(raw, name, 32);
    let memos = MEMOS.map(|name| side.keep(wire.read(name, field::memo)));
    Ok(OrderReport {
        order_id,
        address,
        currency: side.keep(wire.read("currency", short)),
        network: side.keep(wire.read("network", short)),
        amount_usd: side.keep(wire.read("amountInUSD", field::amount)),
        amount_crypto: side.keep(wire.read("amountInCrypto", field::amount)),
        expire_at: side.keep(wire.read("expire_at", field::deadline)),
        url: side.keep(wire.read("url", |raw, name| field::text(raw, name, 2048))),
        txid: side.keep(wire.read("txid", field::id)),
        payment_amount: side.keep(wire.read("payment_amount", field::amount)),
        payer_amount: side.keep(wire.read("payer_amount", field::amount)),
        refund_amount: side.keep(wire.read("refund_amount", field::amount)),
        memo: memos.into_iter().flatten().next(),
        ..OrderReport::default()
    })
}

/// The status word stands where the contract assumes it: the first of four places that holds a string.
fn status(wire: &OrderWire<'_>) -> Result<Option<String>, Wrong> {
    let nested = match wire.get("transaction")? {
        Some(raw) if raw.get().starts_with('{') => object::<TransactionWire<'_>>(raw, "transaction")?.status,
        _ => None,
    };
    for place in [wire.get("status")?, wire.get("payment_status")?, nested, wire.get("state")?] {
        if place.is_some_and(|raw| raw.get().starts_with('"'))
            && let Some(word) = field::text(place, "status", 64)?
        {
            return Ok(Some(word));
        }
    }
    Ok(None)
}

#[derive(Deserialize)]
struct BalanceWire<'a> {
    #[serde(borrow, default, rename = "userId")]
    user_id: RawField<'a>,
    #[serde(borrow, default)]
    balance: RawField<'a>,
    #[serde(borrow, default, rename = "totalCharges")]
    total_charges: RawField<'a>,
}

/// Reads the account's figures.
pub(super) fn balance(answer: &[u8], user_id: &str) -> Result<Decoded<Balance>, Wrong> {
    envelope(answer, |body| {
        let wire: BalanceWire<'_> = object(body, "body")?;
        field::same_customer(wire.user_id, user_id)?;
        Ok(Balance {
            balance_cents: field::cents(wire.balance, "balance")?,
            total_charges_cents: field::cents(wire.total_charges, "totalCharges")?,
        })
    })
}

#[derive(Deserialize)]
struct CouponsWire<'a> {
    #[serde(borrow, default)]
    codes: RawField<'a>,
}

#[derive(Deserialize)]
struct CouponWire<'a> {
    #[serde(borrow, default)]
    code: RawField<'a>,
    #[serde(borrow, default)]
    status: RawField<'a>,
    #[serde(borrow, default)]
    percentage: RawField<'a>,
    #[serde(borrow, default, rename = "expiredAt")]
    expired_at: RawField<'a>,
}

/// Reads the account's coupons.
pub(super) fn coupons(answer: &[u8], zone: &Zone) -> Result<Decoded<Vec<Coupon>>, Wrong> {
    envelope(answer, |body| {
        let wire: CouponsWire<'_> = object(body, "body")?;
        let codes = wire.codes.ok_or_else(|| Wrong::in_field("codes", "is missing"))?;
        let read = |(at, raw): (usize, &RawValue)| coupon(raw, zone).map_err(|wrong| wrong.in_entry(at));
        list(codes, "codes")?.into_iter().enumerate().map(read).collect()
    })
}

fn coupon(raw: &RawValue, zone: &Zone) -> Result<Coupon, Wrong> {
    let wire: CouponWire<'_> = object(raw, "the entry")?;
    let code = field::text(wire.code, "code", 256)?;
    Ok(Coupon {
        code: code.ok_or_else(|| Wrong::in_field("code", "is missing"))?,
        status: field::text(wire.status, "status", 64).unwrap_or(None),
        percentage: field::cents(wire.percentage, "percentage").ok(),
        expired_at: field::civil_time(wire.expired_at, zone),
    })
}
