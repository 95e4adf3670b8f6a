//! How postings become the transactions of a plain-text journal: crypto at its total cost in dollars, so that no rate
//! is invented, and the closing balances asserted where the journal is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::cli::table::plain;
use crate::domain::book_zone::BookZone;
use crate::domain::journal::USD;
use crate::domain::time::Timestamp;
use crate::ledger::{Earlier, EntryLine, Period};

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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Transaction {
    /// The event that it books; `None` for what runs tell.
    pub(super) number: Option<i64>,
    /// The day in the books' zone, `YYYY-MM-DD`.
    pub(super) date: String,
    /// In words; they may quote the customer.
    pub(super) description: String,
    /// Name and value of what else is known: the deposit, the order, the figure, the evidence, what it refers back to.
    pub(super) tags: Vec<(&'static str, String)>,
    /// Something in it is not known, in words.
    pub(super) flag: Option<String>,
    /// Its lines.
    pub(super) legs: Vec<Leg>,
}

impl Transaction {
    fn of(line: &EntryLine) -> Self {
        let number = |number: Option<i64>| number.map(|number| number.to_string());
        let tags = [
            ("time", Some(line.posted_at.clone())),
            ("deposit", line.deposit_id.clone()),
            ("order", line.order_id.clone()),
            ("figure", line.figure.clone()),
            ("evidence", number(line.evidence_id)),
            ("refers-to", number(line.refers_to)),
        ];
        Self {
            number: Some(line.transaction_id),
            date: line.date.clone(),
            description: line.description.clone().unwrap_or_default(),
            tags: tags.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            flag: None,
            legs: Vec::new(),
        }
    }

    /// The day, `YYYY-MM-DD`.
    pub(super) fn date(&self) -> &str {
        &self.date
    }

    /// `*` for what is certain, `!` for what a person should look at.
    pub(super) fn mark(&self) -> char {
        if self.flag.is_some() { '!' } else { '*' }
    }
}

/// What a program wants to read.
pub(super) trait Style {
    /// What stands before everything. `zone` is that of all dates.
    fn head(&self, out: &mut dyn Write, zone: &str) -> io::Result<()>;
    /// Whether what is read together may declare the same twice. Where it may, each file declares everything; else each thing
    /// is declared once, by the first that needs it.
    fn declares_again(&self) -> bool;
    /// Declares a commodity.
    fn commodity(&self, out: &mut dyn Write, commodity: &str) -> io::Result<()>;
    /// Declares an account.
    fn account(&self, out: &mut dyn Write, account: &str) -> io::Result<()>;
    /// What every account holds before `first`, the period's first day; `eve` is the day before it.
    fn opening(&self, out: &mut dyn Write, first: &str, eve: &str, balances: &Holdings) -> io::Result<()>;
    /// One transaction.
    fn transaction(&self, out: &mut dyn Write, transaction: &Transaction) -> io::Result<()>;
    /// What every account must hold at the end of `last`, a day; `next` is the day after it.
    fn closing(&self, out: &mut dyn Write, last: &str, next: &str, balances: &Holdings) -> io::Result<()>;
}

/// How much of a commodity, and what it cost in all; the cost has the amount's sign where both are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Holding {
    /// In the commodity.
    pub(super) amount: Decimal,
    /// In dollars.
    pub(super) worth: Decimal,
}

/// What each account holds of each commodity.
pub(super) type Holdings = BTreeMap<(String, String), Holding>;

/// Which part of the books a journal holds, and how.
#[derive(Debug, Clone)]
pub(super) struct Extent {
    /// The postings.
    pub(super) period: Period,
    /// Of all dates.
    pub(super) zone: Arc<BookZone>,
    /// What accounts are called that have another name in the books of their owner.
    pub(super) names: BTreeMap<String, String>,
    /// With opening balances and assertions; without them journals of several periods can be read together.
    pub(super) balanced: bool,
}

/// Gathers postings into transactions and writes them, between the balances at the period's ends.
pub(super) struct Journal<S> {
    style: S,
    extent: Extent,
    current: Option<Transaction>,
    balances: Holdings,
    last_day: String,
    /// Accounts and commodities that this journal, or one of an earlier period, declares.
    declared: BTreeSet<String>,
}

const DAY: std::time::Duration = std::time::Duration::from_hours(24);

impl<S: Style> Journal<S> {
    /// An empty journal.
    pub(super) fn new(style: S, extent: Extent) -> Self {
        let (balances, last_day, declared) = (Holdings::new(), String::new(), BTreeSet::new());
        Self { style, extent, current: None, balances, last_day, declared }
    }

    /// Takes a posting from before the period.
    pub(super) fn earlier(&mut self, posting: &Earlier) -> io::Result<()> {
        let Earlier { entry_id, account, commodity, amount, amount_usd_micros } = posting;
        for leg in legs(*entry_id, self.name(account), commodity, amount, *amount_usd_micros)? {
            self.add_earlier(&leg)?;
        }
        Ok(())
    }

    /// Takes a transaction from before the period.
    pub(super) fn earlier_transaction(&mut self, transaction: &Transaction) -> io::Result<()> {
        transaction.legs.iter().try_for_each(|leg| self.add_earlier(leg))
    }

    fn add_earlier(&mut self, leg: &Leg) -> io::Result<()> {
        if self.extent.balanced {
            return self.add(leg);
        }
        // It is declared by the journal of its own period.
        self.declared.insert(leg.account.clone());
        self.declared.insert(leg.commodity.clone());
        Ok(())
    }

    /// What the account is called in the books of their owner.
    pub(super) fn name<'a>(&'a self, account: &'a str) -> &'a str {
        self.extent.names.get(account).map_or(account, String::as_str)
    }

    /// Writes what stands before everything, and the balances that the period begins with. `accounts` is every account
    /// with its commodity.
    pub(super) fn head(&mut self, out: &mut dyn Write, accounts: &[(String, String)]) -> io::Result<()> {
        self.style.head(out, self.extent.zone.name())?;
        if !self.extent.balanced && !self.style.declares_again() {
            return Ok(());
        }
        let mut commodities: BTreeSet<&str> =
            accounts.iter().map(|(_, commodity)| commodity.as_str()).collect();
        commodities.remove(USD);
        for commodity in std::iter::once(USD).chain(commodities) {
            self.style.commodity(out, commodity)?;
        }
        writeln!(out)?;
        let names: BTreeSet<&str> = accounts.iter().map(|(account, _)| self.name(account)).collect();
        for account in names {
            self.style.account(out, account)?;
        }
        self.balances.retain(|_, held| *held != Holding::default());
        match self.extent.period.from {
            Some(from) if self.extent.balanced && !self.balances.is_empty() => {
                let first = self.extent.zone.date_of(from);
                let eve = day_beside(&first, |day| day.minus(DAY))?;
                self.last_day.clone_from(&first);
                self.style.opening(out, &first, &eve, &self.balances)
            }
            _ => Ok(()),
        }
    }

    /// Takes one posting; those of one transaction come together.
    pub(super) fn entry(&mut self, out: &mut dyn Write, line: &EntryLine) -> io::Result<()> {
        if self.current.as_ref().is_some_and(|current| current.number != Some(line.transaction_id)) {
            self.write_current(out)?;
        }
        let EntryLine { entry_id, account_mapped, commodity, amount, amount_usd_micros, .. } = line;
        let legs = legs(*entry_id, account_mapped, commodity, amount, *amount_usd_micros)?;
        let current = self.current.get_or_insert_with(|| Transaction::of(line));
        current.flag = current.flag.take().or_else(|| line.flag.clone());
        current.legs.extend(legs);
        Ok(())
    }

    /// Writes one whole transaction, behind all that was given before.
    pub(super) fn transaction(&mut self, out: &mut dyn Write, transaction: Transaction) -> io::Result<()> {
        self.write_current(out)?;
        self.current = Some(transaction);
        self.write_current(out)
    }

    /// Writes what is left, and the balances that the period ends with.
    pub(super) fn finish(mut self, out: &mut dyn Write) -> io::Result<()> {
        self.write_current(out)?;
        if self.balances.is_empty() || !self.extent.balanced {
            return Ok(());
        }
        // The period's own last day where it has one: the instant before it ends.
        let before = |to: Timestamp| to.minus(std::time::Duration::from_millis(1));
        let end = self.extent.period.to.map(|to| self.extent.zone.date_of(before(to)));
        let last = end.filter(|end| *end >= self.last_day).unwrap_or(self.last_day);
        let next = day_beside(&last, |day| day.plus(DAY))?;
        self.style.closing(out, &last, &next, &self.balances)
    }

    fn write_current(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let Some(transaction) = self.current.take() else { return Ok(()) };
        for leg in &transaction.legs {
            self.add(leg)?;
        }
        if !self.extent.balanced && !self.style.declares_again() {
            self.declare(out, &transaction)?;
        }
        if transaction.date() > self.last_day.as_str() {
            self.last_day = transaction.date().to_owned();
        }
        self.style.transaction(out, &transaction)
    }

    /// Declares what no journal has declared before.
    fn declare(&mut self, out: &mut dyn Write, transaction: &Transaction) -> io::Result<()> {
        for leg in &transaction.legs {
            let cost = leg.cost.map(|_| USD);
            for commodity in std::iter::once(leg.commodity.as_str()).chain(cost) {
                if self.declared.insert(commodity.to_owned()) {
                    self.style.commodity(out, commodity)?;
                }
            }
            if self.declared.insert(leg.account.clone()) {
                self.style.account(out, &leg.account)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, leg: &Leg) -> io::Result<()> {
        let held = self.balances.entry((leg.account.clone(), leg.commodity.clone())).or_default();
        let sign = if leg.amount.is_sign_negative() { -Decimal::ONE } else { Decimal::ONE };
        let worth = leg.cost.map_or(Some(leg.amount), |cost| cost.checked_mul(sign));
        let sum =
            held.amount.checked_add(leg.amount).zip(worth.and_then(|worth| held.worth.checked_add(worth)));
        let (amount, worth) = sum.ok_or_else(|| io::Error::other("a balance is too large"))?;
        *held = Holding { amount, worth };
        Ok(())
    }
}

/// The day beside `day`, both `YYYY-MM-DD`.
fn day_beside(day: &str, beside: impl Fn(Timestamp) -> Timestamp) -> io::Result<String> {
    Ok(beside(Timestamp::parse(day).map_err(io::Error::other)?).to_date_text())
}

/// A balance as lines that hold it.
pub(super) fn legs_of(account: &str, commodity: &str, held: Holding) -> Vec<Leg> {
    legs_of_worth(account, commodity, held.amount, held.worth)
}

/// A posting as such journals can say it: an amount of crypto carries the cost of its own sign; what is left of the
/// worth (a figure that changed while the crypto did not) is dollars.
fn legs(entry: i64, account: &str, commodity: &str, amount: &str, micros: i64) -> io::Result<Vec<Leg>> {
    let amount: Decimal =
        amount.parse().map_err(|_| io::Error::other(format!("entry {entry} holds no amount: {amount}")))?;
    Ok(legs_of_worth(account, commodity, amount, Decimal::new(micros, 6)))
}

fn legs_of_worth(account: &str, commodity: &str, amount: Decimal, worth: Decimal) -> Vec<Leg> {
    let leg = |commodity: &str, amount, cost| Leg {
        account: account.to_owned(),
        commodity: commodity.to_owned(),
        amount,
        cost,
    };
    if commodity == USD {
        return vec![leg(USD, worth, None)];
    }
    let same_side = amount.is_sign_negative() == worth.is_sign_negative();
    match (amount.is_zero(), worth.is_zero()) {
        (true, _) => vec![leg(USD, worth, None)],
        (false, false) if same_side => vec![leg(commodity, amount, Some(worth.abs()))],
        (false, true) => vec![leg(commodity, amount, Some(Decimal::new(0, 6)))],
        (false, false) => vec![leg(commodity, amount, Some(Decimal::new(0, 6))), leg(USD, worth, None)],
    }
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

    fn line(commodity: &str, amount: &str, micros: i64) -> io::Result<Vec<Leg>> {
        legs(1, "equity:crypto:usdt", commodity, amount, micros)
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
            let shown: Vec<String> = line(commodity, amount, micros)
                .unwrap()
                .iter()
                .map(|leg| {
                    let cost = leg.cost.map(|cost| format!(" @@ {cost}")).unwrap_or_default();
                    format!("{} {}{cost}", leg.amount, leg.commodity)
                })
                .collect();
            assert_eq!(shown.join(", "), expected);
        }
        assert!(line("USDT", "much", 1).is_err());
    }

    #[test]
    fn words_cannot_break_out_of_their_line() {
        assert_eq!(words("a;b|c\"d\\e\n  ; f"), "a,b,c'd/e , f");
    }
}
