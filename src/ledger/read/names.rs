//! Which deposits a name may mean that a person typed: an id, an order, an address, whole or shortened; the link of a payment
//! page or a card; the caller's key; or a reference.

use crate::ledger::Ledger;
use crate::ledger::error::Result;

/// The fewest characters of a shortened name.
const SHORTEST: usize = 4;
/// The most deposits that are named where a name means several.
const MOST: i64 = 100;
/// What comes after every text with the same beginning.
const AFTER: char = '\u{10ffff}';

impl Ledger {
    /// The rows of the deposits that `name` may mean. A whole id, order, address, key or reference goes before a beginning,
    /// and an id's beginning before that of an order, or of an address.
    pub(in crate::ledger) async fn named(&self, name: &str) -> Result<Vec<i64>> {
        let found = match self.find(name).await? {
            None if name.starts_with("https://") => self.find_link(name).await?,
            found => found,
        };
        if let Some(deposit) = found {
            let id = deposit.id.to_string();
            let row = sqlx::query_scalar!("SELECT row_id FROM deposit WHERE id = ?", id);
            return Ok(row.fetch_optional(&self.readers).await?.into_iter().collect());
        }
        let rows = sqlx::query_scalar!(
            r#"SELECT row_id AS "row_id!" FROM deposit WHERE idempotency_key = ?1
               UNION SELECT row_id FROM deposit WHERE reference = ?1 ORDER BY 1 DESC LIMIT ?2"#,
            name,
            MOST
        );
        let rows = rows.fetch_all(&self.readers).await?;
        if !rows.is_empty() || name.chars().count() < SHORTEST {
            return Ok(rows);
        }
        let lower = name.to_ascii_lowercase();
        let end = format!("{lower}{AFTER}");
        let rows = sqlx::query_scalar!(
            "SELECT row_id FROM deposit WHERE id >= ? AND id < ? ORDER BY row_id DESC LIMIT ?",
            lower,
            end,
            MOST
        );
        let rows = rows.fetch_all(&self.readers).await?;
        if !rows.is_empty() {
            return Ok(rows);
        }
        let rows = sqlx::query_scalar!(
            r#"SELECT row_id AS "row_id!" FROM deposit WHERE order_id >= ?1 COLLATE NOCASE AND order_id < ?2 COLLATE NOCASE
               UNION SELECT row_id FROM deposit WHERE address >= ?1 COLLATE NOCASE AND address < ?2 COLLATE NOCASE AND address <> ''
               ORDER BY 1 DESC LIMIT ?3"#,
            lower,
            end,
            MOST
        );
        Ok(rows.fetch_all(&self.readers).await?)
    }

    /// How many characters of each of `ids` name it and no other deposit of this ledger.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn telling_lengths(&self, ids: &[String]) -> Result<Vec<usize>> {
        let asked = crate::ledger::sql::json(&ids)?;
        let rows = sqlx::query!(
            r#"SELECT CAST(j.value AS TEXT) AS "id!: String", (SELECT max(id) FROM deposit WHERE id < j.value) AS "before?: String",
                      (SELECT min(id) FROM deposit WHERE id > j.value) AS "after?: String"
               FROM json_each(?) AS j ORDER BY j.key"#,
            asked
        );
        let rows = rows.fetch_all(&self.readers).await?;
        let common = |one: &str, other: Option<String>| {
            other.map_or(0, |other| one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count())
        };
        Ok(rows
            .into_iter()
            .map(|row| common(&row.id, row.before).max(common(&row.id, row.after)).saturating_add(1))
            .collect())
    }
}
