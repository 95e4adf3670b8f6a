//! Imports the upstream's list: each row is compared with the ledger, and only changed rows are staged until the whole
//! list has been read and found plausible.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::context::RunContext;
use super::incomplete::ROWS_ACCEPTED;
use super::report::{Flaw, Incomplete, Stopped};
use crate::domain::reconcile::{content_hash, could_count, identity_hash};
use crate::domain::report::{Balance, Invoice};
use crate::domain::status::Weight;
use crate::domain::time::Timestamp;
use crate::ledger::{Known, RowChange, RowStaging, StagedRow};
use crate::upstream::InvoiceSink;

/// How many flaws are named; the others are counted.
const NAMED_FLAWS: usize = 20;
/// How many credited rows may have changed their amount, besides one in a hundred. With more the list is not this
/// account's.
const FEW_ALTERED: usize = 3;

/// A row that is not as it was: its digests, and its amount where that is credited.
#[derive(Debug, Clone, Copy)]
struct Fresh {
    identity: i64,
    content: i64,
    credits: Option<Credit>,
}

/// What a row says that it credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
enum Credit {
    Cents(i64),
    Unreadable,
}

/// Reads the list. Memory grows by a few words for each row that is known or has changed; what those say is on disk.
#[derive(Debug)]
pub(super) struct Reader {
    known: Known,
    seen: Vec<bool>,
    staging: RowStaging,
    fresh: Vec<Fresh>,
    read: usize,
    reaches: Option<Timestamp>,
    unreadable: usize,
    flaws: Vec<Flaw>,
}

/// What an import came to.
pub(super) struct Imported {
    /// How many rows are listed.
    pub(super) listed: usize,
    /// When the oldest of them was made.
    pub(super) reaches: Option<Timestamp>,
    /// How many could count and cannot be read, and the first of those.
    pub(super) unreadable: usize,
    pub(super) flaws: Vec<Flaw>,
}

/// Writes what the list has changed, unless it cannot be what it says.
pub(super) async fn import(
    context: &RunContext<'_>,
    balance: &Balance,
    mut reader: Reader,
) -> Result<Imported, Stopped> {
    let ledger = &context.flow.ledger;
    let floor: Option<i64> = ledger.recall("total_floor").await?.and_then(|kept| kept.parse().ok());
    if let Some(floor) = floor.filter(|floor| balance.total_charges_cents < *floor) {
        return Err(Incomplete::TotalFell { before: floor, now: balance.total_charges_cents }.into());
    }
    let changes = reader.changes();
    if let Some(implausible) = reader.implausible(&changes) {
        let accepted = ledger.recall(ROWS_ACCEPTED).await?;
        if implausible.digest() != accepted.as_deref() {
            return Err(implausible.into());
        }
    }
    let gone = reader.gone();
    let Reader { staging, read, reaches, unreadable, flaws, .. } = reader;
    let runs = (context.id, context.clean);
    ledger.import_rows(staging.into_pages()?, &changes, &gone, runs, context.at).await?;
    Ok(Imported { listed: read, reaches, unreadable, flaws })
}

impl Reader {
    /// `known` is ordered by name and content.
    pub(super) fn new(known: Known, staging: RowStaging) -> Self {
        let seen = vec![false; known.len()];
        let (fresh, flaws) = (Vec::new(), Vec::new());
        Self { known, seen, staging, fresh, read: 0, reaches: None, unreadable: 0, flaws }
    }

    /// Forgets the list, to read it again.
    pub(super) fn again(self) -> Self {
        Self::new(self.known, self.staging.cleared())
    }

    /// The known row of this name and content that was not read yet, listed or not.
    fn unseen(&self, identity: i64, content: i64) -> Option<usize> {
        let first = self.known.partition_point(|known| (known.identity, known.content) < (identity, content));
        let like = self.known.get(first..).unwrap_or_default();
        let alike = like.iter().take_while(|known| (known.identity, known.content) == (identity, content));
        let seen = self.seen.get(first..).unwrap_or_default();
        alike.zip(seen).position(|(_, seen)| !seen).and_then(|at| first.checked_add(at))
    }

    /// The staged rows that are known rows with changed content: by identity hash, in an order that does not depend on
    /// the list's. The others are new.
    fn changes(&mut self) -> Vec<RowChange> {
        let mut order: Vec<(i64, i64, usize)> =
            self.fresh.iter().enumerate().map(|(at, fresh)| (fresh.identity, fresh.content, at)).collect();
        order.sort_unstable();
        let mut changes = Vec::new();
        for (identity, _, place) in order {
            let first = self.known.partition_point(|known| known.identity < identity);
            let of_name = self.known.get(first..).unwrap_or_default();
            let of_name = of_name.iter().take_while(|known| known.identity == identity);
            let seen = self.seen.get(first..).unwrap_or_default();
            let free = of_name.zip(seen).position(|(_, seen)| !seen).and_then(|at| first.checked_add(at));
            if let Some((seen, known)) =
                free.and_then(|place| Some((self.seen.get_mut(place)?, self.known.get(place)?)))
            {
                *seen = true;
                changes.push(RowChange { place, row: known.row, counted: known.counted });
            }
        }
        changes.sort_unstable_by_key(|change| change.place);
        changes
    }

    /// Why the list cannot be what it says: it is empty and was not, or too many credited rows have another amount, or one
    /// that cannot be read any more. A row that goes on to a refund's word is none of those.
    fn implausible(&self, changes: &[RowChange]) -> Option<Incomplete> {
        let listed_before = self.known.iter().filter(|known| known.listed).count();
        if self.read == 0 && listed_before > 0 {
            return Some(Incomplete::RowsChanged {
                what: format!("the list is empty, and had {listed_before} rows before"),
                digest: "empty".to_owned(),
            });
        }
        let mut altered: Vec<(i64, Credit)> = changes
            .iter()
            .filter_map(|change| {
                let credits = self.fresh.get(change.place)?.credits?;
                let another = change.counted != 0 && credits != Credit::Cents(change.counted);
                another.then_some((change.row, credits))
            })
            .collect();
        let credited = self.known.iter().filter(|known| known.counted != 0).count();
        if altered.len() <= FEW_ALTERED || altered.len().saturating_mul(100) <= credited {
            return None;
        }
        altered.sort_unstable();
        let what = format!("{} of {credited} credited rows have another amount than they had", altered.len());
        let digest = Sha256::digest(serde_json::to_vec(&altered).unwrap_or_default());
        Some(Incomplete::RowsChanged { what, digest: hex::encode(digest) })
    }

    /// The rows that are no longer listed.
    fn gone(&self) -> Vec<i64> {
        let gone = self.known.iter().zip(&self.seen).filter(|(known, seen)| known.listed && !**seen);
        gone.map(|(known, _)| known.row).collect()
    }
}

/// What of a row cannot be read, where it could count.
fn flaw_of(invoice: &Invoice) -> Option<String> {
    if !could_count(invoice) {
        return None;
    }
    let negative = invoice.amount_cents.is_some_and(|cents| cents < 0);
    invoice.flaw.clone().or_else(|| negative.then(|| "amount is negative".to_owned()))
}

fn called(invoice: &Invoice) -> String {
    match (&invoice.pay_id, &invoice.sesid) {
        (Some(id), _) => format!("pay:{id}"),
        (None, Some(id)) => format!("ses:{id}"),
        (None, None) => "a row without an id".to_owned(),
    }
}

impl InvoiceSink for Reader {
    fn take(&mut self, mut invoice: Invoice) {
        let entry = self.read;
        self.read = self.read.saturating_add(1);
        if let Some(created) = invoice.created {
            self.reaches = Some(self.reaches.map_or(created, |reaches| reaches.min(created)));
        }
        let flaw = flaw_of(&invoice);
        if let Some(what) = &flaw {
            self.unreadable = self.unreadable.saturating_add(1);
            invoice.amount_cents = invoice.amount_cents.filter(|cents| *cents >= 0);
            if self.flaws.len() < NAMED_FLAWS {
                self.flaws.push(Flaw { entry, invoice: called(&invoice), what: what.clone() });
            }
        }
        invoice.flaw.clone_from(&flaw);
        let (identity, content) = (identity_hash(&invoice), content_hash(&invoice));
        // A row that was gone and is back unchanged must be written as well.
        let same = self.unseen(identity, content);
        let same = same.filter(|at| self.known.get(*at).is_some_and(|known| known.listed));
        if let Some(seen) = same.and_then(|at| self.seen.get_mut(at)) {
            *seen = true;
            return;
        }
        let weight = Weight::of(invoice.status.as_deref());
        let credits = (weight == Weight::Amount)
            .then(|| invoice.amount_cents.map_or(Credit::Unreadable, Credit::Cents));
        self.fresh.push(Fresh { identity, content, credits });
        let Invoice { sesid, pay_id, method, amount_cents, created, status, .. } = invoice;
        self.staging.push(StagedRow {
            identity,
            content,
            sesid,
            pay_id,
            method,
            amount_cents,
            created,
            status,
            weight,
            flaw,
        });
    }
}
