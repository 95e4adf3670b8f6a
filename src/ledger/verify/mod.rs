//! How the ledger is proven whole: everything that can be derived from the events is derived again and compared.

mod events;
mod histories;
mod outbox;
mod totals;
mod unchained;

use sqlx::SqliteConnection;

use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};

/// The most findings that are named; the first is what matters.
const MOST_FINDINGS: usize = 50;

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// In which table.
    pub table: &'static str,
    /// Which row.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
}

/// What was proven.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verification {
    /// Events in the chain.
    pub events: u64,
    /// Deposits held against their events.
    pub deposits: u64,
    /// Transactions of the journal.
    pub transactions: u64,
    /// Owed mails held against their events.
    pub mails: u64,
    /// The number of the last event.
    pub head_seq: i64,
    /// Its hash: an outsider who holds it can tell later whether the past was changed.
    pub head_hash: String,
    /// What does not fit; empty when the ledger is whole.
    pub findings: Vec<Finding>,
}

impl Verification {
    fn find(&mut self, table: &'static str, row: impl ToString, what: impl Into<String>) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { table, row: row.to_string(), what: what.into() });
        }
    }
}

impl Ledger {
    /// Proves the ledger whole, on one consistent view of it; `progress` hears of done and total events.
    ///
    /// # Errors
    /// Where it cannot be read at all; what does not fit is in the answer.
    pub fn verify<'a>(
        &'a self,
        progress: impl FnMut(u64, u64) + Send + 'a,
    ) -> futures_util::future::BoxFuture<'a, Result<Verification>> {
        Box::pin(self.prove(progress))
    }

    async fn prove(&self, mut progress: impl FnMut(u64, u64) + Send) -> Result<Verification> {
        let mut found = Verification::default();
        match self.prove_all(&mut found, &mut progress).await {
            Ok(()) => {}
            // Not even a page of it can be trusted.
            Err(Error::Untrusted(why)) => found.find("file", self.shared.path.display(), why),
            // What was found first is why the rest cannot be read.
            Err(error) if !found.findings.is_empty() => {
                found.find("file", self.shared.path.display(), format!("the rest: {}", error.chain()));
            }
            Err(error) => return Err(error),
        }
        Ok(found)
    }

    async fn prove_all(
        &self,
        found: &mut Verification,
        progress: &mut (impl FnMut(u64, u64) + Send),
    ) -> Result<()> {
        let mut view = self.readers.begin().await.map_err(Error::database("read"))?;
        self.verify_pages(&mut view, found).await?;
        let balances = events::verify(&mut view, found, progress).await?;
        totals::verify_balances(&mut view, found, balances).await?;
        let closed = totals::verify_periods(&mut view, found).await?;
        let rollup = histories::verify(&mut view, found, &closed).await?;
        totals::verify_rollup(&mut view, found, rollup).await?;
        outbox::verify(&self.shared, &mut view, found).await?;
        unchained::verify(&mut view, found).await
    }

    async fn verify_pages(&self, view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
        let problems = sqlx::query_scalar::<_, String>("PRAGMA integrity_check(5)")
            .fetch_all(&mut *view)
            .await
            .map_err(Error::database("checked"))?;
        for problem in problems.into_iter().filter(|problem| problem != "ok") {
            found.find("file", self.shared.path.display(), problem);
        }
        let orphans = sqlx::query_as::<_, (String, Option<i64>, String, i64)>("PRAGMA foreign_key_check")
            .fetch_all(view)
            .await
            .map_err(Error::database("checked"))?;
        for (table, row, parent, _) in orphans {
            found.find(
                "file",
                row.unwrap_or_default(),
                format!("{table} points to a missing row of {parent}"),
            );
        }
        Ok(())
    }
}
