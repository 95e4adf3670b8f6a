//! What arrived of a payment, and what of it is missing, as far as the upstream states either.

use rust_decimal::Decimal;

use super::deposit::Facts;
use super::money::Amount;

/// A figure that states something: it is not zero, and not what the first poll of the unpaid order bore.
pub(in crate::domain) fn stated<'a>(
    figure: Option<&'a Amount>,
    first: Option<&Amount>,
) -> Option<&'a Amount> {
    figure.filter(|figure| !figure.is_zero() && first.is_none_or(|first| first.value() != figure.value()))
}

impl Facts {
    /// What arrived in the currency, as the upstream wrote it: `payment_amount`, or else what the payer sent.
    #[must_use]
    pub fn arrived_crypto(&self) -> Option<&Amount> {
        let (payment, first) = (&self.payment, &self.first_payment);
        stated(payment.amount.as_ref(), first.amount.as_ref())
            .or_else(|| stated(payment.payer_amount.as_ref(), first.payer_amount.as_ref()))
    }

    /// What arrived in US dollars, as the upstream wrote it: `payment_amount_usd`.
    #[must_use]
    pub fn arrived_usd(&self) -> Option<&Amount> {
        stated(self.payment.amount_usd.as_ref(), self.first_payment.amount_usd.as_ref())
    }

    /// What is missing in the currency, where the upstream states that a part arrived.
    #[must_use]
    pub fn missing_crypto(&self) -> Option<String> {
        let due = self.wallet.as_ref()?.amount_crypto.as_ref()?;
        rest(due, self.arrived_crypto()?).map(|rest| rest.normalize().to_string())
    }

    /// The same in US dollars, of the upstream's latest figure for the wallet. The coins decide: where all of them are
    /// there, nothing is missing, whatever they are worth.
    #[must_use]
    pub fn missing_usd(&self) -> Option<String> {
        let due = self.wallet.as_ref()?.amount_usd.as_ref()?;
        if self.arrived_crypto().is_some() && self.missing_crypto().is_none() {
            return None;
        }
        let mut rest = rest(due, self.arrived_usd()?)?.normalize();
        if rest.scale() < 2 {
            rest.rescale(2);
        }
        Some(rest.to_string())
    }
}

fn rest(due: &Amount, arrived: &Amount) -> Option<Decimal> {
    let rest = due.value().checked_sub(arrived.value())?;
    (rest.is_sign_positive() && !rest.is_zero()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::deposit::{Payment, Wallet};
    use crate::domain::time::Timestamp;

    fn amount(text: &str) -> Option<Amount> {
        (!text.is_empty()).then(|| Amount::parse(text).unwrap())
    }

    fn facts(crypto: &str, sent: &str, usd: &str) -> Facts {
        let at = Timestamp::EPOCH;
        let wallet = Wallet {
            order_id: Some("o".to_owned()),
            address: Some("a".to_owned()),
            url: None,
            amount_usd: amount("25.00"),
            amount_crypto: amount("24.9800"),
            memo: None,
            expire_at: None,
            created_at: at,
            withheld: None,
            unread: Vec::new(),
            shared: false,
            listed_only: false,
        };
        let payment = Payment {
            amount: amount(crypto),
            payer_amount: amount(sent),
            amount_usd: amount(usd),
            ..Payment::default()
        };
        Facts { wallet: Some(wallet), payment, ..Facts::new(at) }
    }

    #[test]
    fn what_is_not_stated_is_nothing_and_never_guessed() {
        for (crypto, sent, usd, arrived, missing) in [
            ("", "", "", [None, None], [None, None]),
            ("0", "0.00", "0.0", [None, None], [None, None]),
            ("10", "", "", [Some("10"), None], [Some("14.98"), None]),
            ("10", "11", "", [Some("10"), None], [Some("14.98"), None]),
            ("0.00", "11.10", "", [Some("11.10"), None], [Some("13.88"), None]),
            ("", "", "24.5", [None, Some("24.5")], [None, Some("0.50")]),
            ("10.0", "", "10.01", [Some("10.0"), Some("10.01")], [Some("14.98"), Some("14.99")]),
            ("24.98", "", "24.99", [Some("24.98"), Some("24.99")], [None, None]),
            ("30", "", "20", [Some("30"), Some("20")], [None, None]),
            (
                "24.979999",
                "",
                "24.999999",
                [Some("24.979999"), Some("24.999999")],
                [Some("0.000001"), Some("0.000001")],
            ),
        ] {
            let mut facts = facts(crypto, sent, usd);
            let told = |facts: &Facts| {
                let text = |amount: Option<&Amount>| amount.map(ToString::to_string);
                (
                    [text(facts.arrived_crypto()), text(facts.arrived_usd())],
                    [facts.missing_crypto(), facts.missing_usd()],
                )
            };
            let owned = |texts: [Option<&str>; 2]| texts.map(|text| text.map(str::to_owned));
            assert_eq!(told(&facts), (owned(arrived), owned(missing)), "{crypto} {sent} {usd}");
            facts.first_payment = facts.payment.clone();
            assert_eq!(
                told(&facts),
                ([None, None], [None, None]),
                "an unpaid order bore it: {crypto} {sent} {usd}"
            );
        }
    }
}
