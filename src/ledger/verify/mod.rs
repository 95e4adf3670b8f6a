//! How the ledger is proven whole: everything that can be derived from the events is derived again and compared.

pub(in crate::ledger) mod chain_row;
mod events;
mod finding;
mod histories;
mod outbox;
mod totals;
mod unchained;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;

pub use self::finding::{Finding, Verification};

use crate::ledger::Ledger;
use crate::ledger::books;
use crate::ledger::error::{Error, Result};

impl Ledger {
    /// Proves the ledger whole, on one consistent view of it; `progress` gets the numbers of done and of all events.
    ///
    /// # Errors
    /// Where it cannot be read at all; what does not fit is in the answer.
    pub fn verify<'a>(
        &'a self,
        progress: impl FnMut(u64, u64) + Send + 'a,
    ) -> BoxFuture<'a, Result<Verification>> {
        Box::pin(self.prove(Box::new(progress)))
    }

    async fn prove(&self, mut progress: Box<dyn FnMut(u64, u64) + Send + '_>) -> Result<Verification> {
        let mut found = Verification::default();
        match self.prove_all(&mut found, &mut *progress).await {
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
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<()> {
        let mut view = self.readers.begin().await?;
        self.verify_pages(&mut view, found).await?;
        let balances = events::verify(&mut view, found, progress).await?;
        totals::verify_balances(&mut view, found, balances).await?;
        // Days and months are those that the file itself says.
        let zone = Arc::new(books::kept_zone(&mut view).await?);
        let closed = totals::verify_periods(&mut view, found, &zone).await?;
        let rollup = histories::verify(&mut view, found, &closed, zone).await?;
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
