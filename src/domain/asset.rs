//! Which currencies exist and on which networks each may be paid (docs/contract.md, section 1).

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "UPPERCASE")]
        #[expect(missing_docs, reason = "each variant is the ticker itself")]
        pub enum $name { $($variant),+ }

        impl $name {
            /// All of them, in the order of the upstream's page.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Reads the word, or another name of the same thing, in any letter case.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let is_name = |name: &str| name.eq_ignore_ascii_case(text);
                let means = |known: &Self| is_name(known.as_str()) || known.other_names().iter().any(|name| is_name(name));
                Self::ALL.iter().copied().find(means)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// A currency that a deposit can be paid in.
    Currency { Usdt, Btc, Ltc, Trx, Eth, Xmr, Pol, Bnb, Usdc, Sol, Dash, Doge, Ton, Bch, Avax, Dai }
}

words! {
    /// A blockchain network that carries a payment.
    Network { Bsc, Tron, Eth, Polygon, Arbitrum, Avalanche, Sol, Ton, Btc, Ltc, Xmr, Dash, Doge, Bch }
}

impl Currency {
    /// The ticker in capitals, as it goes into the upstream's path.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usdt => "USDT",
            Self::Btc => "BTC",
            Self::Ltc => "LTC",
            Self::Trx => "TRX",
            Self::Eth => "ETH",
            Self::Xmr => "XMR",
            Self::Pol => "POL",
            Self::Bnb => "BNB",
            Self::Usdc => "USDC",
            Self::Sol => "SOL",
            Self::Dash => "DASH",
            Self::Doge => "DOGE",
            Self::Ton => "TON",
            Self::Bch => "BCH",
            Self::Avax => "AVAX",
            Self::Dai => "DAI",
        }
    }

    /// What else people call it.
    #[must_use]
    pub const fn other_names(self) -> &'static [&'static str] {
        &[]
    }

    /// The networks that this currency may use, in the upstream's order.
    #[must_use]
    pub const fn networks(self) -> &'static [Network] {
        use Network::{
            Arbitrum, Avalanche, Bch, Bsc, Btc, Dash, Doge, Eth, Ltc, Polygon, Sol, Ton, Tron, Xmr,
        };
        match self {
            Self::Usdt => &[Bsc, Tron, Eth, Polygon, Arbitrum, Avalanche, Sol, Ton],
            Self::Usdc => &[Bsc, Eth, Polygon, Arbitrum, Avalanche],
            Self::Dai => &[Bsc, Polygon, Eth],
            Self::Pol => &[Polygon, Eth],
            Self::Btc => &[Btc],
            Self::Ltc => &[Ltc],
            Self::Trx => &[Tron],
            Self::Eth => &[Eth],
            Self::Xmr => &[Xmr],
            Self::Bnb => &[Bsc],
            Self::Sol => &[Sol],
            Self::Dash => &[Dash],
            Self::Doge => &[Doge],
            Self::Ton => &[Ton],
            Self::Bch => &[Bch],
            Self::Avax => &[Avalanche],
        }
    }
}

impl Network {
    /// The network's word in capitals, as it goes into the upstream's path.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bsc => "BSC",
            Self::Tron => "TRON",
            Self::Eth => "ETH",
            Self::Polygon => "POLYGON",
            Self::Arbitrum => "ARBITRUM",
            Self::Avalanche => "AVALANCHE",
            Self::Sol => "SOL",
            Self::Ton => "TON",
            Self::Btc => "BTC",
            Self::Ltc => "LTC",
            Self::Xmr => "XMR",
            Self::Dash => "DASH",
            Self::Doge => "DOGE",
            Self::Bch => "BCH",
        }
    }

    /// What else people call it: the standard of its tokens, which wallets and exchanges show in place of the network.
    #[must_use]
    pub const fn other_names(self) -> &'static [&'static str] {
        match self {
            Self::Bsc => &["BEP20", "BEP-20"],
            Self::Tron => &["TRC20", "TRC-20"],
            Self::Eth => &["ERC20", "ERC-20"],
            _ => &[],
        }
    }

    /// True where addresses are Ethereum's, and compare without case.
    #[must_use]
    pub const fn is_evm(self) -> bool {
        matches!(self, Self::Bsc | Self::Eth | Self::Polygon | Self::Arbitrum | Self::Avalanche)
    }
}

/// A currency on a network that may carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Asset {
    /// The currency.
    pub currency: Currency,
    /// The network.
    pub network: Network,
}

/// Why a pair of words is no asset; the text names what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssetError {
    /// No such currency.
    #[error("unknown currency {0:?}; one of {list}", list = join(Currency::ALL.iter().map(|c| c.as_str())))]
    Currency(String),
    /// The currency cannot use the network.
    #[error("{currency} cannot be paid on {network:?}; its networks are {list}",
        list = join(currency.networks().iter().map(|n| n.as_str())))]
    Network {
        /// The currency that was asked for.
        currency: Currency,
        /// The word that is none of its networks.
        network: String,
    },
}

impl Asset {
    /// All of them, in the order of the upstream's page.
    pub fn all() -> impl Iterator<Item = Self> {
        let of = |currency: &Currency| {
            let currency = *currency;
            currency.networks().iter().map(move |network| Self { currency, network: *network })
        };
        Currency::ALL.iter().flat_map(of)
    }

    /// Reads a pair of words, each by any of its names, in any letter case.
    ///
    /// # Errors
    /// [`AssetError`], naming what is allowed.
    pub fn parse(currency: &str, network: &str) -> Result<Self, AssetError> {
        let clip = |text: &str| text.chars().take(40).collect::<String>();
        let currency = Currency::parse(currency).ok_or_else(|| AssetError::Currency(clip(currency)))?;
        Network::parse(network)
            .filter(|known| currency.networks().contains(known))
            .map(|network| Self { currency, network })
            .ok_or_else(|| AssetError::Network { currency, network: clip(network) })
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.currency, self.network)
    }
}

fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_contracts() {
        let pairs: usize = Currency::ALL.iter().map(|c| c.networks().len()).sum();
        assert_eq!(pairs, 8 + 5 + 3 + 2 + 9 + 1 + 1 + 1);
        for currency in Currency::ALL {
            for network in currency.networks() {
                let lower = network.as_str().to_lowercase();
                let asset = Asset::parse(&currency.as_str().to_lowercase(), &lower).unwrap();
                assert_eq!(asset, Asset { currency: *currency, network: *network });
            }
        }
    }

    #[test]
    fn a_network_is_also_known_by_the_standard_of_its_tokens() {
        for (name, network) in [("TRC20", "TRON"), ("trc-20", "TRON"), ("ERC20", "ETH"), ("Bep20", "BSC")] {
            assert_eq!(Asset::parse("USDT", name), Asset::parse("USDT", network), "{name}");
        }
        // A standard does not make a currency payable where it is not.
        assert!(Asset::parse("USDC", "TRC20").is_err() && Asset::parse("BTC", "ERC20").is_err());
        let mut names: Vec<&str> =
            Network::ALL.iter().flat_map(|n| [&[n.as_str()], n.other_names()].concat()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "each name means one network");
        assert_eq!(Asset::all().count(), 30);
    }

    #[test]
    fn a_refusal_names_what_is_allowed() {
        let error = Asset::parse("EUR", "BSC").unwrap_err().to_string();
        assert!(error.contains("USDT, BTC, LTC"), "{error}");
        let error = Asset::parse("usdc", "tron").unwrap_err().to_string();
        assert_eq!(
            error,
            "USDC cannot be paid on \"tron\"; its networks are BSC, ETH, POLYGON, ARBITRUM, AVALANCHE"
        );
    }
}
