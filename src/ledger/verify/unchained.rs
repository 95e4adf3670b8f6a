//! Compares what no chain covers with the events and reports about it: reconciliations, cases, `meta`.

use sqlx::SqliteConnection;

use crate::ledger::cases::seal;
use crate::ledger::error::Result;
use crate::ledger::verify::finding::Verification;

pub(super) async fn verify(view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
    verify_runs(view, found).await?;
    verify_acceptances(view, found).await?;
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
              OR coalesce(accepted_cents, 0) IS NOT coalesce(report ->> '$.accepted_cents', 0)
              OR coalesce(not_listed_cents, 0) IS NOT coalesce(report ->> '$.not_listed_cents', 0)
              OR clean IS NOT coalesce(report ->> '$.clean', clean)
              OR (ok = 1 AND baseline_cents IS NOT NULL
                  AND total_charges_cents IS NOT credited_here_cents + credited_elsewhere_cents + difference_cents)"#
    )
    .fetch_all(&mut *view)
    .await?;
    for id in odd {
        found.find("reconciliation", id, "its figures are not those of its report");
    }
    let gaps = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM reconciliation r
           WHERE id > 1 AND NOT EXISTS (SELECT 1 FROM reconciliation b WHERE b.id = r.id - 1)"#
    )
    .fetch_all(&mut *view)
    .await?;
    for id in gaps {
        found.find("reconciliation", id, "the run before it is missing");
    }
    verify_statements(view, found).await?;
    verify_baseline(view, found).await
}

/// What statements need of a run: what the journal held when it was written down, after the head that it knew and before
/// the next run's, and what the balance had risen by.
async fn verify_statements(view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
    let odd = sqlx::query_scalar!(
        r#"WITH good AS MATERIALIZED (
               SELECT id, head_seq, journal_micros, refunds_micros, risen_cents, lag(head_seq, 1, 0) OVER w AS head_before,
                      lead(head_seq, 1, 9223372036854775807) OVER w AS head_after,
                      coalesce(balance_cents - lag(balance_cents) OVER w
                               - max(total_charges_cents - lag(total_charges_cents) OVER w, 0), 0) AS rise
               FROM reconciliation WHERE ok = 1 WINDOW w AS (ORDER BY id)),
           known AS MATERIALIZED (
               SELECT *, sum(max(rise, 0)) OVER w AS risen, sum(booked) OVER w AS journal, sum(refunded) OVER w AS refunds
               FROM (SELECT g.*,
                            coalesce((SELECT sum(p.amount_usd_micros) FROM posting p
                                      WHERE p.transaction_id > g.head_before AND p.transaction_id <= g.head_seq
                                        AND p.account = 'assets:prepaid:smsonline'), 0) AS booked,
                            coalesce((SELECT -sum(p.amount_usd_micros)
                                      FROM posting p CROSS JOIN event e ON e.seq = p.transaction_id
                                      WHERE p.transaction_id > g.head_before AND p.transaction_id <= g.head_seq
                                        AND p.account = 'assets:prepaid:smsonline' AND e.facts ->> '$.refunded_at' IS NOT NULL
                                        AND e.name NOT IN ('corrected', 'figure_stated')), 0) AS refunded
                     FROM good g)
               WINDOW w AS (ORDER BY id))
           SELECT id AS "id!: i64" FROM known k
           WHERE risen_cents IS NOT risen
              OR (NOT (journal_micros IS journal AND refunds_micros IS refunds)
                  AND NOT EXISTS (
                      SELECT 1
                      FROM (SELECT sum(p.amount_usd_micros) OVER u AS more,
                                   sum(iif(e.facts ->> '$.refunded_at' IS NOT NULL
                                           AND e.name NOT IN ('corrected', 'figure_stated'), -p.amount_usd_micros, 0)) OVER u AS back
                            FROM posting p CROSS JOIN event e ON e.seq = p.transaction_id
                            WHERE p.transaction_id > k.head_seq AND p.transaction_id <= k.head_after
                              AND p.account = 'assets:prepaid:smsonline'
                            WINDOW u AS (ORDER BY p.transaction_id)) m
                      WHERE k.journal + m.more = k.journal_micros AND k.refunds + m.back = k.refunds_micros))"#
    )
    .fetch_all(view)
    .await?;
    for id in odd {
        found.find(
            "reconciliation",
            id,
            "what a statement needs of it is not what journal and runs add up to",
        );
    }
    Ok(())
}

/// The stored baseline is that of the last event about it; where an earlier version took it, that of its runs.
async fn verify_baseline(view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
    let row = sqlx::query!(
        r#"SELECT (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'baseline_cents') AS "kept: i64",
                  (SELECT facts ->> '$.baseline_cents' FROM event
                   WHERE name = 'baseline_set' AND facts ->> '$.taken' = 1 ORDER BY seq DESC LIMIT 1) AS "said: i64",
                  (SELECT baseline_cents FROM reconciliation WHERE ok = 1 ORDER BY id DESC LIMIT 1) AS "used: i64""#
    )
    .fetch_one(view)
    .await?;
    let expected = row.said.or(row.used);
    if row.kept != expected {
        let words = |cents: Option<i64>| cents.map_or_else(|| "none".to_owned(), |cents| cents.to_string());
        found.find(
            "meta",
            "baseline_cents",
            format!("it is {}, what set it says {}", words(row.kept), words(expected)),
        );
    }
    Ok(())
}

/// What was accepted against the events that say so.
async fn verify_acceptances(view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
    let odd = sqlx::query_scalar!(
        r#"SELECT a.id AS "id!" FROM acceptance a LEFT JOIN event e ON e.seq = a.event_seq
           WHERE e.name IS NOT 'decided' OR e.facts ->> '$.act' IS NOT 'accept' OR e.facts ->> '$.case_id' IS NOT a.case_id
              OR e.facts ->> '$.kind' IS NOT a.kind
              OR (a.deposit_row IS NOT NULL
                  AND e.facts ->> '$.deposit_id' IS NOT (SELECT d.id FROM deposit d WHERE d.row_id = a.deposit_row))
              OR e.facts ->> '$.drift_cents' IS NOT a.drift_cents OR e.facts ->> '$.listed_cents' IS NOT a.listed_cents
              OR e.facts ->> '$.counted_cents' IS NOT a.counted_cents OR e.facts ->> '$.who' IS NOT a.accepted_by
              OR e.facts ->> '$.note' IS NOT a.note OR e.at IS NOT a.accepted_at
              OR (a.ended_seq IS NOT NULL AND NOT EXISTS
                  (SELECT 1 FROM event x WHERE x.seq = a.ended_seq AND x.name = 'decided' AND x.facts ->> '$.act' = 'unaccept'
                                           AND x.facts ->> '$.case_id' = a.case_id))"#
    )
    .fetch_all(&mut *view)
    .await?;
    for id in odd {
        found.find("acceptance", id, "it is not what the event says that accepted it, or took it back");
    }
    let lost = sqlx::query_scalar!(
        r#"SELECT seq AS "seq!" FROM event e
           WHERE name = 'decided' AND facts ->> '$.act' = 'accept'
             AND NOT EXISTS (SELECT 1 FROM acceptance a WHERE a.event_seq = e.seq)"#
    )
    .fetch_all(&mut *view)
    .await?;
    for seq in lost {
        found.find("acceptance", "", format!("what event {seq} accepted is missing"));
    }
    let kept = sqlx::query_scalar!(
        r#"SELECT x.seq AS "seq!" FROM event x
           WHERE x.name = 'decided' AND x.facts ->> '$.act' = 'unaccept'
             AND NOT EXISTS (SELECT 1 FROM acceptance a WHERE a.ended_seq = x.seq)"#
    )
    .fetch_all(view)
    .await?;
    for seq in kept {
        found.find("acceptance", "", format!("what event {seq} took back stands again"));
    }
    Ok(())
}

/// Compares cases with the events about them. Cases without a letter are sealed.
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
    .await?;
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
    .await?;
    for id in untold {
        found.find("discrepancy", id, "no event told of its beginning or its end");
    }
    for seq in seal::broken(view).await? {
        found.find("discrepancy", "", format!("those that event {seq} notes are not as they were"));
    }
    Ok(())
}
