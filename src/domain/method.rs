//! How a deposit is paid.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::asset::Asset;
use super::money::{Amount, UsdMicros};

/// The ways to top up that the upstream offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// In coins, to a one-time address (docs/contract.md, section 1).
    #[default]
    Wallet,
    /// At the processor's payment page, where the payer picks a coin (docs/contract.md, section 6).
    Page,
    /// By card, at Pay4bit (docs/contract.md, section 7).
    Card,
}

impl Method {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Wallet, Self::Page, Self::Card];

    /// The word used outside.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
            Self::Page => "page",
            Self::Card => "card",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.as_str() == text)
    }

    /// Whether a row of the invoice list with this `method` can be a top-up of this kind: it names the processor, or
    /// nothing.
    #[must_use]
    pub fn is_named_by(self, row: Option<&str>) -> bool {
        let processor = match self {
            Self::Wallet | Self::Page => "cryptomus",
            Self::Card => "pay4bit",
        };
        row.is_none_or(|row| row.to_ascii_lowercase().contains(processor))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// In what the upstream counts the amount of a payment page and of a card payment: its documentation does not say
/// (docs/contract.md, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmountUnit {
    /// 5 is five US dollars.
    Dollars,
    /// 500 is five US dollars.
    Cents,
}

impl AmountUnit {
    /// The words of the configuration.
    pub const WORDS: &[(&str, Self)] = &[("dollars", Self::Dollars), ("cents", Self::Cents)];

    /// So much in this unit, as the upstream's path takes it: a whole number. `None` where it is not in whole dollars.
    #[must_use]
    pub fn count(self, amount: &Amount) -> Option<i64> {
        let cents = amount.to_usd_micros_floor().and_then(UsdMicros::to_cents_exact)?;
        let whole = !amount.is_zero() && amount.value().fract().is_zero();
        whole.then_some(match self {
            Self::Cents => cents,
            Self::Dollars => cents.div_euclid(100),
        })
    }
}

/// How one deposit is paid, and in what where that is known beforehand.
///
/// The chain of events covers what is written here: a wallet is written as its pair, as it was before there was another
/// method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaidBy {
    /// At a payment page: the payer picks currency and network there.
    #[serde(rename = "page")]
    Page,
    /// By card, in dollars.
    #[serde(rename = "card")]
    Card,
    /// In this currency, over this network.
    #[serde(untagged)]
    Wallet(Asset),
}

impl PaidBy {
    /// The kind.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Page => Method::Page,
            Self::Card => Method::Card,
            Self::Wallet(_) => Method::Wallet,
        }
    }

    /// The currency and its network, where they are known.
    #[must_use]
    pub const fn asset(self) -> Option<Asset> {
        match self {
            Self::Wallet(asset) => Some(asset),
            Self::Page | Self::Card => None,
        }
    }
}

impl From<Asset> for PaidBy {
    fn from(asset: Asset) -> Self {
        Self::Wallet(asset)
    }
}

impl fmt::Display for PaidBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallet(asset) => asset.fmt(f),
            Self::Page => f.pad("payment page"),
            Self::Card => f.pad("card"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallet_is_written_as_its_pair_and_the_others_by_their_word() {
        let asset = Asset::parse("usdt", "tron").unwrap();
        for (paid_by, json) in [
            (PaidBy::Wallet(asset), r#"{"currency":"USDT","network":"TRON"}"#),
            (PaidBy::Page, r#""page""#),
            (PaidBy::Card, r#""card""#),
        ] {
            assert_eq!(serde_json::to_string(&paid_by).unwrap(), json);
            assert_eq!(serde_json::from_str::<PaidBy>(json).unwrap(), paid_by);
        }
    }

    #[test]
    fn whole_dollars_are_counted_in_either_unit_and_nothing_else_is() {
        let count = |unit: AmountUnit, text: &str| unit.count(&Amount::parse(text).unwrap());
        assert_eq!((count(AmountUnit::Dollars, "5.00"), count(AmountUnit::Cents, "5")), (Some(5), Some(500)));
        for text in ["5.15", "0.5", "5.000001", "0"] {
            assert_eq!(
                (count(AmountUnit::Dollars, text), count(AmountUnit::Cents, text)),
                (None, None),
                "{text}"
            );
        }
    }

    #[test]
    fn a_row_names_a_processor_or_none() {
        assert!(Method::Page.is_named_by(Some("CryptoMus")) && Method::Page.is_named_by(None));
        assert!(Method::Card.is_named_by(Some("Pay4Bit")) && !Method::Card.is_named_by(Some("cryptomus")));
        assert!(!Method::Page.is_named_by(Some("stripe")));
    }
}
