//! What a row of the invoice list is called by, what it says, and what it counts as credited.

use sha2::{Digest as _, Sha256};

use crate::domain::report::Invoice;
use crate::domain::status::{Status, Weight};

/// True for a row that may be credited, so that everything about it must be readable.
#[must_use]
pub fn could_count(invoice: &Invoice) -> bool {
    // A status that cannot be read counts as none.
    Weight::of(invoice.status.as_deref()) == Weight::Amount
        || (invoice.status.is_none() && invoice.flaw.as_deref().is_some_and(|flaw| flaw.contains("status")))
}

/// Digest of what the row is called by: its two identifiers without their case and their order; one without any by when
/// it was made, its amount and its method. Nothing else distinguishes rows with the same identity hash for long.
#[must_use]
pub fn identity_hash(invoice: &Invoice) -> i64 {
    let lower = |id: &Option<String>| id.as_deref().map(str::to_ascii_lowercase);
    let mut ids = [lower(&invoice.pay_id), lower(&invoice.sesid)];
    ids.sort_unstable();
    if ids.iter().any(Option::is_some) {
        return hash_of(ids.iter().map(Option::as_deref));
    }
    let at = invoice.created.map(|at| at.to_string());
    let cents = invoice.amount_cents.map(|cents| cents.to_string());
    hash_of([Some("row"), at.as_deref(), cents.as_deref(), invoice.method.as_deref()])
}

/// Digest of all that the row says: whether it has changed. A status word that the program does not know is marked: once
/// a later one knows it, the row says something else, and is weighed anew.
#[must_use]
pub fn content_hash(invoice: &Invoice) -> i64 {
    let cents = invoice.amount_cents.map(|cents| cents.to_string());
    let created = invoice.created.map(|at| at.as_millis().to_string());
    let unknown = invoice.status.as_deref().is_some_and(|word| Status::parse(word).is_none());
    let said = [
        invoice.sesid.as_deref(),
        invoice.pay_id.as_deref(),
        invoice.method.as_deref(),
        cents.as_deref(),
        created.as_deref(),
        invoice.status.as_deref(),
        invoice.flaw.as_deref(),
    ];
    hash_of(said.into_iter().chain(unknown.then_some(Some("a word that nobody knows"))))
}

/// Eight bytes of the SHA-256 of `texts`, each set off from the next.
pub(super) fn hash_of<'a>(texts: impl IntoIterator<Item = Option<&'a str>>) -> i64 {
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
