//! The answers in the shapes that the contract documents (docs/contract.md, sections 1 to 7).

use serde_json::{Value, json};

use super::http::SimulatorResponse;
use super::lag::{Moment, Source};
use super::order::{Entry, OrderState};
use super::shape::{ErrorAt, Shape, StatusAt};
use super::world::World;
use crate::domain::time::Timestamp;

/// An error as the contract has it: the status and the text.
pub(super) fn error(shape: &Shape, status: u16, text: &str) -> SimulatorResponse {
    let body = match shape.error_at {
        ErrorAt::Body => json!({"ok": false, "body": text}),
        ErrorAt::Message => json!({"ok": false, "message": text}),
        ErrorAt::ErrorObject => json!({"ok": false, "error": {"message": text}}),
        ErrorAt::Plain => return SimulatorResponse::text(status, text.to_owned(), Vec::new()),
    };
    SimulatorResponse::json(status, &body)
}

fn good(body: Value) -> SimulatorResponse {
    SimulatorResponse::json(200, &json!({"ok": true, "body": body}))
}

/// Section 1: a wallet.
pub(super) fn wallet(shape: &Shape, entry: &Entry, at: Timestamp) -> SimulatorResponse {
    amounts(shape, good(wallet_body(entry, &entry.standing(at))))
}

/// Sections 6 and 7: a link, and nothing else.
pub(super) fn link(url: &str) -> SimulatorResponse {
    good(json!(url))
}

fn wallet_body(entry: &Entry, standing: &OrderState) -> Value {
    let order = &entry.order;
    let shown = &standing.shown;
    let amount_usd = shown.amount_usd.as_ref().map_or_else(|| order.required.to_string(), |a| a.to_string());
    let crypto = shown.amount_crypto.as_ref().map_or_else(|| order.crypto.to_string(), |a| a.to_string());
    json!({
        "to_address": standing.address,
        "currency": order.asset.map(|asset| asset.currency.as_str()),
        "network": order.asset.map(|asset| asset.network.as_str().to_ascii_lowercase()),
        "amountInUSD": amount_usd,
        "amountInCrypto": crypto,
        "expire_at": standing.expire_at.as_millis().div_euclid(1000),
        "url": order.url(),
        "order_id": order.order_id,
    })
}

/// Section 2: the status of an order, as it was at `moment`.
pub(super) fn look(shape: &Shape, entry: &Entry, moment: Moment) -> SimulatorResponse {
    let standing = entry.standing(moment);
    let mut body = wallet_body(entry, &standing);
    let Some(fields) = body.as_object_mut() else { return good(body) };
    let word = cased(shape, &standing.status);
    match shape.status_at {
        StatusAt::AbsentWhileCheck if standing.status == "check" => {}
        StatusAt::Status | StatusAt::AbsentWhileCheck => {
            fields.insert("status".to_owned(), json!(word));
        }
        StatusAt::PaymentStatus => {
            fields.insert("payment_status".to_owned(), json!(word));
        }
        StatusAt::TransactionStatus => {
            fields.insert("transaction".to_owned(), json!({ "status": word }));
        }
        StatusAt::State => {
            fields.insert("state".to_owned(), json!(word));
        }
    }
    if standing.seen {
        fields.insert("txid".to_owned(), json!(entry.order.txid));
    }
    if !shape.without_payment_figures {
        fields.insert("is_final".to_owned(), json!(standing.is_final()));
        let shown = &standing.shown;
        if standing.arrived.get() > 0 {
            let crypto = entry.arrived_crypto(&standing).to_string();
            let crypto = shown.payment_amount.as_ref().map_or(crypto, ToString::to_string);
            let usd = standing.arrived.to_string();
            let usd = shown.payment_amount_usd.as_ref().map_or(usd, ToString::to_string);
            fields.insert("payment_amount".to_owned(), json!(crypto));
            fields.insert("payment_amount_usd".to_owned(), json!(usd));
        }
    }
    amounts(shape, good(body))
}

/// A status word as the shape writes it.
pub(super) fn cased(shape: &Shape, word: &str) -> String {
    if shape.capital_status { word.to_ascii_uppercase() } else { word.to_owned() }
}

/// Takes the quotes off the amounts, digit for digit, where the shape wants numbers.
fn amounts(shape: &Shape, mut response: SimulatorResponse) -> SimulatorResponse {
    if !shape.bare_numbers {
        return response;
    }
    let mut text = String::from_utf8_lossy(&response.body).into_owned();
    for name in ["amountInUSD", "amountInCrypto", "payment_amount", "payment_amount_usd"] {
        let key = format!("\"{name}\":\"");
        if let Some((before, after)) = text.split_once(&key)
            && let Some((digits, rest)) = after.split_once('"')
        {
            text = format!("{before}\"{name}\":{digits}{rest}");
        }
    }
    response.body = text.into_bytes();
    response
}

/// `YYYY-MM-DD HH:MM:SS` in UTC, without saying so.
pub(super) fn clock_text(at: Timestamp) -> String {
    at.to_seconds_text().trim_end_matches('Z').replacen('T', " ", 1)
}

/// Section 4: the account.
pub(super) fn balance(world: &mut World, user_id: &str, at: Timestamp) -> SimulatorResponse {
    const DISCOUNTS: &str =
        r#"[[8000,0.8,"-20%"],[6000,0.85,"-15%"],[4000,0.9,"-10%"],[2000,0.95,"-5%"],[0,1,"0%"]]"#;
    let lie = world.lies.next_total();
    world.answer(Source::Total, at);
    let books = world.books_by(at, |key| world.moment(Source::Total, key, at));
    let balance = lie.of(books.balance_cents).to_string();
    let valid = world.coupons.iter().filter(|coupon| coupon.expires_at > at).count();
    good(json!({
        "userId": user_id, "stripeId": null, "cryptomusId": null, "balance": serde_json::from_str::<Value>(&balance).unwrap_or(Value::Null),
        "status": null, "lang": null, "referral": null,
        "totalCharges": lie.of(books.total_charges_cents).to_string(), "couponCount": valid,
        "currentDiscountRate": "0%", "vipSupport": false, "vipTelegram": "",
        "discountRates": serde_json::from_str::<Value>(DISCOUNTS).unwrap_or(Value::Null),
    }))
}

/// Section 5: the coupons.
pub(super) fn coupons(world: &World, user_id: &str, at: Timestamp) -> SimulatorResponse {
    let codes: Vec<Value> = world
        .coupons
        .iter()
        .map(|coupon| {
            let days = coupon.expires_at.since(coupon.issued_at).as_secs().div_euclid(86_400);
            json!({
                "userId": user_id, "code": coupon.code, "issuedAt": clock_text(coupon.issued_at),
                "expiredAt": clock_text(coupon.expires_at),
                "status": if coupon.expires_at > at { "issued" } else { "expired" },
                "timing": days, "percentage": coupon.percentage, "targetPay": "crypto",
            })
        })
        .collect();
    good(json!({"totalReceived": codes.len(), "codes": codes}))
}

/// One field of a good answer changed into a contradiction.
pub(super) fn contradict(mut response: SimulatorResponse, field: &str, to: &str) -> SimulatorResponse {
    if let Ok(mut answer) = serde_json::from_slice::<Value>(&response.body)
        && let Some(value) = answer.pointer_mut(&format!("/body/{field}"))
    {
        *value = json!(to);
        response.body = answer.to_string().into_bytes();
    }
    response
}
