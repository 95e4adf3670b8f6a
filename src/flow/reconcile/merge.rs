//! The upstream's invoices brought together with the ledger's, each matched with its deposit.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::domain::reconcile as rules;
use crate::domain::report::{Invoice, Status};
use crate::domain::time::Timestamp;
use crate::flow::Flow;
use crate::ledger::{self, InvoiceRow};

/// Deposits whose wallets are older than this are no longer matched by amount and time.
const PROBABLE_SPAN: Duration = Duration::from_hours(48);

/// The ledger's invoices with what the upstream lists now, matched with deposits.
pub(super) async fn merge(
    flow: &Flow,
    listed: &[(String, Invoice)],
    at: Timestamp,
) -> Result<Vec<InvoiceRow>, ledger::Error> {
    let known: HashMap<String, InvoiceRow> =
        flow.ledger.invoices().await?.into_iter().map(|row| (row.key.clone(), row)).collect();
    let rule_of = |key: &String| known.get(key).and_then(|row| row.rule.as_deref());
    let unmatched = |(key, _): &&(String, Invoice)| rule_of(key).is_none();
    let guessed = |(key, _): &&(String, Invoice)| rule_of(key) == Some(rules::Rule::AmountAndTime.as_str());
    let unmatched: Vec<(String, Invoice)> = listed.iter().filter(unmatched).cloned().collect();
    let guessed: Vec<(String, Invoice)> = listed.iter().filter(guessed).cloned().collect();
    let ids: Vec<&str> = unmatched
        .iter()
        .chain(&guessed)
        .flat_map(|(_, invoice)| [invoice.pay_id.as_deref(), invoice.sesid.as_deref()])
        .flatten()
        .collect();
    let mut candidates = flow.ledger.candidates(&ids).await?;
    for candidate in flow.ledger.uninvoiced(at.minus(PROBABLE_SPAN)).await? {
        if !candidates.iter().any(|known| known.id == candidate.id) {
            candidates.push(candidate);
        }
    }
    let mut matches: HashMap<String, rules::Match> = rules::match_invoices(&unmatched, &candidates)
        .into_iter()
        .map(|found| (found.key.clone(), found))
        .collect();
    // A guess stands until an identifier says better; it is not guessed anew at every run.
    let taken: HashSet<_> = matches.values().map(|found| found.deposit).collect();
    let better = rules::match_invoices(&guessed, &candidates)
        .into_iter()
        .filter(|found| found.rule != rules::Rule::AmountAndTime && !taken.contains(&found.deposit));
    matches.extend(better.map(|found| (found.key.clone(), found)));
    let mut rows: Vec<InvoiceRow> = listed
        .iter()
        .map(|(key, invoice)| {
            let old = known.get(key);
            let found = matches.get(key);
            let credited = invoice.status.as_deref().and_then(Status::parse).is_some_and(Status::is_credited);
            InvoiceRow {
                key: key.clone(),
                sesid: invoice.sesid.clone(),
                pay_id: invoice.pay_id.clone(),
                method: invoice.method.clone(),
                amount_cents: invoice.amount_cents,
                created: invoice.created.map(|at| at.to_string()),
                status: invoice.status.clone(),
                deposit_id: found
                    .map(|found| found.deposit.to_string())
                    .or_else(|| old.and_then(|old| old.deposit_id.clone())),
                rule: found
                    .map(|found| found.rule.as_str().to_owned())
                    .or_else(|| old.and_then(|old| old.rule.clone())),
                credited: credited || old.is_some_and(|old| old.credited),
                abandoned: old.is_some_and(|old| old.abandoned),
                listed: true,
            }
        })
        .collect();
    let present: HashSet<&String> = listed.iter().map(|(key, _)| key).collect();
    rows.extend(
        known
            .into_values()
            .filter(|row| !present.contains(&row.key))
            .map(|row| InvoiceRow { listed: false, ..row }),
    );
    Ok(rows)
}

pub(super) async fn keep_changed(flow: &Flow, rows: Vec<InvoiceRow>, at: Timestamp) -> ledger::Result<()> {
    let known: HashMap<String, InvoiceRow> =
        flow.ledger.invoices().await?.into_iter().map(|row| (row.key.clone(), row)).collect();
    let changed: Vec<InvoiceRow> = rows.into_iter().filter(|row| known.get(&row.key) != Some(row)).collect();
    if changed.is_empty() { Ok(()) } else { flow.ledger.keep_invoices(changed, at).await }
}
