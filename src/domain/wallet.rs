//! What the upstream made to pay into: a wallet, or a link.

use serde::{Deserialize, Serialize};

use super::link;
use super::money::Amount;
use super::time::Timestamp;

/// What the upstream made to pay into, with its latest figures: a direct wallet, which has an order and an address
/// (docs/contract.md, section 1), or a link to a payment page or a card payment (sections 6 and 7), which has neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    /// The upstream's name for the order; of a link `None` until the upstream, or a person, has named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Where to pay; `None` for a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The upstream's payment page, as it was written.
    pub url: Option<String>,
    /// US dollars that the upstream counts for it, its latest figure; `None` while it has stated none that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_usd: Option<Amount>,
    /// Exactly what is to be paid, in the currency; `None` while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_crypto: Option<Amount>,
    /// What else the payer must give, where the upstream named something: a memo, a tag, a comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// The deadline; `None` while it is not known: then only the upstream's own word ends the wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<Timestamp>,
    /// When we learnt of it.
    pub created_at: Timestamp,
    /// Why the address, or the link, is shown to nobody: whoever paid to it could pay wrongly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// The fields that the answers have not stated readably yet. Once the last of them is known, the address is shown.
    /// Empty where the address is withheld for another reason: then it stays so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// Another deposit has the same address: it identifies neither of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// The status call does not know the payment page: the invoice list alone tells what becomes of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub listed_only: bool,
}

impl Wallet {
    /// The UUID at the end of the payment link, by which an invoice may name the order (docs/contract.md, section 3).
    #[must_use]
    pub fn link_id(&self) -> Option<&str> {
        link::page_id(self.url.as_deref()?)
    }

    /// True where it is paid by its link: it has no address.
    #[must_use]
    pub const fn is_link(&self) -> bool {
        self.address.is_none()
    }

    /// Where to pay, unless that must not be shown.
    #[must_use]
    pub fn shown_address(&self) -> Option<&str> {
        self.address.as_deref().filter(|_| self.withheld.is_none())
    }

    /// The upstream's payment page, unless it must not be shown.
    #[must_use]
    pub fn shown_url(&self) -> Option<&str> {
        self.url.as_deref().filter(|_| self.withheld.is_none())
    }

    /// By what the status call can be asked about it: its order, or the UUID of its payment page.
    #[must_use]
    pub fn asked_by(&self) -> Option<&str> {
        self.order_id.as_deref().or_else(|| self.link_id())
    }

    /// Exactly what is to be paid, unless the address must not be shown: nobody pays without one.
    #[must_use]
    pub fn shown_amount(&self) -> Option<&Amount> {
        self.amount_crypto.as_ref().filter(|_| self.withheld.is_none())
    }
}
