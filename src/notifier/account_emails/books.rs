//! The letters about the books: a difference, what a person has decided of it, and the baseline.

use serde_json::Value;

use super::notice::{Notice, section};
use crate::notifier::content::{Content, Tone};
use crate::notifier::text::untrusted;

const CASE: &[(&str, &str)] = &[
    ("id", "Case"),
    ("case_id", "Case"),
    ("kind", "Kind"),
    ("expected", "Expected"),
    ("found", "Found"),
    ("detail", "Rows and figures"),
    ("resolution", "Resolution"),
    ("opened_at", "Opened"),
    ("closed_at", "Closed"),
    ("order_id", "Order id"),
    ("deposit_id", "Deposit id"),
];
const DECIDED: &[(&str, &str)] = &[
    ("case_id", "Case"),
    ("kind", "Kind"),
    ("drift_cents", "Drift, in cents"),
    ("listed_cents", "Rows credit, in cents"),
    ("counted_cents", "Counts, in cents"),
    ("baseline_cents", "Baseline, in cents"),
    ("before_cents", "Before, in cents"),
    ("who", "By"),
    ("by", "By"),
    ("note", "Note"),
    ("order_id", "Order id"),
    ("deposit_id", "Deposit id"),
];

impl Notice<'_> {
    pub(super) fn discrepancy_opened(&self) -> Content {
        let kind = self.kind();
        let figures = match (self.get(&["expected"]), self.get(&["found"])) {
            (Some(expected), Some(found)) => format!(", expected {expected}, found {found}"),
            _ => String::new(),
        };
        let (meaning, todo) = explain(&kind);
        let subject = format!("Books differ: {kind}{figures}");
        let next = [todo, "Record what you find, or close the case:"];
        let mut content = self.content(Tone::Bad, &subject, meaning.to_owned(), &next, CASE);
        content.commands = match self.get(&["id", "case_id", "case"]) {
            Some(id) if id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => vec![
                format!("depositd cases explain {id} --note \"what you found\""),
                format!("depositd cases accept {id} --note \"why it is right as it is\""),
                format!("depositd cases close {id} --note \"why\""),
            ],
            _ => vec!["depositd cases list".to_owned()],
        };
        content
    }

    pub(super) fn discrepancy_closed(&self) -> Content {
        let kind = self.kind();
        let lead = match self.get(&["resolution", "note"]) {
            Some(resolution) => format!("The case {kind} was closed: {resolution}"),
            None => format!("The case {kind} was closed: the figures agree again."),
        };
        let next = ["Nothing to do. The case is opened again only if its figures change."];
        self.content(Tone::Good, &format!("Books agree again: {kind} closed"), lead, &next, CASE)
    }

    /// What a person has decided of the books: one letter, however much it is.
    pub(super) fn decided(&self) -> Content {
        let what = self.input.reason.as_deref().map(untrusted).unwrap_or_default();
        let subject = match self.get(&["act"]).as_deref() {
            Some("accept") => "Books: a difference was accepted",
            Some("unaccept") => "Books: an acceptance was taken back",
            Some("correct") => "Books: a credit was corrected",
            Some("uncorrect") => "Books: a correction was taken back",
            Some("claim") => "Books: an order was claimed",
            _ => "Books: a person has decided",
        };
        let next = ["Nothing to do. If this is wrong, it can be taken back: see `depositd cases --help`."];
        let mut content = self.content(Tone::Warn, subject, what, &next, DECIDED);
        content.sections =
            self.members.get("corrections").and_then(|list| section("Deposits", list)).into_iter().collect();
        content
    }

    pub(super) fn baseline_set(&self) -> Content {
        let taken = self.members.get("taken").and_then(Value::as_bool).unwrap_or(true);
        let what = self.input.reason.as_deref().map(untrusted).unwrap_or_default();
        let subject = if taken { "Books: the baseline was set" } else { "Books: no baseline can be taken" };
        let next = [
            "What the total held before the first run is history, and no difference. Only a person moves it.",
        ];
        let tone = if taken { Tone::Calm } else { Tone::Bad };
        self.content(tone, subject, what, &next, DECIDED)
    }
}

/// What a kind of difference means, and what to do about it.
fn explain(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "amount_mismatch" => (
            "The upstream's invoice and our books hold different amounts for one deposit.",
            "Compare the row in the SMSOnline account with the deposit. Nothing is corrected by itself: book what is right \
             with `depositd cases correct`, or accept it as it is; the case closes when the figures agree.",
        ),
        "invoice_missing" => (
            "A deposit that we booked as credited is not among the upstream's invoices.",
            "Look for it in the SMSOnline account. If it is not there, write to SMSOnline's support with the order id.",
        ),
        "status_mismatch" => (
            "The upstream's invoice list says otherwise of a deposit than its own status call.",
            "Compare the deposit's history with the invoice; ask SMSOnline's support which of the two is right.",
        ),
        "total_charges_drift" => (
            "The account's total of top-ups is not the sum of the invoices that were credited.",
            "Look for top-ups or corrections in the SMSOnline account that the invoice list does not show.",
        ),
        "total_fell" => (
            "The account's total of top-ups is less than it was, and a total never falls. Nothing is compared until it is \
             right again, or accepted.",
            "Ask SMSOnline's support. If the lower total is right, accept it: what differs then is compared as usual.",
        ),
        "rows_changed" => (
            "Many credited rows of the invoice list have other amounts than they had, or the list is empty. Nothing is \
             compared until they are right again, or accepted.",
            "Ask SMSOnline's support, whether amounts are in another unit for one. If the rows are right, accept them.",
        ),
        "row_unread" => (
            "A row of the invoice list that may be credited cannot be read, so the books cannot be called clean.",
            "Look the top-up up in the SMSOnline account, and say its amount: depositd cases accept NUMBER --amount CENTS.",
        ),
        "restored" => (
            "The ledger was restored from a copy: orders that were made after the copy are not in it.",
            "Claim each order of yours that is named with `depositd claim ORDER --note TEXT`, then close the case.",
        ),
        _ => (
            "What the upstream says and what the books hold do not agree.",
            "Compare the figures below with the SMSOnline account.",
        ),
    }
}
