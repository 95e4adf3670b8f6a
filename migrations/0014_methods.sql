-- Payment pages and cards beside wallets: they have a link and no address, and no currency or network that is known.
ALTER TABLE deposit ADD COLUMN method TEXT NOT NULL DEFAULT 'wallet' CHECK (method IN ('wallet', 'page', 'card'));  -- how it is paid

-- What only a wallet has is not asked of the others. Constraints are loosened in place, as SQLite's documentation of
-- ALTER TABLE has it ("Making Other Kinds Of Table Schema Changes"): every row that was good is good.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(replace(replace(sql,
    'currency                TEXT NOT NULL,', 'currency                TEXT,         '),
    'network                 TEXT NOT NULL,', 'network                 TEXT,         '),
    'CHECK ((order_id IS NULL) = (address IS NULL)),',
    'CHECK (method <> ''wallet'' OR (order_id IS NULL) = (address IS NULL)),
    CHECK (method = ''wallet'' OR address IS NULL),
    CHECK ((method = ''wallet'') = (currency IS NOT NULL) AND (currency IS NULL) = (network IS NULL)),'),
    'OR order_id IS NOT NULL),', 'OR wallet_created_at IS NOT NULL),')
WHERE type = 'table' AND name = 'deposit';
PRAGMA writable_schema = RESET;

-- What a card's link bears that a row of the list may bear as well. An id is what no other link has.
CREATE TABLE link_name (
    name        TEXT NOT NULL,                -- the link's parameter
    value       TEXT NOT NULL COLLATE NOCASE, -- what it says
    deposit_row INTEGER NOT NULL REFERENCES deposit (row_id),  -- whose link it is
    PRIMARY KEY (value, name, deposit_row)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_name_deposit ON link_name (deposit_row);

-- Links that somebody may still pay, and those that keep others from being asked for.
CREATE INDEX deposit_open_link ON deposit (row_id)
    WHERE method <> 'wallet' AND state IN ('awaiting_payment', 'confirming', 'underpaid', 'held', 'refunding');
CREATE INDEX deposit_stopping ON deposit (row_id) WHERE method <> 'wallet' AND needs_review IS NOT NULL;
CREATE INDEX deposit_method ON deposit (method, row_id) WHERE method <> 'wallet';

DROP TRIGGER deposit_wallet_fixed;
DROP TRIGGER deposit_facts_keep_wallet;
CREATE TRIGGER deposit_wallet_fixed BEFORE UPDATE OF order_id, address ON deposit
WHEN OLD.method = 'wallet' AND OLD.order_id IS NOT NULL
     AND (NEW.order_id IS NOT OLD.order_id
          OR (NEW.address IS NOT OLD.address AND (OLD.address IS NOT '' OR NEW.address IS NULL)))
BEGIN SELECT RAISE(ABORT, 'a wallet never changes'); END;
CREATE TRIGGER deposit_facts_keep_wallet BEFORE UPDATE OF facts ON deposit
WHEN OLD.method = 'wallet'
     AND (OLD.order_id IS NOT NEW.facts ->> '$.wallet.order_id'
          OR (OLD.address IS NOT NEW.facts ->> '$.wallet.address'
              AND (OLD.address IS NOT '' OR NEW.facts ->> '$.wallet.withheld' IS NULL))
          OR (OLD.facts ->> '$.wallet.address' IS NOT NULL
              AND OLD.facts ->> '$.wallet.address' IS NOT NEW.facts ->> '$.wallet.address'))
BEGIN SELECT RAISE(ABORT, 'a wallet never changes'); END;
-- A link is shown as it came; what names its order may be learnt later, and taken back.
CREATE TRIGGER deposit_facts_keep_link BEFORE UPDATE OF facts ON deposit
WHEN OLD.method <> 'wallet'
     AND (OLD.order_id IS NOT NEW.facts ->> '$.wallet.order_id'
          OR (OLD.facts ->> '$.wallet.url' IS NOT NULL
              AND OLD.facts ->> '$.wallet.url' IS NOT NEW.facts ->> '$.wallet.url'))
BEGIN SELECT RAISE(ABORT, 'a link never changes'); END;
CREATE TRIGGER deposit_method_fixed BEFORE UPDATE OF method ON deposit WHEN NEW.method IS NOT OLD.method
BEGIN SELECT RAISE(ABORT, 'a request never changes'); END;

-- Months are kept by method too: what has no currency and no network has '' for both.
CREATE TABLE total_of_month (
    month            TEXT NOT NULL,           -- of settled_at, of refunded_at; of the entry for what came after a close
    method           TEXT NOT NULL,           -- how it is paid
    currency         TEXT NOT NULL,           -- ticker in capitals; '' where it is not known
    network          TEXT NOT NULL,           -- network in capitals; '' where it is not known
    deposits         INTEGER NOT NULL,        -- first credited in this month
    credited_micros  INTEGER NOT NULL,        -- what they were credited with, as long as the month was open
    refunds          INTEGER NOT NULL,        -- first refunded in this month
    refunded_micros  INTEGER NOT NULL,        -- what went back
    adjustments      INTEGER NOT NULL,        -- entries of this month about deposits of closed months
    adjusted_micros  INTEGER NOT NULL,        -- what they changed
    PRIMARY KEY (month, method, currency, network)
) STRICT, WITHOUT ROWID;
INSERT INTO total_of_month
SELECT month, 'wallet', currency, network, deposits, credited_micros, refunds, refunded_micros, adjustments, adjusted_micros
FROM month_total;
DROP VIEW accounting_monthly;
DROP TABLE month_total;
ALTER TABLE total_of_month RENAME TO month_total;

DROP VIEW accounting_deposits;
CREATE VIEW accounting_deposits AS
SELECT d.id, d.order_id, d.reference, d.currency, d.network, nullif(d.address, '') AS address, d.amount_requested, d.amount_usd,
       d.amount_usd_micros, d.amount_crypto, d.state, d.outcome, d.late, d.txid, d.requested_at, d.wallet_created_at,
       d.expire_at, d.settled_at,
       CASE
           WHEN d.wallet_created_at IS NULL
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
       d.memo,
       d.method,
       iif(d.method = 'wallet', coalesce(
           (SELECT a.amount FROM (SELECT d.facts ->> '$.payment.amount' AS amount, d.facts ->> '$.first_payment.amount' AS first) a
            WHERE trim(replace(a.amount, '.', ''), '0') <> ''
              AND (a.first IS NULL
                   OR trim(iif(instr(a.first, '.'), a.first, a.first || '.'), '0') <> trim(iif(instr(a.amount, '.'), a.amount, a.amount || '.'), '0'))),
           (SELECT a.amount FROM (SELECT d.facts ->> '$.payment.payer_amount' AS amount, d.facts ->> '$.first_payment.payer_amount' AS first) a
            WHERE trim(replace(a.amount, '.', ''), '0') <> ''
              AND (a.first IS NULL
                   OR trim(iif(instr(a.first, '.'), a.first, a.first || '.'), '0') <> trim(iif(instr(a.amount, '.'), a.amount, a.amount || '.'), '0')))
       ), NULL) AS arrived_crypto,
       (SELECT CASE WHEN length(ltrim(substr(a.amount, 1, a.point - 1), '0')) <= 12
                    THEN CAST(substr(a.amount, 1, a.point - 1) AS INTEGER) * 1000000
                         + CAST(substr(substr(a.amount, a.point + 1) || '000000', 1, 6) AS INTEGER) END
        FROM (SELECT d.facts ->> '$.payment.amount_usd' AS amount, d.facts ->> '$.first_payment.amount_usd' AS first,
                     instr(d.facts ->> '$.payment.amount_usd' || '.', '.') AS point) a
        WHERE trim(replace(a.amount, '.', ''), '0') <> ''
          AND (a.first IS NULL
               OR trim(iif(instr(a.first, '.'), a.first, a.first || '.'), '0') <> trim(iif(instr(a.amount, '.'), a.amount, a.amount || '.'), '0'))
       ) AS arrived_usd_micros,
       iif(d.facts ->> '$.wallet.withheld' IS NULL, d.facts ->> '$.wallet.url', NULL) AS url
FROM deposit d;

DROP VIEW accounting_entries;
CREATE VIEW accounting_entries AS
SELECT p.entry_id, p.transaction_id, e.at AS posted_at, p.account, p.commodity, p.amount, p.amount_usd_micros,
       e.deposit_id, d.order_id,
       CASE e.name WHEN 'settled' THEN 'top-up credited' WHEN 'short' THEN 'top-up credited in part'
                   WHEN 'refunded' THEN iif(e.facts ->> '$.refund.usd' IS NULL, 'top-up refunded', 'top-up refunded in part')
                   WHEN 'corrected' THEN iif(e.facts ->> '$.booked.said' IS NULL, 'correction after reconciliation', 'correction by a person') WHEN 'held' THEN 'top-up locked by the processor'
                   WHEN 'figures_changed' THEN 'top-up figure changed'
                   WHEN 'figure_stated' THEN 'top-up figure stated by the list'
                   WHEN 'matched' THEN 'top-up match taken back' ELSE 'lock of a top-up ended' END
           || ': ' || d.amount_requested || ' USD '
           || CASE d.method WHEN 'page' THEN 'by payment page' WHEN 'card' THEN 'by card'
                            ELSE 'in ' || d.currency || ' on ' || d.network END
           || coalesce(' (' || d.reference || ')', '') AS description,
       (SELECT min(x.seq) FROM event x JOIN posting y ON y.transaction_id = x.seq
        WHERE x.deposit_id = e.deposit_id AND x.seq < e.seq) AS refers_to,
       CASE WHEN e.name = 'corrected' THEN iif(e.facts ->> '$.booked.said' IS NULL, 'invoice', 'person')
            WHEN e.name = 'figure_stated' THEN 'invoice'
            WHEN e.facts ->> '$.refund.usd' IS NOT NULL THEN 'refund_amount_usd'
            WHEN e.name = 'matched' THEN 'person'
            WHEN d.method <> 'wallet' AND e.facts ->> '$.booked.source' = 'invoice' THEN 'invoice'
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

CREATE VIEW accounting_monthly AS
SELECT month, nullif(currency, '') AS currency, nullif(network, '') AS network, deposits,
       iif(credited_micros < 0, '-', '') || printf('%d.%02d', abs(credited_micros) / 1000000, abs(credited_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(credited_micros) % 10000), '0') AS amount_usd,
       credited_micros AS amount_usd_micros,
       refunds,
       iif(refunded_micros < 0, '-', '') || printf('%d.%02d', abs(refunded_micros) / 1000000, abs(refunded_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(refunded_micros) % 10000), '0') AS refunded_usd,
       refunded_micros AS refunded_usd_micros,
       adjustments,
       iif(adjusted_micros < 0, '-', '') || printf('%d.%02d', abs(adjusted_micros) / 1000000, abs(adjusted_micros) % 1000000 / 10000) || rtrim(printf('%04d', abs(adjusted_micros) % 10000), '0') AS adjusted_usd,
       adjusted_micros AS adjusted_usd_micros, method
FROM month_total;
