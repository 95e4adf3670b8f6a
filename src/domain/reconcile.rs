//! How invoices are matched with deposits, and what counts as a difference. Pure: the same invoices in any order
//! give the same answer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::asset::Asset;
use super::deposit::State;
use super::ids::DepositId;
use super::money::{Amount, UsdMicros};
use super::report::{Invoice, OrderReport, Status};
use super::time::Timestamp;

/// By which field an invoice was recognised as a deposit's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// `payId` is our `order_id`.
    PayIdIsOrder,
    /// `sesid` is our `order_id`.
    SesidIsOrder,
    /// `payId` is the UUID of the payment link.
    PayIdIsLink,
    /// `sesid` is the UUID of the payment link.
    SesidIsLink,
    /// The same amount at the same time: probable, not certain.
    AmountAndTime,
}

impl Rule {
    /// The word in the ledger and the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PayIdIsOrder => "pay_id_is_order",
            Self::SesidIsOrder => "sesid_is_order",
            Self::PayIdIsLink => "pay_id_is_link",
            Self::SesidIsLink => "sesid_is_link",
            Self::AmountAndTime => "amount_and_time",
        }
    }
}

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

/// One invoice recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The invoice's key.
    pub key: String,
    /// The deposit.
    pub deposit: DepositId,
    /// How it was recognised.
    pub rule: Rule,
}

/// A wallet's and its invoice's creation lie at most this far apart.
const MATCH_WINDOW: Duration = Duration::from_mins(5);

/// Gives each invoice a key that is its own in any order of the list.
#[must_use]
pub fn keyed(invoices: Vec<Invoice>) -> Vec<(String, Invoice)> {
    let mut named: Vec<(String, Invoice)> = invoices
        .into_iter()
        .map(|invoice| {
            let name = match (&invoice.pay_id, &invoice.sesid) {
                (Some(id), _) => format!("pay:{id}"),
                (None, Some(id)) => format!("ses:{id}"),
                (None, None) => {
                    let at = invoice.created.map_or_else(String::new, |at| at.to_string());
                    format!("row:{at}:{}:{}", invoice.amount_cents, invoice.method.as_deref().unwrap_or(""))
                }
            };
            (name, invoice)
        })
        .collect();
    named.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.status.cmp(&other.status)));
    let mut seen: HashMap<String, u32> = HashMap::new();
    for (name, _) in &mut named {
        let count = seen.entry(name.clone()).and_modify(|n| *n = n.saturating_add(1)).or_insert(1);
        if *count > 1 {
            *name = format!("{name}#{count}");
        }
    }
    named
}

/// Matches invoices with deposits, one to one: certain rules first, then amount and time.
#[must_use]
pub fn match_invoices(invoices: &[(String, Invoice)], candidates: &[Candidate]) -> Vec<Match> {
    let mut by_order: BTreeMap<&str, &Candidate> = BTreeMap::new();
    let mut by_link: BTreeMap<&str, &Candidate> = BTreeMap::new();
    for candidate in candidates {
        by_order.insert(&candidate.order_id, candidate);
        if let Some(link) = &candidate.link_id {
            by_link.insert(link, candidate);
        }
    }
    let mut taken: HashSet<DepositId> = HashSet::new();
    let mut matched: HashSet<&str> = HashSet::new();
    let mut matches = Vec::new();
    for rule in [Rule::PayIdIsOrder, Rule::SesidIsOrder, Rule::PayIdIsLink, Rule::SesidIsLink] {
        for (key, invoice) in invoices {
            if matched.contains(key.as_str()) {
                continue;
            }
            let (id, table) = match rule {
                Rule::PayIdIsOrder => (&invoice.pay_id, &by_order),
                Rule::SesidIsOrder => (&invoice.sesid, &by_order),
                Rule::PayIdIsLink => (&invoice.pay_id, &by_link),
                Rule::SesidIsLink | Rule::AmountAndTime => (&invoice.sesid, &by_link),
            };
            let found = id.as_deref().and_then(|id| table.get(id));
            if let Some(candidate) = found.filter(|candidate| taken.insert(candidate.id)) {
                matched.insert(key);
                matches.push(Match { key: key.clone(), deposit: candidate.id, rule });
            }
        }
    }
    let left = invoices.iter().filter(|(key, _)| !matched.contains(key.as_str()));
    matches.extend(probable(left, candidates, &taken));
    matches
}

/// Nearest in time first, so that no order of the list matters.
fn probable<'a>(
    invoices: impl Iterator<Item = &'a (String, Invoice)>,
    candidates: &[Candidate],
    taken: &HashSet<DepositId>,
) -> Vec<Match> {
    let free: Vec<&Candidate> = candidates.iter().filter(|c| !taken.contains(&c.id)).collect();
    let mut pairs = Vec::new();
    for (key, invoice) in invoices {
        let Some(created) = invoice.created.filter(|_| is_processor(invoice)) else { continue };
        for candidate in &free {
            let apart = created.since(candidate.created_at).max(candidate.created_at.since(created));
            if apart <= MATCH_WINDOW && candidate.cents.contains(&invoice.amount_cents) {
                pairs.push((apart, candidate.id, key));
            }
        }
    }
    pairs.sort();
    let (mut deposits, mut keys) = (HashSet::new(), HashSet::new());
    let mut matches = Vec::new();
    for (_, deposit, key) in pairs {
        if !deposits.contains(&deposit) && !keys.contains(key) {
            deposits.insert(deposit);
            keys.insert(key);
            matches.push(Match { key: key.clone(), deposit, rule: Rule::AmountAndTime });
        }
    }
    matches
}

/// True where the invoice is the processor's that our wallets come from, or does not say.
#[must_use]
pub fn is_processor(invoice: &Invoice) -> bool {
    invoice.method.as_deref().is_none_or(|method| method.to_ascii_lowercase().contains("cryptomus"))
}

/// The kinds of difference (INTERFACE.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Booked here and invoiced there, with other figures.
    AmountMismatch,
    /// Booked here, not invoiced there.
    InvoiceMissing,
    /// Credited on one side only.
    StatusMismatch,
    /// A wallet of ours that nobody was shown.
    AbandonedWallet,
    /// `totalCharges` is not the sum of the credited invoices.
    TotalChargesDrift,
    /// The balance rose without a top-up.
    BalanceRise,
}

impl Kind {
    /// The word in the ledger and the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AmountMismatch => "amount_mismatch",
            Self::InvoiceMissing => "invoice_missing",
            Self::StatusMismatch => "status_mismatch",
            Self::AbandonedWallet => "abandoned_wallet",
            Self::TotalChargesDrift => "total_charges_drift",
            Self::BalanceRise => "balance_rise",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What kind.
    pub kind: Kind,
    /// About which deposit.
    pub deposit_id: Option<DepositId>,
    /// About which order.
    pub order_id: Option<String>,
    /// Our figure.
    pub expected: String,
    /// The upstream's.
    pub found: String,
}

impl Difference {
    /// Kind and subject: there is at most one open case for each.
    #[must_use]
    pub fn key(&self) -> String {
        let subject = match (&self.deposit_id, &self.order_id) {
            // An abandoned wallet is its own subject: one deposit may leave several.
            (_, Some(order)) if self.kind == Kind::AbandonedWallet => order.clone(),
            (Some(id), _) => id.to_string(),
            (None, Some(order)) => order.clone(),
            (None, None) => "account".to_owned(),
        };
        format!("{}:{subject}", self.kind)
    }
}

/// A deposit and its invoice, side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Which deposit.
    pub deposit_id: DepositId,
    /// Its order.
    pub order_id: String,
    /// Where it stands here.
    pub state: State,
    /// What is booked here.
    pub booked: Option<UsdMicros>,
    /// The invoice's amount.
    pub invoice_cents: i64,
    /// The invoice's raw status.
    pub invoice_status: Option<String>,
}

/// Compares a deposit with its invoice; `None` where they agree.
#[must_use]
pub fn compare(pair: &Pair, tolerance_cents: i64) -> Option<Difference> {
    let difference = |kind, expected: String, found: String| {
        Some(Difference {
            kind,
            deposit_id: Some(pair.deposit_id),
            order_id: Some(pair.order_id.clone()),
            expected,
            found,
        })
    };
    let word = pair.invoice_status.as_deref().unwrap_or("none");
    let status = pair.invoice_status.as_deref().and_then(Status::parse);
    let credited = status.is_some_and(Status::is_credited);
    let invoiced = UsdMicros::from_cents(pair.invoice_cents).unwrap_or(UsdMicros::new(i64::MAX));
    match (pair.booked, status) {
        (Some(_), Some(Status::RefundProcess | Status::RefundPaid | Status::RefundFail))
            if matches!(pair.state, State::Refunding | State::Refunded | State::Settled) =>
        {
            // A refund that failed leaves the credit; one under way is seen by the next look.
            (status == Some(Status::RefundPaid) && pair.state != State::Refunded)
                .then(|| difference(Kind::StatusMismatch, pair.state.to_string(), word.to_owned()))
                .flatten()
        }
        (Some(_), Some(Status::WrongAmount)) if pair.state == State::Short => None,
        (Some(booked), _) if credited => {
            let apart = booked.get().abs_diff(invoiced.get());
            let tolerated = tolerance_cents.unsigned_abs().saturating_mul(10_000);
            (apart >= 10_000 && apart > tolerated)
                .then(|| difference(Kind::AmountMismatch, booked.to_string(), invoiced.to_string()))
                .flatten()
        }
        (Some(_), _) => difference(Kind::StatusMismatch, pair.state.to_string(), word.to_owned()),
        (None, _) if credited => difference(Kind::StatusMismatch, pair.state.to_string(), word.to_owned()),
        (None, _) => None,
    }
}

/// An attempt of unknown outcome, as the search for its wallet needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The ledger's number for the attempt.
    pub attempt: i64,
    /// What was asked for.
    pub asset: Asset,
    /// How much, in US dollars.
    pub amount: Amount,
    /// Whether a coupon was to lower it.
    pub coupon: bool,
    /// When the intent was written.
    pub started_at: Timestamp,
    /// The latest moment at which the upstream may have acted on it.
    pub latest: Timestamp,
    /// The order that a broken answer named.
    pub order_id: Option<String>,
}

/// An order among the invoices that belongs to no deposit we know, and what the upstream says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// The invoice's key.
    pub key: String,
    /// When the invoice says it was made.
    pub created: Option<Timestamp>,
    /// The order's report; it names the order.
    pub report: OrderReport,
}

/// The upstream's clock and ours may differ by this much.
pub const SKEW: Duration = Duration::from_mins(2);

impl Lost {
    /// True where an invoice made at `created` may be this attempt's.
    #[must_use]
    pub fn covers(&self, created: Timestamp) -> bool {
        created >= self.started_at.minus(SKEW) && created <= self.latest.plus(SKEW)
    }

    /// How far the stray's amount lies from what was asked; `None` where the stray cannot be this attempt's.
    fn distance(&self, stray: &Stray) -> Option<u64> {
        let report = &stray.report;
        let order = report.order_id.as_deref()?;
        if let Some(ours) = &self.order_id {
            return (ours == order).then_some(0);
        }
        let same = |word: Option<&String>, ours: &str| word.is_some_and(|w| w.eq_ignore_ascii_case(ours));
        let asset = same(report.currency.as_ref(), self.asset.currency.as_str())
            && same(report.network.as_ref(), self.asset.network.as_str());
        if !asset || !stray.created.is_some_and(|created| self.covers(created)) {
            return None;
        }
        let asked = self.amount.to_usd_micros()?.get();
        let apart = asked.abs_diff(report.amount_usd.as_ref()?.to_usd_micros_floor()?.get());
        // CONTRACT.md, section 1: 5.15 asked, "5.00" answered; a coupon lowers it further.
        let share: u64 = if self.coupon { 2 } else { 20 };
        let allowed = asked.unsigned_abs().checked_div(share)?.max(250_000);
        (apart <= allowed).then_some(apart)
    }
}

/// Which stray order each lost attempt made: one to one, the nearest amounts and the oldest attempts first.
#[must_use]
pub fn claim(lost: &[Lost], strays: &[Stray]) -> Vec<(i64, String)> {
    let mut pairs: Vec<(u64, i64, &str)> = Vec::new();
    for attempt in lost {
        for stray in strays {
            if let Some(distance) = attempt.distance(stray) {
                pairs.push((distance, attempt.attempt, &stray.key));
            }
        }
    }
    pairs.sort_unstable();
    let (mut attempts, mut keys) = (HashSet::new(), HashSet::new());
    let mut claims = Vec::new();
    for (_, attempt, key) in pairs {
        if !attempts.contains(&attempt) && !keys.contains(key) {
            attempts.insert(attempt);
            keys.insert(key);
            claims.push((attempt, key.to_owned()));
        }
    }
    claims
}
