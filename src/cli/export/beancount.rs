//! How beancount reads the books: capitalised accounts, opened before all else, and balances on the day after.

use std::io::{self, Write};

use super::journal::{Holding, Holdings, Leg, Style, Transaction, legs_of, words};
use crate::domain::chart::capitalised;
use crate::domain::journal::USD;

/// beancount's journal.
pub(super) struct Beancount;

/// Before every top-up.
const OPENED: &str = "1970-01-01";

impl Style for Beancount {
    fn head(&self, out: &mut dyn Write, zone: &str) -> io::Result<()> {
        writeln!(
            out,
            "; depositd: top-ups in double entry; dates in {zone}, crypto at its total cost in USD"
        )?;
        writeln!(out, "option \"title\" \"depositd\"\noption \"operating_currency\" \"{USD}\"\n")
    }

    fn declares_again(&self) -> bool {
        false
    }

    fn commodity(&self, out: &mut dyn Write, commodity: &str) -> io::Result<()> {
        writeln!(out, "{OPENED} commodity {commodity}")
    }

    fn account(&self, out: &mut dyn Write, account: &str) -> io::Result<()> {
        writeln!(out, "{OPENED} open {}", capitalised(account))
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
        if let Some(number) = transaction.number {
            writeln!(out, "  event: \"{number}\"")?;
        }
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
