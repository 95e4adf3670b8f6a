//! How invoices are matched with deposits. Pure: the same invoices in any order, in any pages, give the same matches.

use std::collections::HashSet;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::Rule;
use crate::domain::report::Invoice;
use crate::domain::time::Timestamp;

/// A deposit as guessing needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The ledger's number for it.
    pub deposit: i64,
    /// When its wallet was made.
    pub created_at: Timestamp,
    /// What an invoice for it may say, in cents: the required and the paid amount.
    pub cents: Vec<i64>,
}

/// One rule says that an invoice is a deposit's. In the order in which they are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The digest of what the invoice says: what it is told from its like by, in any order of the list.
    pub print: i64,
    /// The ledger's number for it.
    pub row: i64,
    /// The ledger's number for the deposit.
    pub deposit: i64,
}

/// An invoice that no identifier has told of, and only amount and time may: the processor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loose {
    /// The ledger's number for it.
    pub row: i64,
    /// The digest of what it says.
    pub print: i64,
    /// Its amount.
    pub cents: i64,
    /// When it was made.
    pub created: Timestamp,
}

/// One invoice recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// The ledger's number for the invoice.
    pub row: i64,
    /// The ledger's number for the deposit.
    pub deposit: i64,
    /// How it was recognised.
    pub rule: Rule,
}

/// A wallet's and its invoice's creation lie at most this far apart.
const MATCH_WINDOW: Duration = Duration::from_mins(5);

/// What an invoice is called by: its `payId`, else its `sesid`, else what it says.
#[must_use]
pub fn name_of(invoice: &Invoice) -> String {
    match (&invoice.pay_id, &invoice.sesid) {
        (Some(id), _) => format!("pay:{id}"),
        (None, Some(id)) => format!("ses:{id}"),
        (None, None) => {
            let at = invoice.created.map_or_else(String::new, |at| at.to_string());
            let cents = invoice.amount_cents.map_or_else(String::new, |cents| cents.to_string());
            format!("row:{at}:{cents}:{}", invoice.method.as_deref().unwrap_or(""))
        }
    }
}

/// Eight bytes of the SHA-256 of `texts`, each set off from the next.
#[must_use]
pub fn print_of<'a>(texts: impl IntoIterator<Item = Option<&'a str>>) -> i64 {
    let mut digest = Sha256::new();
    for text in texts {
        match text {
            None => digest.update([0]),
            Some(text) => {
                digest.update([1]);
                digest.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
                digest.update(text);
            }
        }
    }
    let digest: [u8; 32] = digest.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// True where the invoice is the processor's that our wallets come from, or does not say.
#[must_use]
pub fn is_processor(method: Option<&str>) -> bool {
    method.is_none_or(|method| method.to_ascii_lowercase().contains("cryptomus"))
}

/// Decides rule by rule, once all claims of a rule have been heard: certain rules first, the learnt one before the
/// others, then amount and time; one to one.
#[derive(Debug, Default)]
pub struct Matcher {
    claims: Vec<Claim>,
    taken: HashSet<i64>,
}

impl Matcher {
    /// The certain rules in the order in which they are to be heard; `learnt` is the one that the upstream's lists have
    /// borne out so far.
    pub fn rules(learnt: Option<Rule>) -> impl Iterator<Item = Rule> {
        let others = Rule::CERTAIN.iter().copied().filter(move |rule| Some(*rule) != learnt);
        learnt.into_iter().chain(others)
    }

    /// Hears what one rule says of invoices that no rule before it has recognised, page after page.
    pub fn hear(&mut self, claims: Vec<Claim>) {
        if self.claims.is_empty() {
            self.claims = claims;
        } else {
            self.claims.extend(claims);
        }
    }

    /// Decides what has been heard of `rule`, all pages of it; in the order of the invoices.
    pub fn decide(&mut self, rule: Rule) -> Vec<Match> {
        let mut claims = std::mem::take(&mut self.claims);
        claims.sort_unstable();
        // One identifier may name several deposits: an invoice is one's.
        let mut rows = HashSet::new();
        claims.retain(|claim| {
            let free = !rows.contains(&claim.row) && self.taken.insert(claim.deposit);
            if free {
                rows.insert(claim.row);
            }
            free
        });
        claims.sort_unstable_by_key(|claim| claim.row);
        claims.into_iter().map(|claim| Match { row: claim.row, deposit: claim.deposit, rule }).collect()
    }

    /// Matches what is left with deposits that have no invoice by amount and time; nearest in time first.
    #[must_use]
    pub fn probable(self, loose: &[Loose], free: &[Candidate]) -> Vec<Match> {
        let mut free: Vec<&Candidate> = free.iter().filter(|c| !self.taken.contains(&c.deposit)).collect();
        free.sort_unstable_by_key(|candidate| (candidate.created_at, candidate.deposit));
        let mut pairs = Vec::new();
        for loose in loose {
            let from = loose.created.minus(MATCH_WINDOW);
            let first = free.partition_point(|candidate| candidate.created_at < from);
            let near = free.get(first..).unwrap_or_default();
            for candidate in near.iter().take_while(|c| c.created_at <= loose.created.plus(MATCH_WINDOW)) {
                if candidate.cents.contains(&loose.cents) {
                    let (one, other) = (loose.created, candidate.created_at);
                    let apart = one.since(other).max(other.since(one));
                    pairs.push((apart, candidate.deposit, loose.print, loose.row));
                }
            }
        }
        pairs.sort_unstable();
        let (mut deposits, mut rows) = (HashSet::new(), HashSet::new());
        let mut matches = Vec::new();
        for (_, deposit, _, row) in pairs {
            if !deposits.contains(&deposit) && !rows.contains(&row) {
                deposits.insert(deposit);
                rows.insert(row);
                matches.push(Match { row, deposit, rule: Rule::AmountAndTime });
            }
        }
        matches
    }
}
