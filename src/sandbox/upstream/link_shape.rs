//! How an order is paid, and what the contract leaves open of the links that pay one (docs/contract.md, sections 6 and 7).

use serde::{Deserialize, Serialize};

/// How an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderMethod {
    /// In coins, to a one-time address.
    #[default]
    Wallet,
    /// In coins, at the processor's payment page.
    Page,
    /// In dollars, by card at Pay4bit.
    Card,
}

/// What the contract leaves open of payment pages and cards, chosen by the test or the person at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkShape {
    /// What the amount in the path counts.
    pub unit: LinkUnit,
    /// Which field of a page's row is the UUID of its link.
    pub page_row_id: PageRowId,
    /// A look at the UUID of a page's link is answered as one at a wallet, `order_id` being the simulator's own id.
    /// Otherwise it is answered as one at an unknown order.
    pub page_known: bool,
    /// What of a card's link the `payId` of its row is. Links made while it is `account` or `desc` bear a value of
    /// their own under that name, those made while it is `payment_id` have `paymentId` too; earlier links stay.
    pub card_row_id: CardRowId,
    /// From when on a page or a card has a row.
    pub rows_at: RowsAt,
    /// What the amounts in the rows of pages and cards are multiplied by.
    pub factor: RowFactor,
}

/// What the amount in the path of a page or a card counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkUnit {
    /// `5` is five dollars.
    #[default]
    Dollars,
    /// `500` is five dollars.
    Cents,
}

/// Which field of a page's row is the UUID of its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageRowId {
    /// `payId`
    #[default]
    PayId,
    /// `sesid`
    Sesid,
    /// None: the row has the simulator's own ids where [`super::Shape::id_field`] puts them.
    None,
}

/// What of a card's link the `payId` of its row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardRowId {
    /// Nothing.
    #[default]
    None,
    /// `account`
    Account,
    /// `desc`
    Desc,
    /// `sign`
    Sign,
    /// `paymentId`
    PaymentId,
}

/// From when on a page or a card has a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowsAt {
    /// From the beginning, with `check`.
    #[default]
    Created,
    /// From the first payment on; its times are those of the order.
    Paid,
}

/// A fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RowFactor {
    /// Times this,
    pub num: i64,
    /// and divided by this; 0 changes nothing.
    pub den: i64,
}

impl Default for RowFactor {
    fn default() -> Self {
        Self { num: 1, den: 1 }
    }
}
