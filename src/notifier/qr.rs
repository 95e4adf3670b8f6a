//! How an address becomes a picture that a wallet's camera reads: payment URIs, PNG for mail, half blocks for terminals.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use crate::domain::asset::{Asset, Currency};

/// Pixels to a module.
const SCALE: u32 = 6;
/// A dark and a light pixel, while the picture is text.
const DARK: char = '#';
const LIGHT: char = ' ';

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum QrError {
    /// Too much text for a code, or none that a code can hold.
    #[error("no QR code can be made of {0} bytes")]
    Data(usize),
    /// The picture could not be written.
    #[error("the QR code could not be written as PNG")]
    Png(#[from] png::EncodingError),
}

/// The text that a wallet should read: the network's own payment URI where one is standard and wallets agree on it,
/// else the bare address (an amount in a URI that a wallet misreads is worse than none).
#[must_use]
pub fn payment_uri(asset: Asset, address: &str, amount_crypto: &str) -> String {
    let scheme = match asset.currency {
        Currency::Btc => "bitcoin",
        Currency::Ltc => "litecoin",
        Currency::Doge => "dogecoin",
        Currency::Dash => "dash",
        Currency::Bch => "bitcoincash",
        _ => return address.to_owned(),
    };
    // A Bitcoin Cash address may carry its scheme already.
    let bare = match address.split_once(':') {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(scheme) => rest,
        _ => address,
    };
    if !bare.bytes().all(|b| b.is_ascii_alphanumeric()) || bare.is_empty() {
        return address.to_owned();
    }
    format!("{scheme}:{bare}?amount={amount_crypto}")
}

/// The code as text for a terminal: two rows of modules to a line of half blocks, light on dark turned into the
/// terminal's own colours, with a quiet zone.
///
/// # Errors
/// [`QrError::Data`] when `data` does not fit.
pub fn to_terminal(data: &str) -> Result<String, QrError> {
    // Full blocks are the light modules: most terminals are dark.
    let picture =
        code(data)?.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    Ok(format!("{picture}\n"))
}

/// The code as a PNG, black on white with a quiet zone, so that it reads on a dark page too.
pub fn to_png(data: &str) -> Result<Vec<u8>, QrError> {
    let code = code(data)?;
    let text =
        code.render::<char>().dark_color(DARK).light_color(LIGHT).module_dimensions(SCALE, SCALE).build();
    let side = u32::try_from(text.lines().count()).map_err(|_| QrError::Data(data.len()))?;
    let shades = text.chars().filter(|c| *c != '\n').map(|c| if c == DARK { 0 } else { u8::MAX });
    let image: Vec<u8> = shades.collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&image)?;
    writer.finish()?;
    Ok(out)
}

fn code(data: &str) -> Result<QrCode, QrError> {
    QrCode::with_error_correction_level(data, EcLevel::M).map_err(|_| QrError::Data(data.len()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn asset(currency: &str, network: &str) -> Asset {
        Asset::parse(currency, network).unwrap()
    }

    /// Reads the picture back with an independent decoder.
    pub(in crate::notifier) fn read_png(png: &[u8]) -> String {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        let (width, height) = (usize::try_from(frame.width).unwrap(), usize::try_from(frame.height).unwrap());
        let rows: Vec<&[u8]> = pixels.chunks(width).collect();
        read(width, height, |x, y| rows[y][x])
    }

    fn read(width: usize, height: usize, shade: impl Fn(usize, usize) -> u8) -> String {
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, shade);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    #[test]
    fn both_pictures_read_back() {
        for data in [
            "0x66b928a82377d75ced043e95738372e9e9607f1f",
            "bitcoin:bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq?amount=0.00005012",
            "4AdUndXHHZ6cfufTMvppY6JwXNouMBzSkbLYfpAV5Usx3skxNgYeYTRj5UzqtReoS44qo9mtmXCqY45DJ852K5Jv2684Rge",
        ] {
            assert_eq!(read_png(&to_png(data).unwrap()), data);
            let text = to_terminal(data).unwrap();
            let rows: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
            let width = rows[0].len();
            assert!(rows.iter().all(|row| row.len() == width));
            let light = |x: usize, y: usize| {
                let upper = matches!(rows[y / 2][x], '█' | '▀');
                let lower = matches!(rows[y / 2][x], '█' | '▄');
                if y.is_multiple_of(2) { upper } else { lower }
            };
            let shade = |x: usize, y: usize| if light(x / 4, y / 4) { 255 } else { 0 };
            assert_eq!(read(width * 4, rows.len() * 8, shade), data);
        }
        assert!(matches!(to_png(&"x".repeat(5000)), Err(QrError::Data(5000))));
    }

    #[test]
    fn uris_only_where_they_are_standard() {
        assert_eq!(payment_uri(asset("BTC", "BTC"), "bc1qabc", "0.5"), "bitcoin:bc1qabc?amount=0.5");
        assert_eq!(payment_uri(asset("BCH", "BCH"), "bitcoincash:qpm2", "1"), "bitcoincash:qpm2?amount=1");
        assert_eq!(payment_uri(asset("BCH", "BCH"), "qpm2", "1"), "bitcoincash:qpm2?amount=1");
        assert_eq!(payment_uri(asset("USDT", "BSC"), "0x66b9", "4.99"), "0x66b9");
        assert_eq!(payment_uri(asset("BTC", "BTC"), "bc1?amount=9&x", "0.5"), "bc1?amount=9&x");
    }
}
