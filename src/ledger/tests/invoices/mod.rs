//! The upstream's list in the ledger: how it comes in, whose its rows are, what they sum up to.

mod import;
mod matching;

use super::*;
use crate::domain::deposit::State;
use crate::domain::reconcile::{
    Accepted, DepositRows, IdMatch, LIKENESS_LIMIT, Match, MatchRule, ProbableDeposit, TOO_MANY, TWO_NAMES,
    UnmatchedInvoice, content_hash, decide, identity_hash,
};
use crate::domain::report::Invoice;
use crate::domain::status::Weight;
use crate::ledger::RowChange;

/// A row of the list, as a run hands it over.
fn row(number: i64, cents: Option<i64>, status: &str) -> StagedRow {
    named(&format!("ses-{number}"), &format!("pay-{number}"), cents, status)
}

fn named(sesid: &str, pay_id: &str, cents: Option<i64>, status: &str) -> StagedRow {
    let invoice = Invoice {
        sesid: Some(sesid.to_owned()),
        pay_id: Some(pay_id.to_owned()),
        method: Some("Cryptomus".to_owned()),
        amount_cents: cents,
        created: Some(at("2026-01-10T09:00:00Z")),
        expires_at: None,
        status: Some(status.to_owned()),
        flaw: None,
    };
    let weight = Weight::of(invoice.status.as_deref());
    StagedRow {
        identity: identity_hash(&invoice),
        content: content_hash(&invoice),
        sesid: invoice.sesid,
        pay_id: invoice.pay_id,
        method: invoice.method,
        amount_cents: invoice.amount_cents,
        created: invoice.created,
        status: invoice.status,
        weight,
        flaw: (cents.is_none() && weight == Weight::Amount).then(|| "amount is null".to_owned()),
    }
}

const ROWS: &str = "SELECT concat_ws(' ', row_id, coalesce(amount_cents, '-'), status, counted_cents, coalesce(clean_cents, '-'), listed, \
    changed_run, coalesce(flaw, '-')) FROM invoice ORDER BY row_id";

impl Bench {
    /// A list's changes in run `run`, after the clean run `clean`: new rows, changed ones with their numbers, gone ones.
    async fn import(&self, rows: &[StagedRow], changed: &[(usize, i64)], gone: &[i64], runs: (i64, i64)) {
        let mut staging = self.ledger.row_staging();
        rows.iter().cloned().for_each(|row| staging.push(row));
        let changes: Vec<RowChange> =
            changed.iter().map(|(place, row)| RowChange { place: *place, row: *row, counted: 0 }).collect();
        self.ledger.import_rows(staging.into_pages().unwrap(), &changes, gone, runs, self.now).await.unwrap();
    }

    /// Matches all rows as run `run` would; gives what was decided of how many.
    async fn match_all(&self, run: i64) -> usize {
        self.match_times(run, 2).await
    }

    async fn match_times(&self, run: i64, times: usize) -> usize {
        let rows = self.ledger.unclaimed_rows(0).await.unwrap();
        let mut claims = Vec::new();
        for rule in MatchRule::CERTAIN {
            claims.extend(self.ledger.claims(*rule, &rows).await.unwrap());
        }
        let matches = decide(claims);
        // Once more changes nothing.
        for _ in 0..times {
            self.ledger.store_matches(&matches, run).await.unwrap();
        }
        matches.len()
    }

    async fn owners(&self) -> Vec<String> {
        self.rows("SELECT concat_ws(' ', row_id, coalesce(deposit_row, '-'), coalesce(rule, '-'), coalesce(flaw, '-')) FROM invoice ORDER BY row_id")
            .await
    }

    async fn pair_of(&self, number: u128) -> DepositRows {
        self.ledger.pair(id(number)).await.unwrap().unwrap()
    }
}
