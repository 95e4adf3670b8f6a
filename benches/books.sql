CREATE TABLE pair (number INTEGER PRIMARY KEY, currency TEXT, network TEXT);
INSERT INTO pair VALUES (0, 'USDT', 'TRON'), (1, 'USDT', 'BSC'), (2, 'BTC', 'BTC'), (3, 'USDC', 'POLYGON'), (4, 'LTC', 'LTC');
INSERT INTO deposit (row_id, id, version, currency, network, amount_requested, notify, request_digest, requested_at, state,
                     order_id, address, amount_usd, amount_usd_micros, amount_crypto, expire_at, wallet_created_at,
                     upstream_status, outcome, late, settled_at, amount_booked_micros, facts, updated_at)
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :deposits)
SELECT n, printf('%08d-0000-7000-8000-000000000000', n), 1, p.currency, p.network, '25', '[]', '',
       strftime('%Y-%m-%dT%H:%M:%S.000Z', 1767225600 + n * 31536000 / (:deposits + 1), 'unixepoch'), 'settled',
       printf('%08d-0000-4000-8000-000000000000', n), printf('T%033d', n), '25.00', 25000000, '24.95', NULL,
       strftime('%Y-%m-%dT%H:%M:%S.000Z', 1767225600 + n * 31536000 / (:deposits + 1), 'unixepoch'), 'paid', 'exact', 0,
       strftime('%Y-%m-%dT%H:%M:%S.000Z', 1767225600 + n * 31536000 / (:deposits + 1), 'unixepoch'), 25000000 + n % 1000 * 10000,
       printf('{"state":"settled","wallet":{"order_id":"%08d-0000-4000-8000-000000000000","address":"T%033d"},"booked":{"usd":%d,"source":"payment_amount_usd"}}',
              n, n, 25000000 + n % 1000 * 10000),
       strftime('%Y-%m-%dT%H:%M:%S.000Z', 1767225600 + n * 31536000 / (:deposits + 1), 'unixepoch')
FROM number JOIN pair p ON p.number = n % 5;
INSERT INTO event (seq, deposit_id, version, at, name, from_state, to_state, facts, mail_to, hash)
SELECT row_id, id, 1, settled_at, 'settled', 'awaiting_payment', 'settled', facts, '[]', printf('%064d', row_id) FROM deposit;
INSERT INTO posting (entry_id, transaction_id, account, commodity, amount, amount_usd_micros)
SELECT row_id * 2 - 1, row_id, 'assets:prepaid:smsonline', 'USD',
       printf('%d.%06d', amount_booked_micros / 1000000, amount_booked_micros % 1000000), amount_booked_micros FROM deposit;
INSERT INTO posting (entry_id, transaction_id, account, commodity, amount, amount_usd_micros)
SELECT row_id * 2, row_id, 'equity:crypto:' || lower(currency), currency, '-24.95000000', -amount_booked_micros FROM deposit;
INSERT INTO account_balance (account, commodity, balance, balance_micros)
SELECT account, commodity, '0', sum(amount_usd_micros) FROM posting GROUP BY 1, 2;
INSERT INTO reconciliation (id, at, ok, head_seq, balance_cents, total_charges_cents, credited_here_cents, credited_elsewhere_cents,
                            baseline_cents, difference_cents, evidence, report, clean, accepted_cents, not_listed_cents,
                            journal_micros, refunds_micros, risen_cents)
WITH RECURSIVE run(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM run WHERE n < 35040)
SELECT n, strftime('%Y-%m-%dT%H:%M:%S.000Z', 1767225600 + n * 900, 'unixepoch'), 1, n * (:deposits / 35040), n * 1000, n * 420000,
       n * 360000, n * 60000 + 12345, 12345, 0, printf('{"head":"%.*c"}', 1000, 'x'), printf('{"run":%d,"filling":"%.*c"}', n, 1500, 'x'),
       1, 0, 0, n * 3600000000, 0, n / 1000
FROM run;
INSERT INTO invoice (identity_hash, content_hash, pay_id, method, amount_cents, created_ms, status, weight, counted_cents, listed,
                     first_seen_ms, changed_ms, changed_run, credited_ms)
WITH RECURSIVE row(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM row WHERE n < 100000)
SELECT n, n, printf('other %d', n), 'stripe', 500, (1767225600 + n * 315) * 1000, 'paid', 1, 500, 1,
       (1767225600 + n * 315) * 1000, (1767225600 + n * 315) * 1000, n / 3, (1767225600 + n * 315) * 1000
FROM row;
DROP TABLE pair;
