//! How postings become the transactions of a plain-text journal: crypto at its total cost in dollars, so that no rate
//! is invented, and the closing balances asserted where the journal is whole.

use std::collections::BTreeMap;
use std::io::{self, Write};

use rust_decimal::Decimal;

use crate::cli::table::plain;
use crate::domain::journal::USD;
use crate::domain::time::Timestamp;
use crate::ledger::EntryLine;

/// One line of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leg {
    /// Ours, lower-case with colons.
    pub(super) account: String,
    /// `USD` or a ticker.
    pub(super) commodity: String,
    /// How much.
    pub(super) amount: Decimal,
    /// What it cost in all, in dollars; never negative.
    pub(super) cost: Option<Decimal>,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transaction {
    /// The event that it books.
    pub(super) number: i64,
    /// When, in full.
    pub(super) at: String,
    /// In words; they may quote the customer.
    pub(super) description: String,
    /// About which deposit.
    pub(super) deposit_id: Option<String>,
    /// About which order.
    pub(super) order_id: Option<String>,
    /// Its lines.
    pub(super) legs: Vec<Leg>,
}

impl Transaction {
    /// The day, `YYYY-MM-DD` in UTC.
    pub(super) fn date(&self) -> &str {
        self.at.get(..10).unwrap_or(&self.at)
    }
}

/// What a program wants to read.
pub(super) trait Style {
    /// What stands before everything: every account with its commodity, in order.
    fn head(&self, out: &mut dyn Write, accounts: &[(String, String)]) -> io::Result<()>;
    /// One transaction.
    fn transaction(&self, out: &mut dyn Write, transaction: &Transaction) -> io::Result<()>;
    /// What every account must hold at the end of `last`, a day; `next` is the day after it.
    fn closing(&self, out: &mut dyn Write, last: &str, next: &str, balances: &Balances) -> io::Result<()>;
}

/// What each account holds of each commodity.
pub(super) type Balances = BTreeMap<(String, String), Decimal>;

/// Gathers postings into transactions and writes them.
pub(super) struct Journal<S> {
    style: S,
    current: Option<Transaction>,
    /// Only of a journal that begins at the beginning.
    balances: Option<Balances>,
    last_day: String,
}

impl<S: Style> Journal<S> {
    /// An empty journal; one that is `whole` ends with its balances.
    pub(super) fn new(style: S, whole: bool) -> Self {
        Self { style, current: None, balances: whole.then(Balances::new), last_day: String::new() }
    }

    /// Writes what stands before everything.
    pub(super) fn head(&self, out: &mut dyn Write, accounts: &[(String, String)]) -> io::Result<()> {
        self.style.head(out, accounts)
    }

    /// Takes one posting; those of one transaction come together.
    pub(super) fn entry(&mut self, out: &mut dyn Write, line: EntryLine) -> io::Result<()> {
        if self.current.as_ref().is_some_and(|current| current.number != line.transaction_id) {
            self.write_current(out)?;
        }
        let legs = legs(&line)?;
        let current = self.current.get_or_insert_with(|| Transaction {
            number: line.transaction_id,
            at: line.posted_at,
            description: line.description.unwrap_or_default(),
            deposit_id: line.deposit_id,
            order_id: line.order_id,
            legs: Vec::new(),
        });
        current.legs.extend(legs);
        Ok(())
    }

    /// Writes what is left, and the closing balances.
    pub(super) fn finish(mut self, out: &mut dyn Write) -> io::Result<()> {
        self.write_current(out)?;
        let Some(balances) = self.balances.filter(|balances| !balances.is_empty()) else { return Ok(()) };
        let day = Timestamp::parse(&self.last_day).map_err(io::Error::other)?;
        let next = day.plus(std::time::Duration::from_hours(24)).to_date_text();
        self.style.closing(out, &self.last_day, &next, &balances)
    }

    fn write_current(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let Some(transaction) = self.current.take() else { return Ok(()) };
        if let Some(balances) = &mut self.balances {
            for leg in &transaction.legs {
                let held = balances.entry((leg.account.clone(), leg.commodity.clone())).or_default();
                *held =
                    held.checked_add(leg.amount).ok_or_else(|| io::Error::other("a balance is too large"))?;
            }
        }
        if transaction.date() > self.last_day.as_str() {
            self.last_day = transaction.date().to_owned();
        }
        self.style.transaction(out, &transaction)
    }
}

/// A posting as such journals can say it: an amount of crypto carries the cost of its own sign; what is left of the
/// worth (a figure that changed while the crypto did not) is dollars.
fn legs(line: &EntryLine) -> io::Result<Vec<Leg>> {
    let worth = Decimal::new(line.amount_usd_micros, 6);
    let leg = |commodity: &str, amount, cost| Leg {
        account: line.account.clone(),
        commodity: commodity.to_owned(),
        amount,
        cost,
    };
    if line.commodity == USD {
        return Ok(vec![leg(USD, worth, None)]);
    }
    let amount: Decimal = line
        .amount
        .parse()
        .map_err(|_| io::Error::other(format!("entry {} holds no amount: {}", line.entry_id, line.amount)))?;
    let same_side = amount.is_sign_negative() == worth.is_sign_negative();
    Ok(match (amount.is_zero(), worth.is_zero()) {
        (true, _) => vec![leg(USD, worth, None)],
        (false, false) if same_side => vec![leg(&line.commodity, amount, Some(worth.abs()))],
        (false, true) => vec![leg(&line.commodity, amount, Some(Decimal::new(0, 6)))],
        (false, false) => {
            vec![leg(&line.commodity, amount, Some(Decimal::new(0, 6))), leg(USD, worth, None)]
        }
    })
}

/// One line of words for a journal: no line breaks, nothing that ends or begins a comment or a text there.
pub(super) fn words(text: &str) -> String {
    let kept: String = plain(text)
        .chars()
        .map(|c| match c {
            ';' | '|' => ',',
            '"' => '\'',
            '\\' => '/',
            c => c,
        })
        .collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(commodity: &str, amount: &str, micros: i64) -> EntryLine {
        EntryLine {
            entry_id: 1,
            transaction_id: 1,
            posted_at: "2026-05-30T00:00:00.000Z".to_owned(),
            account: "equity:crypto:usdt".to_owned(),
            commodity: commodity.to_owned(),
            amount: amount.to_owned(),
            amount_usd_micros: micros,
            deposit_id: None,
            order_id: None,
            description: None,
        }
    }

    #[test]
    fn every_posting_keeps_its_worth() {
        for (commodity, amount, micros, expected) in [
            ("USD", "5.15", 5_150_000, "5.150000 USD"),
            ("USDT", "-4.99", -5_150_000, "-4.99 USDT @@ 5.150000"),
            ("USDT", "0", -150_000, "-0.150000 USD"),
            ("USDT", "0.5", 0, "0.5 USDT @@ 0.000000"),
            ("USDT", "0.5", -150_000, "0.5 USDT @@ 0.000000, -0.150000 USD"),
        ] {
            let shown: Vec<String> = legs(&line(commodity, amount, micros))
                .unwrap()
                .iter()
                .map(|leg| {
                    let cost = leg.cost.map(|cost| format!(" @@ {cost}")).unwrap_or_default();
                    format!("{} {}{cost}", leg.amount, leg.commodity)
                })
                .collect();
            assert_eq!(shown.join(", "), expected);
        }
        assert!(legs(&line("USDT", "much", 1)).is_err());
    }

    #[test]
    fn words_cannot_break_out_of_their_line() {
        assert_eq!(words("a;b|c\"d\\e\n  ; f"), "a,b,c'd/e , f");
    }
}
