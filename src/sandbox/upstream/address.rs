//! How an address looks on each network, checksum and all; the keys behind them belong to nobody.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bech32::{Hrp, segwit};
use sha3::{Digest, Keccak256};

use super::rng::Rng;
use crate::domain::asset::Network;

/// A fresh address that any checker of `network` accepts.
pub(super) fn make(network: Network, dice: &mut Rng) -> String {
    match network {
        Network::Bsc | Network::Eth | Network::Polygon | Network::Arbitrum | Network::Avalanche => {
            format!("0x{}", dice.hex::<20>())
        }
        Network::Tron => base58check(0x41, &dice.bytes::<20>()),
        Network::Btc => segwit_v0("bc", &dice.bytes::<20>()),
        Network::Ltc => segwit_v0("ltc", &dice.bytes::<20>()),
        Network::Doge => base58check(0x1e, &dice.bytes::<20>()),
        Network::Dash => base58check(0x4c, &dice.bytes::<20>()),
        Network::Bch => cash_address(&dice.bytes::<20>()),
        Network::Sol => bs58::encode(dice.bytes::<32>()).into_string(),
        Network::Ton => ton(&dice.bytes::<32>()),
        Network::Xmr => monero(&dice.bytes::<64>()),
    }
}

/// A transaction's name as the network's explorers write it.
pub(super) fn transaction(network: Network, dice: &mut Rng) -> String {
    match network {
        Network::Sol => bs58::encode(dice.bytes::<64>()).into_string(),
        evm if evm.is_evm() => format!("0x{}", dice.hex::<32>()),
        _ => dice.hex::<32>(),
    }
}

fn base58check(version: u8, payload: &[u8]) -> String {
    bs58::encode(payload).with_check_version(version).into_string()
}

fn segwit_v0(prefix: &str, program: &[u8; 20]) -> String {
    // Both prefixes are constants that parse, and a program of 20 bytes is a valid one.
    Hrp::parse(prefix).ok().and_then(|hrp| segwit::encode_v0(hrp, program).ok()).unwrap_or_default()
}

const BECH32_LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// A pay-to-key-hash address in the form of Bitcoin Cash.
fn cash_address(hash: &[u8; 20]) -> String {
    const PREFIX: &str = "bitcoincash";
    let payload: Vec<u8> = std::iter::once(0).chain(hash.iter().copied()).collect();
    let mut fives = to_fives(&payload);
    let checked: Vec<u8> = PREFIX
        .bytes()
        .map(|letter| letter & 0x1f)
        .chain(std::iter::once(0))
        .chain(fives.iter().copied())
        .chain([0; 8])
        .collect();
    let sum = cash_polymod(&checked);
    fives.extend((0_u32..8).rev().map(|place| low_five(sum >> place.saturating_mul(5))));
    let letters: String = fives
        .iter()
        .filter_map(|five| BECH32_LETTERS.get(usize::from(*five)).copied().map(char::from))
        .collect();
    format!("{PREFIX}:{letters}")
}

fn to_fives(bytes: &[u8]) -> Vec<u8> {
    let mut fives = Vec::with_capacity(bytes.len().saturating_mul(2));
    let (mut held, mut bits) = (0_u64, 0_u32);
    for byte in bytes {
        held = ((held << 8) | u64::from(*byte)) & 0xffff;
        bits = bits.saturating_add(8);
        while bits >= 5 {
            bits = bits.saturating_sub(5);
            fives.push(low_five(held >> bits));
        }
    }
    if bits > 0 {
        fives.push(low_five(held << 5_u32.saturating_sub(bits)));
    }
    fives
}

fn low_five(value: u64) -> u8 {
    u8::try_from(value & 0x1f).unwrap_or(0)
}

fn cash_polymod(values: &[u8]) -> u64 {
    const GENERATORS: [(u64, u64); 5] = [
        (0x01, 0x98_f2bc_8e61),
        (0x02, 0x79_b76d_99e2),
        (0x04, 0xf3_3e5f_b3c4),
        (0x08, 0xae_2eab_e2a8),
        (0x10, 0x1e_4f43_e470),
    ];
    let mut sum = 1_u64;
    for value in values {
        let top = sum >> 35;
        sum = ((sum & 0x07_ffff_ffff) << 5) ^ u64::from(*value);
        for (bit, generator) in GENERATORS {
            if top & bit != 0 {
                sum ^= generator;
            }
        }
    }
    sum ^ 1
}

/// The user-friendly, non-bounceable form of a TON address in the basic workchain.
fn ton(hash: &[u8; 32]) -> String {
    let mut bytes = vec![0x51, 0x00];
    bytes.extend_from_slice(hash);
    let sum = crc16(&bytes);
    bytes.extend_from_slice(&sum.to_be_bytes());
    URL_SAFE_NO_PAD.encode(&bytes)
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    let mut sum = 0_u16;
    for byte in bytes {
        sum ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            sum = if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 };
        }
    }
    sum
}

/// A standard address of Monero's main network: two public keys and four bytes of Keccak.
fn monero(keys: &[u8; 64]) -> String {
    let mut bytes = vec![18];
    bytes.extend_from_slice(keys);
    let sum = Keccak256::digest(&bytes);
    bytes.extend(sum.iter().take(4));
    bytes.chunks(8).map(monero_block).collect()
}

/// Monero writes each block of 8 bytes as 11 letters, and the last one of 5 bytes as 7.
fn monero_block(block: &[u8]) -> String {
    const LETTERS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let width = if block.len() == 8 { 11 } else { 7 };
    let mut value = block.iter().fold(0_u64, |held, byte| (held << 8) | u64::from(*byte));
    let mut letters = Vec::with_capacity(width);
    for _ in 0..width {
        let digit = usize::try_from(value.checked_rem(58).unwrap_or(0)).unwrap_or(0);
        letters.extend(LETTERS.get(digit).copied().map(char::from));
        value = value.checked_div(58).unwrap_or(0);
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_vectors_come_out_as_their_specifications_say() {
        let hash = hex::decode("F5BF48B397DAE70BE82B3CCA4793F8EB2B6CDAC9").unwrap();
        let made = cash_address(&hash.try_into().unwrap());
        assert_eq!(made, "bitcoincash:qr6m7j9njldwwzlg9v7v53unlr4jkmx6eylep8ekg2");
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(monero_block(&[0xff; 8]), "jpXCZedGfVQ");
        assert_eq!(monero_block(&[0; 8]), "11111111111");
        let program = hex::decode("751e76e8199196d454941c45d1b3a323f1433bd6").unwrap();
        let made = segwit_v0("bc", &program.try_into().unwrap());
        assert_eq!(made, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4");
    }

    #[test]
    fn every_network_gets_an_address_of_its_own_kind() {
        for (network, start, length) in [
            (Network::Bsc, "0x", 42),
            (Network::Tron, "T", 34),
            (Network::Btc, "bc1q", 42),
            (Network::Ltc, "ltc1q", 43),
            (Network::Doge, "D", 34),
            (Network::Dash, "X", 34),
            (Network::Bch, "bitcoincash:q", 54),
            (Network::Ton, "UQ", 48),
            (Network::Xmr, "4", 95),
        ] {
            for seed in 0..50 {
                let made = make(network, &mut Rng::new(seed));
                assert!(made.starts_with(start) && made.len() == length, "{network}: {made}");
                assert_eq!(made, make(network, &mut Rng::new(seed)));
                assert_ne!(made, make(network, &mut Rng::new(seed + 1)));
            }
        }
        let made = make(Network::Sol, &mut Rng::new(1));
        assert_eq!(bs58::decode(&made).into_vec().unwrap().len(), 32);
        let made = make(Network::Tron, &mut Rng::new(1));
        assert!(bs58::decode(&made).with_check(Some(0x41)).into_vec().is_ok());
    }
}
