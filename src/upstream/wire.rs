//! The shapes of the upstream's JSON, and the one way from them to our own words. Nothing is guessed: what cannot be
//! read digit for digit and letter for letter makes the whole answer unreadable, and says which field it was.
//! Only a row of the invoice list may have a flaw by itself.

mod field;
mod list;
mod words;

use serde::Deserialize;
use serde_json::value::RawValue;

pub(super) use self::field::Undecodable;
use self::field::{Raw, Undecodable as Wrong};
pub(super) use self::list::invoices;
pub(super) use self::words::{salvaged_order_id, words};
use crate::domain::report::{Balance, Coupon, OrderReport};

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
    body: Raw<'a>,
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

#[derive(Deserialize)]
struct OrderWire<'a> {
    #[serde(borrow, default)]
    order_id: Raw<'a>,
    #[serde(borrow, default)]
    to_address: Raw<'a>,
    #[serde(borrow, default)]
    currency: Raw<'a>,
    #[serde(borrow, default)]
    network: Raw<'a>,
    #[serde(borrow, default, rename = "amountInUSD")]
    amount_in_usd: Raw<'a>,
    #[serde(borrow, default, rename = "amountInCrypto")]
    amount_in_crypto: Raw<'a>,
    #[serde(borrow, default)]
    expire_at: Raw<'a>,
    #[serde(borrow, default)]
    url: Raw<'a>,
    #[serde(borrow, default)]
    status: Raw<'a>,
    #[serde(borrow, default)]
    payment_status: Raw<'a>,
    #[serde(borrow, default)]
    transaction: Raw<'a>,
    #[serde(borrow, default)]
    state: Raw<'a>,
    #[serde(borrow, default)]
    txid: Raw<'a>,
    #[serde(borrow, default)]
    payment_amount: Raw<'a>,
    #[serde(borrow, default)]
    payment_amount_usd: Raw<'a>,
    #[serde(borrow, default)]
    payer_amount: Raw<'a>,
    #[serde(borrow, default)]
    refund_amount: Raw<'a>,
    #[serde(borrow, default)]
    refund_amount_usd: Raw<'a>,
}

#[derive(Deserialize)]
struct TransactionWire<'a> {
    #[serde(borrow, default)]
    status: Raw<'a>,
}

/// Reads the answer to a look: every field may be missing.
pub(super) fn order(answer: &[u8]) -> Result<Decoded<Box<OrderReport>>, Wrong> {
    envelope(answer, |body| order_report(&object(body, "body")?))
}

/// Reads the answer to a creation: what a payer needs must be there.
pub(super) fn created(answer: &[u8]) -> Result<Decoded<Box<OrderReport>>, Wrong> {
    envelope(answer, |body| {
        let report = order_report(&object(body, "body")?)?;
        let needed = [
            ("order_id", report.order_id.is_some()),
            ("to_address", report.address.is_some()),
            ("amountInUSD", report.amount_usd.is_some()),
            ("amountInCrypto", report.amount_crypto.is_some()),
            ("expire_at", report.expire_at.is_some()),
            ("currency", report.currency.is_some()),
            ("network", report.network.is_some()),
        ];
        match needed.iter().find(|(_, present)| !present) {
            Some((name, _)) => Err(Wrong::in_field(name, "is missing")),
            None => Ok(report),
        }
    })
}

fn order_report(wire: &OrderWire<'_>) -> Result<Box<OrderReport>, Wrong> {
    Ok(Box::new(OrderReport {
        order_id: field::order_id(wire.order_id)?,
        address: field::text(wire.to_address, "to_address", 256)?,
        currency: field::text(wire.currency, "currency", 32)?,
        network: field::text(wire.network, "network", 32)?,
        amount_usd: field::amount(wire.amount_in_usd, "amountInUSD")?,
        amount_crypto: field::amount(wire.amount_in_crypto, "amountInCrypto")?,
        // No money moves by these four: where one cannot be read it is none.
        expire_at: field::unix_seconds(wire.expire_at, "expire_at").unwrap_or_default(),
        url: field::text(wire.url, "url", 2048).unwrap_or_default(),
        status: status(wire)?,
        txid: field::id(wire.txid, "txid").unwrap_or_default(),
        payment_amount: field::amount(wire.payment_amount, "payment_amount")?,
        payment_amount_usd: field::amount(wire.payment_amount_usd, "payment_amount_usd")?,
        payer_amount: field::amount(wire.payer_amount, "payer_amount").unwrap_or_default(),
        refund_amount: field::amount(wire.refund_amount, "refund_amount").unwrap_or_default(),
        refund_amount_usd: field::amount(wire.refund_amount_usd, "refund_amount_usd")?,
        memo: None,
        unreadable: Vec::new(),
        answered_at: None,
    }))
}

/// The status word stands where the contract assumes it: the first of four places that holds a string.
fn status(wire: &OrderWire<'_>) -> Result<Option<String>, Wrong> {
    let nested = match wire.transaction {
        Some(raw) if raw.get().starts_with('{') => object::<TransactionWire<'_>>(raw, "transaction")?.status,
        _ => None,
    };
    for place in [wire.status, wire.payment_status, nested, wire.state] {
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
    user_id: Raw<'a>,
    #[serde(borrow, default)]
    balance: Raw<'a>,
    #[serde(borrow, default, rename = "totalCharges")]
    total_charges: Raw<'a>,
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
    codes: Raw<'a>,
}

#[derive(Deserialize)]
struct CouponWire<'a> {
    #[serde(borrow, default)]
    code: Raw<'a>,
    #[serde(borrow, default)]
    status: Raw<'a>,
    #[serde(borrow, default)]
    percentage: Raw<'a>,
    #[serde(borrow, default, rename = "expiredAt")]
    expired_at: Raw<'a>,
}

/// Reads the account's coupons.
pub(super) fn coupons(answer: &[u8], utc_offset_seconds: i32) -> Result<Decoded<Vec<Coupon>>, Wrong> {
    envelope(answer, |body| {
        let wire: CouponsWire<'_> = object(body, "body")?;
        let codes = wire.codes.ok_or_else(|| Wrong::in_field("codes", "is missing"))?;
        let read = |(at, raw): (usize, &RawValue)| {
            coupon(raw, utc_offset_seconds).map_err(|wrong| wrong.in_entry(at))
        };
        list(codes, "codes")?.into_iter().enumerate().map(read).collect()
    })
}

fn coupon(raw: &RawValue, utc_offset_seconds: i32) -> Result<Coupon, Wrong> {
    let wire: CouponWire<'_> = object(raw, "the entry")?;
    let code = field::text(wire.code, "code", 256)?;
    Ok(Coupon {
        code: code.ok_or_else(|| Wrong::in_field("code", "is missing"))?,
        status: field::text(wire.status, "status", 64).unwrap_or(None),
        percentage: field::cents(wire.percentage, "percentage").ok(),
        expired_at: field::civil_time(wire.expired_at, utc_offset_seconds),
    })
}
