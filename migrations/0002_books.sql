-- Closed months, totals kept up with every entry, and what the accountants' views tell beside what they told.

CREATE TABLE period (
    month     TEXT PRIMARY KEY NOT NULL CHECK (month GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]'),  -- the month that was closed
    ends_at   TEXT NOT NULL,                  -- the first instant after it: nothing is booked before that any more
    event_seq INTEGER NOT NULL UNIQUE REFERENCES event (seq),  -- the event that closed it: its figures are there
    closed_at TEXT NOT NULL                   -- when
) STRICT, WITHOUT ROWID;

CREATE TABLE month_total (
    month            TEXT NOT NULL,           -- of settled_at, of refunded_at; of the entry for what came after a close
    currency         TEXT NOT NULL,           -- ticker in capitals
    network          TEXT NOT NULL,           -- network in capitals
    deposits         INTEGER NOT NULL,        -- first credited in this month
    credited_micros  INTEGER NOT NULL,        -- what they were credited with, as long as the month was open
    refunds          INTEGER NOT NULL,        -- first refunded in this month
    refunded_micros  INTEGER NOT NULL,        -- what went back
    adjustments      INTEGER NOT NULL,        -- entries of this month about deposits of closed months
    adjusted_micros  INTEGER NOT NULL,        -- what they changed
    PRIMARY KEY (month, currency, network)
) STRICT, WITHOUT ROWID;

CREATE TABLE account_month (
    month         TEXT NOT NULL,              -- of the entry
    account       TEXT NOT NULL,              -- chart of accounts
    commodity     TEXT NOT NULL,              -- USD or a ticker
    debit_micros  INTEGER NOT NULL,           -- sum of the debits' worth
    credit_micros INTEGER NOT NULL,           -- sum of the credits' worth, negative
    PRIMARY KEY (month, account, commodity)
) STRICT, WITHOUT ROWID;

-- Nothing was closed before: every deposit counts at its present figure in the month in which it settled.
INSERT INTO month_total (month, currency, network, deposits, credited_micros, refunds, refunded_micros, adjustments,
                         adjusted_micros)
SELECT month, currency, network, sum(deposits), sum(credited), sum(refunds), sum(refunded), 0, 0
FROM (
    SELECT substr(settled_at, 1, 7) AS month, currency, network, 1 AS deposits, amount_booked_micros AS credited,
           0 AS refunds, 0 AS refunded
    FROM deposit WHERE settled_at IS NOT NULL
    UNION ALL
    SELECT substr(refunded_at, 1, 7), currency, network, 0, 0, 1, amount_booked_micros
    FROM deposit WHERE refunded_at IS NOT NULL
)
GROUP BY month, currency, network;

INSERT INTO account_month (month, account, commodity, debit_micros, credit_micros)
SELECT substr(e.at, 1, 7), p.account, p.commodity, sum(max(p.amount_usd_micros, 0)), sum(min(p.amount_usd_micros, 0))
FROM posting p JOIN event e ON e.seq = p.transaction_id
GROUP BY 1, 2, 3;

-- A closed month stays closed, and nothing is booked in it any more.
CREATE TRIGGER period_no_update BEFORE UPDATE ON period BEGIN SELECT RAISE(ABORT, 'a closed month stays closed'); END;
CREATE TRIGGER period_no_delete BEFORE DELETE ON period BEGIN SELECT RAISE(ABORT, 'a closed month stays closed'); END;
CREATE TRIGGER event_not_in_closed_month BEFORE INSERT ON event
WHEN NEW.at < (SELECT max(ends_at) FROM period) AND EXISTS (SELECT 1 FROM posting WHERE transaction_id = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'its month is closed: nothing can be booked in it any more'); END;

DROP VIEW accounting_deposits;
CREATE VIEW accounting_deposits AS
SELECT d.id, d.order_id, d.reference, d.currency, d.network, d.address, d.amount_requested, d.amount_usd,
       d.amount_usd_micros, d.amount_crypto, d.state, d.outcome, d.late, d.txid, d.requested_at, d.wallet_created_at,
       d.expire_at, d.settled_at,
       CASE
           WHEN d.order_id IS NULL
                OR d.wallet_created_at > coalesce((SELECT max(r.at) FROM reconciliation r WHERE r.ok = 1), '')
               THEN NULL
           WHEN i.key IS NULL THEN 'unmatched'
           WHEN i.rule = 'amount_and_time' THEN 'probable'
           ELSE 'matched'
       END AS reconciled,
       CASE WHEN d.amount_booked_micros IS NULL THEN NULL
            ELSE printf('%d.%02d', d.amount_booked_micros / 1000000, d.amount_booked_micros % 1000000 / 10000) || rtrim(printf('%04d', d.amount_booked_micros % 10000), '0') END AS amount_booked,
       d.amount_booked_micros, d.refunded_at, d.needs_review, d.upstream_status, d.updated_at,
       CASE WHEN d.refunded_at IS NULL THEN NULL
            ELSE coalesce(d.facts ->> '$.refund.usd', d.amount_booked_micros) END AS amount_refunded_micros
FROM deposit d LEFT JOIN invoice i ON i.deposit_id = d.id;

DROP VIEW accounting_entries;
CREATE VIEW accounting_entries AS
SELECT p.entry_id, p.transaction_id, e.at AS posted_at, p.account, p.commodity, p.amount, p.amount_usd_micros,
       e.deposit_id, d.order_id,
       CASE e.name WHEN 'settled' THEN 'top-up credited' WHEN 'short' THEN 'top-up credited in part'
                   WHEN 'refunded' THEN iif(e.facts ->> '$.refund.usd' IS NULL, 'top-up refunded', 'top-up refunded in part')
                   WHEN 'corrected' THEN 'correction after reconciliation' WHEN 'held' THEN 'top-up locked by the processor'
                   WHEN 'figures_changed' THEN 'top-up figure changed' ELSE 'lock of a top-up ended' END
           || ': ' || d.amount_requested || ' USD in ' || d.currency || ' on ' || d.network
           || coalesce(' (' || d.reference || ')', '') AS description,
       (SELECT min(x.seq) FROM event x JOIN posting y ON y.transaction_id = x.seq
        WHERE x.deposit_id = e.deposit_id AND x.seq < e.seq) AS refers_to,
       CASE WHEN e.name = 'corrected' THEN 'invoice'
            WHEN e.facts ->> '$.refund.usd' IS NOT NULL THEN 'refund_amount_usd'
            WHEN e.facts ->> '$.booked.source' = 'amount_in_usd' THEN 'amountInUSD'
            ELSE 'payment_amount_usd' END AS figure,
       e.evidence_id,
       CASE p.account WHEN 'equity:unstated' THEN 'the upstream did not state what was paid in crypto'
                      WHEN 'equity:difference:unexplained' THEN 'the upstream does not say why it credits another amount'
                      WHEN 'equity:corrections' THEN 'the invoice had another figure than the order' END AS flag
FROM posting p JOIN event e ON e.seq = p.transaction_id LEFT JOIN deposit d ON d.id = e.deposit_id;

DROP VIEW accounting_monthly;
CREATE VIEW accounting_monthly AS
SELECT month, currency, network, deposits,
       iif(credited_micros < 0, '-', '') || printf('%d.%02d', abs(credited_micros) / 1000000, abs(credited_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(credited_micros) % 10000), '0') AS amount_usd,
       credited_micros AS amount_usd_micros,
       refunds,
       iif(refunded_micros < 0, '-', '') || printf('%d.%02d', abs(refunded_micros) / 1000000, abs(refunded_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(refunded_micros) % 10000), '0') AS refunded_usd,
       refunded_micros AS refunded_usd_micros,
       adjustments,
       iif(adjusted_micros < 0, '-', '') || printf('%d.%02d', abs(adjusted_micros) / 1000000, abs(adjusted_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(adjusted_micros) % 10000), '0') AS adjusted_usd,
       adjusted_micros AS adjusted_usd_micros
FROM month_total;

CREATE VIEW accounting_account_months AS
SELECT month, account, commodity, debit_micros AS debits_usd_micros, credit_micros AS credits_usd_micros,
       sum(debit_micros + credit_micros) OVER (PARTITION BY account, commodity ORDER BY month) AS closing_usd_micros
FROM account_month;

CREATE VIEW accounting_periods AS
SELECT p.month, p.closed_at, p.event_seq, e.facts ->> '$.reconciled_at' AS reconciled_at,
       e.facts ->> '$.transactions' AS transactions, e.facts ->> '$.head_seq' AS head_seq, e.facts ->> '$.head_hash' AS head_hash, e.hash
FROM period p JOIN event e ON e.seq = p.event_seq;

CREATE VIEW accounting_evidence AS
SELECT v.id, v.deposit_id, v.at, v.call, v.http_status, v.body FROM evidence v;
