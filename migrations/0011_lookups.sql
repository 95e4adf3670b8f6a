-- Deposits are looked up by what their customers call them, by what they are paid in, and by when they last changed.
CREATE INDEX deposit_reference ON deposit (reference) WHERE reference IS NOT NULL;
CREATE INDEX deposit_asset ON deposit (currency, network);
CREATE INDEX deposit_updated ON deposit (updated_at);

-- What arrived: the figures that the upstream states. One of zero states nothing, nor does one that the first poll of the
-- unpaid order bore already. Decimals are compared digit for digit, without the zeros at either end.
DROP VIEW accounting_deposits;
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
       d.memo,
       'wallet' AS method,
       coalesce(
           (SELECT a.amount FROM (SELECT d.facts ->> '$.payment.amount' AS amount, d.facts ->> '$.first_payment.amount' AS first) a
            WHERE trim(replace(a.amount, '.', ''), '0') <> ''
              AND (a.first IS NULL
                   OR trim(iif(instr(a.first, '.'), a.first, a.first || '.'), '0') <> trim(iif(instr(a.amount, '.'), a.amount, a.amount || '.'), '0'))),
           (SELECT a.amount FROM (SELECT d.facts ->> '$.payment.payer_amount' AS amount, d.facts ->> '$.first_payment.payer_amount' AS first) a
            WHERE trim(replace(a.amount, '.', ''), '0') <> ''
              AND (a.first IS NULL
                   OR trim(iif(instr(a.first, '.'), a.first, a.first || '.'), '0') <> trim(iif(instr(a.amount, '.'), a.amount, a.amount || '.'), '0')))
       ) AS arrived_crypto,
       (SELECT CASE WHEN length(ltrim(substr(a.amount, 1, a.point - 1), '0')) <= 12
                    THEN CAST(substr(a.amount, 1, a.point - 1) AS INTEGER) * 1000000
                         + CAST(substr(substr(a.amount, a.point + 1) || '000000', 1, 6) AS INTEGER) END
        FROM (SELECT d.facts ->> '$.payment.amount_usd' AS amount, d.facts ->> '$.first_payment.amount_usd' AS first,
                     instr(d.facts ->> '$.payment.amount_usd' || '.', '.') AS point) a
        WHERE trim(replace(a.amount, '.', ''), '0') <> ''
          AND (a.first IS NULL
               OR trim(iif(instr(a.first, '.'), a.first, a.first || '.'), '0') <> trim(iif(instr(a.amount, '.'), a.amount, a.amount || '.'), '0'))
       ) AS arrived_usd_micros
FROM deposit d;
