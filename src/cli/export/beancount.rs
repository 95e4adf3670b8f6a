//! How beancount reads the books: capitalised accounts, opened before all else, and balances on the day after.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::journal::{Holding, Holdings, Leg, Style, Transaction, legs_of, words};
use crate::domain::journal::USD;

/// beancount's journal.
pub(super) struct Beancount;

/// Before every top-up.
const OPENED: &str = "1970-01-01";

impl Style for Beancount {
    fn head(&self, out: &mut dyn Write, accounts: &[(String, String)]) -> io::Result<()> {
        writeln!(out, "; depositd: top-ups in double entry; dates in UTC, crypto at its total cost in USD")?;
        writeln!(out, "option \"title\" \"depositd\"\noption \"operating_currency\" \"{USD}\"\n")?;
        let mut commodities: BTreeSet<&str> =
            accounts.iter().map(|(_, commodity)| commodity.as_str()).collect();
        commodities.insert(USD);
        for commodity in commodities {
            writeln!(out, "{OPENED} commodity {commodity}")?;
        }
        writeln!(out)?;
        let names: BTreeSet<&str> = accounts.iter().map(|(account, _)| account.as_str()).collect();
        for account in names {
            writeln!(out, "{OPENED} open {}", capitalised(account))?;
        }
        Ok(())
    }

    fn opening(&self, out: &mut dyn Write, first: &str, eve: &str, balances: &Holdings) -> io::Result<()> {
        writeln!(out, "\n{eve} * \"opening balances\"")?;
        let legs =
            balances.iter().flat_map(|((account, commodity), held)| legs_of(account, commodity, *held));
        for leg in legs {
            posting(out, &leg)?;
        }
        self.closing(out, eve, first, balances)
    }

    fn transaction(&self, out: &mut dyn Write, transaction: &Transaction) -> io::Result<()> {
        let description = words(&transaction.description);
        writeln!(out, "\n{} {} \"{description}\"", transaction.date(), transaction.mark())?;
        writeln!(out, "  event: \"{}\"", transaction.number)?;
        let flag = transaction.flag.as_ref().map(|flag| ("flag", flag.clone()));
        for (name, value) in transaction.tags.iter().cloned().chain(flag) {
            writeln!(out, "  {name}: \"{}\"", words(&value))?;
        }
        for leg in &transaction.legs {
            posting(out, leg)?;
        }
        Ok(())
    }

    fn closing(&self, out: &mut dyn Write, _last: &str, next: &str, balances: &Holdings) -> io::Result<()> {
        writeln!(out)?;
        for ((account, commodity), Holding { amount, .. }) in balances {
            writeln!(out, "{next} balance {:<40}  {amount} ~ 0.00 {commodity}", capitalised(account))?;
        }
        Ok(())
    }
}

fn posting(out: &mut dyn Write, leg: &Leg) -> io::Result<()> {
    let cost = leg.cost.map(|cost| format!(" @@ {cost} {USD}")).unwrap_or_default();
    writeln!(out, "  {:<40}  {} {}{cost}", capitalised(&leg.account), leg.amount, leg.commodity)
}

/// `assets:prepaid:smsonline` as `Assets:Prepaid:Smsonline`.
fn capitalised(account: &str) -> String {
    let part = |part: &str| {
        let mut letters = part.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    account.split(':').map(part).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_capitalised_part_by_part() {
        assert_eq!(capitalised("assets:prepaid:smsonline"), "Assets:Prepaid:Smsonline");
        assert_eq!(capitalised("equity:crypto:usdt"), "Equity:Crypto:Usdt");
    }
}
