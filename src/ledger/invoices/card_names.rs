//! Which rows bear what the link of a card payment bears.

use crate::ledger::Ledger;
use crate::ledger::error::Result;
use crate::ledger::sql::{from_json, json};

impl Ledger {
    /// The rows with these numbers whose `payId`, or whose `sesid`, is what a card's link bears and no other link.
    pub(super) async fn card_claims(&self, rows: &[i64], by_pay_id: bool) -> Result<Vec<(i64, i64)>> {
        let none = sqlx::query_scalar!(r#"SELECT NOT EXISTS (SELECT 1 FROM link_name) AS "none!: bool""#)
            .fetch_one(&self.readers)
            .await?;
        if none {
            return Ok(Vec::new());
        }
        let rows = json(rows)?;
        let found = sqlx::query_scalar!(
            r#"SELECT json_group_array(json_array(i.row_id, n.deposit_row)) AS "rows!: String"
               FROM json_each(?1) j CROSS JOIN invoice i ON i.row_id = j.value
                    CROSS JOIN link_name n ON n.value = iif(?2, i.pay_id, i.sesid)
               WHERE NOT EXISTS (SELECT 1 FROM link_name o WHERE o.value = n.value AND o.deposit_row <> n.deposit_row)"#,
            rows,
            by_pay_id
        )
        .fetch_one(&self.readers)
        .await?;
        from_json(&found)
    }
}
