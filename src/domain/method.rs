//! How a deposit is paid.

use serde::{Deserialize, Serialize};

/// How a deposit is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// In coins, to a one-time address.
    #[default]
    Wallet,
}

impl Method {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Wallet];

    /// The word used outside.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.as_str() == text)
    }
}
