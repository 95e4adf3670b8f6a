//! The links that pay an order: what an amount in their path means, and how they are written.

use serde::{Deserialize, Serialize};

use super::link_shape::{CardRowId, LinkUnit};
use super::rng::Rng;
use crate::domain::asset::{Asset, Currency};
use crate::domain::money::{Amount, dollars};

/// Who is paid at Pay4bit: the same in every link.
const PUBLIC_KEY: &str = "48521-9d0c1";

/// What a card's link says beside the sum; never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CardLink {
    account: String,
    desc: String,
    sign: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payment_id: Option<String>,
}

impl CardLink {
    /// A new link of the account `user_id`, with a value of its own where `row_id` wants one.
    pub(super) fn make(user_id: &str, row_id: CardRowId, dice: &mut Rng) -> Self {
        let sign = dice.hex::<32>();
        let own = dice.uuid();
        let number = dice.between(100_000_000_000, 999_999_999_999);
        Self {
            account: if row_id == CardRowId::Account { own.to_string() } else { user_id.to_owned() },
            desc: match row_id {
                CardRowId::Desc => format!("Top-up {own} & fees"),
                _ => format!("Top-up of account {user_id}"),
            },
            sign,
            payment_id: (row_id == CardRowId::PaymentId).then(|| number.to_string()),
        }
    }

    /// What the link says under this name.
    pub(super) fn value(&self, row_id: CardRowId) -> Option<&str> {
        match row_id {
            CardRowId::None => None,
            CardRowId::Account => Some(&self.account),
            CardRowId::Desc => Some(&self.desc),
            CardRowId::Sign => Some(&self.sign),
            CardRowId::PaymentId => self.payment_id.as_deref(),
        }
    }

    /// The link, for this sum in dollars.
    pub(super) fn url(&self, sum: &str) -> String {
        let mut url = format!(
            "https://api.pay4bit.net/pay?public_key={PUBLIC_KEY}&sum={sum}&account={}&desc={}&currency=USD&sign={}",
            encoded(&self.account),
            encoded(&self.desc),
            self.sign,
        );
        if let Some(payment_id) = &self.payment_id {
            url.push_str(&format!("&paymentId={payment_id}"));
        }
        url
    }
}

/// The dollars that a whole number in the path asks for; `None` for anything else and for nothing.
pub(super) fn asked(unit: LinkUnit, text: &str) -> Option<Amount> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match unit {
        LinkUnit::Dollars => Amount::parse_request(text).ok(),
        LinkUnit::Cents => Amount::parse_request(&dollars(text.parse().ok()?)).ok(),
    }
}

/// What a payer picks at a payment page.
pub(super) fn picked(dice: &mut Rng) -> Option<Asset> {
    let mut pairs = Currency::ALL.iter().flat_map(|currency| {
        currency.networks().iter().map(|network| Asset { currency: *currency, network: *network })
    });
    let last = u64::try_from(pairs.clone().count()).unwrap_or(u64::MAX).saturating_sub(1);
    let place = usize::try_from(dice.between(0, last)).unwrap_or(0);
    pairs.nth(place)
}

/// `text` as it stands in a link's query (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_whole_number_of_its_unit() {
        let read = |unit, text| asked(unit, text).map(|amount| amount.as_str().to_owned());
        for (text, in_dollars, in_cents) in [
            ("5", Some("5"), Some("0.05")),
            ("500", Some("500"), Some("5.00")),
            ("1234", Some("1234"), Some("12.34")),
            ("0", None, None),
            ("", None, None),
            ("5.00", None, None),
            ("+5", None, None),
            ("-5", None, None),
            ("5e2", None, None),
            ("five", None, None),
            ("1000000000000", None, Some("10000000000.00")),
            ("99999999999999999999", None, None),
        ] {
            assert_eq!(read(LinkUnit::Dollars, text).as_deref(), in_dollars, "{text:?} dollars");
            assert_eq!(read(LinkUnit::Cents, text).as_deref(), in_cents, "{text:?} cents");
        }
    }

    #[test]
    fn a_card_is_named_only_where_it_shall_be() {
        let make = |row_id| CardLink::make("12 3", row_id, &mut Rng::new(7));
        let url = make(CardRowId::None).url("5.00");
        let (start, sign) = url.split_once("&sign=").unwrap();
        let plain = "https://api.pay4bit.net/pay?public_key=48521-9d0c1&sum=5.00&account=12%203&desc=Top-up%20of%20account%2012%203&currency=USD";
        assert_eq!((start, sign.len()), (plain, 64));
        assert_eq!(make(CardRowId::Sign).url("5.00"), url);
        assert_eq!(make(CardRowId::None).value(CardRowId::PaymentId), None);
        let card = make(CardRowId::PaymentId);
        let payment_id = card.value(CardRowId::PaymentId).unwrap();
        assert_eq!(card.url("5.00"), format!("{url}&paymentId={payment_id}"));
        assert!(make(CardRowId::Desc).url("5.00").contains("%20%26%20fees&currency"));
        assert_ne!(make(CardRowId::Account).value(CardRowId::Account), Some("12 3"));
    }

    #[test]
    fn payers_pick_among_all_coins() {
        let mut dice = Rng::new(1);
        let picks: std::collections::BTreeSet<String> =
            (0..1000).map(|_| format!("{:?}", picked(&mut dice).unwrap())).collect();
        assert_eq!(picks.len(), 30);
    }
}
