-- Certainty: rows of the list have no identity of their own, a person's word is kept beside the figures, and what was
-- compared last is known by the number of the run.
DROP VIEW accounting_deposits;
DROP VIEW accounting_discrepancies;
DROP VIEW accounting_balance_history;

CREATE TABLE listed_row (
    row_id         INTEGER PRIMARY KEY,   -- the ledger's own short name
    identity_hash  INTEGER NOT NULL,      -- digest of what it is called by; 0 in what an earlier version kept
    content_hash   INTEGER NOT NULL,      -- digest of what it says: whether it has changed; 0 likewise
    sesid          TEXT,                  -- as the upstream wrote it
    pay_id         TEXT,                  -- as the upstream wrote it
    method         TEXT,                  -- processor
    amount_cents   INTEGER,               -- whole US cents; NULL: it never could be read
    created_ms     INTEGER,               -- when it was made, by what it says
    status         TEXT,                  -- raw word
    weight         INTEGER NOT NULL CHECK (weight IN (0, 1, 2)),  -- its word credits nothing, its amount, or follows the journal
    counted_cents  INTEGER NOT NULL,      -- what it credits by itself; of one that follows, its last amount as paid
    clean_cents    INTEGER,               -- the same as of the last clean run, where it has changed since
    flaw           TEXT,                  -- it could count and cannot be read, for this reason
    said_cents     INTEGER,               -- its amount as a person said it, until it changes
    deposit_row    INTEGER REFERENCES deposit (row_id),  -- the deposit whose id it bears
    rule           TEXT,                  -- in which field
    probable_row   INTEGER REFERENCES deposit (row_id),  -- the deposit that it may be, by amount and time: counts nothing
    listed         INTEGER NOT NULL CHECK (listed IN (0, 1)),  -- 0: no longer listed, and its figures stand
    first_seen_ms  INTEGER NOT NULL,      -- when it was seen first
    changed_ms     INTEGER NOT NULL,      -- when what it counts last changed
    changed_run    INTEGER NOT NULL,      -- the run that found it new, changed or gone
    CHECK ((deposit_row IS NULL) = (rule IS NULL))
) STRICT;
INSERT INTO listed_row (row_id, identity_hash, content_hash, sesid, pay_id, method, amount_cents, created_ms, status, weight,
                        counted_cents, deposit_row, rule, probable_row, listed, first_seen_ms, changed_ms, changed_run)
SELECT row_id, 0, 0, sesid, pay_id, method, amount_cents, created_ms, status,
       CASE WHEN lower(status) IN ('paid', 'paid_over') THEN 1
            WHEN lower(status) IN ('wrong_amount', 'refund_process', 'refund_fail', 'refund_paid') THEN 2 ELSE 0 END,
       iif(credited = 1, coalesce(amount_cents, 0), 0),
       iif(rule = 'amount_and_time', NULL, deposit_row), nullif(rule, 'amount_and_time'),
       iif(rule = 'amount_and_time', deposit_row, NULL), listed, first_seen_ms, changed_ms, 0
FROM invoice
WHERE listed = 1 OR credited = 1;
DROP TABLE invoice;
ALTER TABLE listed_row RENAME TO invoice;
CREATE INDEX invoice_deposit ON invoice (deposit_row) WHERE deposit_row IS NOT NULL;
CREATE INDEX invoice_probable ON invoice (probable_row) WHERE probable_row IS NOT NULL;
CREATE INDEX invoice_changed ON invoice (changed_run);
CREATE INDEX invoice_flaw ON invoice (row_id) WHERE flaw IS NOT NULL;
CREATE INDEX invoice_follows ON invoice (deposit_row) WHERE weight = 2;

-- A UUID is the same in capitals.
DROP INDEX deposit_link;
CREATE INDEX deposit_link ON deposit (link_id COLLATE NOCASE) WHERE link_id IS NOT NULL;

-- The deposits that the next run must compare whether they have changed or not: their rows are gone, or they were on
-- their way.
CREATE TABLE comparison_due (
    deposit_row INTEGER PRIMARY KEY REFERENCES deposit (row_id)
) STRICT;

-- What a person accepted: a drift as it stands, or a deposit's figure against its rows.
CREATE TABLE acceptance (
    id            INTEGER PRIMARY KEY,       -- its number
    case_id       INTEGER NOT NULL,          -- the case that it ended
    event_seq     INTEGER NOT NULL UNIQUE REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,  -- the event that says so
    kind          TEXT NOT NULL,             -- of the case
    deposit_row   INTEGER REFERENCES deposit (row_id),  -- about which deposit; NULL: the account, or a row
    invoice_row   INTEGER,                   -- about which row of the list
    listed_cents  INTEGER,                   -- of a deposit: while its rows credit this ..
    counted_cents INTEGER,                   -- .. they count this; of a row: its amount
    drift_cents   INTEGER NOT NULL,          -- what it adds to the account's explained sum
    accepted_at   TEXT NOT NULL,             -- when
    accepted_by   TEXT NOT NULL,             -- who: the way they came in
    note          TEXT NOT NULL,             -- what they said of it
    ended_seq     INTEGER REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED  -- the event that took it back; NULL: it stands
) STRICT;
CREATE INDEX acceptance_standing ON acceptance (case_id) WHERE ended_seq IS NULL;

CREATE TABLE difference (
    id             INTEGER PRIMARY KEY,      -- its number
    key            TEXT NOT NULL,            -- kind and subject: at most one open case for each
    kind           TEXT NOT NULL CHECK (kind IN ('amount_mismatch', 'invoice_missing', 'status_mismatch', 'total_charges_drift',
                       'total_fell', 'rows_changed', 'row_unread', 'restored', 'abandoned_wallet', 'balance_rise')),
                                             -- the last two are of earlier versions
    deposit_id     TEXT REFERENCES deposit (id),  -- about which deposit
    order_id       TEXT,                     -- about which order, or which row by what it is called
    invoice_row    INTEGER,                  -- about which row of the list
    expected       TEXT NOT NULL,            -- our side
    found          TEXT NOT NULL,            -- the upstream's
    expected_cents INTEGER,                  -- our side in cents, where it is a figure
    found_cents    INTEGER,                  -- the upstream's
    detail         TEXT,                     -- the rows and figures behind it
    opened_at      TEXT NOT NULL,            -- when it was first seen
    seen_runs      INTEGER NOT NULL,         -- in how many runs, each [reconcile] lag apart
    seen_at        TEXT,                     -- the last of them
    told_at        TEXT,                     -- when it was last mailed
    told_cents     INTEGER,                  -- the difference that was mailed then
    explained      TEXT,                     -- what a person said of it
    explained_at   TEXT,                     -- when
    explained_by   TEXT,                     -- who: the way they came in
    closed_at      TEXT,                     -- when it ended
    closed_by      TEXT CHECK (closed_by IN ('run', 'person')),  -- what ended it
    closed_who     TEXT,                     -- the person: the way they came in
    resolution     TEXT                      -- why it ended
) STRICT;
INSERT INTO difference (id, key, kind, deposit_id, order_id, expected, found, opened_at, seen_runs, told_at, explained,
                        explained_at, explained_by, closed_at, closed_by, closed_who, resolution)
SELECT id, key, kind, deposit_id, order_id, expected, found, opened_at, seen_runs, told_at, explained, explained_at,
       explained_by, closed_at, closed_by, closed_who, resolution
FROM discrepancy ORDER BY id;
DROP TABLE discrepancy;
ALTER TABLE difference RENAME TO discrepancy;
CREATE UNIQUE INDEX discrepancy_one_open ON discrepancy (key) WHERE closed_at IS NULL;
CREATE INDEX discrepancy_key ON discrepancy (key, id);
CREATE INDEX discrepancy_deposit ON discrepancy (deposit_id) WHERE deposit_id IS NOT NULL;

ALTER TABLE reconciliation ADD COLUMN clean INTEGER NOT NULL DEFAULT 0;  -- both comparisons agreed, all was read, no case was open
ALTER TABLE reconciliation ADD COLUMN accepted_cents INTEGER;    -- what people accepted
ALTER TABLE reconciliation ADD COLUMN not_listed_cents INTEGER;  -- booked here, and not listed yet
UPDATE reconciliation SET accepted_cents = 0, not_listed_cents = 0,
    clean = iif(difference_cents = 0 AND coalesce(report ->> '$.unreadable', 0) = 0
                AND json_array_length(report, '$.cases') = 0, 1, 0)
WHERE ok = 1;
CREATE INDEX reconciliation_clean ON reconciliation (id) WHERE clean = 1;

CREATE VIEW accounting_deposits AS
SELECT d.id, d.order_id, d.reference, d.currency, d.network, nullif(d.address, '') AS address, d.amount_requested, d.amount_usd,
       d.amount_usd_micros, d.amount_crypto, d.state, d.outcome, d.late, d.txid, d.requested_at, d.wallet_created_at,
       d.expire_at, d.settled_at,
       CASE
           WHEN d.order_id IS NULL
                OR d.wallet_created_at > coalesce((SELECT max(r.at) FROM reconciliation r WHERE r.ok = 1), '')
               THEN NULL
           WHEN EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_row = d.row_id) THEN 'matched'
           WHEN EXISTS (SELECT 1 FROM invoice i WHERE i.probable_row = d.row_id) THEN 'probable'
           ELSE 'unmatched'
       END AS reconciled,
       CASE WHEN d.amount_booked_micros IS NULL THEN NULL
            ELSE printf('%d.%02d', d.amount_booked_micros / 1000000, d.amount_booked_micros % 1000000 / 10000) || rtrim(printf('%04d', d.amount_booked_micros % 10000), '0') END AS amount_booked,
       d.amount_booked_micros, d.refunded_at, d.needs_review, d.upstream_status, d.updated_at,
       CASE WHEN d.refunded_at IS NULL THEN NULL
            ELSE coalesce(d.facts ->> '$.refund.usd', d.amount_booked_micros) END AS amount_refunded_micros,
       d.memo
FROM deposit d;

CREATE VIEW accounting_discrepancies AS
SELECT id, kind, deposit_id, order_id, expected, found, opened_at, closed_at, resolution, explained, explained_at,
       explained_by, closed_by, closed_who, detail
FROM discrepancy;

CREATE VIEW accounting_accepted AS
SELECT a.id, a.case_id, a.kind, d.id AS deposit_id, d.order_id, a.listed_cents, a.counted_cents, a.drift_cents, a.accepted_at,
       a.accepted_by, a.note, e.at AS taken_back_at
FROM acceptance a LEFT JOIN deposit d ON d.row_id = a.deposit_row LEFT JOIN event e ON e.seq = a.ended_seq;

CREATE VIEW accounting_balance_history AS
SELECT at, balance_cents, total_charges_cents, credited_here_cents, credited_elsewhere_cents, difference_cents,
       baseline_cents, accepted_cents, not_listed_cents, clean
FROM reconciliation WHERE ok = 1;
