-- The books of many ledgers in one PostgreSQL database. Each row begins with the ledger that it is of, every key begins with
-- it, and nothing refers to a row of another ledger: so Citus can spread the tables by ledger_id as they are.
-- Times are ISO-8601 UTC text as in the ledgers, compared byte for byte; USD are whole millionths (`*_micros`) beside the
-- decimal text.

CREATE TABLE ledger (
    ledger_id     text PRIMARY KEY,           -- the ledger's random name, as its file says it
    name          text NOT NULL,              -- what the configuration calls it
    head_seq      bigint NOT NULL,            -- the last event that is here
    head_hash     text NOT NULL,              -- its hash: the next event must follow it
    reconciled_at text COLLATE "C" NOT NULL,  -- its last good run; the empty text before the first
    mark          text NOT NULL,              -- what the copied rows were computed from; the empty text while it catches up
    followed_at   text COLLATE "C" NOT NULL,  -- when something was last written
    looked_at     text COLLATE "C" NOT NULL   -- when it was last looked at and agreed
);

-- Ledgers that are not followed now, and why. No part of the books.
CREATE TABLE refusal (
    ledger_id text NOT NULL,                  -- the empty text where the file does not say it
    name      text NOT NULL,                  -- what the configuration calls it
    since     text COLLATE "C" NOT NULL,      -- since when
    why       text NOT NULL,                  -- in words
    PRIMARY KEY (ledger_id, name)
);

-- Every event, with all of its own that its hash covers.
CREATE TABLE event (
    ledger_id       text NOT NULL,
    seq             bigint NOT NULL,
    deposit_id      text,
    version         bigint,
    at              text COLLATE "C" NOT NULL,
    name            text NOT NULL,
    from_state      text,
    to_state        text,
    upstream_status text,
    reason          text,
    facts           text NOT NULL,
    mail_to         text NOT NULL,
    evidence_id     bigint,
    acted_by        text,
    hash            text NOT NULL,
    PRIMARY KEY (ledger_id, seq)
);
CREATE UNIQUE INDEX event_of_deposit ON event (ledger_id, deposit_id, version);

-- Every posting, with what the view says of it that nothing changes later.
CREATE TABLE posting (
    ledger_id         text NOT NULL,
    entry_id          bigint NOT NULL,
    transaction_id    bigint NOT NULL,
    posted_at         text COLLATE "C" NOT NULL,
    account           text NOT NULL,
    commodity         text NOT NULL,
    amount            text NOT NULL,
    amount_usd_micros bigint NOT NULL,
    deposit_id        text,
    description       text,
    refers_to         bigint,
    figure            text,
    evidence_id       bigint,
    flag              text,
    PRIMARY KEY (ledger_id, entry_id),
    FOREIGN KEY (ledger_id, transaction_id) REFERENCES event (ledger_id, seq)
);
CREATE INDEX posting_transaction ON posting (ledger_id, transaction_id);
CREATE INDEX posting_deposit ON posting (ledger_id, deposit_id);
CREATE INDEX posting_posted ON posting USING brin (posted_at) WITH (pages_per_range = 16);

-- Every deposit as the view has it, but for `reconciled`.
CREATE TABLE deposit (
    ledger_id              text NOT NULL,
    id                     text NOT NULL,
    order_id               text,
    reference              text,
    currency               text,
    network                text,
    address                text,
    amount_requested       text,
    amount_usd             text,
    amount_usd_micros      bigint,
    amount_crypto          text,
    state                  text,
    outcome                text,
    late                   bigint,
    txid                   text,
    requested_at           text COLLATE "C",
    wallet_created_at      text COLLATE "C",
    expire_at              text COLLATE "C",
    settled_at             text COLLATE "C",
    amount_booked          text,
    amount_booked_micros   bigint,
    refunded_at            text COLLATE "C",
    needs_review           text,
    upstream_status        text,
    updated_at             text COLLATE "C",
    amount_refunded_micros bigint,
    memo                   text,
    method                 text,
    arrived_crypto         text,
    arrived_usd_micros     bigint,
    url                    text,
    PRIMARY KEY (ledger_id, id)
);
CREATE INDEX deposit_order ON deposit (ledger_id, order_id) WHERE order_id IS NOT NULL;
CREATE INDEX deposit_settled ON deposit (settled_at) INCLUDE (ledger_id, amount_booked_micros) WHERE settled_at IS NOT NULL;
CREATE INDEX deposit_requested ON deposit (ledger_id, requested_at);

-- The rows of other views, as they are. They are written in parts: each part's digest tells whether it has changed.
CREATE TABLE part (
    ledger_id text NOT NULL,
    source    text NOT NULL,                  -- the table below
    part      bigint NOT NULL,
    digest    text NOT NULL,                  -- SHA-256 of its rows
    PRIMARY KEY (ledger_id, source, part)
);

CREATE TABLE trial_balance (
    ledger_id          text NOT NULL,
    part               bigint NOT NULL,
    account            text NOT NULL,
    commodity          text NOT NULL,
    balance            text,
    balance_usd_micros bigint,
    PRIMARY KEY (ledger_id, account, commodity)
);

CREATE TABLE monthly (
    ledger_id           text NOT NULL,
    part                bigint NOT NULL,
    month               text COLLATE "C" NOT NULL,
    currency            text NOT NULL,        -- the empty text where it is not known
    network             text NOT NULL,        -- the same
    deposits            bigint,
    amount_usd          text,
    amount_usd_micros   bigint,
    refunds             bigint,
    refunded_usd        text,
    refunded_usd_micros bigint,
    adjustments         bigint,
    adjusted_usd        text,
    adjusted_usd_micros bigint,
    method              text NOT NULL,
    PRIMARY KEY (ledger_id, month, method, currency, network)
);
CREATE INDEX monthly_month ON monthly (month);

CREATE TABLE account_months (
    ledger_id          text NOT NULL,
    part               bigint NOT NULL,
    month              text COLLATE "C" NOT NULL,
    account            text NOT NULL,
    commodity          text NOT NULL,
    debits_usd_micros  bigint,
    credits_usd_micros bigint,
    closing_usd_micros bigint,
    PRIMARY KEY (ledger_id, month, account, commodity)
);
CREATE INDEX account_months_month ON account_months (month);

CREATE TABLE periods (
    ledger_id     text NOT NULL,
    part          bigint NOT NULL,
    month         text COLLATE "C" NOT NULL,
    closed_at     text COLLATE "C",
    event_seq     bigint,
    reconciled_at text COLLATE "C",
    transactions  bigint,
    head_seq      bigint,
    head_hash     text,
    hash          text,
    closed_by     text,
    ends_at       text COLLATE "C",
    PRIMARY KEY (ledger_id, month)
);

CREATE TABLE statement (
    ledger_id              text NOT NULL,
    part                   bigint NOT NULL,
    month                  text COLLATE "C" NOT NULL,
    starts_at              text COLLATE "C",
    ends_at                text COLLATE "C",
    opening_at             text COLLATE "C",
    since_at               text COLLATE "C",
    closing_at             text COLLATE "C",
    opening_usd            text,
    opening_usd_micros     bigint,
    since_usd              text,
    since_usd_micros       bigint,
    ours_usd               text,
    ours_usd_micros        bigint,
    elsewhere_usd          text,
    elsewhere_usd_micros   bigint,
    refunds_usd            text,
    refunds_usd_micros     bigint,
    spent_usd              text,
    spent_usd_micros       bigint,
    rises_usd              text,
    rises_usd_micros       bigint,
    in_transit_usd         text,
    in_transit_usd_micros  bigint,
    unexplained_usd        text,
    unexplained_usd_micros bigint,
    closing_usd            text,
    closing_usd_micros     bigint,
    PRIMARY KEY (ledger_id, month)
);

CREATE TABLE accepted (
    ledger_id     text NOT NULL,
    part          bigint NOT NULL,
    id            bigint NOT NULL,
    case_id       bigint,
    kind          text,
    deposit_id    text,
    order_id      text,
    listed_cents  bigint,
    counted_cents bigint,
    drift_cents   bigint,
    accepted_at   text COLLATE "C",
    accepted_by   text,
    note          text,
    taken_back_at text COLLATE "C",
    PRIMARY KEY (ledger_id, id)
);

CREATE TABLE discrepancies (
    ledger_id    text NOT NULL,
    part         bigint NOT NULL,
    id           bigint NOT NULL,
    kind         text,
    deposit_id   text,
    order_id     text,
    expected     text,
    found        text,
    opened_at    text COLLATE "C",
    closed_at    text COLLATE "C",
    resolution   text,
    explained    text,
    explained_at text COLLATE "C",
    explained_by text,
    closed_by    text,
    closed_who   text,
    detail       text,
    PRIMARY KEY (ledger_id, id)
);

CREATE TABLE elsewhere (
    ledger_id         text NOT NULL,
    part              bigint NOT NULL,
    id                bigint NOT NULL,
    seen_at           text COLLATE "C",
    date              text COLLATE "C",
    created_at        text COLLATE "C",
    method            text,
    status            text,
    pay_id            text,
    sesid             text,
    amount_usd        text,
    amount_usd_micros bigint,
    listed            bigint,
    before_first_run  bigint,
    PRIMARY KEY (ledger_id, id)
);

CREATE TABLE balance_history (
    ledger_id                text NOT NULL,
    part                     bigint NOT NULL,
    id                       bigint NOT NULL,  -- the run
    at                       text COLLATE "C" NOT NULL,
    balance_cents            bigint,
    total_charges_cents      bigint,
    credited_here_cents      bigint,
    credited_elsewhere_cents bigint,
    difference_cents         bigint,
    baseline_cents           bigint,
    accepted_cents           bigint,
    not_listed_cents         bigint,
    clean                    bigint,
    PRIMARY KEY (ledger_id, id)
);
CREATE INDEX balance_history_at ON balance_history (ledger_id, at);

CREATE TABLE matched (
    ledger_id  text NOT NULL,
    part       bigint NOT NULL,
    deposit_id text NOT NULL,
    reconciled text NOT NULL,
    PRIMARY KEY (ledger_id, deposit_id)
);

CREATE TABLE books_offset (
    ledger_id text NOT NULL,
    part      bigint NOT NULL,
    from_at   text COLLATE "C" NOT NULL,
    seconds   bigint NOT NULL,
    PRIMARY KEY (ledger_id, from_at)
);

CREATE TABLE books_account (
    ledger_id text NOT NULL,
    part      bigint NOT NULL,
    account   text NOT NULL,
    mapped    text NOT NULL,
    PRIMARY KEY (ledger_id, account)
);
-- Parts are replaced as a whole.
CREATE INDEX matched_part ON matched (ledger_id, part);
CREATE INDEX elsewhere_part ON elsewhere (ledger_id, part);
CREATE INDEX balance_history_part ON balance_history (ledger_id, part);
CREATE INDEX discrepancies_part ON discrepancies (ledger_id, part);

-- What accountants query: the views of the ledger's file, each with the ledger before its columns.
CREATE VIEW accounting_deposits AS
SELECT l.name AS ledger, d.ledger_id, d.id, d.order_id, d.reference, d.currency, d.network, d.address, d.amount_requested,
       d.amount_usd, d.amount_usd_micros, d.amount_crypto, d.state, d.outcome, d.late, d.txid, d.requested_at,
       d.wallet_created_at, d.expire_at, d.settled_at,
       CASE WHEN d.wallet_created_at IS NULL OR d.wallet_created_at > l.reconciled_at THEN NULL
            ELSE coalesce(m.reconciled, 'unmatched') END AS reconciled,
       d.amount_booked, d.amount_booked_micros, d.refunded_at, d.needs_review, d.upstream_status, d.updated_at,
       d.amount_refunded_micros, d.memo, d.method, d.arrived_crypto, d.arrived_usd_micros, d.url
FROM deposit d JOIN ledger l ON l.ledger_id = d.ledger_id
     LEFT JOIN matched m ON m.ledger_id = d.ledger_id AND m.deposit_id = d.id;

CREATE VIEW accounting_entries AS
SELECT l.name AS ledger, p.ledger_id, p.entry_id, p.transaction_id, p.posted_at, p.account, p.commodity, p.amount,
       p.amount_usd_micros, p.deposit_id, d.order_id, p.description, p.refers_to, p.figure, p.evidence_id, p.flag,
       to_char(left(p.posted_at, 23)::timestamp
               + (SELECT o.seconds FROM books_offset o WHERE o.ledger_id = p.ledger_id AND o.from_at <= p.posted_at
                  ORDER BY o.from_at DESC LIMIT 1) * interval '1 second', 'YYYY-MM-DD') AS date,
       coalesce((SELECT b.mapped FROM books_account b WHERE b.ledger_id = p.ledger_id AND b.account = p.account), p.account)
           AS account_mapped,
       CASE WHEN p.amount_usd_micros > 0
            THEN (p.amount_usd_micros / 1000000)::text || '.' || lpad((p.amount_usd_micros % 1000000 / 10000)::text, 2, '0')
                 || rtrim(lpad((p.amount_usd_micros % 10000)::text, 4, '0'), '0') END AS debit_usd,
       CASE WHEN p.amount_usd_micros < 0
            THEN (-p.amount_usd_micros / 1000000)::text || '.' || lpad((-p.amount_usd_micros % 1000000 / 10000)::text, 2, '0')
                 || rtrim(lpad((-p.amount_usd_micros % 10000)::text, 4, '0'), '0') END AS credit_usd
FROM posting p JOIN ledger l ON l.ledger_id = p.ledger_id
     LEFT JOIN deposit d ON d.ledger_id = p.ledger_id AND d.id = p.deposit_id;

CREATE VIEW accounting_history AS
SELECT l.name AS ledger, e.ledger_id, e.seq, e.deposit_id, e.at, e.name, e.from_state, e.to_state, e.upstream_status,
       e.reason, e.hash, e.acted_by
FROM event e JOIN ledger l ON l.ledger_id = e.ledger_id;

CREATE VIEW accounting_events AS
SELECT l.name AS ledger, e.ledger_id, e.seq, e.deposit_id, e.at, e.from_state, e.to_state, e.upstream_status, e.reason,
       e.hash, e.acted_by
FROM event e JOIN ledger l ON l.ledger_id = e.ledger_id
WHERE e.deposit_id IS NOT NULL AND e.from_state IS DISTINCT FROM e.to_state;

CREATE VIEW accounting_trial_balance AS
SELECT l.name AS ledger, t.ledger_id, t.account, t.commodity, t.balance, t.balance_usd_micros
FROM trial_balance t JOIN ledger l ON l.ledger_id = t.ledger_id;

CREATE VIEW accounting_monthly AS
SELECT l.name AS ledger, t.ledger_id, t.month, nullif(t.currency, '') AS currency, nullif(t.network, '') AS network,
       t.deposits, t.amount_usd, t.amount_usd_micros,
       t.refunds, t.refunded_usd, t.refunded_usd_micros, t.adjustments, t.adjusted_usd, t.adjusted_usd_micros, t.method
FROM monthly t JOIN ledger l ON l.ledger_id = t.ledger_id;

CREATE VIEW accounting_account_months AS
SELECT l.name AS ledger, t.ledger_id, t.month, t.account, t.commodity, t.debits_usd_micros, t.credits_usd_micros,
       t.closing_usd_micros
FROM account_months t JOIN ledger l ON l.ledger_id = t.ledger_id;

CREATE VIEW accounting_periods AS
SELECT l.name AS ledger, t.ledger_id, t.month, t.closed_at, t.event_seq, t.reconciled_at, t.transactions, t.head_seq,
       t.head_hash, t.hash, t.closed_by, t.ends_at
FROM periods t JOIN ledger l ON l.ledger_id = t.ledger_id;

CREATE VIEW accounting_statement AS
SELECT l.name AS ledger, t.ledger_id, t.month, t.starts_at, t.ends_at, t.opening_at, t.since_at, t.closing_at,
       t.opening_usd, t.opening_usd_micros, t.since_usd, t.since_usd_micros, t.ours_usd, t.ours_usd_micros,
       t.elsewhere_usd, t.elsewhere_usd_micros, t.refunds_usd, t.refunds_usd_micros, t.spent_usd, t.spent_usd_micros,
       t.rises_usd, t.rises_usd_micros, t.in_transit_usd, t.in_transit_usd_micros, t.unexplained_usd,
       t.unexplained_usd_micros, t.closing_usd, t.closing_usd_micros
FROM statement t JOIN ledger l ON l.ledger_id = t.ledger_id;

CREATE VIEW accounting_accepted AS
SELECT l.name AS ledger, t.ledger_id, t.id, t.case_id, t.kind, t.deposit_id, t.order_id, t.listed_cents, t.counted_cents,
       t.drift_cents, t.accepted_at, t.accepted_by, t.note, t.taken_back_at
FROM accepted t JOIN ledger l ON l.ledger_id = t.ledger_id;

CREATE VIEW accounting_discrepancies AS
SELECT l.name AS ledger, t.ledger_id, t.id, t.kind, t.deposit_id, t.order_id, t.expected, t.found, t.opened_at, t.closed_at,
       t.resolution, t.explained, t.explained_at, t.explained_by, t.closed_by, t.closed_who, t.detail
FROM discrepancies t JOIN ledger l ON l.ledger_id = t.ledger_id;

CREATE VIEW accounting_elsewhere AS
SELECT l.name AS ledger, t.ledger_id, t.id, t.seen_at, t.date, t.created_at, t.method, t.status, t.pay_id, t.sesid,
       t.amount_usd, t.amount_usd_micros, t.listed, t.before_first_run
FROM elsewhere t JOIN ledger l ON l.ledger_id = t.ledger_id;

CREATE VIEW accounting_balance_history AS
SELECT l.name AS ledger, t.ledger_id, t.at, t.balance_cents, t.total_charges_cents, t.credited_here_cents,
       t.credited_elsewhere_cents, t.difference_cents, t.baseline_cents, t.accepted_cents, t.not_listed_cents, t.clean
FROM balance_history t JOIN ledger l ON l.ledger_id = t.ledger_id;

-- Which ledgers are here, and how far.
CREATE VIEW accounting_ledgers AS
SELECT l.name AS ledger, l.ledger_id, l.head_seq, l.head_hash, nullif(l.reconciled_at, '') AS reconciled_at, l.followed_at,
       l.looked_at, r.why AS refused, r.since AS refused_since
FROM ledger l LEFT JOIN refusal r ON r.ledger_id = l.ledger_id AND r.name = l.name;
