//! What of the upstream's list is new: each invoice is held against what the ledger knows, and only what differs is
//! kept aside until the whole list has been read.

use serde::Serialize;

use crate::domain::reconcile::{name_of, print_of};
use crate::domain::report::{Invoice, Status};
use crate::flow::adopt::Window;
use crate::ledger::{self, Fate, InvoiceRow, KnownInvoice, Pages, Spool};
use crate::upstream::InvoiceSink;

/// So many flaws are named; the others are counted.
const NAMED_FLAWS: usize = 20;
/// A list that lost fewer than this may have lost them; above it, a quarter is half a list.
const FEW: usize = 10;

/// An invoice of which something cannot be read that money or identity hangs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// Its place in the list, from 0.
    pub entry: usize,
    /// What it is called by.
    pub invoice: String,
    /// What of it cannot be read.
    pub what: String,
}

/// Hears the list. Memory grows by a few words for each invoice that is known or has changed; what those say is on disk.
#[derive(Debug)]
pub(super) struct Intake {
    known: Vec<KnownInvoice>,
    seen: Vec<bool>,
    spool: Spool,
    /// Name and print of each invoice in the spool, in their order.
    fresh: Vec<(i64, i64)>,
    heard: usize,
    flawed: usize,
    flaws: Vec<Flaw>,
    /// What may be the work of lost attempts.
    pub(super) window: Window,
}

/// What a whole list has changed.
pub(super) struct Changes {
    /// What is new or has changed.
    pub(super) pages: Pages,
    /// What becomes of those that are not simply new.
    pub(super) fates: Vec<(usize, Fate)>,
    /// No longer listed.
    pub(super) gone: Vec<i64>,
    /// How many invoices are listed.
    pub(super) listed: usize,
    /// How many of them have a flaw, and the first of those.
    pub(super) flawed: usize,
    pub(super) flaws: Vec<Flaw>,
    pub(super) window: Window,
}

/// Why a list that was read changes nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Rejected {
    /// It cannot be what it says.
    #[error("{0}")]
    Implausible(String),
    /// It could not be kept aside.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

impl Intake {
    /// `known` is ordered by name and print.
    pub(super) fn new(known: Vec<KnownInvoice>, spool: Spool, window: Window) -> Self {
        let seen = vec![false; known.len()];
        Self { known, seen, spool, fresh: Vec::new(), heard: 0, flawed: 0, flaws: Vec::new(), window }
    }

    /// Forgets the list, to hear it again.
    pub(super) fn again(self) -> Self {
        Self::new(self.known, self.spool.again(), self.window.again())
    }

    /// The known invoice of this name and print that was not heard of yet, listed or not.
    fn unseen(&self, name: i64, print: i64) -> Option<usize> {
        let first = self.known.partition_point(|known| (known.name, known.print) < (name, print));
        let like = self.known.get(first..).unwrap_or_default();
        let alike = like.iter().take_while(|known| (known.name, known.print) == (name, print));
        let seen = self.seen.get(first..).unwrap_or_default();
        alike.zip(seen).position(|(_, seen)| !seen).and_then(|at| first.checked_add(at))
    }

    /// The list has been read to its end: what it changes, or why it cannot be what it says.
    pub(super) fn finish(mut self) -> Result<Changes, Rejected> {
        let listed_before = self.known.iter().filter(|known| known.listed == 1).count();
        let lost = listed_before.saturating_sub(self.heard);
        if lost >= FEW && lost.saturating_mul(4) > listed_before {
            return Err(Rejected::Implausible(format!(
                "the upstream lists {} invoices, and listed {listed_before} before: a part of the list is missing",
                self.heard
            )));
        }
        if self.flawed >= FEW && self.flawed.saturating_mul(2) > self.heard {
            let what = self.flaws.first().map_or("", |flaw| flaw.what.as_str());
            let many = format!("{} of {} invoices cannot be read: {what}", self.flawed, self.heard);
            return Err(Rejected::Implausible(many));
        }
        let fates = self.fates();
        let gone = self.known.iter().zip(&self.seen).filter(|(known, seen)| known.listed == 1 && !**seen);
        let gone = gone.map(|(known, _)| known.row).collect();
        Ok(Changes {
            pages: self.spool.into_pages()?,
            fates,
            gone,
            listed: self.heard,
            flawed: self.flawed,
            flaws: self.flaws,
            window: self.window,
        })
    }

    /// Decides for each invoice in the spool which one it is: name by name, in an order that is not the list's.
    fn fates(&mut self) -> Vec<(usize, Fate)> {
        let mut order: Vec<(i64, i64, usize)> =
            self.fresh.iter().enumerate().map(|(at, (name, print))| (*name, *print, at)).collect();
        self.fresh = Vec::new();
        order.sort_unstable();
        let mut fates = Vec::new();
        let mut before = None;
        let mut more: i64 = 0;
        for (name, _, at) in order {
            let first = self.known.partition_point(|known| known.name < name);
            let of_name = self.known.get(first..).unwrap_or_default();
            let of_name = of_name.iter().take_while(|known| known.name == name);
            let like = of_name.clone().count();
            let seen = self.seen.get(first..).unwrap_or_default();
            let free = of_name.zip(seen).position(|(_, seen)| !seen).and_then(|at| first.checked_add(at));
            match free.and_then(|place| Some((self.seen.get_mut(place)?, self.known.get(place)?))) {
                Some((seen, known)) => {
                    *seen = true;
                    fates.push((at, Fate::Update(known.row)));
                }
                None => {
                    more = if before == Some(name) { more.saturating_add(1) } else { 1 };
                    before = Some(name);
                    let place = i64::try_from(like).unwrap_or(i64::MAX).saturating_add(more);
                    if place > 1 {
                        fates.push((at, Fate::Insert(place)));
                    }
                }
            }
        }
        fates.sort_unstable_by_key(|(at, _)| *at);
        fates
    }
}

impl InvoiceSink for Intake {
    fn take(&mut self, invoice: Invoice) {
        let entry = self.heard;
        self.heard = self.heard.saturating_add(1);
        let called = name_of(&invoice);
        if let Some(what) = &invoice.flaw {
            self.flawed = self.flawed.saturating_add(1);
            if self.flaws.len() < NAMED_FLAWS {
                self.flaws.push(Flaw { entry, invoice: called.clone(), what: what.clone() });
            }
        }
        self.window.hear(&invoice);
        let (name, print) = prints(&called, &invoice);
        // One that was gone and is back as it was must be written, too.
        let same = self.unseen(name, print);
        let same = same.filter(|at| self.known.get(*at).is_some_and(|known| known.listed == 1));
        if let Some(seen) = same.and_then(|at| self.seen.get_mut(at)) {
            *seen = true;
            return;
        }
        let Invoice { sesid, pay_id, method, amount_cents, created, status, .. } = invoice;
        let credited = status.as_deref().and_then(Status::parse).is_some_and(Status::is_credited);
        self.fresh.push((name, print));
        self.spool.push(InvoiceRow {
            name,
            print,
            sesid,
            pay_id,
            method,
            amount_cents,
            created,
            status,
            credited,
        });
    }
}

/// The digests of what an invoice is called by, and of what it says.
fn prints(called: &str, invoice: &Invoice) -> (i64, i64) {
    let cents = invoice.amount_cents.map(|cents| cents.to_string());
    let created = invoice.created.map(|at| at.as_millis().to_string());
    let print = print_of([
        invoice.sesid.as_deref(),
        invoice.pay_id.as_deref(),
        invoice.method.as_deref(),
        cents.as_deref(),
        created.as_deref(),
        invoice.status.as_deref(),
    ]);
    (print_of([Some(called)]), print)
}
