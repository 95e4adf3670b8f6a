//! What no chain covers, against what tells of it: reconciliations, cases, what is remembered.

use sqlx::SqliteConnection;

use super::Verification;
use crate::ledger::{Error, Result, noted};

pub(super) async fn verify(view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
    verify_runs(view, found).await?;
    verify_cases(view, found).await
}

/// A run's columns against its report; runs are numbered without gaps; the baseline is remembered as it was.
async fn verify_runs(view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
    let odd = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM reconciliation
           WHERE at IS NOT report ->> '$.at' OR ok IS NOT report ->> '$.ok' OR error IS NOT report ->> '$.error'
              OR balance_cents IS NOT report ->> '$.balance_cents'
              OR total_charges_cents IS NOT report ->> '$.total_charges_cents'
              OR credited_here_cents IS NOT report ->> '$.credited_here_cents'
              OR credited_elsewhere_cents IS NOT report ->> '$.credited_elsewhere_cents'
              OR baseline_cents IS NOT report ->> '$.baseline_cents'
              OR difference_cents IS NOT report ->> '$.difference_cents'
              OR (ok = 1 AND total_charges_cents IS NOT credited_here_cents + credited_elsewhere_cents + difference_cents)"#
    )
    .fetch_all(&mut *view)
    .await
    .map_err(Error::database("read"))?;
    for id in odd {
        found.find("reconciliation", id, "its figures are not those of its report");
    }
    let gaps = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM reconciliation r
           WHERE id > 1 AND NOT EXISTS (SELECT 1 FROM reconciliation b WHERE b.id = r.id - 1)"#
    )
    .fetch_all(&mut *view)
    .await
    .map_err(Error::database("read"))?;
    for id in gaps {
        found.find("reconciliation", id, "the run before it is missing");
    }
    let moved = sqlx::query_scalar!(
        r#"SELECT r.id AS "id!" FROM reconciliation r
           WHERE r.ok = 1 AND r.baseline_cents IS NOT
               (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'baseline_cents') LIMIT 1"#
    )
    .fetch_optional(view)
    .await
    .map_err(Error::database("read"))?;
    if let Some(id) = moved {
        found.find("meta", "baseline_cents", format!("it is not the baseline of run {id}"));
    }
    Ok(())
}

/// Cases against the events that told of them: what was told was so. Those that came and went untold are noted.
async fn verify_cases(view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
    let lost = sqlx::query!(
        r#"SELECT e.seq AS "seq!", e.facts ->> '$.id' AS "id: i64" FROM event e
           LEFT JOIN discrepancy d ON d.id = e.facts ->> '$.id'
           WHERE e.name IN ('discrepancy_opened', 'discrepancy_explained', 'discrepancy_closed')
             AND (d.id IS NULL OR d.kind IS NOT e.facts ->> '$.kind' OR d.deposit_id IS NOT e.facts ->> '$.deposit_id'
                  OR d.order_id IS NOT e.facts ->> '$.order_id' OR d.opened_at IS NOT e.facts ->> '$.opened_at'
                  OR (e.name = 'discrepancy_closed'
                      AND (d.closed_at IS NOT e.facts ->> '$.closed_at' OR d.closed_by IS NOT e.facts ->> '$.closed_by'
                           OR d.resolution IS NOT e.facts ->> '$.resolution' OR d.expected IS NOT e.facts ->> '$.expected'
                           OR d.explained IS NOT e.facts ->> '$.explained' OR d.found IS NOT e.facts ->> '$.found')))"#
    )
    .fetch_all(&mut *view)
    .await
    .map_err(Error::database("read"))?;
    for row in lost {
        let case = row.id.map_or_else(String::new, |id| id.to_string());
        found.find("discrepancy", case, format!("it is not the case that event {} tells of", row.seq));
    }
    let untold = sqlx::query_scalar!(
        r#"WITH told AS MATERIALIZED
               (SELECT name, facts ->> '$.id' AS id FROM event WHERE name IN ('discrepancy_opened', 'discrepancy_closed'))
           SELECT d.id AS "id!" FROM discrepancy d
           WHERE (closed_at IS NULL) <> (closed_by IS NULL)
              OR (told_at IS NOT NULL AND d.id NOT IN (SELECT id FROM told WHERE name = 'discrepancy_opened'))
              OR (closed_at IS NOT NULL AND (told_at IS NOT NULL OR closed_by = 'person') AND d.id NOT IN (SELECT id FROM told WHERE name = 'discrepancy_closed'))"#
    )
    .fetch_all(&mut *view)
    .await
    .map_err(Error::database("read"))?;
    for id in untold {
        found.find("discrepancy", id, "no event told of its beginning or its end");
    }
    for seq in noted::broken(view).await? {
        found.find("discrepancy", "", format!("those that event {seq} notes are not as they were"));
    }
    Ok(())
}
