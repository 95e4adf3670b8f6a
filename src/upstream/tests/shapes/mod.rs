//! The decoder by tables: what is read, what makes an answer unreadable, and that nothing makes it panic.

mod lists;
mod orders;

use proptest::prelude::*;

use super::super::wire::{self, Decoded};
use crate::domain::report::{Invoice, OrderReport};
use crate::domain::time::Zone;

fn order(body: &str) -> Result<OrderReport, String> {
    match wire::order(format!(r#"{{"ok":true,"body":{body}}}"#).as_bytes()) {
        Ok(Decoded::Yes(report)) => Ok(*report),
        Ok(Decoded::No) => Err("no".to_owned()),
        Err(wrong) => Err(wrong.to_string()),
    }
}

fn yes<T: std::fmt::Debug>(decoded: Decoded<T>) -> T {
    match decoded {
        Decoded::Yes(value) => value,
        Decoded::No => panic!("the answer says no"),
    }
}

/// Reads a list from memory.
fn listed(answer: &[u8], zone: &Zone) -> Result<Vec<Invoice>, String> {
    let mut taken = Vec::new();
    let read = wire::invoices(answer, "12345", zone, &mut |invoice| taken.push(invoice));
    let count = yes(read.map_err(|wrong| wrong.to_string())?);
    assert_eq!(count, taken.len());
    Ok(taken)
}

/// Reads the answer to a creation whose fields are these.
fn created(body: &str) -> Result<OrderReport, String> {
    match wire::created(format!(r#"{{"ok":true,"body":{body}}}"#).as_bytes()) {
        Ok(Decoded::Yes(report)) => Ok(*report),
        Ok(Decoded::No) => Err("no".to_owned()),
        Err(wrong) => Err(wrong.to_string()),
    }
}

#[test]
fn another_customers_balance_is_not_ours() {
    let read = |body: &str| wire::balance(format!(r#"{{"ok":true,"body":{body}}}"#).as_bytes(), "12345");
    assert!(read(r#"{"userId":"67890","balance":1,"totalCharges":1}"#).is_err());
    let figures = yes(read(r#"{"balance":-5,"totalCharges":500}"#).unwrap());
    assert_eq!((figures.balance_cents, figures.total_charges_cents), (-5, 500));
    for half in [r#"{"balance":1}"#, r#"{"totalCharges":"1"}"#, r#"{"balance":null,"totalCharges":1}"#] {
        assert!(read(half).is_err(), "{half}");
    }
}

/// Answers that are nearly right: the seed's with a stretch of it replaced.
fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
    let seed = super::answers::SEED.as_bytes();
    (0..seed.len(), 0..40_usize, proptest::collection::vec(any::<u8>(), 0..20)).prop_map(|(at, len, new)| {
        let mut bytes = super::answers::SEED.as_bytes().to_vec();
        let end = at.saturating_add(len).min(bytes.len());
        bytes.splice(at..end, new);
        bytes
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), nearly_right()]) {
        let _ = wire::order(&bytes);
        let _ = wire::created(&bytes);
        let _ = wire::invoices(bytes.as_slice(), "12345", &Zone::UTC, &mut |_| ());
        let _ = wire::balance(&bytes, "12345");
        let _ = wire::coupons(&bytes, &Zone::UTC);
        let _ = wire::salvaged_order_id(&bytes);
        let words = wire::words(&bytes, str::to_owned);
        prop_assert!(words.is_none_or(|w| w.chars().count() <= 300 && !w.chars().any(char::is_control)));
    }

    #[test]
    fn no_json_panics(body in r#"[\[\]{}",:0-9a-z.\\-]{0,80}"#) {
        for wrapped in [body.clone(), format!(r#"{{"ok":true,"body":{body}}}"#)] {
            let _ = wire::created(wrapped.as_bytes());
            let _ = wire::invoices(wrapped.as_bytes(), "", &Zone::UTC, &mut |_| ());
            let _ = wire::coupons(wrapped.as_bytes(), &Zone::UTC);
        }
    }
}
