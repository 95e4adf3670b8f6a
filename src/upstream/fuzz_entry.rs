//! The entry of the fuzzer: an answer's body, without a connection.

use super::wire::{self, Decoded};
use crate::domain::report::OrderReport;
use crate::domain::time::Zone;

/// Reads a body as the answer to every call there is; gives what it says of an order, where it can be read as that.
#[must_use]
pub fn read_every_way(body: &[u8]) -> Option<OrderReport> {
    let zone = Zone::parse("Europe/Berlin").unwrap_or(Zone::UTC);
    let _ = wire::created(body);
    let _ = wire::balance(body, "12345");
    let _ = wire::coupons(body, &zone);
    let _ = wire::invoices(body, "12345", &zone, &mut |_| {});
    let _ = wire::words(body, str::to_owned);
    let _ = wire::salvaged_order_id(body);
    match wire::order(body) {
        Ok(Decoded::Yes(report)) => Some(*report),
        _ => None,
    }
}
