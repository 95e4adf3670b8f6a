//! How invoices are matched with deposits. Pure: the same invoices in any order, in any pages, give the same matches.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::Rule;
use crate::domain::ids::DepositId;
use crate::domain::report::Invoice;
use crate::domain::time::Timestamp;

/// A deposit as matching needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which deposit.
    pub id: DepositId,
    /// The upstream's name for its order.
    pub order_id: String,
    /// The UUID of its payment link.
    pub link_id: Option<String>,
    /// When its wallet was made.
    pub created_at: Timestamp,
    /// What an invoice for it may say, in cents: the required and the paid amount.
    pub cents: Vec<i64>,
}

/// An invoice that is not matched for certain yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    /// The ledger's number for it.
    pub row: i64,
    /// The digest of what it says: what it is told from its like by, in any order of the list.
    pub print: i64,
    /// Its `sesid`.
    pub sesid: Option<String>,
    /// Its `payId`.
    pub pay_id: Option<String>,
    /// Its amount; `None` where it cannot be read.
    pub amount_cents: Option<i64>,
    /// When it was made, for one that may be matched by amount and time: the processor's, and not matched so already.
    pub guess_at: Option<Timestamp>,
}

/// One invoice recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// The ledger's number for the invoice.
    pub row: i64,
    /// The deposit.
    pub deposit: DepositId,
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

/// Collects what identifiers say of the invoices, page after page, and decides only when all have been seen: certain
/// rules first, the learnt one before the others, then amount and time; one to one.
#[derive(Debug)]
pub struct Matcher {
    learnt: Option<Rule>,
    claims: Vec<Claim>,
    loose: Vec<Loose>,
    taken: HashSet<DepositId>,
}

/// One rule says that an invoice is a deposit's. In the order in which they are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    rank: usize,
    print: i64,
    row: i64,
    deposit: DepositId,
    rule: Rule,
}

/// An invoice that only amount and time can tell of.
#[derive(Debug, Clone, Copy)]
struct Loose {
    row: i64,
    print: i64,
    cents: i64,
    created: Timestamp,
}

impl Matcher {
    /// Begins; `learnt` is the rule that the upstream's lists have borne out so far.
    #[must_use]
    pub fn new(learnt: Option<Rule>) -> Self {
        Self { learnt, claims: Vec::new(), loose: Vec::new(), taken: HashSet::new() }
    }

    fn rank(&self, rule: Rule) -> usize {
        if self.learnt == Some(rule) {
            return 0;
        }
        let place = Rule::CERTAIN.iter().position(|known| *known == rule);
        place.map_or(usize::MAX, |place| place.saturating_add(1))
    }

    /// Hears a page of invoices, and the deposits that any identifier on it names.
    pub fn offer(&mut self, page: &[Unmatched], named: &[Candidate]) {
        let by_order: HashMap<&str, DepositId> = named.iter().map(|c| (c.order_id.as_str(), c.id)).collect();
        let by_link: HashMap<&str, DepositId> =
            named.iter().filter_map(|c| Some((c.link_id.as_deref()?, c.id))).collect();
        for invoice in page {
            for rule in Rule::CERTAIN {
                let (id, table) = match rule {
                    Rule::PayIdIsOrder => (&invoice.pay_id, &by_order),
                    Rule::SesidIsOrder => (&invoice.sesid, &by_order),
                    Rule::PayIdIsLink => (&invoice.pay_id, &by_link),
                    Rule::SesidIsLink | Rule::AmountAndTime => (&invoice.sesid, &by_link),
                };
                if let Some(deposit) = id.as_deref().and_then(|id| table.get(id)) {
                    let (rank, deposit) = (self.rank(*rule), *deposit);
                    self.claims.push(Claim {
                        rank,
                        print: invoice.print,
                        row: invoice.row,
                        deposit,
                        rule: *rule,
                    });
                }
            }
            if let (Some(created), Some(cents)) = (invoice.guess_at, invoice.amount_cents) {
                self.loose.push(Loose { row: invoice.row, print: invoice.print, cents, created });
            }
        }
    }

    /// Decides what the identifiers say, once every page was heard.
    pub fn certain(&mut self) -> Vec<Match> {
        let mut claims = std::mem::take(&mut self.claims);
        claims.sort_unstable();
        let mut rows = HashSet::new();
        let mut matches = Vec::new();
        for claim in claims {
            if !rows.contains(&claim.row) && self.taken.insert(claim.deposit) {
                rows.insert(claim.row);
                matches.push(Match { row: claim.row, deposit: claim.deposit, rule: claim.rule });
            }
        }
        self.loose.retain(|loose| !rows.contains(&loose.row));
        matches
    }

    /// True where amount and time have to be asked, after [`Matcher::certain`].
    #[must_use]
    pub fn has_loose(&self) -> bool {
        !self.loose.is_empty()
    }

    /// Matches what is left with deposits that have no invoice by amount and time; nearest in time first.
    #[must_use]
    pub fn probable(self, free: &[Candidate]) -> Vec<Match> {
        let mut free: Vec<&Candidate> = free.iter().filter(|c| !self.taken.contains(&c.id)).collect();
        free.sort_unstable_by_key(|candidate| (candidate.created_at, candidate.id));
        let mut pairs = Vec::new();
        for loose in &self.loose {
            let from = loose.created.minus(MATCH_WINDOW);
            let first = free.partition_point(|candidate| candidate.created_at < from);
            let near = free.get(first..).unwrap_or_default();
            for candidate in near.iter().take_while(|c| c.created_at <= loose.created.plus(MATCH_WINDOW)) {
                if candidate.cents.contains(&loose.cents) {
                    let (one, other) = (loose.created, candidate.created_at);
                    let apart = one.since(other).max(other.since(one));
                    pairs.push((apart, candidate.id, loose.print, loose.row));
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
