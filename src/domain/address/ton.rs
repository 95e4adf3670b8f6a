//! How TON writes addresses: raw as workchain and hash, or friendly in base 64 with a checksum of 16 bits.

use super::why::{CHECKSUM, Why};

const FRIENDLY_LEN: usize = 48;

/// Checks either form.
pub(super) fn check(address: &str) -> Result<(), Why> {
    if let Some((workchain, hash)) = address.split_once(':') {
        let hexadecimal = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        return if matches!(workchain, "0" | "-1") && hexadecimal {
            Ok(())
        } else {
            Err("it is not a workchain, a colon and 64 hexadecimal digits")
        };
    }
    if address.len() != FRIENDLY_LEN {
        return Err("its length is wrong");
    }
    let mixed = address.contains(['+', '/']) && address.contains(['-', '_']);
    let bytes = if mixed { None } else { decode(address) }.ok_or("it is not base64")?;
    let (data, checksum) = bytes.split_at_checked(34).ok_or("its length is wrong")?;
    if crc16(data).to_be_bytes() != checksum {
        return Err(CHECKSUM);
    }
    match data {
        [0x11 | 0x51, 0x00 | 0xff, ..] => Ok(()),
        [0x91 | 0xd1, ..] => Err("it belongs to the test network"),
        _ => Err("its form is wrong"),
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(36);
    for four in text.as_bytes().chunks(4) {
        let mut held = 0_u32;
        for char in four {
            held = (held << 6) | u32::from(sextet(*char)?);
        }
        let [_, wide @ ..] = held.to_be_bytes();
        bytes.extend_from_slice(&wide);
    }
    Some(bytes)
}

fn sextet(char: u8) -> Option<u8> {
    match char {
        b'A'..=b'Z' => char.checked_sub(b'A'),
        b'a'..=b'z' => char.checked_sub(b'a')?.checked_add(26),
        b'0'..=b'9' => char.checked_sub(b'0')?.checked_add(52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// CRC-16/XMODEM.
fn crc16(data: &[u8]) -> u16 {
    data.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}
