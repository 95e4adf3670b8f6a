//! Which texts can be an address on each network, by format and by the network's own checksum.

mod cashaddr;
mod monero;
mod ton;
mod why;

#[cfg(test)]
mod tests;

use sha3::{Digest, Keccak256};

use self::why::{CHECKSUM, Why};
use super::asset::Network;

/// What can be said of an address without asking its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressVerdict {
    /// Well formed, and its checksum is right where the network has one.
    Valid,
    /// Nothing wrong with it, but of a kind that cannot be checked here.
    Unchecked,
    /// No address of this network; in plain words, why.
    Malformed(String),
}

/// No address of any network is longer; the check costs nothing for longer texts.
const LONGEST: usize = 128;

/// Judges `address` by the rules of `network`.
#[must_use]
pub fn check(network: Network, address: &str) -> AddressVerdict {
    let verdict = if address.is_empty() {
        Err("it is empty")
    } else if address.len() > LONGEST {
        Err("it is too long")
    } else {
        judge(network, address)
    };
    verdict.unwrap_or_else(|why| AddressVerdict::Malformed(format!("not a valid {network} address: {why}")))
}

fn judge(network: Network, address: &str) -> Result<AddressVerdict, Why> {
    match network {
        Network::Eth | Network::Bsc | Network::Polygon | Network::Arbitrum | Network::Avalanche => {
            evm(address)
        }
        Network::Tron => base58check(address, &[0x41]),
        Network::Btc => segwit_or(address, "bc", |text| base58check(text, &[0x00, 0x05])),
        Network::Ltc if has_prefix(address, "ltcmweb1") => Ok(AddressVerdict::Unchecked),
        Network::Ltc => segwit_or(address, "ltc", |text| base58check(text, &[0x30, 0x32, 0x05])),
        Network::Doge => base58check(address, &[0x1e, 0x16]),
        Network::Dash => base58check(address, &[0x4c, 0x10]),
        Network::Bch => base58check(address, &[0x00, 0x05]).or_else(|_| cashaddr::check(address).map(valid)),
        Network::Sol => solana(address),
        Network::Ton => ton::check(address).map(valid),
        Network::Xmr => monero::check(address).map(valid),
    }
}

fn valid<T>(_: T) -> AddressVerdict {
    AddressVerdict::Valid
}

fn has_prefix(address: &str, prefix: &str) -> bool {
    address.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// `0x` and 40 hexadecimal digits; letters of both cases carry a checksum (EIP-55), letters of one case none.
fn evm(address: &str) -> Result<AddressVerdict, Why> {
    let digits = address.strip_prefix("0x").ok_or("it does not begin with 0x")?;
    if digits.len() != 40 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("it is not 0x and 40 hexadecimal digits");
    }
    let upper = digits.bytes().any(|b| b.is_ascii_uppercase());
    let lower = digits.bytes().any(|b| b.is_ascii_lowercase());
    if upper && lower {
        let hash = hex::encode(Keccak256::digest(digits.to_ascii_lowercase()));
        let right = digits
            .bytes()
            .zip(hash.bytes())
            .filter(|(digit, _)| digit.is_ascii_alphabetic())
            .all(|(digit, nibble)| digit.is_ascii_uppercase() == (nibble >= b'8'));
        if !right {
            return Err(CHECKSUM);
        }
    }
    Ok(AddressVerdict::Valid)
}

/// A version byte, 20 bytes and a double SHA-256 checksum in base58.
fn base58check(address: &str, versions: &[u8]) -> Result<AddressVerdict, Why> {
    let bytes = bs58::decode(address).with_check(None).into_vec().map_err(|error| match error {
        bs58::decode::Error::InvalidChecksum { .. } => CHECKSUM,
        bs58::decode::Error::InvalidCharacter { .. } | bs58::decode::Error::NonAsciiCharacter { .. } => {
            "it has a character that such addresses do not have"
        }
        _ => "it is too short",
    })?;
    match bytes.split_first() {
        Some((version, hash)) if hash.len() == 20 => {
            if versions.contains(version) {
                Ok(AddressVerdict::Valid)
            } else {
                Err("it belongs to another network")
            }
        }
        _ => Err("its length is wrong"),
    }
}

/// Segregated witness (bech32 for version 0, bech32m from version 1 on), or else what `other` says.
fn segwit_or(
    address: &str,
    prefix: &str,
    other: impl FnOnce(&str) -> Result<AddressVerdict, Why>,
) -> Result<AddressVerdict, Why> {
    let Some(("1", _)) = address.get(prefix.len()..).and_then(|rest| rest.split_at_checked(1)) else {
        return other(address);
    };
    if !has_prefix(address, prefix) {
        return other(address);
    }
    let (_, version, program) =
        bech32::segwit::decode(address).map_err(|_| "its form or its checksum is wrong")?;
    match (version.to_u8(), program.len()) {
        (0, _) | (1, 32) => Ok(AddressVerdict::Valid),
        (1, _) => Err("its length is wrong"),
        // Reserved for the future: well formed, but nobody knows what it will mean.
        _ => Ok(AddressVerdict::Unchecked),
    }
}

/// A public key of 32 bytes in base58; the network has no checksum.
fn solana(address: &str) -> Result<AddressVerdict, Why> {
    let bytes = bs58::decode(address).into_vec().map_err(|_| "it is not base58")?;
    if bytes.len() == 32 { Ok(AddressVerdict::Valid) } else { Err("its length is wrong") }
}
