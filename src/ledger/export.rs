//! How the books leave for other programs: the rows of the accountants' views, one at a time, on one consistent view.

use futures_util::TryStreamExt as _;
use sqlx::Connection as _;

use super::{Error, Ledger, Result};
use crate::domain::time::Timestamp;

/// A row of `accounting_deposits`: its columns, in its order.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[expect(missing_docs, reason = "INTERFACE.md names the columns; the schema comments on each")]
pub struct DepositLine {
    pub id: String,
    pub order_id: Option<String>,
    pub reference: Option<String>,
    pub currency: String,
    pub network: String,
    pub address: Option<String>,
    pub amount_requested: String,
    pub amount_usd: Option<String>,
    pub amount_usd_micros: Option<i64>,
    pub amount_crypto: Option<String>,
    pub state: String,
    pub outcome: Option<String>,
    pub late: i64,
    pub txid: Option<String>,
    pub requested_at: String,
    pub wallet_created_at: Option<String>,
    pub expire_at: Option<String>,
    pub settled_at: Option<String>,
    pub reconciled: Option<String>,
    pub amount_booked: Option<String>,
    pub amount_booked_micros: Option<i64>,
    pub refunded_at: Option<String>,
    pub needs_review: Option<String>,
    pub upstream_status: Option<String>,
    pub updated_at: String,
}

/// A row of `accounting_entries`: its columns, in its order.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[expect(missing_docs, reason = "INTERFACE.md names the columns; the schema comments on each")]
pub struct EntryLine {
    pub entry_id: i64,
    pub transaction_id: i64,
    pub posted_at: String,
    pub account: String,
    pub commodity: String,
    pub amount: String,
    pub amount_usd_micros: i64,
    pub deposit_id: Option<String>,
    pub order_id: Option<String>,
    pub description: Option<String>,
}

/// A part of the journal's export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entries {
    /// First: every account and commodity that the journal knows, in order.
    Accounts(Vec<(String, String)>),
    /// Then the postings, oldest first, those of one transaction together.
    Entry(EntryLine),
}

/// What an export covers: from an instant on, and up to one, which is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Period {
    /// The first instant.
    pub from: Option<Timestamp>,
    /// The first instant after it.
    pub to: Option<Timestamp>,
}

impl Period {
    /// As texts that compare like the ledger's.
    fn texts(self) -> (String, String) {
        let text =
            |at: Option<Timestamp>, open: &str| at.map_or_else(|| open.to_owned(), |at| at.to_string());
        // Every time is a text that begins with a digit.
        (text(self.from, ""), text(self.to, "~"))
    }
}

impl Ledger {
    /// Gives every deposit that was asked for in `period` to `each`, oldest first. Memory does not grow with them.
    ///
    /// # Errors
    /// Whatever the disk says, or `each`.
    pub async fn export_deposits<E: From<Error>>(
        &self,
        period: Period,
        mut each: impl FnMut(DepositLine) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let (from, to) = period.texts();
        let mut rows = sqlx::query_as!(
            DepositLine,
            r#"SELECT id AS "id!", order_id AS "order_id?", reference AS "reference?", currency AS "currency!",
                      network AS "network!", address AS "address?", amount_requested AS "amount_requested!",
                      amount_usd AS "amount_usd?", amount_usd_micros AS "amount_usd_micros?: i64",
                      amount_crypto AS "amount_crypto?", state AS "state!", outcome AS "outcome?", late AS "late!: i64",
                      txid AS "txid?", requested_at AS "requested_at!", wallet_created_at AS "wallet_created_at?",
                      expire_at AS "expire_at?", settled_at AS "settled_at?", reconciled AS "reconciled?: String",
                      amount_booked AS "amount_booked?: String", amount_booked_micros AS "amount_booked_micros?: i64",
                      refunded_at AS "refunded_at?", needs_review AS "needs_review?",
                      upstream_status AS "upstream_status?", updated_at AS "updated_at!"
               FROM accounting_deposits WHERE requested_at >= ? AND requested_at < ? ORDER BY requested_at, id"#,
            from,
            to
        )
        .fetch(&self.readers);
        while let Some(row) = rows.try_next().await.map_err(Error::database("read"))? {
            each(row)?;
        }
        Ok(())
    }

    /// Gives the journal's accounts and every posting of `period` to `each`, all of one view. Memory does not grow
    /// with them.
    ///
    /// # Errors
    /// Whatever the disk says, or `each`.
    pub async fn export_entries<E: From<Error>>(
        &self,
        period: Period,
        mut each: impl FnMut(Entries) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let (from, to) = period.texts();
        let mut connection = self.readers.acquire().await.map_err(Error::database("read"))?;
        let mut view = connection.begin().await.map_err(Error::database("read"))?;
        each(Entries::Accounts(known_accounts(&mut view).await?))?;
        let mut rows = sqlx::query_as!(
            EntryLine,
            r#"SELECT entry_id AS "entry_id!: i64", transaction_id AS "transaction_id!: i64", posted_at AS "posted_at!",
                      account AS "account!", commodity AS "commodity!", amount AS "amount!",
                      amount_usd_micros AS "amount_usd_micros!: i64", deposit_id AS "deposit_id?", order_id AS "order_id?",
                      description AS "description?: String"
               FROM accounting_entries WHERE posted_at >= ? AND posted_at < ? ORDER BY entry_id"#,
            from,
            to
        )
        .fetch(&mut *view);
        while let Some(row) = rows.try_next().await.map_err(Error::database("read"))? {
            each(Entries::Entry(row))?;
        }
        Ok(())
    }
}

async fn known_accounts(view: &mut sqlx::SqliteConnection) -> Result<Vec<(String, String)>> {
    let rows = sqlx::query!("SELECT account, commodity FROM account_balance ORDER BY account, commodity")
        .fetch_all(view)
        .await
        .map_err(Error::database("read"))?;
    Ok(rows.into_iter().map(|row| (row.account, row.commodity)).collect())
}
