//! What is booked of a deposit: credited, held back, refunded; and who says so.

use serde::{Deserialize, Serialize};

use super::money::{Amount, UsdMicros};

/// Which upstream figure a booked amount came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FigureSource {
    /// `payment_amount_usd` of a poll.
    PaymentAmountUsd,
    /// `amountInUSD` of a poll: provisional, until the list states what was credited.
    AmountInUsd,
    /// The deposit's first credited row in the invoice list.
    Invoice,
    /// Nobody but a person: see [`Booked::said`].
    Person,
}

/// What the journal holds for the deposit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booked {
    /// Dollars credited.
    pub usd: UsdMicros,
    /// What was paid for them in the currency, where the upstream said so.
    pub crypto: Option<Amount>,
    /// Where the dollars' figure came from.
    pub source: FigureSource,
    /// The part of `usd` that the prepaid account holds, in whole cents; the rest is rounding. `None` in what earlier
    /// versions booked, which counted every millionth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credited: Option<UsdMicros>,
    /// What was added to that (or taken away) by a correction.
    #[serde(default)]
    pub correction: UsdMicros,
    /// A person said what was credited in all: that total stands, whatever figures later polls state, until it is taken
    /// back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub said: bool,
    /// What the wallet was for when it was booked: `amountInUSD` then. `None` in what earlier versions booked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<UsdMicros>,
}

/// Money that was paid and is locked by the processor, as far as the upstream states it; nothing of it is credited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What it is worth.
    pub usd: UsdMicros,
    /// How much it is in the currency, where the upstream said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crypto: Option<Amount>,
}

/// A refund of a part of what was credited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Dollars that went back.
    pub usd: UsdMicros,
    /// How much that was in the currency, where the upstream said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crypto: Option<Amount>,
}

impl Booked {
    /// What of the upstream's figure the prepaid account was credited with.
    #[must_use]
    pub fn by_figure(&self) -> UsdMicros {
        self.credited.unwrap_or(self.usd)
    }

    /// Whether a person said what was credited in all. Corrections of earlier versions count as said.
    #[must_use]
    pub fn is_said(&self) -> bool {
        self.said || self.correction != UsdMicros::ZERO
    }

    /// A person says that this was credited in all.
    pub fn say(&mut self, total: UsdMicros) {
        self.correction = UsdMicros::new(total.get().saturating_sub(self.by_figure().get()));
        self.said = true;
    }

    /// What the account was credited with in all.
    #[must_use]
    pub fn total(&self) -> UsdMicros {
        UsdMicros::new(self.by_figure().get().saturating_add(self.correction.get()))
    }
}
