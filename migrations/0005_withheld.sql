-- An address that a payer could pay wrongly is shown to nobody: its column is empty until it may be shown. What else a
-- payer must give stands beside it.
ALTER TABLE deposit ADD COLUMN memo TEXT;  -- what else a payer must give: a memo, a tag, a comment
DROP TRIGGER deposit_wallet_fixed;
DROP TRIGGER deposit_facts_keep_wallet;
CREATE TRIGGER deposit_wallet_fixed BEFORE UPDATE OF order_id, address ON deposit
WHEN OLD.order_id IS NOT NULL
     AND (NEW.order_id IS NOT OLD.order_id
          OR (NEW.address IS NOT OLD.address AND (OLD.address IS NOT '' OR NEW.address IS NULL)))
BEGIN SELECT RAISE(ABORT, 'a wallet never changes'); END;
-- The columns of a wallet are written once; the facts that follow must go on naming it. An empty address is one that is
-- withheld.
CREATE TRIGGER deposit_facts_keep_wallet BEFORE UPDATE OF facts ON deposit
WHEN OLD.order_id IS NOT NEW.facts ->> '$.wallet.order_id'
     OR (OLD.address IS NOT NEW.facts ->> '$.wallet.address'
         AND (OLD.address IS NOT '' OR NEW.facts ->> '$.wallet.withheld' IS NULL))
     OR (OLD.facts ->> '$.wallet.address' IS NOT NULL
         AND OLD.facts ->> '$.wallet.address' IS NOT NEW.facts ->> '$.wallet.address')
BEGIN SELECT RAISE(ABORT, 'a wallet never changes'); END;
CREATE INDEX deposit_withheld ON deposit (row_id) WHERE address = '';
CREATE INDEX deposit_address_nocase ON deposit (address COLLATE NOCASE) WHERE address IS NOT NULL AND address <> '';
CREATE INDEX deposit_order_nocase ON deposit (order_id COLLATE NOCASE) WHERE order_id IS NOT NULL;

DROP VIEW accounting_deposits;
CREATE VIEW accounting_deposits AS
SELECT d.id, d.order_id, d.reference, d.currency, d.network, nullif(d.address, '') AS address, d.amount_requested, d.amount_usd,
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
            ELSE coalesce(d.facts ->> '$.refund.usd', d.amount_booked_micros) END AS amount_refunded_micros,
       d.memo
FROM deposit d LEFT JOIN invoice i ON i.deposit_row = d.row_id;

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
                      WHEN 'equity:corrections' THEN 'the books were corrected by what a person said' END AS flag
FROM posting p JOIN event e ON e.seq = p.transaction_id LEFT JOIN deposit d ON d.id = e.deposit_id;
