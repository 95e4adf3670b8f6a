//! What a dollar buys of each currency here, and how amounts are rounded: exact decimals, rates that never move.

use rust_decimal::Decimal;

use crate::domain::asset::Currency;
use crate::domain::money::UsdMicros;

/// Dollars for one unit, and how many decimals the processor asks for.
fn rate(currency: Currency) -> (Decimal, u32) {
    let (mantissa, scale, places) = match currency {
        Currency::Usdt => (1_002, 3, 2),
        Currency::Usdc => (1_001, 3, 2),
        Currency::Dai => (1_000, 3, 2),
        Currency::Btc => (6_841_235, 2, 8),
        Currency::Ltc => (8_431, 2, 8),
        Currency::Eth => (351_420, 2, 8),
        Currency::Trx => (1_248, 4, 6),
        Currency::Xmr => (16_107, 2, 8),
        Currency::Pol => (4_473, 4, 6),
        Currency::Bnb => (59_764, 2, 8),
        Currency::Sol => (15_238, 2, 8),
        Currency::Dash => (2_819, 2, 8),
        Currency::Doge => (1_536, 4, 6),
        Currency::Ton => (542, 2, 8),
        Currency::Bch => (43_177, 2, 8),
        Currency::Avax => (2_726, 2, 8),
    };
    (Decimal::new(mantissa, scale), places)
}

/// Dollars as a figure, without trailing zeros.
pub(super) fn decimal(usd: UsdMicros) -> Decimal {
    Decimal::new(usd.get(), 6).normalize()
}

/// What `usd` costs in `currency`; never nothing.
pub(super) fn crypto(currency: Currency, usd: UsdMicros) -> Decimal {
    let (rate, places) = rate(currency);
    let exact = Decimal::new(usd.get(), 6).checked_div(rate).unwrap_or_default();
    [places, 8, 12]
        .into_iter()
        .map(|places| exact.round_dp(places))
        .find(|rounded| !rounded.is_zero())
        .unwrap_or_else(|| Decimal::new(1, 12))
        .normalize()
}

/// The share of an order's price in the currency that `arrived` of its `required` dollars are.
pub(super) fn crypto_share(price: Decimal, arrived: UsdMicros, required: UsdMicros) -> Decimal {
    if arrived == required {
        return price;
    }
    price
        .checked_mul(Decimal::from(arrived.get()))
        .and_then(|product| product.checked_div(Decimal::from(required.get())))
        .map_or(price, |share| share.round_dp(8).normalize())
}

/// `usd` times `numerator` by `denominator`, in whole cents towards the nearest where a cent is left of it.
pub(super) fn portion(usd: UsdMicros, numerator: i64, denominator: i64) -> UsdMicros {
    let product = i128::from(usd.get()).saturating_mul(i128::from(numerator));
    let micros = product.checked_div(i128::from(denominator)).unwrap_or(0);
    let cents = micros.saturating_add(5_000).div_euclid(10_000);
    let rounded = if cents == 0 { micros } else { cents.saturating_mul(10_000) };
    UsdMicros::new(i64::try_from(rounded).unwrap_or(i64::MAX))
}

/// What the upstream counts for an asked amount: the whole, or with a fee the contract's 5.00 for 5.15.
pub(super) fn required(asked: UsdMicros, fee_percent: u32) -> UsdMicros {
    portion(asked, 100, i64::from(fee_percent).saturating_add(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_example_comes_out() {
        let asked = UsdMicros::new(5_150_000);
        let counted = required(asked, 3);
        assert_eq!(counted.to_string(), "5.00");
        assert_eq!(crypto(Currency::Usdt, counted).to_string(), "4.99");
        assert_eq!(required(asked, 0), asked);
    }

    #[test]
    fn nothing_is_ever_free_or_rounded_away() {
        for currency in Currency::ALL {
            assert!(!crypto(*currency, UsdMicros::new(1)).is_zero());
        }
        assert_eq!(portion(UsdMicros::new(10), 1, 2), UsdMicros::new(5));
        let price = Decimal::new(123_456_789, 8);
        let all = UsdMicros::new(10_000_000);
        assert_eq!(crypto_share(price, all, all), price);
        assert_eq!(crypto_share(price, UsdMicros::new(5_000_000), all), Decimal::new(61_728_394, 8));
    }
}
