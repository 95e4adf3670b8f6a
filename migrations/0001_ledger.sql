-- The ledger of depositd. Times are ISO-8601 UTC text, or INTEGER milliseconds since 1970 where a queue is ordered by
-- them (`*_ms`). USD are INTEGER millionths (`*_micros`) beside the decimal text; crypto amounts are decimal text.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,  -- what is remembered: ledger_id, baseline_cents, ..
    value TEXT NOT NULL               -- its value as text
) STRICT, WITHOUT ROWID;

CREATE TABLE deposit (
    row_id                  INTEGER PRIMARY KEY,      -- the ledger's own short name
    id                      TEXT NOT NULL UNIQUE,     -- UUIDv7, our name for the deposit
    version                 INTEGER NOT NULL CHECK (version > 0),  -- how many events it has: the compare-and-set value
    -- the request, as it was made
    currency                TEXT NOT NULL,            -- ticker in capitals
    network                 TEXT NOT NULL,            -- network in capitals
    amount_requested        TEXT NOT NULL,            -- USD asked for, as written
    coupon                  TEXT,                     -- coupon code to spend
    reference               TEXT,                     -- the customer's own words
    notify                  TEXT NOT NULL CHECK (json_valid(notify)),  -- JSON list of mail addresses
    idempotency_key         TEXT UNIQUE,              -- the caller's key: one deposit a key
    request_digest          TEXT NOT NULL,            -- SHA-256 of the canonical request, to compare a repeated key
    requested_at            TEXT NOT NULL,            -- when it was accepted
    -- the facts, as the last event left them
    state                   TEXT NOT NULL CHECK (state IN ('requested', 'awaiting_payment', 'confirming', 'underpaid',
                                'settled', 'short', 'expired', 'failed', 'held', 'refunding', 'refunded', 'rejected',
                                'unresolved')),       -- where it stands
    order_id                TEXT UNIQUE,              -- the upstream's name for the wallet's order
    address                 TEXT,                     -- where to pay
    link_id                 TEXT,                     -- the UUID at the end of the wallet's payment link
    amount_usd              TEXT,                     -- the upstream's latest USD figure for the wallet
    amount_usd_micros       INTEGER,                  -- the same in millionths
    amount_crypto           TEXT,                     -- exactly what is to be paid
    expire_at               TEXT,                     -- the wallet's deadline
    wallet_created_at       TEXT,                     -- when we learnt of the wallet
    upstream_status         TEXT,                     -- raw status word
    txid                    TEXT,                     -- transaction on the chain
    outcome                 TEXT CHECK (outcome IN ('exact', 'over')),  -- how it was paid
    late                    INTEGER NOT NULL CHECK (late IN (0, 1)),    -- called expired before it settled
    settled_at              TEXT,                     -- when the credit was first booked
    refunded_at             TEXT,                     -- when the refund was booked
    amount_booked_micros    INTEGER,                  -- what the journal holds as credited
    needs_review            TEXT,                     -- why a person should look
    facts                   TEXT NOT NULL CHECK (json_valid(facts)),  -- all facts, exactly as the last event carries them
    updated_at              TEXT NOT NULL,            -- when the last event happened
    CHECK ((order_id IS NULL) = (address IS NULL)),
    CHECK (state IN ('requested', 'rejected', 'unresolved') OR order_id IS NOT NULL),
    CHECK (state <> 'settled' OR amount_booked_micros IS NOT NULL)
) STRICT;
CREATE INDEX deposit_address ON deposit (address) WHERE address IS NOT NULL;
CREATE INDEX deposit_link ON deposit (link_id) WHERE link_id IS NOT NULL;
CREATE INDEX deposit_state ON deposit (state, row_id);
CREATE INDEX deposit_requested_at ON deposit (requested_at);
CREATE INDEX deposit_settled ON deposit (settled_at, currency, network, amount_booked_micros) WHERE settled_at IS NOT NULL;
CREATE INDEX deposit_refunded ON deposit (refunded_at, currency, network, amount_booked_micros) WHERE refunded_at IS NOT NULL;
CREATE INDEX deposit_review ON deposit (row_id) WHERE needs_review IS NOT NULL;

-- Apart from the deposits, narrow, and in the order in which it is worked off: most looks change nothing but this, and
-- what is taken from its head goes back near its tail. A change that did not come by its turn leaves the old place
-- behind; its version says that it is stale, and it is dropped when its turn comes.
CREATE TABLE queue (
    urgency INTEGER NOT NULL,                 -- 0 most urgent .. 3 watch; 4: waits for a wallet; 5: left to reconciliation
    due_ms  INTEGER NOT NULL,                 -- when to act on it next; 0 with urgency 5
    deposit INTEGER NOT NULL REFERENCES deposit (row_id) DEFERRABLE INITIALLY DEFERRED,  -- whose turn it is
    version INTEGER NOT NULL,                 -- the deposit's version that this was decided on
    PRIMARY KEY (urgency, due_ms, deposit)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    seq             INTEGER PRIMARY KEY,      -- 1, 2, 3 ..: the order of everything
    deposit_id      TEXT REFERENCES deposit (id) DEFERRABLE INITIALLY DEFERRED,  -- NULL: of the whole account
    version         INTEGER,                  -- the deposit's version after it
    at              TEXT NOT NULL,            -- when it happened
    name            TEXT NOT NULL,            -- what happened
    from_state      TEXT,                     -- the deposit's state before
    to_state        TEXT,                     -- and after
    upstream_status TEXT,                     -- the upstream's raw word that brought it
    reason          TEXT,                     -- why, in words
    facts           TEXT NOT NULL CHECK (json_valid(facts)),    -- the facts after it
    mail_to         TEXT NOT NULL CHECK (json_valid(mail_to)),  -- who is owed a mail about it
    evidence_id     INTEGER REFERENCES evidence (id),           -- the answer that brought it
    hash            TEXT NOT NULL,            -- SHA-256 over the hash before it, this row and its postings
    UNIQUE (deposit_id, version)
) STRICT;

CREATE TABLE posting (
    entry_id          INTEGER PRIMARY KEY,    -- the posting's number
    transaction_id    INTEGER NOT NULL REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,  -- the event that it books
    account           TEXT NOT NULL,          -- chart of accounts
    commodity         TEXT NOT NULL,          -- USD or a ticker
    amount            TEXT NOT NULL,          -- decimal in the commodity; debits positive, credits negative
    amount_usd_micros INTEGER NOT NULL,       -- its worth in the books
    UNIQUE (transaction_id, account, commodity)
) STRICT;

CREATE TABLE account_balance (
    account        TEXT NOT NULL,             -- chart of accounts
    commodity      TEXT NOT NULL,             -- USD or a ticker
    balance        TEXT NOT NULL,             -- exact sum of its postings' amounts; `verify` adds them up again
    balance_micros INTEGER NOT NULL,          -- exact sum of their worth
    PRIMARY KEY (account, commodity)
) STRICT, WITHOUT ROWID;

CREATE TABLE evidence (
    id          INTEGER PRIMARY KEY,          -- its number
    deposit_id  TEXT REFERENCES deposit (id) DEFERRABLE INITIALLY DEFERRED,  -- whose order was asked about
    at          TEXT NOT NULL,                -- when the answer came
    call        TEXT NOT NULL,                -- create, look, invoices, balance
    http_status INTEGER,                      -- NULL: no answer came
    body        TEXT NOT NULL                 -- the raw answer, secrets removed, cut to 4 KiB; or the error
) STRICT;
CREATE INDEX evidence_deposit ON evidence (deposit_id) WHERE deposit_id IS NOT NULL;

CREATE TABLE attempt (
    id         INTEGER PRIMARY KEY,           -- its number
    deposit_id TEXT NOT NULL REFERENCES deposit (id),  -- for which deposit a wallet is asked
    number     INTEGER NOT NULL,              -- 1, 2, 3 .. within the deposit
    started_at TEXT NOT NULL,                 -- the intent: on disk before the upstream hears of it
    ended_at   TEXT,                          -- NULL: under way, or the program died
    outcome    TEXT CHECK (outcome IN ('wallet', 'refused', 'not_taken', 'unknown', 'adopted', 'abandoned')),
                                              -- what is known of it; NULL counts as unknown after a restart
    order_id   TEXT,                          -- the order it made, where we learnt of it
    detail     TEXT,                          -- the error, in words
    UNIQUE (deposit_id, number)
) STRICT;
CREATE INDEX attempt_open ON attempt (id) WHERE outcome IS NULL OR outcome = 'unknown';
CREATE INDEX attempt_order ON attempt (order_id) WHERE order_id IS NOT NULL;

CREATE TABLE outbox (
    id              INTEGER PRIMARY KEY,      -- its number
    event_seq       INTEGER NOT NULL REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,  -- what it tells
    recipient       TEXT NOT NULL,            -- to whom
    message_id      TEXT NOT NULL UNIQUE,     -- the same at every attempt
    state           TEXT NOT NULL CHECK (state IN ('owed', 'sent', 'dead')),  -- dead: given up, kept
    attempts        INTEGER NOT NULL,         -- how often it was tried
    due_ms          INTEGER,                  -- when to try next
    created_at      TEXT NOT NULL,            -- when it was owed
    sent_at         TEXT,                     -- when the receiver took it
    last_error      TEXT,                     -- why it is not sent yet
    UNIQUE (event_seq, recipient)
) STRICT;
CREATE INDEX outbox_due ON outbox (due_ms) WHERE state = 'owed';
CREATE INDEX outbox_state ON outbox (state, id) WHERE state <> 'sent';

CREATE TABLE invoice (
    row_id           INTEGER PRIMARY KEY,     -- the ledger's own short name
    key              TEXT NOT NULL UNIQUE,    -- payId, else sesid, else what it says; and its place among equals
    name_print       INTEGER NOT NULL,        -- digest of the key without the place
    print            INTEGER NOT NULL,        -- digest of what it says: whether it has changed since the last run
    sesid            TEXT,                    -- as the upstream wrote it
    pay_id           TEXT,                    -- as the upstream wrote it
    method           TEXT,                    -- processor
    amount_cents     INTEGER,                 -- whole US cents; NULL: it never could be read
    created          TEXT,                    -- when, in UTC
    status           TEXT,                    -- raw word
    deposit_id       TEXT UNIQUE REFERENCES deposit (id),  -- the deposit it is matched with: one to one
    rule             TEXT,                    -- how it was matched
    credited         INTEGER NOT NULL CHECK (credited IN (0, 1)),   -- it was called paid once; a refund does not undo that
    abandoned        INTEGER NOT NULL CHECK (abandoned IN (0, 1)),  -- made by an attempt of ours, shown to nobody
    listed           INTEGER NOT NULL CHECK (listed IN (0, 1)),     -- 0: the upstream no longer lists it
    first_seen       TEXT NOT NULL,           -- the run that saw it first
    changed_ms       INTEGER NOT NULL         -- the run that found it new, changed or gone
) STRICT;
CREATE INDEX invoice_changed ON invoice (changed_ms);
CREATE INDEX invoice_abandoned ON invoice (row_id) WHERE abandoned = 1;
CREATE INDEX invoice_elsewhere ON invoice (amount_cents) WHERE credited = 1 AND deposit_id IS NULL;

CREATE TABLE discrepancy (
    id           INTEGER PRIMARY KEY,         -- its number
    key          TEXT NOT NULL,               -- kind and subject: at most one open case for each
    kind         TEXT NOT NULL CHECK (kind IN ('amount_mismatch', 'invoice_missing', 'status_mismatch',
                     'abandoned_wallet', 'total_charges_drift', 'balance_rise')),
    deposit_id   TEXT REFERENCES deposit (id),  -- about which deposit
    order_id     TEXT,                        -- about which order
    expected     TEXT NOT NULL,               -- our figure
    found        TEXT NOT NULL,               -- the upstream's
    opened_at    TEXT NOT NULL,               -- when it was first seen
    seen_runs    INTEGER NOT NULL,            -- in how many runs in a row
    told_at      TEXT,                        -- when it was mailed
    explained    TEXT,                        -- what a person said of it
    explained_at TEXT,                        -- when
    explained_by TEXT,                        -- who: the way they came in
    closed_at    TEXT,                        -- when it ended
    closed_by    TEXT CHECK (closed_by IN ('run', 'person')),  -- what ended it
    closed_who   TEXT,                        -- the person: the way they came in
    resolution   TEXT                         -- why it ended
) STRICT;
CREATE UNIQUE INDEX discrepancy_one_open ON discrepancy (key) WHERE closed_at IS NULL;
CREATE INDEX discrepancy_key ON discrepancy (key, id);
CREATE INDEX discrepancy_deposit ON discrepancy (deposit_id) WHERE deposit_id IS NOT NULL;

CREATE TABLE reconciliation (
    id                       INTEGER PRIMARY KEY,  -- its number
    at                       TEXT NOT NULL,    -- as of when
    ok                       INTEGER NOT NULL CHECK (ok IN (0, 1)),  -- 0: void, something could not be fetched
    error                    TEXT,             -- why it is void
    head_seq                 INTEGER NOT NULL, -- the last event that it can have known of
    balance_cents            INTEGER,          -- the upstream's balance
    total_charges_cents      INTEGER,          -- the upstream's total of top-ups
    credited_here_cents      INTEGER,          -- our journal's
    credited_elsewhere_cents INTEGER,          -- top-ups by others, and the baseline
    baseline_cents           INTEGER,          -- what the total held before the first run
    difference_cents         INTEGER,          -- total - here - elsewhere
    evidence                 TEXT CHECK (json_valid(evidence)),  -- what was fetched: the balance's answer; the list's length,
                                               -- SHA-256 and head, secrets removed
    report                   TEXT NOT NULL CHECK (json_valid(report))  -- the whole report
) STRICT;
CREATE INDEX reconciliation_good ON reconciliation (id) WHERE ok = 1;

-- The past cannot be changed.
CREATE TRIGGER event_no_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER event_no_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER posting_no_update BEFORE UPDATE ON posting BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER posting_no_delete BEFORE DELETE ON posting BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END;
CREATE TRIGGER evidence_no_delete BEFORE DELETE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END;
CREATE TRIGGER deposit_no_delete BEFORE DELETE ON deposit BEGIN SELECT RAISE(ABORT, 'deposits are kept'); END;
CREATE TRIGGER deposit_request_fixed BEFORE UPDATE OF id, currency, network, amount_requested, reference, requested_at,
    idempotency_key, request_digest ON deposit
BEGIN SELECT RAISE(ABORT, 'a request never changes'); END;
CREATE TRIGGER deposit_wallet_fixed BEFORE UPDATE OF order_id, address ON deposit
WHEN OLD.order_id IS NOT NULL AND (NEW.order_id IS NOT OLD.order_id OR NEW.address IS NOT OLD.address)
BEGIN SELECT RAISE(ABORT, 'a wallet never changes'); END;
-- The columns of a wallet are written once; the facts that follow must go on naming it.
CREATE TRIGGER deposit_facts_keep_wallet BEFORE UPDATE OF facts ON deposit
WHEN OLD.order_id IS NOT NEW.facts ->> '$.wallet.order_id' OR OLD.address IS NOT NEW.facts ->> '$.wallet.address'
BEGIN SELECT RAISE(ABORT, 'a wallet never changes'); END;
CREATE TRIGGER deposit_version_grows BEFORE UPDATE OF version ON deposit WHEN NEW.version <= OLD.version
BEGIN SELECT RAISE(ABORT, 'a version only grows'); END;
CREATE TRIGGER outbox_no_delete BEFORE DELETE ON outbox BEGIN SELECT RAISE(ABORT, 'owed mail is kept'); END;
CREATE TRIGGER event_in_order BEFORE INSERT ON event
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM event)
BEGIN SELECT RAISE(ABORT, 'events are numbered without gaps'); END;
-- Postings are written before the event that books them, so that the sum can be proven here.
CREATE TRIGGER event_balances AFTER INSERT ON event
WHEN (SELECT coalesce(sum(amount_usd_micros), 0) FROM posting WHERE transaction_id = NEW.seq) <> 0
BEGIN SELECT RAISE(ABORT, 'a transaction must balance'); END;

-- What accountants query: stable views.
CREATE VIEW accounting_deposits AS
SELECT d.id, d.order_id, d.reference, d.currency, d.network, d.address, d.amount_requested, d.amount_usd,
       d.amount_usd_micros, d.amount_crypto, d.state, d.outcome, d.late, d.txid, d.requested_at, d.wallet_created_at,
       d.expire_at, d.settled_at,
       CASE
           WHEN d.order_id IS NULL OR NOT EXISTS (SELECT 1 FROM reconciliation r WHERE r.ok = 1 AND r.at >= d.wallet_created_at)
               THEN NULL
           WHEN i.row_id IS NULL THEN 'unmatched'
           WHEN i.rule = 'amount_and_time' THEN 'probable'
           ELSE 'matched'
       END AS reconciled,
       CASE WHEN d.amount_booked_micros IS NULL THEN NULL
            ELSE printf('%d.%02d', d.amount_booked_micros / 1000000, d.amount_booked_micros % 1000000 / 10000) || rtrim(printf('%04d', d.amount_booked_micros % 10000), '0') END AS amount_booked,
       d.amount_booked_micros, d.refunded_at, d.needs_review, d.upstream_status, d.updated_at
FROM deposit d LEFT JOIN invoice i ON i.deposit_id = d.id;

CREATE VIEW accounting_entries AS
SELECT p.entry_id, p.transaction_id, e.at AS posted_at, p.account, p.commodity, p.amount, p.amount_usd_micros,
       e.deposit_id, d.order_id,
       CASE e.name WHEN 'settled' THEN 'top-up credited' WHEN 'short' THEN 'top-up credited in part'
                   WHEN 'refunded' THEN 'top-up refunded' WHEN 'corrected' THEN 'correction after reconciliation'
                   ELSE 'top-up figure changed' END
           || ': ' || d.amount_requested || ' USD in ' || d.currency || ' on ' || d.network
           || coalesce(' (' || d.reference || ')', '') AS description
FROM posting p JOIN event e ON e.seq = p.transaction_id LEFT JOIN deposit d ON d.id = e.deposit_id;

CREATE VIEW accounting_trial_balance AS
SELECT account, commodity, balance, balance_micros AS balance_usd_micros FROM account_balance;

CREATE VIEW accounting_monthly AS
SELECT month, currency, network, sum(deposits) AS deposits,
       printf('%d.%02d', sum(credited) / 1000000, sum(credited) % 1000000 / 10000) || rtrim(printf('%04d', sum(credited) % 10000), '0') AS amount_usd, sum(credited) AS amount_usd_micros,
       sum(refunds) AS refunds,
       printf('%d.%02d', sum(refunded) / 1000000, sum(refunded) % 1000000 / 10000) || rtrim(printf('%04d', sum(refunded) % 10000), '0') AS refunded_usd, sum(refunded) AS refunded_usd_micros
FROM (
    SELECT substr(settled_at, 1, 7) AS month, currency, network, 1 AS deposits, amount_booked_micros AS credited,
           0 AS refunds, 0 AS refunded
    FROM deposit WHERE settled_at IS NOT NULL
    UNION ALL
    SELECT substr(refunded_at, 1, 7), currency, network, 0, 0, 1, amount_booked_micros
    FROM deposit WHERE refunded_at IS NOT NULL
)
GROUP BY month, currency, network;

CREATE VIEW accounting_events AS
SELECT seq, deposit_id, at, from_state, to_state, upstream_status, reason, hash
FROM event WHERE deposit_id IS NOT NULL AND from_state IS NOT to_state;

CREATE VIEW accounting_history AS
SELECT seq, deposit_id, at, name, from_state, to_state, upstream_status, reason, hash FROM event;

CREATE VIEW accounting_discrepancies AS
SELECT id, kind, deposit_id, order_id, expected, found, opened_at, closed_at, resolution, explained, explained_at,
       explained_by, closed_by, closed_who
FROM discrepancy;

CREATE VIEW accounting_balance_history AS
SELECT at, balance_cents, total_charges_cents, credited_here_cents, credited_elsewhere_cents, difference_cents,
       baseline_cents
FROM reconciliation WHERE ok = 1;

CREATE VIEW accounting_mails AS
SELECT o.id, e.name AS event, e.deposit_id, o.recipient, o.message_id, o.state, o.attempts, o.created_at AS owed_at, o.sent_at,
       o.last_error
FROM outbox o JOIN event e ON e.seq = o.event_seq;
