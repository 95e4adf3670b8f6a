//! Exports the rows of the accountants' views for other programs, a page at a time.
//!
//! No read transaction outlives a page: a slow reader of an export must not keep the daemon's log from being written
//! back. The journal only grows, so its state at the start stays consistent.

use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};

/// A value of an exported row, by where it comes from: a program that writes it down must know what it may alter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportValue<'a> {
    /// Our own figures, times and words: written as they are.
    Exact(&'a str),
    /// Dollars as somebody wrote them: with at least two decimals.
    Dollars(&'a str),
    /// A whole number.
    Whole(i64),
    /// Words of others: a spreadsheet must not take them for a formula.
    Free(&'a str),
    /// Nothing.
    Empty,
}

/// A column of text, which may have none.
trait Text {
    fn text(&self) -> Option<&str>;
}

impl Text for String {
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl Text for Option<String> {
    fn text(&self) -> Option<&str> {
        self.as_deref()
    }
}

fn exact(column: &impl Text) -> ExportValue<'_> {
    column.text().map_or(ExportValue::Empty, ExportValue::Exact)
}

fn free(column: &impl Text) -> ExportValue<'_> {
    column.text().map_or(ExportValue::Empty, ExportValue::Free)
}

fn dollars(column: &impl Text) -> ExportValue<'_> {
    column.text().map_or(ExportValue::Empty, ExportValue::Dollars)
}

fn whole<'a>(column: &(impl Copy + Into<Option<i64>>)) -> ExportValue<'a> {
    (*column).into().map_or(ExportValue::Empty, ExportValue::Whole)
}

/// 1 or 0.
fn truth<'a>(column: &(impl Copy + Into<i64>)) -> ExportValue<'a> {
    ExportValue::Whole((*column).into())
}

/// A row of a view: its columns, in the view's order, each with its type and with what its values are.
macro_rules! line {
    ($(#[$doc:meta])* $name:ident { $($column:ident: $type:ty = $kind:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
        #[expect(missing_docs, reason = "docs/interface.md names the columns; the schema comments on each")]
        pub struct $name { $(pub $column: $type),+ }

        impl $name {
            /// The names of its columns, in their order.
            pub const COLUMNS: &'static [&'static str] = &[$(stringify!($column)),+];

            /// Its values, in the order of the columns.
            pub fn values(&self) -> impl Iterator<Item = ExportValue<'_>> {
                [$($kind(&self.$column)),+].into_iter()
            }
        }
    };
}

line! {
    /// A row of `accounting_deposits`.
    DepositLine {
        id: String = exact,
        order_id: Option<String> = free,
        reference: Option<String> = free,
        currency: Option<String> = exact,
        network: Option<String> = exact,
        address: Option<String> = free,
        amount_requested: String = dollars,
        amount_usd: Option<String> = dollars,
        amount_usd_micros: Option<i64> = whole,
        amount_crypto: Option<String> = exact,
        state: String = exact,
        outcome: Option<String> = exact,
        late: bool = truth,
        txid: Option<String> = free,
        requested_at: String = exact,
        wallet_created_at: Option<String> = exact,
        expire_at: Option<String> = exact,
        settled_at: Option<String> = exact,
        reconciled: Option<String> = exact,
        amount_booked: Option<String> = exact,
        amount_booked_micros: Option<i64> = whole,
        refunded_at: Option<String> = exact,
        needs_review: Option<String> = free,
        upstream_status: Option<String> = free,
        updated_at: String = exact,
        amount_refunded_micros: Option<i64> = whole,
        memo: Option<String> = free,
        method: String = exact,
        arrived_crypto: Option<String> = exact,
        arrived_usd_micros: Option<i64> = whole,
        url: Option<String> = free,
    }
}

line! {
    /// A row of `accounting_entries`.
    EntryLine {
        entry_id: i64 = whole,
        transaction_id: i64 = whole,
        posted_at: String = exact,
        account: String = exact,
        commodity: String = exact,
        amount: String = exact,
        amount_usd_micros: i64 = whole,
        deposit_id: Option<String> = exact,
        order_id: Option<String> = free,
        description: Option<String> = free,
        refers_to: Option<i64> = whole,
        figure: Option<String> = exact,
        evidence_id: Option<i64> = whole,
        flag: Option<String> = exact,
        date: String = exact,
        account_mapped: String = exact,
        debit_usd: Option<String> = exact,
        credit_usd: Option<String> = exact,
    }
}

/// A posting from before a period, as far as balances need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its number.
    pub entry_id: i64,
    /// Chart of accounts.
    pub account: String,
    /// USD or a ticker.
    pub commodity: String,
    /// Decimal in the commodity.
    pub amount: String,
    /// Its worth in the books.
    pub amount_usd_micros: i64,
}

/// A part of the journal's export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entries {
    /// First: every account and commodity that the journal knows, in order.
    Accounts(Vec<(String, String)>),
    /// Then the postings, oldest first, those of one transaction together.
    Entry(Box<EntryLine>),
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

/// The most rows that are in memory at a time.
const HANDFUL: i64 = 2000;

impl Ledger {
    /// Gives every deposit that was asked for in `period` to `each`, oldest first, each as it stands when it is read.
    /// Memory does not grow with them. `progress` gets the numbers of done and of all rows.
    ///
    /// # Errors
    /// Whatever the disk says, or `each`.
    pub async fn export_deposits<E: From<Error>>(
        &self,
        period: Period,
        progress: &mut dyn FnMut(i64, i64),
        each: &mut dyn FnMut(DepositLine) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let (from, to) = period.texts();
        let last = sqlx::query_scalar!(r#"SELECT coalesce(max(row_id), 0) AS "last!: i64" FROM deposit"#)
            .fetch_one(&self.readers)
            .await
            .map_err(Error::from)?;
        let mut row = 0;
        while row < last {
            let end = row.saturating_add(HANDFUL).min(last);
            for line in self.deposit_lines(row, end, &from, &to).await? {
                each(line)?;
            }
            row = end;
            progress(row, last);
        }
        Ok(())
    }

    async fn deposit_lines(&self, after: i64, end: i64, from: &str, to: &str) -> Result<Vec<DepositLine>> {
        sqlx::query_as!(
            DepositLine,
            r#"SELECT v.id AS "id!", v.order_id AS "order_id?", v.reference AS "reference?", v.currency AS "currency?",
                      v.network AS "network?", v.address AS "address?: String", v.amount_requested AS "amount_requested!",
                      v.amount_usd AS "amount_usd?", v.amount_usd_micros AS "amount_usd_micros?: i64",
                      v.amount_crypto AS "amount_crypto?", v.state AS "state!", v.outcome AS "outcome?",
                      v.late AS "late!: bool", v.txid AS "txid?", v.requested_at AS "requested_at!",
                      v.wallet_created_at AS "wallet_created_at?", v.expire_at AS "expire_at?",
                      v.settled_at AS "settled_at?", v.reconciled AS "reconciled?: String",
                      v.amount_booked AS "amount_booked?: String", v.amount_booked_micros AS "amount_booked_micros?: i64",
                      v.refunded_at AS "refunded_at?", v.needs_review AS "needs_review?",
                      v.upstream_status AS "upstream_status?", v.updated_at AS "updated_at!",
                      v.amount_refunded_micros AS "amount_refunded_micros?: i64", v.memo AS "memo?",
                      v.method AS "method!: String", v.arrived_crypto AS "arrived_crypto?: String",
                      v.arrived_usd_micros AS "arrived_usd_micros?: i64", v.url AS "url?: String"
               FROM deposit d JOIN accounting_deposits v ON v.id = d.id
               WHERE d.row_id > ? AND d.row_id <= ? AND d.requested_at >= ? AND d.requested_at < ? ORDER BY d.row_id"#,
            after,
            end,
            from,
            to
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// Gives the journal's accounts and every posting of `period` to `each`, as the journal stands now. Memory does not
    /// grow with them. `progress` gets the numbers of done and of all rows.
    ///
    /// # Errors
    /// Whatever the disk says, or `each`.
    pub async fn export_entries<E: From<Error>>(
        &self,
        period: Period,
        progress: &mut dyn FnMut(i64, i64),
        each: &mut dyn FnMut(Entries) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let (from, to) = period.texts();
        let last = self.last_entry().await?;
        each(Entries::Accounts(self.known_accounts().await?))?;
        let mut entry = 0;
        while entry < last {
            let end = entry.saturating_add(HANDFUL).min(last);
            for line in self.entry_lines(entry, end, &from, &to).await? {
                each(Entries::Entry(Box::new(line)))?;
            }
            entry = end;
            progress(entry, last);
        }
        Ok(())
    }

    async fn entry_lines(&self, after: i64, end: i64, from: &str, to: &str) -> Result<Vec<EntryLine>> {
        sqlx::query_as!(
            EntryLine,
            r#"SELECT entry_id AS "entry_id!: i64", transaction_id AS "transaction_id!: i64", posted_at AS "posted_at!",
                      account AS "account!", commodity AS "commodity!", amount AS "amount!",
                      amount_usd_micros AS "amount_usd_micros!: i64", deposit_id AS "deposit_id?", order_id AS "order_id?",
                      description AS "description?: String", refers_to AS "refers_to?: i64", figure AS "figure?: String",
                      evidence_id AS "evidence_id?: i64", flag AS "flag?: String", date AS "date!: String",
                      account_mapped AS "account_mapped!: String", debit_usd AS "debit_usd?: String",
                      credit_usd AS "credit_usd?: String"
               FROM accounting_entries
               WHERE entry_id > ? AND entry_id <= ? AND posted_at >= ? AND posted_at < ? ORDER BY entry_id"#,
            after,
            end,
            from,
            to
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    async fn known_accounts(&self) -> Result<Vec<(String, String)>> {
        let rows = sqlx::query!("SELECT account, commodity FROM account_balance ORDER BY account, commodity")
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.into_iter().map(|row| (row.account, row.commodity)).collect())
    }

    /// Gives every posting from before `from` to `each`: what balances begin with. Memory does not grow with them.
    ///
    /// # Errors
    /// Whatever the disk says, or `each`.
    pub async fn entries_before<E: From<Error>>(
        &self,
        from: Timestamp,
        each: &mut dyn FnMut(Earlier) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let from = from.to_string();
        let last = self.last_entry().await?;
        let mut entry = 0;
        while entry < last {
            let end = entry.saturating_add(HANDFUL).min(last);
            let rows = sqlx::query_as!(
                Earlier,
                r#"SELECT p.entry_id AS "entry_id!", p.account, p.commodity, p.amount, p.amount_usd_micros
                   FROM posting p JOIN event e ON e.seq = p.transaction_id
                   WHERE p.entry_id > ? AND p.entry_id <= ? AND e.at < ? ORDER BY p.entry_id"#,
                entry,
                end,
                from
            )
            .fetch_all(&self.readers)
            .await
            .map_err(Error::from)?;
            for row in rows {
                each(row)?;
            }
            entry = end;
        }
        Ok(())
    }

    async fn last_entry(&self) -> Result<i64> {
        sqlx::query_scalar!(r#"SELECT coalesce(max(entry_id), 0) AS "last!: i64" FROM posting"#)
            .fetch_one(&self.readers)
            .await
            .map_err(Error::database("read"))
    }
}
