//! What of the upstream's list is new: each invoice is held against what the ledger knows, and only what differs is
//! kept, packed, until the whole list has been read.

use std::collections::HashMap;

use serde::Serialize;

use crate::domain::reconcile::{name_of, print_of};
use crate::domain::report::{Invoice, Status};
use crate::domain::time::Timestamp;
use crate::flow::adopt::Window;
use crate::ledger::{self, InvoiceChange, KnownInvoice};
use crate::upstream::InvoiceSink;

/// So many changed invoices are packed, and later written, together.
const PAGE: usize = 2000;
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

/// `sesid`, `payId`, method, cents, created in milliseconds, status.
type Packed = (Option<String>, Option<String>, Option<String>, Option<i64>, Option<i64>, Option<String>);

/// Hears the list. Memory grows with what has changed, and by a few words for each invoice that is known.
#[derive(Debug)]
pub(super) struct Intake {
    known: Vec<KnownInvoice>,
    seen: Vec<bool>,
    page: Vec<Packed>,
    pages: Vec<String>,
    /// Name and print of each packed invoice, in their order.
    fresh: Vec<(i64, i64)>,
    heard: usize,
    flawed: usize,
    flaws: Vec<Flaw>,
    /// What may be the work of lost attempts.
    pub(super) window: Window,
}

/// What a whole list has changed.
pub(super) struct Changes {
    pages: Vec<String>,
    fates: Vec<Fate>,
    /// No longer listed.
    pub(super) gone: Vec<i64>,
    /// How many invoices are listed.
    pub(super) listed: usize,
    /// How many of them have a flaw, and the first of those.
    pub(super) flawed: usize,
    pub(super) flaws: Vec<Flaw>,
    pub(super) window: Window,
}

/// What becomes of a changed invoice.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It is the one with this number.
    Update(i64),
    /// It is new, and this is its place among those of its name.
    Insert(usize),
}

impl Intake {
    /// `known` is ordered by name and print.
    pub(super) fn new(known: Vec<KnownInvoice>, window: Window) -> Self {
        let seen = vec![false; known.len()];
        Self {
            known,
            seen,
            page: Vec::new(),
            pages: Vec::new(),
            fresh: Vec::new(),
            heard: 0,
            flawed: 0,
            flaws: Vec::new(),
            window,
        }
    }

    /// Forgets the list, to hear it again.
    pub(super) fn again(self) -> Self {
        Self::new(self.known, self.window.again())
    }

    /// The known invoice of this name and print that was not heard of yet, listed or not.
    fn unseen(&self, name: i64, print: i64) -> Option<usize> {
        let first = self.known.partition_point(|known| (known.name, known.print) < (name, print));
        let like = self.known.get(first..).unwrap_or_default();
        let alike = like.iter().take_while(|known| (known.name, known.print) == (name, print));
        let seen = self.seen.get(first..).unwrap_or_default();
        alike.zip(seen).position(|(_, seen)| !seen).and_then(|at| first.checked_add(at))
    }

    fn pack(&mut self) {
        if let Ok(page) = serde_json::to_string(&self.page) {
            self.pages.push(page);
        }
        self.page.clear();
    }

    /// The list has been read to its end: what it changes, or why it cannot be what it says.
    pub(super) fn finish(mut self) -> Result<Changes, String> {
        self.pack();
        let listed_before = self.known.iter().filter(|known| known.listed == 1).count();
        let lost = listed_before.saturating_sub(self.heard);
        if lost >= FEW && lost.saturating_mul(4) > listed_before {
            return Err(format!(
                "the upstream lists {} invoices, and listed {listed_before} before: a part of the list is missing",
                self.heard
            ));
        }
        if self.flawed >= FEW && self.flawed.saturating_mul(2) > self.heard {
            let what = self.flaws.first().map_or("", |flaw| flaw.what.as_str());
            return Err(format!("{} of {} invoices cannot be read: {what}", self.flawed, self.heard));
        }
        let fates = self.fates();
        let gone = self.known.iter().zip(&self.seen).filter(|(known, seen)| known.listed == 1 && !**seen);
        let gone = gone.map(|(known, _)| known.row).collect();
        Ok(Changes {
            pages: self.pages,
            fates,
            gone,
            listed: self.heard,
            flawed: self.flawed,
            flaws: self.flaws,
            window: self.window,
        })
    }

    /// Decides for each packed invoice which one it is: name by name, in an order that is not the list's.
    fn fates(&mut self) -> Vec<Fate> {
        let mut order: Vec<(i64, i64, usize)> =
            self.fresh.iter().enumerate().map(|(at, (name, print))| (*name, *print, at)).collect();
        order.sort_unstable();
        let mut fates = vec![Fate::Insert(1); order.len()];
        let mut places: HashMap<i64, usize> = HashMap::new();
        for (name, _, at) in order {
            let first = self.known.partition_point(|known| known.name < name);
            let of_name = self.known.get(first..).unwrap_or_default();
            let of_name = of_name.iter().take_while(|known| known.name == name);
            let like = of_name.clone().count();
            let seen = self.seen.get(first..).unwrap_or_default();
            let free = of_name.zip(seen).position(|(_, seen)| !seen).and_then(|at| first.checked_add(at));
            let fate = match free.and_then(|place| Some((self.seen.get_mut(place)?, self.known.get(place)?)))
            {
                Some((seen, known)) => {
                    *seen = true;
                    Fate::Update(known.row)
                }
                None => {
                    let more = places.entry(name).or_default();
                    *more = more.saturating_add(1);
                    Fate::Insert(like.saturating_add(*more))
                }
            };
            if let Some(slot) = fates.get_mut(at) {
                *slot = fate;
            }
        }
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
        self.page.push((sesid, pay_id, method, amount_cents, created.map(Timestamp::as_millis), status));
        self.fresh.push((name, print));
        if self.page.len() >= PAGE {
            self.pack();
        }
    }
}

impl Changes {
    /// Lets go of what has been written.
    pub(super) fn written(&mut self) {
        self.pages = Vec::new();
        self.fates = Vec::new();
    }

    /// What is to be written, page by page.
    pub(super) fn pages(&self) -> impl Iterator<Item = ledger::Result<Vec<InvoiceChange>>> + Send + '_ {
        let mut fates = self.fates.iter();
        self.pages.iter().map(move |page| {
            let packed: Vec<Packed> =
                serde_json::from_str(page).map_err(|error| ledger::Error::Unreadable(error.to_string()))?;
            Ok(packed.into_iter().zip(fates.by_ref()).map(|(packed, fate)| change(packed, *fate)).collect())
        })
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

fn change(packed: Packed, fate: Fate) -> InvoiceChange {
    let (sesid, pay_id, method, amount_cents, created, status) = packed;
    let created = created.map(Timestamp::from_millis);
    let invoice = Invoice { sesid, pay_id, method, amount_cents, created, status, flaw: None };
    let called = name_of(&invoice);
    let (name, print) = prints(&called, &invoice);
    let (row, key) = match fate {
        Fate::Update(row) => (Some(row), called),
        Fate::Insert(1) => (None, called),
        Fate::Insert(place) => (None, format!("{called}#{place}")),
    };
    let credited = invoice.status.as_deref().and_then(Status::parse).is_some_and(Status::is_credited);
    InvoiceChange {
        row,
        key,
        name,
        print,
        sesid: invoice.sesid,
        pay_id: invoice.pay_id,
        method: invoice.method,
        amount_cents,
        created: created.map(|at| at.to_string()),
        status: invoice.status,
        credited,
    }
}
