//! How TON writes addresses: raw as workchain and hash, or friendly in base 64 with a checksum of 16 bits.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

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
    // Either alphabet, but not both in one address.
    let alphabet = if address.contains(['-', '_']) { &URL_SAFE_NO_PAD } else { &STANDARD_NO_PAD };
    let bytes = alphabet.decode(address).map_err(|_| "it is not base64")?;
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

/// CRC-16/XMODEM.
fn crc16(data: &[u8]) -> u16 {
    data.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}
