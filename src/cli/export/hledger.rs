//! How hledger (and ledger) read the books: accounts and commodities declared, so that `--strict` accepts them.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::journal::{Balances, Leg, Style, Transaction, words};
use crate::domain::journal::USD;

/// hledger's journal.
pub(super) struct Hledger;

impl Style for Hledger {
    fn head(&self, out: &mut dyn Write, accounts: &[(String, String)]) -> io::Result<()> {
        writeln!(out, "; depositd: top-ups in double entry; dates in UTC, crypto at its total cost in USD")?;
        writeln!(out, "\ncommodity {USD}\n    format 1000.000000 {USD}")?;
        let commodities: BTreeSet<&str> =
            accounts.iter().map(|(_, commodity)| commodity.as_str()).filter(|name| *name != USD).collect();
        for commodity in commodities {
            writeln!(out, "commodity {commodity}")?;
        }
        writeln!(out)?;
        let names: BTreeSet<&str> = accounts.iter().map(|(account, _)| account.as_str()).collect();
        for account in names {
            writeln!(out, "account {account}")?;
        }
        Ok(())
    }

    fn transaction(&self, out: &mut dyn Write, transaction: &Transaction) -> io::Result<()> {
        let description = words(&transaction.description);
        writeln!(out, "\n{} * ({}) {description}", transaction.date(), transaction.number)?;
        let order = transaction.order_id.as_deref().map(|order| format!(", order:{}", tag(order)));
        let deposit = transaction.deposit_id.as_deref().map(|id| format!(", deposit:{}", tag(id)));
        writeln!(
            out,
            "    ; time:{}{}{}",
            transaction.at,
            deposit.unwrap_or_default(),
            order.unwrap_or_default()
        )?;
        for leg in &transaction.legs {
            writeln!(out, "    {:<40}  {}", leg.account, amount(leg))?;
        }
        Ok(())
    }

    fn closing(&self, out: &mut dyn Write, last: &str, _next: &str, balances: &Balances) -> io::Result<()> {
        writeln!(out, "\n{last} * closing balances")?;
        for ((account, commodity), held) in balances {
            writeln!(out, "    {account:<40}  0 {commodity} = {held} {commodity}")?;
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
