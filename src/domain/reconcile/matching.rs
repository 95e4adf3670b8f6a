//! Which deposit a row bears an id of, and which it may probably be. Pure: the same rows in any order give the same.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::MatchRule;
use crate::domain::method::Method;
use crate::domain::time::Timestamp;

/// More rows than this with one id of ours: the field holds a constant, or the list is broken. It equals no id.
pub const LIKENESS_LIMIT: usize = 20;
/// Why a row is unread that names two deposits.
pub const TWO_NAMES: &str = "its two fields name two deposits";
/// Why the rows of one id are unread where there are more than can be.
pub const TOO_MANY: &str = "more than 20 rows bear the id of one deposit";
/// A wallet's and its row's creation lie at most this far apart.
const MATCH_WINDOW: Duration = Duration::from_mins(5);
/// The row of a payment page or card may be made when it is paid: so long after its link at most.
const LINK_WINDOW: Duration = Duration::from_hours(48);

/// A row bears an id of a deposit of ours, by this rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdMatch {
    /// The ledger's number for the row.
    pub row: i64,
    /// The ledger's number for the deposit.
    pub deposit: i64,
    /// By which field.
    pub rule: MatchRule,
}

/// What was decided of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It is this deposit's.
    Of(IdMatch),
    /// Its two fields name two deposits, or more rows bear the id than can be: it is unread.
    Unread {
        /// The ledger's number for the row.
        row: i64,
        /// Why.
        why: &'static str,
    },
}

/// Decides the rows' deposits by the rules: a row belongs to the deposit whose id it bears. Several rows may belong to
/// one deposit; they are summed.
#[must_use]
pub fn decide(mut claims: Vec<IdMatch>) -> Vec<Match> {
    let mut likes: HashMap<(MatchRule, i64), usize> = HashMap::new();
    for claim in &claims {
        let count = likes.entry((claim.rule, claim.deposit)).or_default();
        *count = count.saturating_add(1);
    }
    let constants: HashSet<(MatchRule, i64)> =
        likes.into_iter().filter(|(_, count)| *count > LIKENESS_LIMIT).map(|(like, _)| like).collect();
    claims.sort_unstable();
    let mut matches: Vec<Match> = Vec::with_capacity(claims.len());
    for of_row in claims.chunk_by(|one, other| one.row == other.row) {
        let mut certain = of_row.iter().filter(|claim| !constants.contains(&(claim.rule, claim.deposit)));
        let decided = match (certain.next(), of_row.first()) {
            (Some(first), _) if certain.all(|claim| claim.deposit == first.deposit) => Match::Of(*first),
            (Some(first), _) => Match::Unread { row: first.row, why: TWO_NAMES },
            (None, Some(first)) => Match::Unread { row: first.row, why: TOO_MANY },
            (None, None) => continue,
        };
        matches.push(decided);
    }
    matches
}

/// A row without an id of ours that may be a deposit's by amount and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmatchedInvoice {
    /// The ledger's number for it.
    pub row: i64,
    /// Its amount.
    pub cents: i64,
    /// When it was made.
    pub created: Timestamp,
    /// Which processor it names.
    pub processor: Option<String>,
}

/// A deposit without a row, as guessing needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbableDeposit {
    /// The ledger's number for it.
    pub deposit: i64,
    /// How it is paid.
    pub method: Method,
    /// When its wallet was made.
    pub created_at: Timestamp,
    /// What a row of it may say, in cents: the required and the paid amount.
    pub cents: Vec<i64>,
}

/// Probable matches of rows and deposits, by amount and time, one to one, the nearest in time first. They are only
/// shown.
#[must_use]
pub fn probable(rows: &[UnmatchedInvoice], deposits: &[ProbableDeposit]) -> Vec<IdMatch> {
    let mut deposits: Vec<&ProbableDeposit> = deposits.iter().collect();
    deposits.sort_unstable_by_key(|nearby| (nearby.created_at, nearby.deposit));
    let mut pairs = Vec::new();
    let window = |method| if method == Method::Wallet { MATCH_WINDOW } else { LINK_WINDOW };
    let longest = deposits.iter().map(|nearby| window(nearby.method)).max().unwrap_or_default();
    for row in rows {
        let from = row.created.minus(longest);
        let first = deposits.partition_point(|nearby| nearby.created_at < from);
        let near = deposits.get(first..).unwrap_or_default();
        for nearby in near.iter().take_while(|one| one.created_at <= row.created.plus(MATCH_WINDOW)) {
            let in_time = nearby.created_at >= row.created.minus(window(nearby.method));
            let named = nearby.method.is_named_by(row.processor.as_deref());
            if in_time && named && nearby.cents.contains(&row.cents) {
                let apart = row.created.since(nearby.created_at).max(nearby.created_at.since(row.created));
                pairs.push((apart, nearby.deposit, row.row));
            }
        }
    }
    pairs.sort_unstable();
    let (mut taken, mut given) = (HashSet::new(), HashSet::new());
    let mut claims = Vec::new();
    for (_, deposit, row) in pairs {
        if !taken.contains(&deposit) && !given.contains(&row) {
            taken.insert(deposit);
            given.insert(row);
            claims.push(IdMatch { row, deposit, rule: MatchRule::AmountAndTime });
        }
    }
    claims
}
