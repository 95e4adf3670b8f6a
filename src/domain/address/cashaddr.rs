//! How Bitcoin Cash writes its own addresses: base 32 with a checksum of 40 bits over the prefix and the data.

use super::why::{CHECKSUM, Why};

const CHARSET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const PREFIX: &str = "bitcoincash";
const CHECKSUM_LEN: usize = 8;
const GENERATORS: [u64; 5] = [0x98_f2bc_8e61, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470];

/// Checks an address with or without its prefix.
pub(super) fn check(address: &str) -> Result<(), Why> {
    if address.bytes().any(|b| b.is_ascii_lowercase()) && address.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("neither its legacy form nor its new form is right");
    }
    let lower = address.to_ascii_lowercase();
    let data = match lower.split_once(':') {
        Some((PREFIX, data)) => data,
        Some(_) => return Err("its prefix is not bitcoincash:"),
        None => lower.as_str(),
    };
    let values = data
        .chars()
        .map(|c| CHARSET.find(c).and_then(|at| u8::try_from(at).ok()))
        .collect::<Option<Vec<u8>>>()
        .ok_or("it has a character that such addresses do not have")?;
    if !checksum_is_right(&values) {
        return Err(CHECKSUM);
    }
    let payload_len = values.len().saturating_sub(CHECKSUM_LEN);
    let bytes = regroup(values.get(..payload_len).unwrap_or_default()).ok_or("its form is wrong")?;
    let (version, hash) = bytes.split_first().ok_or("it is too short")?;
    // Kinds 0 and 1 pay to a key or a script; 2 and 3 are the same with room for tokens.
    let kind = version >> 3;
    let hash_len = match version & 7 {
        0 => 20,
        1 => 24,
        2 => 28,
        3 => 32,
        4 => 40,
        5 => 48,
        6 => 56,
        _ => 64,
    };
    if kind > 3 || hash.len() != hash_len { Err("its form is wrong") } else { Ok(()) }
}

fn checksum_is_right(values: &[u8]) -> bool {
    let prefix = PREFIX.bytes().map(|b| b & 0x1f).chain(std::iter::once(0));
    let state = prefix.chain(values.iter().copied()).fold(1_u64, |state, value| {
        let top = state >> 35;
        let shifted = ((state & 0x07_ffff_ffff) << 5) ^ u64::from(value);
        GENERATORS
            .iter()
            .enumerate()
            .filter(|(bit, _)| (top >> bit) & 1 == 1)
            .fold(shifted, |state, (_, generator)| state ^ generator)
    });
    state == 1
}

/// Groups of five bits to whole bytes; the bits left over must be fewer than five, and zero.
fn regroup(values: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(values.len());
    let (mut held, mut bits) = (0_u32, 0_u32);
    for value in values {
        held = ((held << 5) | u32::from(*value)) & 0xfff;
        bits = bits.saturating_add(5);
        if bits >= 8 {
            bits = bits.saturating_sub(8);
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
    }
    let left = held & (1_u32.checked_shl(bits)?.saturating_sub(1));
    (bits < 5 && left == 0).then_some(bytes)
}
