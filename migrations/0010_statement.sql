-- The books in a zone and with account names of their owner's, and the statement of the prepaid account.

-- How far the books' zone is from UTC, and from when on: a date there cannot be computed in plain SQL. The daemon writes
-- it at its start; UTC until then.
CREATE TABLE books_offset (
    from_at TEXT PRIMARY KEY NOT NULL,        -- the first instant; the empty text is the beginning of time
    seconds INTEGER NOT NULL                  -- east of Greenwich
) STRICT, WITHOUT ROWID;
INSERT INTO books_offset (from_at, seconds) VALUES ('', 0);

-- The months of that zone.
CREATE TABLE books_month (
    month     TEXT PRIMARY KEY NOT NULL,      -- YYYY-MM
    starts_at TEXT NOT NULL,                  -- its first instant
    ends_at   TEXT NOT NULL                   -- the first instant after it
) STRICT, WITHOUT ROWID;
INSERT INTO books_month (month, starts_at, ends_at)
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 959)
SELECT strftime('%Y-%m', '2020-01-01', n || ' months'), strftime('%Y-%m-%dT00:00:00.000Z', '2020-01-01', n || ' months'),
       strftime('%Y-%m-%dT00:00:00.000Z', '2020-01-01', (n + 1) || ' months')
FROM number;

-- What accounts are called in the books of the ledger's owner; one that is not here is called as it is.
CREATE TABLE books_account (
    account TEXT PRIMARY KEY NOT NULL,        -- chart of accounts
    mapped  TEXT NOT NULL UNIQUE              -- its name there
) STRICT, WITHOUT ROWID;

CREATE TABLE refund_month (
    month           TEXT PRIMARY KEY NOT NULL,  -- of the entry
    refunded_micros INTEGER NOT NULL            -- what went back from the prepaid account; corrections apart
) STRICT, WITHOUT ROWID;
INSERT INTO refund_month (month, refunded_micros)
SELECT substr(e.at, 1, 7), -sum(p.amount_usd_micros)
FROM event e JOIN posting p ON p.transaction_id = e.seq AND p.account = 'assets:prepaid:smsonline'
WHERE e.facts ->> '$.refunded_at' IS NOT NULL AND e.name NOT IN ('corrected', 'figure_stated') GROUP BY 1;

-- What the journal held when a run was made, so that a statement is a difference of two runs.
ALTER TABLE reconciliation ADD COLUMN journal_micros INTEGER;  -- what the prepaid account held in the journal
ALTER TABLE reconciliation ADD COLUMN refunds_micros INTEGER;  -- all refunds that were booked up to then
ALTER TABLE reconciliation ADD COLUMN risen_cents INTEGER;     -- all that the balance had risen by beyond the total, up to then
UPDATE reconciliation SET journal_micros = v.journal, refunds_micros = v.refunds, risen_cents = v.risen
FROM (
    SELECT id, sum(booked) OVER (ORDER BY id) AS journal, sum(refunded) OVER (ORDER BY id) AS refunds,
           sum(max(rise, 0)) OVER (ORDER BY id) AS risen
    FROM (
        SELECT r.id,
               coalesce(r.balance_cents - r.balance_before - max(r.total_charges_cents - r.total_before, 0), 0) AS rise,
               coalesce((SELECT sum(p.amount_usd_micros) FROM posting p
                         WHERE p.transaction_id > r.head_before AND p.transaction_id <= r.head_seq
                           AND p.account = 'assets:prepaid:smsonline'), 0) AS booked,
               coalesce((SELECT -sum(p.amount_usd_micros) FROM event e
                         JOIN posting p ON p.transaction_id = e.seq AND p.account = 'assets:prepaid:smsonline'
                         WHERE e.seq > r.head_before AND e.seq <= r.head_seq AND e.facts ->> '$.refunded_at' IS NOT NULL
                           AND e.name NOT IN ('corrected', 'figure_stated')), 0) AS refunded
        FROM (SELECT id, head_seq, balance_cents, total_charges_cents, lag(head_seq, 1, 0) OVER w AS head_before,
                     lag(balance_cents) OVER w AS balance_before, lag(total_charges_cents) OVER w AS total_before
              FROM reconciliation WHERE ok = 1 WINDOW w AS (ORDER BY id)) r))
    AS v
WHERE v.id = reconciliation.id;
CREATE INDEX reconciliation_at ON reconciliation (at, risen_cents) WHERE ok = 1;

-- A top-up by others belongs to the run that saw it credited first, whatever its row says later.
ALTER TABLE invoice ADD COLUMN credited_ms INTEGER;  -- when it was first seen to count something
UPDATE invoice SET credited_ms = changed_ms WHERE counted_cents <> 0;
-- Not what the first run saw: that is history, and a first list of a million rows need not pay for it.
CREATE INDEX invoice_elsewhere ON invoice (coalesce(credited_ms, changed_ms))
    WHERE deposit_row IS NULL AND counted_cents <> 0 AND changed_run <> 1;

DROP VIEW accounting_entries;
CREATE VIEW accounting_entries AS
SELECT p.entry_id, p.transaction_id, e.at AS posted_at, p.account, p.commodity, p.amount, p.amount_usd_micros,
       e.deposit_id, d.order_id,
       CASE e.name WHEN 'settled' THEN 'top-up credited' WHEN 'short' THEN 'top-up credited in part'
                   WHEN 'refunded' THEN iif(e.facts ->> '$.refund.usd' IS NULL, 'top-up refunded', 'top-up refunded in part')
                   WHEN 'corrected' THEN iif(e.facts ->> '$.booked.said' IS NULL, 'correction after reconciliation', 'correction by a person') WHEN 'held' THEN 'top-up locked by the processor'
                   WHEN 'figures_changed' THEN 'top-up figure changed'
                   WHEN 'figure_stated' THEN 'top-up figure stated by the list' ELSE 'lock of a top-up ended' END
           || ': ' || d.amount_requested || ' USD in ' || d.currency || ' on ' || d.network
           || coalesce(' (' || d.reference || ')', '') AS description,
       (SELECT min(x.seq) FROM event x JOIN posting y ON y.transaction_id = x.seq
        WHERE x.deposit_id = e.deposit_id AND x.seq < e.seq) AS refers_to,
       CASE WHEN e.name = 'corrected' THEN iif(e.facts ->> '$.booked.said' IS NULL, 'invoice', 'person')
            WHEN e.name = 'figure_stated' THEN 'invoice'
            WHEN e.facts ->> '$.refund.usd' IS NOT NULL THEN 'refund_amount_usd'
            WHEN e.facts ->> '$.booked.source' = 'amount_in_usd' THEN 'amountInUSD'
            ELSE 'payment_amount_usd' END AS figure,
       e.evidence_id,
       CASE p.account WHEN 'equity:unstated' THEN 'the upstream did not state what was paid in crypto'
                      WHEN 'equity:difference:unexplained' THEN 'the upstream does not say why it credits another amount'
                      WHEN 'equity:corrections' THEN 'the books were corrected by what a person said' END AS flag,
       strftime('%Y-%m-%d', e.at, (SELECT o.seconds FROM books_offset o WHERE o.from_at <= e.at
                                   ORDER BY o.from_at DESC LIMIT 1) || ' seconds') AS date,
       coalesce((SELECT b.mapped FROM books_account b WHERE b.account = p.account), p.account) AS account_mapped,
       iif(p.amount_usd_micros > 0, printf('%d.%02d', p.amount_usd_micros / 1000000, p.amount_usd_micros % 1000000 / 10000)
           || rtrim(printf('%04d', p.amount_usd_micros % 10000), '0'), NULL) AS debit_usd,
       iif(p.amount_usd_micros < 0, printf('%d.%02d', -p.amount_usd_micros / 1000000, -p.amount_usd_micros % 1000000 / 10000)
           || rtrim(printf('%04d', -p.amount_usd_micros % 10000), '0'), NULL) AS credit_usd
FROM posting p JOIN event e ON e.seq = p.transaction_id LEFT JOIN deposit d ON d.id = e.deposit_id;

DROP VIEW accounting_periods;
CREATE VIEW accounting_periods AS
SELECT p.month, p.closed_at, p.event_seq, e.facts ->> '$.reconciled_at' AS reconciled_at,
       e.facts ->> '$.transactions' AS transactions, e.facts ->> '$.head_seq' AS head_seq, e.facts ->> '$.head_hash' AS head_hash, e.hash,
       e.facts ->> '$.closed_by' AS closed_by, p.ends_at
FROM period p JOIN event e ON e.seq = p.event_seq;

-- Top-ups by others: a credited row of the list that is none of ours, nor accepted as one.
CREATE VIEW accounting_elsewhere AS
SELECT v.row_id AS id, v.seen_at,
       strftime('%Y-%m-%d', v.seen_at, (SELECT o.seconds FROM books_offset o WHERE o.from_at <= v.seen_at
                                        ORDER BY o.from_at DESC LIMIT 1) || ' seconds') AS date,
       v.created_at, v.method, v.status, v.pay_id, v.sesid,
       printf('%d.%02d', v.counted_cents / 100, v.counted_cents % 100) AS amount_usd, v.counted_cents * 10000 AS amount_usd_micros,
       v.listed, v.seen_at <= (SELECT min(at) FROM reconciliation WHERE ok = 1) AS before_first_run
FROM (SELECT i.row_id, i.method, i.status, i.pay_id, i.sesid, i.counted_cents, i.listed,
             strftime('%Y-%m-%dT%H:%M:%S', coalesce(i.credited_ms, i.changed_ms) / 1000, 'unixepoch')
                 || printf('.%03dZ', coalesce(i.credited_ms, i.changed_ms) % 1000) AS seen_at,
             strftime('%Y-%m-%dT%H:%M:%SZ', i.created_ms / 1000, 'unixepoch') AS created_at
      FROM invoice i
      WHERE i.deposit_row IS NULL AND i.counted_cents <> 0
        AND NOT (i.probable_row IS NOT NULL
                 AND EXISTS (SELECT 1 FROM acceptance a WHERE a.deposit_row = i.probable_row AND a.ended_seq IS NULL
                                                          AND a.listed_cents = 0)
                 AND NOT EXISTS (SELECT 1 FROM invoice o WHERE o.deposit_row = i.probable_row))) v;

-- A month of the prepaid account. Everything but what the journal booked is the difference of two good runs: the last one
-- at or before the month's end, and the last one at or before its beginning, else the first one in it.
CREATE VIEW accounting_statement AS
SELECT month, starts_at, ends_at, opening_at, since_at, closing_at,
       iif(opening_usd_micros IS NULL, NULL, iif(opening_usd_micros < 0, '-', '') || printf('%d.%02d', abs(opening_usd_micros) / 1000000, abs(opening_usd_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(opening_usd_micros) % 10000), '0')) AS opening_usd, opening_usd_micros,
       iif(since_usd_micros IS NULL, NULL, iif(since_usd_micros < 0, '-', '') || printf('%d.%02d', abs(since_usd_micros) / 1000000, abs(since_usd_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(since_usd_micros) % 10000), '0')) AS since_usd, since_usd_micros,
       iif(ours_usd_micros IS NULL, NULL, iif(ours_usd_micros < 0, '-', '') || printf('%d.%02d', abs(ours_usd_micros) / 1000000, abs(ours_usd_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(ours_usd_micros) % 10000), '0')) AS ours_usd, ours_usd_micros,
       iif(elsewhere_usd_micros IS NULL, NULL, iif(elsewhere_usd_micros < 0, '-', '') || printf('%d.%02d', abs(elsewhere_usd_micros) / 1000000, abs(elsewhere_usd_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(elsewhere_usd_micros) % 10000), '0')) AS elsewhere_usd, elsewhere_usd_micros,
       iif(refunds_usd_micros IS NULL, NULL, iif(refunds_usd_micros < 0, '-', '') || printf('%d.%02d', abs(refunds_usd_micros) / 1000000, abs(refunds_usd_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(refunds_usd_micros) % 10000), '0')) AS refunds_usd, refunds_usd_micros,
       iif(spent_usd_micros IS NULL, NULL, iif(spent_usd_micros < 0, '-', '') || printf('%d.%02d', abs(spent_usd_micros) / 1000000, abs(spent_usd_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(spent_usd_micros) % 10000), '0')) AS spent_usd, spent_usd_micros,
       iif(rises_usd_micros IS NULL, NULL, iif(rises_usd_micros < 0, '-', '') || printf('%d.%02d', abs(rises_usd_micros) / 1000000, abs(rises_usd_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(rises_usd_micros) % 10000), '0')) AS rises_usd, rises_usd_micros,
       iif(in_transit_usd_micros IS NULL, NULL, iif(in_transit_usd_micros < 0, '-', '') || printf('%d.%02d', abs(in_transit_usd_micros) / 1000000, abs(in_transit_usd_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(in_transit_usd_micros) % 10000), '0')) AS in_transit_usd, in_transit_usd_micros,
       iif(unexplained_usd_micros IS NULL, NULL, iif(unexplained_usd_micros < 0, '-', '') || printf('%d.%02d', abs(unexplained_usd_micros) / 1000000, abs(unexplained_usd_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(unexplained_usd_micros) % 10000), '0')) AS unexplained_usd, unexplained_usd_micros,
       iif(closing_usd_micros IS NULL, NULL, iif(closing_usd_micros < 0, '-', '') || printf('%d.%02d', abs(closing_usd_micros) / 1000000, abs(closing_usd_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(closing_usd_micros) % 10000), '0')) AS closing_usd, closing_usd_micros
FROM (
    SELECT month, starts_at, ends_at, opening_at, since_at, closing_at, iif(opening_at IS NULL, NULL, since_usd_micros) AS opening_usd_micros,
           since_usd_micros, ours_usd_micros, elsewhere_usd_micros, refunds_usd_micros, spent_usd_micros, rises_usd_micros,
           in_transit_usd_micros, unexplained_usd_micros, closing_usd_micros
    FROM (
    SELECT g.month, g.starts_at, g.ends_at, iif(g.opening IS NULL, NULL, s.at) AS opening_at, s.at AS since_at,
           s.balance_cents * 10000 AS since_usd_micros,
           g.net + g.refunds AS ours_usd_micros,
           ((c.credited_elsewhere_cents - coalesce(c.baseline_cents, 0) - coalesce(c.accepted_cents, 0))
            - (s.credited_elsewhere_cents - coalesce(s.baseline_cents, 0) - coalesce(s.accepted_cents, 0))) * 10000 AS elsewhere_usd_micros,
           g.refunds AS refunds_usd_micros,
           (c.total_charges_cents - s.total_charges_cents - (c.balance_cents - s.balance_cents)
            + c.risen_cents - s.risen_cents) * 10000 - (c.refunds_micros - s.refunds_micros) AS spent_usd_micros,
           (c.risen_cents - s.risen_cents) * 10000 AS rises_usd_micros,
           (c.credited_here_cents - s.credited_here_cents) * 10000 - (g.net + g.refunds)
               + g.refunds - (c.refunds_micros - s.refunds_micros) AS in_transit_usd_micros,
           ((c.total_charges_cents - c.credited_here_cents - c.credited_elsewhere_cents
             + coalesce(c.baseline_cents, 0) + coalesce(c.accepted_cents, 0))
            - (s.total_charges_cents - s.credited_here_cents - s.credited_elsewhere_cents
               + coalesce(s.baseline_cents, 0) + coalesce(s.accepted_cents, 0))) * 10000 AS unexplained_usd_micros,
           c.balance_cents * 10000 AS closing_usd_micros, c.at AS closing_at
    FROM (SELECT m.month, m.starts_at, m.ends_at,
                 coalesce((SELECT sum(debit_micros + credit_micros) FROM account_month
                           WHERE month = m.month AND account = 'assets:prepaid:smsonline'), 0) AS net,
                 coalesce((SELECT refunded_micros FROM refund_month WHERE month = m.month), 0) AS refunds,
                 (SELECT id FROM reconciliation WHERE ok = 1 AND at <= m.starts_at ORDER BY at DESC, id DESC LIMIT 1) AS opening,
                 (SELECT id FROM reconciliation WHERE ok = 1 AND at > m.starts_at ORDER BY at, id LIMIT 1) AS first,
                 (SELECT id FROM reconciliation WHERE ok = 1 AND at <= m.ends_at ORDER BY at DESC, id DESC LIMIT 1) AS closing
          FROM books_month m
          WHERE m.month >= (SELECT min(month) FROM (SELECT min(month) AS month FROM account_month UNION ALL
                                SELECT min(month) FROM books_month
                                WHERE ends_at > (SELECT min(at) FROM reconciliation WHERE ok = 1)))
            AND m.month <= (SELECT max(month) FROM (SELECT max(month) AS month FROM account_month UNION ALL
                                SELECT min(month) FROM books_month
                                WHERE ends_at > (SELECT max(at) FROM reconciliation WHERE ok = 1)))) g
         LEFT JOIN reconciliation c ON c.id = g.closing
         LEFT JOIN reconciliation s ON s.id = iif(c.id IS NULL, NULL, coalesce(g.opening, g.first))));
