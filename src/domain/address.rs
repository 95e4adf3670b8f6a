//! stub
use super::asset::Network;
/// stub
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressVerdict {
    /// v
    Valid,
    /// u
    Unchecked,
    /// m
    Malformed(String),
}
/// stub
#[must_use]
pub fn check(_: Network, _: &str) -> AddressVerdict {
    AddressVerdict::Unchecked
}
