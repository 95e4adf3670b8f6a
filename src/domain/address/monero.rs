//! How Monero writes addresses: base 58 in blocks of eight bytes, and the head of a Keccak hash as checksum.

use sha3::{Digest, Keccak256};

use super::why::{CHECKSUM, Why};

const ALPHABET: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BLOCK_CHARS: usize = 11;
const CHECKSUM_LEN: usize = 4;

/// Checks a standard (18), an integrated (19) or a sub- (42) address of the main network.
pub(super) fn check(address: &str) -> Result<(), Why> {
    let bytes = decode(address).ok_or("it is not base58 as Monero writes it")?;
    let split = bytes.len().checked_sub(CHECKSUM_LEN).ok_or("it is too short")?;
    let (data, checksum) = bytes.split_at_checked(split).ok_or("it is too short")?;
    let expected_len = match data.first() {
        Some(18 | 42) => 69,
        Some(19) => 77,
        _ => return Err("it belongs to another network"),
    };
    if bytes.len() != expected_len {
        return Err("its length is wrong");
    }
    if Keccak256::digest(data).starts_with(checksum) { Ok(()) } else { Err(CHECKSUM) }
}

fn decode(address: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(80);
    for block in address.as_bytes().chunks(BLOCK_CHARS) {
        let len = match block.len() {
            2 => 1,
            3 => 2,
            5 => 3,
            6 => 4,
            7 => 5,
            9 => 6,
            10 => 7,
            11 => 8,
            _ => return None,
        };
        let mut value = 0_u128;
        for char in block {
            let digit = u128::try_from(ALPHABET.find(char::from(*char))?).ok()?;
            value = value.checked_mul(58)?.checked_add(digit)?;
        }
        let wide = value.to_be_bytes();
        let (zeros, kept) = wide.split_at_checked(wide.len().checked_sub(len)?)?;
        if zeros.iter().any(|b| *b != 0) {
            return None;
        }
        bytes.extend_from_slice(kept);
    }
    Some(bytes)
}
