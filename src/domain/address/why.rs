//! Why an address is malformed.

/// Why a text is no address: a phrase that goes on from "not a valid BTC address: ".
pub(super) type Why = &'static str;

pub(super) const CHECKSUM: Why = "its checksum does not match";
