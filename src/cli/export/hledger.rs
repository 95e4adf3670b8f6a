//! How hledger (and ledger) read the books: accounts and commodities declared, so that `--strict` accepts them.

use std::io::{self, Write};

use super::journal::{Holding, Holdings, Leg, Style, Transaction, legs_of, words};
use crate::domain::journal::USD;

/// hledger's journal.
pub(super) struct Hledger;

impl Style for Hledger {
    fn head(&self, out: &mut dyn Write, zone: &str) -> io::Result<()> {
        writeln!(
            out,
            "; depositd: top-ups in double entry; dates in {zone}, crypto at its total cost in USD\n"
        )
    }

    fn declares_again(&self) -> bool {
        true
    }

    fn commodity(&self, out: &mut dyn Write, commodity: &str) -> io::Result<()> {
        match commodity {
            USD => writeln!(out, "commodity {USD}\n    format 1000.000000 {USD}"),
            other => writeln!(out, "commodity {other}"),
        }
    }

    fn account(&self, out: &mut dyn Write, account: &str) -> io::Result<()> {
        writeln!(out, "account {account}")
    }

    fn opening(&self, out: &mut dyn Write, first: &str, _eve: &str, balances: &Holdings) -> io::Result<()> {
        writeln!(out, "\n{first} * opening balances")?;
        let legs =
            balances.iter().flat_map(|((account, commodity), held)| legs_of(account, commodity, *held));
        for leg in legs {
            writeln!(out, "    {:<40}  {}", leg.account, amount(&leg))?;
        }
        Ok(())
    }

    fn transaction(&self, out: &mut dyn Write, transaction: &Transaction) -> io::Result<()> {
        let description = words(&transaction.description);
        let (date, mark) = (transaction.date(), transaction.mark());
        let number = transaction.number.map(|number| format!("({number}) ")).unwrap_or_default();
        writeln!(out, "\n{date} {mark} {number}{description}")?;
        let tags: Vec<String> =
            transaction.tags.iter().map(|(name, value)| format!("{name}:{}", tag(value))).collect();
        writeln!(out, "    ; {}", tags.join(", "))?;
        if let Some(flag) = &transaction.flag {
            writeln!(out, "    ; flag:{}", tag(flag))?;
        }
        for leg in &transaction.legs {
            writeln!(out, "    {:<40}  {}", leg.account, amount(leg))?;
        }
        Ok(())
    }

    fn closing(&self, out: &mut dyn Write, last: &str, _next: &str, balances: &Holdings) -> io::Result<()> {
        writeln!(out, "\n{last} * closing balances")?;
        for ((account, commodity), Holding { amount, .. }) in balances {
            writeln!(out, "    {account:<40}  0 {commodity} = {amount} {commodity}")?;
        }
        Ok(())
    }
}

fn amount(leg: &Leg) -> String {
    match leg.cost {
        Some(cost) => format!("{} {} @@ {cost} {USD}", leg.amount, leg.commodity),
        None => format!("{} {}", leg.amount, leg.commodity),
    }
}

/// A tag's value ends at a comma.
fn tag(value: &str) -> String {
    words(value).replace(',', " ")
}
