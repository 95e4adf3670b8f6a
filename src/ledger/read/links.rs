//! Payment pages and card payments as the ledger keeps them: which are open, what names them, and their rows.

use std::collections::HashMap;

use crate::domain::deposit::Deposit;
use crate::domain::ids::DepositId;
use crate::domain::link;
use crate::domain::report::Invoice;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};
use crate::ledger::read::deposits::{DepositRow, deposits};
use crate::ledger::request_row::query_with_request;
use crate::ledger::sql::from_json;

/// A deposit that is followed by the invoice list, with what names it there.
#[derive(Debug, Clone)]
pub struct OpenLink {
    /// The ledger's number for it.
    pub row: i64,
    /// As it stands.
    pub deposit: Deposit,
    /// What its link bears that no other link bears.
    pub names: Vec<String>,
}

/// A row of the list, as a person names it by its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRow {
    /// The deposit whose id it bears.
    pub deposit: Option<DepositId>,
    /// What it says.
    pub invoice: Invoice,
    /// How many other rows bear its `payId`, and how many its `sesid`.
    pub others: (i64, i64),
}

impl Ledger {
    /// The open payment pages and card payments that are followed by the invoice list.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn open_links(&self) -> Result<Vec<OpenLink>> {
        let rows: Vec<DepositRow> = deposits!(
            "WHERE method <> 'wallet' AND state IN ('awaiting_payment', 'confirming', 'underpaid', 'held', 'refunding') ORDER BY row_id LIMIT ?",
            MOST_LINKS
        )
        .fetch_all(&self.readers)
        .await?;
        let mut names = self.names_of_open_links().await?;
        let mut open = Vec::with_capacity(rows.len());
        for found in rows {
            let row = found.row_id;
            let deposit = Deposit::try_from(found)?;
            if deposit.is_followed_by_list() {
                open.push(OpenLink { row, deposit, names: names.remove(&row).unwrap_or_default() });
            }
        }
        Ok(open)
    }

    /// What the card links of open deposits bear and no other link does, open or not, by the ledger's number for the deposit.
    async fn names_of_open_links(&self) -> Result<HashMap<i64, Vec<String>>> {
        let found = sqlx::query!(
            r#"SELECT n.deposit_row AS "deposit_row!", n.value AS "value!"
               FROM deposit d CROSS JOIN link_name n ON n.deposit_row = d.row_id
               WHERE d.method <> 'wallet'
                 AND d.state IN ('awaiting_payment', 'confirming', 'underpaid', 'held', 'refunding')
                 AND NOT EXISTS (SELECT 1 FROM link_name o WHERE o.value = n.value AND o.deposit_row <> n.deposit_row)
               ORDER BY n.value"#
        )
        .fetch_all(&self.readers)
        .await?;
        let mut names: HashMap<i64, Vec<String>> = HashMap::new();
        for name in found {
            names.entry(name.deposit_row).or_default().push(name.value);
        }
        Ok(names)
    }

    /// How many open payment pages and card payments the status call has nothing to say of.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn left_to_list(&self) -> Result<i64> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!: i64" FROM deposit
               WHERE method <> 'wallet' AND state IN ('awaiting_payment', 'confirming', 'underpaid')
                 AND (method = 'card' OR facts ->> '$.wallet.listed_only' OR facts ->> '$.matched')"#
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// The newest deposit that has this link: the same payment page, or the same signature of a card payment.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn find_link(&self, url: &str) -> Result<Option<Deposit>> {
        if let Some(id) = link::page_id(url) {
            let found: Option<DepositRow> = deposits!(
                "WHERE link_id = ? COLLATE NOCASE AND method <> 'wallet' ORDER BY row_id DESC LIMIT 1",
                id
            )
            .fetch_optional(&self.readers)
            .await?;
            return found.map(Deposit::try_from).transpose();
        }
        let sign = link::names(url).into_iter().find(|(name, _)| *name == "sign").map(|(_, value)| value);
        let Some(sign) = sign else { return Ok(None) };
        let found: Option<DepositRow> = deposits!(
            "WHERE row_id = (SELECT max(deposit_row) FROM link_name WHERE value = ? AND name = 'sign')",
            sign
        )
        .fetch_optional(&self.readers)
        .await?;
        found.map(Deposit::try_from).transpose()
    }

    /// A deposit that keeps further payment pages and card payments from being asked for, until a person has looked.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn stopping_link(&self) -> Result<Option<DepositId>> {
        let id = sqlx::query_scalar!(
            r#"SELECT id AS "id!" FROM deposit
               WHERE method <> 'wallet' AND needs_review IS NOT NULL AND facts ->> '$.review.kind' = 'stopping' LIMIT 1"#
        )
        .fetch_optional(&self.readers)
        .await?;
        id.map(|id| id.parse().map_err(|_| Error::Unreadable(format!("deposit {id}")))).transpose()
    }

    /// The rows that bear an id of this deposit, as the last run left them.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn rows_of_deposit(&self, deposit: DepositId) -> Result<Vec<Invoice>> {
        let id = deposit.to_string();
        let rows = sqlx::query_as!(
            InvoiceRow,
            r#"SELECT sesid, pay_id, method, coalesce(said_cents, amount_cents) AS "amount_cents: i64", created_ms, status,
                      iif(said_cents IS NULL, flaw, NULL) AS "flaw: String"
               FROM invoice WHERE deposit_row = (SELECT row_id FROM deposit WHERE id = ?) ORDER BY row_id"#,
            id
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(Invoice::from).collect())
    }

    /// The row of the list with this number.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn named_row(&self, row: i64) -> Result<Option<NamedRow>> {
        let found = sqlx::query!(
            r#"SELECT json_array(sesid, pay_id, method, coalesce(said_cents, amount_cents), created_ms, status) AS "row!: String",
                      (SELECT id FROM deposit WHERE row_id = i.deposit_row) AS "deposit: String",
                      (SELECT count(*) FROM invoice o WHERE o.pay_id = i.pay_id COLLATE NOCASE AND o.row_id <> i.row_id) AS "pay_ids!: i64",
                      (SELECT count(*) FROM invoice o WHERE o.sesid = i.sesid COLLATE NOCASE AND o.row_id <> i.row_id) AS "sesids!: i64"
               FROM invoice i WHERE row_id = ? AND listed = 1"#,
            row
        )
        .fetch_optional(&self.readers)
        .await?;
        let Some(found) = found else { return Ok(None) };
        let (sesid, pay_id, method, amount_cents, created_ms, status) = from_json(&found.row)?;
        let wire = InvoiceRow { sesid, pay_id, method, amount_cents, created_ms, status, flaw: None };
        let unreadable = |id: &str| Error::Unreadable(format!("deposit {id}"));
        let deposit = found.deposit.map(|id| id.parse().map_err(|_| unreadable(&id))).transpose()?;
        Ok(Some(NamedRow { deposit, invoice: wire.into(), others: (found.pay_ids, found.sesids) }))
    }

    /// The rows that may be this deposit's by amount and time: their numbers, and what they say.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn probable_rows(&self, deposit: DepositId) -> Result<Vec<(i64, Invoice)>> {
        let id = deposit.to_string();
        let rows = sqlx::query_scalar!(
            r#"SELECT row_id AS "row_id!" FROM invoice
               WHERE probable_row = (SELECT row_id FROM deposit WHERE id = ?) AND listed = 1 ORDER BY row_id LIMIT 20"#,
            id
        )
        .fetch_all(&self.readers)
        .await?;
        let mut probable = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(found) = self.named_row(row).await? {
                probable.push((row, found.invoice));
            }
        }
        Ok(probable)
    }
}

/// More links than these are not followed at once.
const MOST_LINKS: i64 = 100_000;

/// A row of the list, as SQL gives it.
struct InvoiceRow {
    sesid: Option<String>,
    pay_id: Option<String>,
    method: Option<String>,
    amount_cents: Option<i64>,
    created_ms: Option<i64>,
    status: Option<String>,
    flaw: Option<String>,
}

impl From<InvoiceRow> for Invoice {
    fn from(row: InvoiceRow) -> Self {
        Self {
            sesid: row.sesid,
            pay_id: row.pay_id,
            method: row.method,
            amount_cents: row.amount_cents,
            created: row.created_ms.map(Timestamp::from_millis),
            expires_at: None,
            status: row.status,
            flaw: row.flaw,
        }
    }
}
