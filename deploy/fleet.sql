-- The books of many ledgers as one, in DuckDB 1.4 or newer, straight from copies of their files (docs/fleet.md).
--
--   duckdb -cmd "LOAD sqlite; SET VARIABLE ledger_files = '/replicas/*/ledger.db'" -init fleet.sql
--
-- The pattern says which files; each ledger is called as its folder, or as its file where several lie in one folder. The
-- views are those of the ledgers, with `ledger` and `ledger_id` before their columns. They read the files anew each time:
-- a question about months reads little, one about single deposits or entries reads all of them.

-- SQLite types values, and not columns: each is read as text, and whole numbers are made of it below.
SET GLOBAL sqlite_all_varchar = true;

CREATE OR REPLACE TEMP TABLE fleet_file AS
SELECT file, CASE WHEN count(*) OVER (PARTITION BY parse_dirpath(file)) = 1 AND parse_filename(parse_dirpath(file)) <> ''
                  THEN parse_filename(parse_dirpath(file)) ELSE parse_filename(file, true) END AS ledger
FROM glob(getvariable('ledger_files'));

-- One statement for all files: `query` takes no table.
CREATE OR REPLACE TEMP MACRO fleet_rows(view) AS (
    SELECT string_agg(
        format('SELECT ''{}'' AS ledger, (SELECT value FROM sqlite_scan(''{}'', ''meta'') WHERE key = ''ledger_id'') AS ledger_id,
                       * FROM sqlite_scan(''{}'', ''{}'')',
               replace(ledger, '''', ''''''), replace(file, '''', ''''''), replace(file, '''', ''''''), view),
        ' UNION ALL ')
    FROM fleet_file
);

SELECT error('no file fits the pattern ledger_files: ' || coalesce(getvariable('ledger_files'), 'it is not set'))
FROM (SELECT count(*) AS files FROM fleet_file) WHERE files = 0;

SET VARIABLE fleet_schemas = fleet_rows('_sqlx_migrations');
CREATE OR REPLACE TEMP TABLE fleet_ledger AS
SELECT ledger, ledger_id, max(CAST(version AS BIGINT)) AS schema_version FROM query(getvariable('fleet_schemas'))
GROUP BY ALL;
SELECT error('these files are one ledger, ' || ledger_id || ': ' || string_agg(ledger, ', ') || '; name one of them')
FROM fleet_ledger GROUP BY ledger_id HAVING count(*) > 1;
SELECT error('the ledger ' || ledger || ' is of schema ' || schema_version || ', and this file reads 14 or newer: start its '
             || 'daemon once, it brings it up to date')
FROM fleet_ledger WHERE schema_version < 14;

SET VARIABLE fleet_deposits = fleet_rows('accounting_deposits');
CREATE OR REPLACE TEMP VIEW accounting_deposits AS
SELECT ledger, ledger_id, id, order_id, reference, currency, network, address, amount_requested,
       amount_usd, CAST(amount_usd_micros AS BIGINT) AS amount_usd_micros, amount_crypto, state, outcome,
       CAST(late AS BIGINT) AS late, txid, requested_at, wallet_created_at, expire_at, settled_at, reconciled,
       amount_booked, CAST(amount_booked_micros AS BIGINT) AS amount_booked_micros, refunded_at, needs_review,
       upstream_status, updated_at, CAST(amount_refunded_micros AS BIGINT) AS amount_refunded_micros, memo, method,
       arrived_crypto, CAST(arrived_usd_micros AS BIGINT) AS arrived_usd_micros, url
FROM query(getvariable('fleet_deposits'));

SET VARIABLE fleet_entries = fleet_rows('accounting_entries');
CREATE OR REPLACE TEMP VIEW accounting_entries AS
SELECT ledger, ledger_id, CAST(entry_id AS BIGINT) AS entry_id, CAST(transaction_id AS BIGINT) AS transaction_id,
       posted_at, account, commodity, amount, CAST(amount_usd_micros AS BIGINT) AS amount_usd_micros, deposit_id,
       order_id, description, CAST(refers_to AS BIGINT) AS refers_to, figure,
       CAST(evidence_id AS BIGINT) AS evidence_id, flag, date, account_mapped, debit_usd, credit_usd
FROM query(getvariable('fleet_entries'));

SET VARIABLE fleet_trial_balance = fleet_rows('accounting_trial_balance');
CREATE OR REPLACE TEMP VIEW accounting_trial_balance AS
SELECT ledger, ledger_id, account, commodity, balance, CAST(balance_usd_micros AS BIGINT) AS balance_usd_micros
FROM query(getvariable('fleet_trial_balance'));

SET VARIABLE fleet_monthly = fleet_rows('accounting_monthly');
CREATE OR REPLACE TEMP VIEW accounting_monthly AS
SELECT ledger, ledger_id, month, currency, network, CAST(deposits AS BIGINT) AS deposits, amount_usd,
       CAST(amount_usd_micros AS BIGINT) AS amount_usd_micros, CAST(refunds AS BIGINT) AS refunds, refunded_usd,
       CAST(refunded_usd_micros AS BIGINT) AS refunded_usd_micros, CAST(adjustments AS BIGINT) AS adjustments,
       adjusted_usd, CAST(adjusted_usd_micros AS BIGINT) AS adjusted_usd_micros, method
FROM query(getvariable('fleet_monthly'));

SET VARIABLE fleet_account_months = fleet_rows('accounting_account_months');
CREATE OR REPLACE TEMP VIEW accounting_account_months AS
SELECT ledger, ledger_id, month, account, commodity, CAST(debits_usd_micros AS BIGINT) AS debits_usd_micros,
       CAST(credits_usd_micros AS BIGINT) AS credits_usd_micros,
       CAST(closing_usd_micros AS BIGINT) AS closing_usd_micros
FROM query(getvariable('fleet_account_months'));

SET VARIABLE fleet_periods = fleet_rows('accounting_periods');
CREATE OR REPLACE TEMP VIEW accounting_periods AS
SELECT ledger, ledger_id, month, closed_at, CAST(event_seq AS BIGINT) AS event_seq, reconciled_at,
       CAST(transactions AS BIGINT) AS transactions, CAST(head_seq AS BIGINT) AS head_seq, head_hash, hash, closed_by,
       ends_at
FROM query(getvariable('fleet_periods'));

SET VARIABLE fleet_statement = fleet_rows('accounting_statement');
CREATE OR REPLACE TEMP VIEW accounting_statement AS
SELECT ledger, ledger_id, month, starts_at, ends_at, opening_at, since_at, closing_at, opening_usd,
       CAST(opening_usd_micros AS BIGINT) AS opening_usd_micros, since_usd,
       CAST(since_usd_micros AS BIGINT) AS since_usd_micros, ours_usd,
       CAST(ours_usd_micros AS BIGINT) AS ours_usd_micros, elsewhere_usd,
       CAST(elsewhere_usd_micros AS BIGINT) AS elsewhere_usd_micros, refunds_usd,
       CAST(refunds_usd_micros AS BIGINT) AS refunds_usd_micros, spent_usd,
       CAST(spent_usd_micros AS BIGINT) AS spent_usd_micros, rises_usd,
       CAST(rises_usd_micros AS BIGINT) AS rises_usd_micros, in_transit_usd,
       CAST(in_transit_usd_micros AS BIGINT) AS in_transit_usd_micros, unexplained_usd,
       CAST(unexplained_usd_micros AS BIGINT) AS unexplained_usd_micros, closing_usd,
       CAST(closing_usd_micros AS BIGINT) AS closing_usd_micros
FROM query(getvariable('fleet_statement'));

SET VARIABLE fleet_events = fleet_rows('accounting_events');
CREATE OR REPLACE TEMP VIEW accounting_events AS
SELECT ledger, ledger_id, CAST(seq AS BIGINT) AS seq, deposit_id, "at", from_state, to_state, upstream_status, reason,
       hash, acted_by
FROM query(getvariable('fleet_events'));

SET VARIABLE fleet_history = fleet_rows('accounting_history');
CREATE OR REPLACE TEMP VIEW accounting_history AS
SELECT ledger, ledger_id, CAST(seq AS BIGINT) AS seq, deposit_id, "at", name, from_state, to_state, upstream_status,
       reason, hash, acted_by
FROM query(getvariable('fleet_history'));

SET VARIABLE fleet_discrepancies = fleet_rows('accounting_discrepancies');
CREATE OR REPLACE TEMP VIEW accounting_discrepancies AS
SELECT ledger, ledger_id, CAST(id AS BIGINT) AS id, kind, deposit_id, order_id, expected, found, opened_at, closed_at,
       resolution, explained, explained_at, explained_by, closed_by, closed_who, detail
FROM query(getvariable('fleet_discrepancies'));

SET VARIABLE fleet_accepted = fleet_rows('accounting_accepted');
CREATE OR REPLACE TEMP VIEW accounting_accepted AS
SELECT ledger, ledger_id, CAST(id AS BIGINT) AS id, CAST(case_id AS BIGINT) AS case_id, kind, deposit_id, order_id,
       CAST(listed_cents AS BIGINT) AS listed_cents, CAST(counted_cents AS BIGINT) AS counted_cents,
       CAST(drift_cents AS BIGINT) AS drift_cents, accepted_at, accepted_by, note, taken_back_at
FROM query(getvariable('fleet_accepted'));

SET VARIABLE fleet_elsewhere = fleet_rows('accounting_elsewhere');
CREATE OR REPLACE TEMP VIEW accounting_elsewhere AS
SELECT ledger, ledger_id, CAST(id AS BIGINT) AS id, seen_at, date, created_at, method, status, pay_id, sesid,
       amount_usd, CAST(amount_usd_micros AS BIGINT) AS amount_usd_micros, CAST(listed AS BIGINT) AS listed,
       CAST(before_first_run AS BIGINT) AS before_first_run
FROM query(getvariable('fleet_elsewhere'));

SET VARIABLE fleet_balance_history = fleet_rows('accounting_balance_history');
CREATE OR REPLACE TEMP VIEW accounting_balance_history AS
SELECT ledger, ledger_id, "at", CAST(balance_cents AS BIGINT) AS balance_cents,
       CAST(total_charges_cents AS BIGINT) AS total_charges_cents,
       CAST(credited_here_cents AS BIGINT) AS credited_here_cents,
       CAST(credited_elsewhere_cents AS BIGINT) AS credited_elsewhere_cents,
       CAST(difference_cents AS BIGINT) AS difference_cents, CAST(baseline_cents AS BIGINT) AS baseline_cents,
       CAST(accepted_cents AS BIGINT) AS accepted_cents, CAST(not_listed_cents AS BIGINT) AS not_listed_cents,
       CAST(clean AS BIGINT) AS clean
FROM query(getvariable('fleet_balance_history'));
