-- Invoices by short names: a list of hundreds of thousands is written, matched and compared without a random page for
-- each long key. A deposit is named by its row, an invoice by a digest and its place among equals.
DROP VIEW accounting_deposits;

CREATE TABLE invoice_by_number (
    row_id           INTEGER PRIMARY KEY,     -- the ledger's own short name
    name_print       INTEGER NOT NULL,        -- digest of what it is called by: payId, else sesid, else what it says
    place            INTEGER NOT NULL,        -- its place among those that are called the same, from 1
    print            INTEGER NOT NULL,        -- digest of what it says: whether it has changed since the last run
    sesid            TEXT,                    -- as the upstream wrote it
    pay_id           TEXT,                    -- as the upstream wrote it
    method           TEXT,                    -- processor
    amount_cents     INTEGER,                 -- whole US cents; NULL: it never could be read
    created_ms       INTEGER,                 -- when
    status           TEXT,                    -- raw word
    deposit_row      INTEGER REFERENCES deposit (row_id),  -- the deposit it is matched with: one to one
    rule             TEXT,                    -- how it was matched
    credited         INTEGER NOT NULL CHECK (credited IN (0, 1)),   -- it was called paid once; a refund does not undo that
    abandoned        INTEGER NOT NULL CHECK (abandoned IN (0, 1)),  -- made by an attempt of ours, shown to nobody
    listed           INTEGER NOT NULL CHECK (listed IN (0, 1)),     -- 0: the upstream no longer lists it
    first_seen_ms    INTEGER NOT NULL,        -- the run that saw it first
    changed_ms       INTEGER NOT NULL,        -- the run that found it new, changed or gone
    CHECK ((deposit_row IS NULL) = (rule IS NULL))
) STRICT;
INSERT INTO invoice_by_number (row_id, name_print, place, print, sesid, pay_id, method, amount_cents, created_ms,
                               status, deposit_row, rule, credited, abandoned, listed, first_seen_ms, changed_ms)
SELECT i.row_id, i.name_print, row_number() OVER (PARTITION BY i.name_print ORDER BY i.row_id), i.print, i.sesid, i.pay_id,
       i.method, i.amount_cents, unixepoch(i.created) * 1000 + CAST(substr(i.created, 21, 3) AS INTEGER), i.status, d.row_id,
       i.rule, i.credited, i.abandoned, i.listed,
       unixepoch(i.first_seen) * 1000 + CAST(substr(i.first_seen, 21, 3) AS INTEGER), i.changed_ms
FROM invoice i LEFT JOIN deposit d ON d.id = i.deposit_id ORDER BY i.row_id;
DROP TABLE invoice;
ALTER TABLE invoice_by_number RENAME TO invoice;
CREATE UNIQUE INDEX invoice_name ON invoice (name_print, place);
CREATE UNIQUE INDEX invoice_deposit ON invoice (deposit_row) WHERE deposit_row IS NOT NULL;
CREATE INDEX invoice_changed ON invoice (changed_ms);
-- What each rule has matched, what is nobody's yet, and their sums, without a look at the invoices themselves.
CREATE INDEX invoice_rule ON invoice (rule, abandoned, credited, amount_cents);

CREATE VIEW accounting_deposits AS
SELECT d.id, d.order_id, d.reference, d.currency, d.network, d.address, d.amount_requested, d.amount_usd,
       d.amount_usd_micros, d.amount_crypto, d.state, d.outcome, d.late, d.txid, d.requested_at, d.wallet_created_at,
       d.expire_at, d.settled_at,
       CASE
           WHEN d.order_id IS NULL
                OR d.wallet_created_at > coalesce((SELECT max(r.at) FROM reconciliation r WHERE r.ok = 1), '')
               THEN NULL
           WHEN i.row_id IS NULL THEN 'unmatched'
           WHEN i.rule = 'amount_and_time' THEN 'probable'
           ELSE 'matched'
       END AS reconciled,
       CASE WHEN d.amount_booked_micros IS NULL THEN NULL
            ELSE printf('%d.%02d', d.amount_booked_micros / 1000000, d.amount_booked_micros % 1000000 / 10000) || rtrim(printf('%04d', d.amount_booked_micros % 10000), '0') END AS amount_booked,
       d.amount_booked_micros, d.refunded_at, d.needs_review, d.upstream_status, d.updated_at,
       CASE WHEN d.refunded_at IS NULL THEN NULL
            ELSE coalesce(d.facts ->> '$.refund.usd', d.amount_booked_micros) END AS amount_refunded_micros
FROM deposit d LEFT JOIN invoice i ON i.deposit_row = d.row_id;
