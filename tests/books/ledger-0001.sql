PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,  -- what is remembered: ledger_id, baseline_cents, ..
    value TEXT NOT NULL               -- its value as text
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('ledger_id','7e9e7d14a8784aa1a32513420476e534');
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
INSERT INTO deposit VALUES(1,'0197213c-0000-7000-8000-000000000001',4,'USDT','TRON','25',NULL,'=HYPERLINK("x"); a|b, ‮end','["payer@example.com"]',NULL,'1','2026-05-31T11:00:00.000Z','settled','26109ba0-b05b-4ee0-93d1-000000000001','TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t','26109ba0-b05b-4ee0-93d1-000000000001','25',25000000,'24.97','2026-05-31T12:00:00Z','2026-05-31T11:00:00.350Z','paid','a1b2c3','exact',0,'2026-05-31T11:10:00.350Z',NULL,25000000,NULL,'{"state":"settled","since":"2026-05-31T11:10:00.350Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000001","address":"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000001","amount_usd":"25","amount_crypto":"24.97","expire_at":"2026-05-31T12:00:00.000Z","created_at":"2026-05-31T11:00:00.350Z"},"upstream_status":"paid","txid":"a1b2c3","payment":{"amount":"24.97","amount_usd":"25.00"},"outcome":"exact","settled_at":"2026-05-31T11:10:00.350Z","late":false,"booked":{"usd":25000000,"crypto":"24.97","source":"payment_amount_usd","correction":0}}','2026-05-31T11:10:00.350Z');
INSERT INTO deposit VALUES(2,'0197213c-0000-7000-8000-000000000002',4,'BTC','BTC','100.50',NULL,NULL,'["payer@example.com"]',NULL,'2','2026-06-01T07:10:00.350Z','settled','26109ba0-b05b-4ee0-93d1-000000000002','bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq','26109ba0-b05b-4ee0-93d1-000000000002','100.50',100500000,'0.00105012','2026-06-01T08:10:00Z','2026-06-01T07:10:00.700Z','paid_over','a1b2c3','over',0,'2026-06-01T07:15:00.700Z',NULL,105123456,NULL,'{"state":"settled","since":"2026-06-01T07:15:00.700Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000002","address":"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000002","amount_usd":"100.50","amount_crypto":"0.00105012","expire_at":"2026-06-01T08:10:00.000Z","created_at":"2026-06-01T07:10:00.700Z"},"upstream_status":"paid_over","txid":"a1b2c3","payment":{"amount":"0.00110000","amount_usd":"105.123456"},"outcome":"over","settled_at":"2026-06-01T07:15:00.700Z","late":false,"booked":{"usd":105123456,"crypto":"0.00110000","source":"payment_amount_usd","correction":0}}','2026-06-01T07:20:00.700Z');
INSERT INTO deposit VALUES(3,'0197213c-0000-7000-8000-000000000003',2,'USDT','BSC','5.10',NULL,'waits','["payer@example.com"]',NULL,'3','2026-06-02T03:20:00.700Z','awaiting_payment','26109ba0-b05b-4ee0-93d1-000000000003','0x66b928a82377d75ced043e95738372e9e9607f1f','26109ba0-b05b-4ee0-93d1-000000000003','5.10',5100000,'5.15','2026-06-02T04:20:01Z','2026-06-02T03:20:01.050Z',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,'{"state":"awaiting_payment","since":"2026-06-02T03:20:01.050Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000003","address":"0x66b928a82377d75ced043e95738372e9e9607f1f","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000003","amount_usd":"5.10","amount_crypto":"5.15","expire_at":"2026-06-02T04:20:01.000Z","created_at":"2026-06-02T03:20:01.050Z"},"payment":{},"late":false}','2026-06-02T03:20:01.050Z');
INSERT INTO deposit VALUES(4,'0197213c-0000-7000-8000-000000000004',2,'ETH','ETH','7',NULL,NULL,'["payer@example.com"]',NULL,'4','2026-06-02T23:20:01.050Z','rejected',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,'{"state":"rejected","since":"2026-06-02T23:25:01.050Z","payment":{},"late":false}','2026-06-02T23:25:01.050Z');
INSERT INTO deposit VALUES(5,'0197213c-0000-7000-8000-000000000005',5,'USDC','POLYGON','40',NULL,NULL,'["payer@example.com"]',NULL,'5','2026-06-03T19:25:01.050Z','refunded','26109ba0-b05b-4ee0-93d1-000000000005','0x66b928a82377d75ced043e95738372e9e9607f1f','26109ba0-b05b-4ee0-93d1-000000000005','40',40000000,'40.01','2026-06-03T20:25:01Z','2026-06-03T19:25:01.400Z','refund_paid','a1b2c3','exact',0,'2026-06-03T19:30:01.400Z','2026-06-03T19:40:01.400Z',40000000,NULL,'{"state":"refunded","since":"2026-06-03T19:40:01.400Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000005","address":"0x66b928a82377d75ced043e95738372e9e9607f1f","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000005","amount_usd":"40","amount_crypto":"40.01","expire_at":"2026-06-03T20:25:01.000Z","created_at":"2026-06-03T19:25:01.400Z"},"upstream_status":"refund_paid","txid":"a1b2c3","payment":{"amount":"40.01","amount_usd":"40.00"},"outcome":"exact","settled_at":"2026-06-03T19:30:01.400Z","late":false,"booked":{"usd":40000000,"crypto":"40.01","source":"payment_amount_usd","correction":0},"refunded_at":"2026-06-03T19:40:01.400Z"}','2026-06-03T19:40:01.400Z');
INSERT INTO deposit VALUES(6,'0197213c-0000-7000-8000-000000000006',5,'LTC','LTC','30',NULL,NULL,'["payer@example.com"]',NULL,'6','2026-06-04T15:40:01.400Z','settled','26109ba0-b05b-4ee0-93d1-000000000006','LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1','26109ba0-b05b-4ee0-93d1-000000000006','30',30000000,'0.31','2026-06-04T16:40:01Z','2026-06-04T15:40:01.750Z','paid_over','a1b2c3','over',0,'2026-06-04T15:45:01.750Z',NULL,30100000,NULL,'{"state":"settled","since":"2026-06-04T15:45:01.750Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000006","address":"LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000006","amount_usd":"30","amount_crypto":"0.31","expire_at":"2026-06-04T16:40:01.000Z","created_at":"2026-06-04T15:40:01.750Z"},"upstream_status":"paid_over","txid":"a1b2c3","payment":{"amount":"0.31","amount_usd":"30.50"},"outcome":"over","settled_at":"2026-06-04T15:45:01.750Z","late":false,"booked":{"usd":30500000,"crypto":"0.31","source":"payment_amount_usd","correction":-400000}}','2026-06-04T15:55:01.750Z');
INSERT INTO deposit VALUES(7,'0197213c-0000-7000-8000-000000000007',3,'DOGE','DOGE','9',NULL,NULL,'["payer@example.com"]',NULL,'7','2026-06-05T11:55:01.750Z','settled','26109ba0-b05b-4ee0-93d1-000000000007','DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L','26109ba0-b05b-4ee0-93d1-000000000007','9',9000000,'55','2026-06-05T12:55:02Z','2026-06-05T11:55:02.100Z','paid','a1b2c3','exact',0,'2026-06-05T12:00:02.100Z',NULL,9000000,NULL,'{"state":"settled","since":"2026-06-05T12:00:02.100Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000007","address":"DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000007","amount_usd":"9","amount_crypto":"55","expire_at":"2026-06-05T12:55:02.000Z","created_at":"2026-06-05T11:55:02.100Z"},"upstream_status":"paid","txid":"a1b2c3","payment":{},"outcome":"exact","settled_at":"2026-06-05T12:00:02.100Z","late":false,"booked":{"usd":9000000,"crypto":"55","source":"amount_in_usd","correction":0}}','2026-06-05T12:00:02.100Z');
INSERT INTO deposit VALUES(8,'0197213c-0000-7000-8000-000000000008',3,'USDT','TRON','11',NULL,NULL,'["payer@example.com"]',NULL,'8','2026-06-06T08:00:02.100Z','awaiting_payment','26109ba0-b05b-4ee0-93d1-000000000008','TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6X','26109ba0-b05b-4ee0-93d1-000000000008','11',11000000,'11.01','2026-06-06T09:00:02Z','2026-06-06T08:00:02.450Z',NULL,NULL,NULL,0,NULL,NULL,NULL,'do not pay: the address is malformed: not a valid TRON address: its checksum does not match','{"state":"awaiting_payment","since":"2026-06-06T08:00:02.450Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000008","address":"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6X","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000008","amount_usd":"11","amount_crypto":"11.01","expire_at":"2026-06-06T09:00:02.000Z","created_at":"2026-06-06T08:00:02.450Z"},"payment":{},"late":false,"review":{"reason":"do not pay: the address is malformed: not a valid TRON address: its checksum does not match","kind":"standing"}}','2026-06-06T08:00:02.450Z');
CREATE TABLE queue (
    urgency INTEGER NOT NULL,                 -- 0 most urgent .. 3 watch; 4: waits for a wallet; 5: left to reconciliation
    due_ms  INTEGER NOT NULL,                 -- when to act on it next; 0 with urgency 5
    deposit INTEGER NOT NULL REFERENCES deposit (row_id) DEFERRABLE INITIALLY DEFERRED,  -- whose turn it is
    version INTEGER NOT NULL,                 -- the deposit's version that this was decided on
    PRIMARY KEY (urgency, due_ms, deposit)
) STRICT, WITHOUT ROWID;
INSERT INTO queue VALUES(0,1780225510718,1,3);
INSERT INTO queue VALUES(2,1780225216440,1,2);
INSERT INTO queue VALUES(2,1780297816123,2,2);
INSERT INTO queue VALUES(2,1780370417356,3,2);
INSERT INTO queue VALUES(2,1780514717329,5,2);
INSERT INTO queue VALUES(2,1780515316904,5,4);
INSERT INTO queue VALUES(2,1780587616801,6,2);
INSERT INTO queue VALUES(2,1780660517524,7,2);
INSERT INTO queue VALUES(2,1780732818569,8,3);
INSERT INTO queue VALUES(3,1780225862798,1,4);
INSERT INTO queue VALUES(3,1780298165633,2,3);
INSERT INTO queue VALUES(3,1780298774725,2,4);
INSERT INTO queue VALUES(3,1780515061523,5,3);
INSERT INTO queue VALUES(3,1780515664802,5,5);
INSERT INTO queue VALUES(3,1780587962927,6,3);
INSERT INTO queue VALUES(3,1780588578091,6,4);
INSERT INTO queue VALUES(3,1780589176728,6,5);
INSERT INTO queue VALUES(3,1780660863197,7,3);
INSERT INTO queue VALUES(4,1780225200000,1,1);
INSERT INTO queue VALUES(4,1780297800350,2,1);
INSERT INTO queue VALUES(4,1780370400700,3,1);
INSERT INTO queue VALUES(4,1780442401050,4,1);
INSERT INTO queue VALUES(4,1780514701050,5,1);
INSERT INTO queue VALUES(4,1780587601400,6,1);
INSERT INTO queue VALUES(4,1780660501750,7,1);
INSERT INTO queue VALUES(4,1780732802100,8,1);
INSERT INTO queue VALUES(5,0,4,2);
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
INSERT INTO event VALUES(1,'0197213c-0000-7000-8000-000000000001',1,'2026-05-31T11:00:00.000Z','requested',NULL,'requested',NULL,NULL,'{"state":"requested","since":"2026-05-31T11:00:00.000Z","payment":{},"late":false}','[]',NULL,'ba8b3aec4d23f7583d8997513eedea267f270c33bbdcbe374a827e37de41c21b');
INSERT INTO event VALUES(2,'0197213c-0000-7000-8000-000000000001',2,'2026-05-31T11:00:00.350Z','wallet_created','requested','awaiting_payment',NULL,NULL,'{"state":"awaiting_payment","since":"2026-05-31T11:00:00.350Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000001","address":"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000001","amount_usd":"25","amount_crypto":"24.97","expire_at":"2026-05-31T12:00:00.000Z","created_at":"2026-05-31T11:00:00.350Z"},"payment":{},"late":false}','[]',1,'71a1f65f129a2ed534a7ac76b70823173f4b9520d1db5c38dcbbec1911c89050');
INSERT INTO event VALUES(3,'0197213c-0000-7000-8000-000000000001',3,'2026-05-31T11:05:00.350Z','confirming','awaiting_payment','confirming','confirm_check',NULL,'{"state":"confirming","since":"2026-05-31T11:05:00.350Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000001","address":"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000001","amount_usd":"25","amount_crypto":"24.97","expire_at":"2026-05-31T12:00:00.000Z","created_at":"2026-05-31T11:00:00.350Z"},"upstream_status":"confirm_check","txid":"a1b2c3","payment":{"amount":"24.97","amount_usd":"25.00"},"late":false}','[]',2,'e4640074c3bbd6367c952e9d8483aa5983753f21fcf6c9d448f3060a9583660a');
INSERT INTO event VALUES(4,'0197213c-0000-7000-8000-000000000001',4,'2026-05-31T11:10:00.350Z','settled','confirming','settled','paid',NULL,'{"state":"settled","since":"2026-05-31T11:10:00.350Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000001","address":"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000001","amount_usd":"25","amount_crypto":"24.97","expire_at":"2026-05-31T12:00:00.000Z","created_at":"2026-05-31T11:00:00.350Z"},"upstream_status":"paid","txid":"a1b2c3","payment":{"amount":"24.97","amount_usd":"25.00"},"outcome":"exact","settled_at":"2026-05-31T11:10:00.350Z","late":false,"booked":{"usd":25000000,"crypto":"24.97","source":"payment_amount_usd","correction":0}}','["finance@example.com"]',3,'cc97c5c2475eccaf62989e68ea4fe5a37f49497521c267c85dff1d1f3af6bcf0');
INSERT INTO event VALUES(5,'0197213c-0000-7000-8000-000000000002',1,'2026-06-01T07:10:00.350Z','requested',NULL,'requested',NULL,NULL,'{"state":"requested","since":"2026-06-01T07:10:00.350Z","payment":{},"late":false}','[]',NULL,'c551b14644be710975f64936e2fc1b631d43ab740010f227b6be47b46a720913');
INSERT INTO event VALUES(6,'0197213c-0000-7000-8000-000000000002',2,'2026-06-01T07:10:00.700Z','wallet_created','requested','awaiting_payment',NULL,NULL,'{"state":"awaiting_payment","since":"2026-06-01T07:10:00.700Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000002","address":"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000002","amount_usd":"100.50","amount_crypto":"0.00105012","expire_at":"2026-06-01T08:10:00.000Z","created_at":"2026-06-01T07:10:00.700Z"},"payment":{},"late":false}','[]',4,'92537406f05c2b5a1148187014d88ef2feece4b5d29aa737c343218d31655530');
INSERT INTO event VALUES(7,'0197213c-0000-7000-8000-000000000002',3,'2026-06-01T07:15:00.700Z','settled','awaiting_payment','settled','paid',NULL,'{"state":"settled","since":"2026-06-01T07:15:00.700Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000002","address":"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000002","amount_usd":"100.50","amount_crypto":"0.00105012","expire_at":"2026-06-01T08:10:00.000Z","created_at":"2026-06-01T07:10:00.700Z"},"upstream_status":"paid","txid":"a1b2c3","payment":{"amount":"0.00105012","amount_usd":"100.50"},"outcome":"exact","settled_at":"2026-06-01T07:15:00.700Z","late":false,"booked":{"usd":100500000,"crypto":"0.00105012","source":"payment_amount_usd","correction":0}}','["finance@example.com"]',5,'f036508caf74b1d5fd08406861af05659c1741a54c4dae2e1c7d95c7eeef8c69');
INSERT INTO event VALUES(8,'0197213c-0000-7000-8000-000000000002',4,'2026-06-01T07:20:00.700Z','settled','settled','settled','paid_over','the upstream credits a new figure','{"state":"settled","since":"2026-06-01T07:15:00.700Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000002","address":"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000002","amount_usd":"100.50","amount_crypto":"0.00105012","expire_at":"2026-06-01T08:10:00.000Z","created_at":"2026-06-01T07:10:00.700Z"},"upstream_status":"paid_over","txid":"a1b2c3","payment":{"amount":"0.00110000","amount_usd":"105.123456"},"outcome":"over","settled_at":"2026-06-01T07:15:00.700Z","late":false,"booked":{"usd":105123456,"crypto":"0.00110000","source":"payment_amount_usd","correction":0}}','["finance@example.com"]',6,'26aba19868196df1229fa662b845b82025bc52391f99c2f499604ec639a6fd78');
INSERT INTO event VALUES(9,'0197213c-0000-7000-8000-000000000003',1,'2026-06-02T03:20:00.700Z','requested',NULL,'requested',NULL,NULL,'{"state":"requested","since":"2026-06-02T03:20:00.700Z","payment":{},"late":false}','[]',NULL,'218ae31b19436c265bc09cad507ba5cea176c0fb95419bdee9aa5421e9fa24a3');
INSERT INTO event VALUES(10,'0197213c-0000-7000-8000-000000000003',2,'2026-06-02T03:20:01.050Z','wallet_created','requested','awaiting_payment',NULL,NULL,'{"state":"awaiting_payment","since":"2026-06-02T03:20:01.050Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000003","address":"0x66b928a82377d75ced043e95738372e9e9607f1f","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000003","amount_usd":"5.10","amount_crypto":"5.15","expire_at":"2026-06-02T04:20:01.000Z","created_at":"2026-06-02T03:20:01.050Z"},"payment":{},"late":false}','[]',7,'aa8a492d859871623f2e2f43c387356f732e57b077738a85c915cd74b253feb1');
INSERT INTO event VALUES(11,'0197213c-0000-7000-8000-000000000004',1,'2026-06-02T23:20:01.050Z','requested',NULL,'requested',NULL,NULL,'{"state":"requested","since":"2026-06-02T23:20:01.050Z","payment":{},"late":false}','[]',NULL,'af78d69bcd48421550d61ec997edfbd273600ca3de6107c16a5f17c9eb6d3434');
INSERT INTO event VALUES(12,'0197213c-0000-7000-8000-000000000004',2,'2026-06-02T23:25:01.050Z','rejected','requested','rejected',NULL,'[31mcoupon expired','{"state":"rejected","since":"2026-06-02T23:25:01.050Z","payment":{},"late":false}','[]',8,'5bcf0f707eb36e7166de6bd126d0c52a76f6a64e34d430c9a7c687b76b340ed6');
INSERT INTO event VALUES(13,'0197213c-0000-7000-8000-000000000005',1,'2026-06-03T19:25:01.050Z','requested',NULL,'requested',NULL,NULL,'{"state":"requested","since":"2026-06-03T19:25:01.050Z","payment":{},"late":false}','[]',NULL,'5e5fd318c5db3451947a5e901f85abba16d269e845d109ab2dabbf0e05436cfd');
INSERT INTO event VALUES(14,'0197213c-0000-7000-8000-000000000005',2,'2026-06-03T19:25:01.400Z','wallet_created','requested','awaiting_payment',NULL,NULL,'{"state":"awaiting_payment","since":"2026-06-03T19:25:01.400Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000005","address":"0x66b928a82377d75ced043e95738372e9e9607f1f","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000005","amount_usd":"40","amount_crypto":"40.01","expire_at":"2026-06-03T20:25:01.000Z","created_at":"2026-06-03T19:25:01.400Z"},"payment":{},"late":false}','[]',9,'9875cdf692287e31ea1d135dc74b18baae33df2c6d41873552b4860221098e00');
INSERT INTO event VALUES(15,'0197213c-0000-7000-8000-000000000005',3,'2026-06-03T19:30:01.400Z','settled','awaiting_payment','settled','paid',NULL,'{"state":"settled","since":"2026-06-03T19:30:01.400Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000005","address":"0x66b928a82377d75ced043e95738372e9e9607f1f","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000005","amount_usd":"40","amount_crypto":"40.01","expire_at":"2026-06-03T20:25:01.000Z","created_at":"2026-06-03T19:25:01.400Z"},"upstream_status":"paid","txid":"a1b2c3","payment":{"amount":"40.01","amount_usd":"40.00"},"outcome":"exact","settled_at":"2026-06-03T19:30:01.400Z","late":false,"booked":{"usd":40000000,"crypto":"40.01","source":"payment_amount_usd","correction":0}}','["finance@example.com"]',10,'ac6bbbeba972b7195ab9807b81dc874f67c004eeb76395e4745a67e55fdb8531');
INSERT INTO event VALUES(16,'0197213c-0000-7000-8000-000000000005',4,'2026-06-03T19:35:01.400Z','refunding','settled','refunding','refund_process',NULL,'{"state":"refunding","since":"2026-06-03T19:35:01.400Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000005","address":"0x66b928a82377d75ced043e95738372e9e9607f1f","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000005","amount_usd":"40","amount_crypto":"40.01","expire_at":"2026-06-03T20:25:01.000Z","created_at":"2026-06-03T19:25:01.400Z"},"upstream_status":"refund_process","txid":"a1b2c3","payment":{"amount":"40.01","amount_usd":"40.00"},"outcome":"exact","settled_at":"2026-06-03T19:30:01.400Z","late":false,"booked":{"usd":40000000,"crypto":"40.01","source":"payment_amount_usd","correction":0}}','[]',11,'53855a2342a0a35e5e38a9a7e1ae284c5123306773e575743df71c20f3e673b0');
INSERT INTO event VALUES(17,'0197213c-0000-7000-8000-000000000005',5,'2026-06-03T19:40:01.400Z','refunded','refunding','refunded','refund_paid',NULL,'{"state":"refunded","since":"2026-06-03T19:40:01.400Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000005","address":"0x66b928a82377d75ced043e95738372e9e9607f1f","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000005","amount_usd":"40","amount_crypto":"40.01","expire_at":"2026-06-03T20:25:01.000Z","created_at":"2026-06-03T19:25:01.400Z"},"upstream_status":"refund_paid","txid":"a1b2c3","payment":{"amount":"40.01","amount_usd":"40.00"},"outcome":"exact","settled_at":"2026-06-03T19:30:01.400Z","late":false,"booked":{"usd":40000000,"crypto":"40.01","source":"payment_amount_usd","correction":0},"refunded_at":"2026-06-03T19:40:01.400Z"}','[]',12,'589080a1fe224115595870e2ecf5e8acfffbd0d8261bc9d013ea629769996575');
INSERT INTO event VALUES(18,'0197213c-0000-7000-8000-000000000006',1,'2026-06-04T15:40:01.400Z','requested',NULL,'requested',NULL,NULL,'{"state":"requested","since":"2026-06-04T15:40:01.400Z","payment":{},"late":false}','[]',NULL,'b5b854878d20c99151659c5b09e321e7efe5f68f27e999a78e0316ec9683fa96');
INSERT INTO event VALUES(19,'0197213c-0000-7000-8000-000000000006',2,'2026-06-04T15:40:01.750Z','wallet_created','requested','awaiting_payment',NULL,NULL,'{"state":"awaiting_payment","since":"2026-06-04T15:40:01.750Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000006","address":"LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000006","amount_usd":"30","amount_crypto":"0.31","expire_at":"2026-06-04T16:40:01.000Z","created_at":"2026-06-04T15:40:01.750Z"},"payment":{},"late":false}','[]',13,'e4aa6ff7e34f851a6c7570091d9c0fa47a1b4676e57888dc3287011b1f16d54c');
INSERT INTO event VALUES(20,'0197213c-0000-7000-8000-000000000006',3,'2026-06-04T15:45:01.750Z','settled','awaiting_payment','settled','paid',NULL,'{"state":"settled","since":"2026-06-04T15:45:01.750Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000006","address":"LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000006","amount_usd":"30","amount_crypto":"0.31","expire_at":"2026-06-04T16:40:01.000Z","created_at":"2026-06-04T15:40:01.750Z"},"upstream_status":"paid","txid":"a1b2c3","payment":{"amount":"0.31","amount_usd":"30.00"},"outcome":"exact","settled_at":"2026-06-04T15:45:01.750Z","late":false,"booked":{"usd":30000000,"crypto":"0.31","source":"payment_amount_usd","correction":0}}','["finance@example.com"]',14,'92415fe4b495a46b70a42a0af6f417a225bf805b925c172ed577fc747829657f');
INSERT INTO event VALUES(21,'0197213c-0000-7000-8000-000000000006',4,'2026-06-04T15:50:01.750Z','settled','settled','settled','paid_over','the upstream credits a new figure','{"state":"settled","since":"2026-06-04T15:45:01.750Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000006","address":"LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000006","amount_usd":"30","amount_crypto":"0.31","expire_at":"2026-06-04T16:40:01.000Z","created_at":"2026-06-04T15:40:01.750Z"},"upstream_status":"paid_over","txid":"a1b2c3","payment":{"amount":"0.31","amount_usd":"30.50"},"outcome":"over","settled_at":"2026-06-04T15:45:01.750Z","late":false,"booked":{"usd":30500000,"crypto":"0.31","source":"payment_amount_usd","correction":0}}','["finance@example.com"]',15,'8ba18e44d7813d0030ae1a374f375601002ef576b1ecf8fdc6643cb7506a53be');
INSERT INTO event VALUES(22,'0197213c-0000-7000-8000-000000000006',5,'2026-06-04T15:55:01.750Z','corrected','settled','settled','paid_over','the invoice says so','{"state":"settled","since":"2026-06-04T15:45:01.750Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000006","address":"LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000006","amount_usd":"30","amount_crypto":"0.31","expire_at":"2026-06-04T16:40:01.000Z","created_at":"2026-06-04T15:40:01.750Z"},"upstream_status":"paid_over","txid":"a1b2c3","payment":{"amount":"0.31","amount_usd":"30.50"},"outcome":"over","settled_at":"2026-06-04T15:45:01.750Z","late":false,"booked":{"usd":30500000,"crypto":"0.31","source":"payment_amount_usd","correction":-400000}}','[]',16,'c68e8dba21133b2e7395503524ad64e0aaec6918918a0fe05db7df79f8980fe5');
INSERT INTO event VALUES(23,'0197213c-0000-7000-8000-000000000007',1,'2026-06-05T11:55:01.750Z','requested',NULL,'requested',NULL,NULL,'{"state":"requested","since":"2026-06-05T11:55:01.750Z","payment":{},"late":false}','[]',NULL,'ce346bbb7ab92b614a1ee3dd8ec76183fc06b97c1db613e4c4d87831fea34057');
INSERT INTO event VALUES(24,'0197213c-0000-7000-8000-000000000007',2,'2026-06-05T11:55:02.100Z','wallet_created','requested','awaiting_payment',NULL,NULL,'{"state":"awaiting_payment","since":"2026-06-05T11:55:02.100Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000007","address":"DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000007","amount_usd":"9","amount_crypto":"55","expire_at":"2026-06-05T12:55:02.000Z","created_at":"2026-06-05T11:55:02.100Z"},"payment":{},"late":false}','[]',17,'10e5a6dcb3fbaa53fc7f54f0877e7a9fba56c98e40eeeae8be931b488d57e747');
INSERT INTO event VALUES(25,'0197213c-0000-7000-8000-000000000007',3,'2026-06-05T12:00:02.100Z','settled','awaiting_payment','settled','paid',NULL,'{"state":"settled","since":"2026-06-05T12:00:02.100Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000007","address":"DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000007","amount_usd":"9","amount_crypto":"55","expire_at":"2026-06-05T12:55:02.000Z","created_at":"2026-06-05T11:55:02.100Z"},"upstream_status":"paid","txid":"a1b2c3","payment":{},"outcome":"exact","settled_at":"2026-06-05T12:00:02.100Z","late":false,"booked":{"usd":9000000,"crypto":"55","source":"amount_in_usd","correction":0}}','["finance@example.com"]',18,'9adda0fc4d7dbadd4db3ccdeef04eb2dc6d76f119fdb697442cbdc7c22735913');
INSERT INTO event VALUES(26,'0197213c-0000-7000-8000-000000000008',1,'2026-06-06T08:00:02.100Z','requested',NULL,'requested',NULL,NULL,'{"state":"requested","since":"2026-06-06T08:00:02.100Z","payment":{},"late":false}','[]',NULL,'329e2c8894592ae14626cb80b4ca1543a38ffe5e3dfe6d044d65f229bbdb39b4');
INSERT INTO event VALUES(27,'0197213c-0000-7000-8000-000000000008',2,'2026-06-06T08:00:02.450Z','wallet_created','requested','awaiting_payment',NULL,NULL,'{"state":"awaiting_payment","since":"2026-06-06T08:00:02.450Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000008","address":"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6X","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000008","amount_usd":"11","amount_crypto":"11.01","expire_at":"2026-06-06T09:00:02.000Z","created_at":"2026-06-06T08:00:02.450Z"},"payment":{},"late":false}','[]',19,'c6db9c142285e50d993be2bb4b4de2a625453fb6fd855d7475a557c3084fef0b');
INSERT INTO event VALUES(28,'0197213c-0000-7000-8000-000000000008',3,'2026-06-06T08:00:02.450Z','needs_review','awaiting_payment','awaiting_payment',NULL,'do not pay: the address is malformed: not a valid TRON address: its checksum does not match','{"state":"awaiting_payment","since":"2026-06-06T08:00:02.450Z","wallet":{"order_id":"26109ba0-b05b-4ee0-93d1-000000000008","address":"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6X","url":"https://pay.example/26109ba0-b05b-4ee0-93d1-000000000008","amount_usd":"11","amount_crypto":"11.01","expire_at":"2026-06-06T09:00:02.000Z","created_at":"2026-06-06T08:00:02.450Z"},"payment":{},"late":false,"review":{"reason":"do not pay: the address is malformed: not a valid TRON address: its checksum does not match","kind":"standing"}}','[]',19,'a48b6a99ffb360bd53e16f7b4ce809e9aab52602de34b22a100521d305398d9a');
CREATE TABLE posting (
    entry_id          INTEGER PRIMARY KEY,    -- the posting's number
    transaction_id    INTEGER NOT NULL REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,  -- the event that it books
    account           TEXT NOT NULL,          -- chart of accounts
    commodity         TEXT NOT NULL,          -- USD or a ticker
    amount            TEXT NOT NULL,          -- decimal in the commodity; debits positive, credits negative
    amount_usd_micros INTEGER NOT NULL,       -- its worth in the books
    UNIQUE (transaction_id, account, commodity)
) STRICT;
INSERT INTO posting VALUES(1,4,'assets:prepaid:smsonline','USD','25',25000000);
INSERT INTO posting VALUES(2,4,'equity:crypto:usdt','USDT','-24.97',-25000000);
INSERT INTO posting VALUES(3,7,'assets:prepaid:smsonline','USD','100.5',100500000);
INSERT INTO posting VALUES(4,7,'equity:crypto:btc','BTC','-0.00105012',-100500000);
INSERT INTO posting VALUES(5,8,'assets:prepaid:smsonline','USD','4.623456',4623456);
INSERT INTO posting VALUES(6,8,'equity:crypto:btc','BTC','-0.00004988',-4623456);
INSERT INTO posting VALUES(7,15,'assets:prepaid:smsonline','USD','40',40000000);
INSERT INTO posting VALUES(8,15,'equity:crypto:usdc','USDC','-40.01',-40000000);
INSERT INTO posting VALUES(9,17,'assets:prepaid:smsonline','USD','-40',-40000000);
INSERT INTO posting VALUES(10,17,'equity:crypto:usdc','USDC','40.01',40000000);
INSERT INTO posting VALUES(11,20,'assets:prepaid:smsonline','USD','30',30000000);
INSERT INTO posting VALUES(12,20,'equity:crypto:ltc','LTC','-0.31',-30000000);
INSERT INTO posting VALUES(13,21,'assets:prepaid:smsonline','USD','0.5',500000);
INSERT INTO posting VALUES(14,21,'equity:crypto:ltc','LTC','0.00',-500000);
INSERT INTO posting VALUES(15,22,'assets:prepaid:smsonline','USD','-0.4',-400000);
INSERT INTO posting VALUES(16,22,'equity:corrections','USD','0.4',400000);
INSERT INTO posting VALUES(17,25,'assets:prepaid:smsonline','USD','9',9000000);
INSERT INTO posting VALUES(18,25,'equity:crypto:doge','DOGE','-55',-9000000);
CREATE TABLE account_balance (
    account        TEXT NOT NULL,             -- chart of accounts
    commodity      TEXT NOT NULL,             -- USD or a ticker
    balance        TEXT NOT NULL,             -- exact sum of its postings' amounts; `verify` adds them up again
    balance_micros INTEGER NOT NULL,          -- exact sum of their worth
    PRIMARY KEY (account, commodity)
) STRICT, WITHOUT ROWID;
INSERT INTO account_balance VALUES('assets:prepaid:smsonline','USD','169.223456',169223456);
INSERT INTO account_balance VALUES('equity:corrections','USD','0.4',400000);
INSERT INTO account_balance VALUES('equity:crypto:btc','BTC','-0.0011',-105123456);
INSERT INTO account_balance VALUES('equity:crypto:doge','DOGE','-55',-9000000);
INSERT INTO account_balance VALUES('equity:crypto:ltc','LTC','-0.31',-30500000);
INSERT INTO account_balance VALUES('equity:crypto:usdc','USDC','0',0);
INSERT INTO account_balance VALUES('equity:crypto:usdt','USDT','-24.97',-25000000);
CREATE TABLE evidence (
    id          INTEGER PRIMARY KEY,          -- its number
    deposit_id  TEXT REFERENCES deposit (id) DEFERRABLE INITIALLY DEFERRED,  -- whose order was asked about
    at          TEXT NOT NULL,                -- when the answer came
    call        TEXT NOT NULL,                -- create, look, invoices, balance
    http_status INTEGER,                      -- NULL: no answer came
    body        TEXT NOT NULL                 -- the raw answer, secrets removed, cut to 4 KiB; or the error
) STRICT;
INSERT INTO evidence VALUES(1,'0197213c-0000-7000-8000-000000000001','2026-05-31T11:00:00.350Z','create',200,'{"order_id":"26109ba0-b05b-4ee0-93d1-000000000001"}');
INSERT INTO evidence VALUES(2,'0197213c-0000-7000-8000-000000000001','2026-05-31T11:05:00.350Z','look',200,'{"status":"as it was"}');
INSERT INTO evidence VALUES(3,'0197213c-0000-7000-8000-000000000001','2026-05-31T11:10:00.350Z','look',200,'{"status":"as it was"}');
INSERT INTO evidence VALUES(4,'0197213c-0000-7000-8000-000000000002','2026-06-01T07:10:00.700Z','create',200,'{"order_id":"26109ba0-b05b-4ee0-93d1-000000000002"}');
INSERT INTO evidence VALUES(5,'0197213c-0000-7000-8000-000000000002','2026-06-01T07:15:00.700Z','look',200,'{"status":"as it was"}');
INSERT INTO evidence VALUES(6,'0197213c-0000-7000-8000-000000000002','2026-06-01T07:20:00.700Z','look',200,'{"status":"as it was"}');
INSERT INTO evidence VALUES(7,'0197213c-0000-7000-8000-000000000003','2026-06-02T03:20:01.050Z','create',200,'{"order_id":"26109ba0-b05b-4ee0-93d1-000000000003"}');
INSERT INTO evidence VALUES(8,'0197213c-0000-7000-8000-000000000004','2026-06-02T23:25:01.050Z','look',200,'{"status":"as it was"}');
INSERT INTO evidence VALUES(9,'0197213c-0000-7000-8000-000000000005','2026-06-03T19:25:01.400Z','create',200,'{"order_id":"26109ba0-b05b-4ee0-93d1-000000000005"}');
INSERT INTO evidence VALUES(10,'0197213c-0000-7000-8000-000000000005','2026-06-03T19:30:01.400Z','look',200,'{"status":"as it was"}');
INSERT INTO evidence VALUES(11,'0197213c-0000-7000-8000-000000000005','2026-06-03T19:35:01.400Z','look',200,'{"status":"as it was"}');
INSERT INTO evidence VALUES(12,'0197213c-0000-7000-8000-000000000005','2026-06-03T19:40:01.400Z','look',200,'{"status":"as it was"}');
INSERT INTO evidence VALUES(13,'0197213c-0000-7000-8000-000000000006','2026-06-04T15:40:01.750Z','create',200,'{"order_id":"26109ba0-b05b-4ee0-93d1-000000000006"}');
INSERT INTO evidence VALUES(14,'0197213c-0000-7000-8000-000000000006','2026-06-04T15:45:01.750Z','look',200,'{"status":"as it was"}');
INSERT INTO evidence VALUES(15,'0197213c-0000-7000-8000-000000000006','2026-06-04T15:50:01.750Z','look',200,'{"status":"as it was"}');
INSERT INTO evidence VALUES(16,'0197213c-0000-7000-8000-000000000006','2026-06-04T15:55:01.750Z','look',200,'{"status":"as it was"}');
INSERT INTO evidence VALUES(17,'0197213c-0000-7000-8000-000000000007','2026-06-05T11:55:02.100Z','create',200,'{"order_id":"26109ba0-b05b-4ee0-93d1-000000000007"}');
INSERT INTO evidence VALUES(18,'0197213c-0000-7000-8000-000000000007','2026-06-05T12:00:02.100Z','look',200,'{"status":"as it was"}');
INSERT INTO evidence VALUES(19,'0197213c-0000-7000-8000-000000000008','2026-06-06T08:00:02.450Z','create',200,'{"order_id":"26109ba0-b05b-4ee0-93d1-000000000008"}');
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
INSERT INTO attempt VALUES(1,'0197213c-0000-7000-8000-000000000001',1,'2026-05-31T11:00:00.000Z','2026-05-31T11:00:00.350Z','wallet','26109ba0-b05b-4ee0-93d1-000000000001',NULL);
INSERT INTO attempt VALUES(2,'0197213c-0000-7000-8000-000000000002',1,'2026-06-01T07:10:00.350Z','2026-06-01T07:10:00.700Z','wallet','26109ba0-b05b-4ee0-93d1-000000000002',NULL);
INSERT INTO attempt VALUES(3,'0197213c-0000-7000-8000-000000000003',1,'2026-06-02T03:20:00.700Z','2026-06-02T03:20:01.050Z','wallet','26109ba0-b05b-4ee0-93d1-000000000003',NULL);
INSERT INTO attempt VALUES(4,'0197213c-0000-7000-8000-000000000005',1,'2026-06-03T19:25:01.050Z','2026-06-03T19:25:01.400Z','wallet','26109ba0-b05b-4ee0-93d1-000000000005',NULL);
INSERT INTO attempt VALUES(5,'0197213c-0000-7000-8000-000000000006',1,'2026-06-04T15:40:01.400Z','2026-06-04T15:40:01.750Z','wallet','26109ba0-b05b-4ee0-93d1-000000000006',NULL);
INSERT INTO attempt VALUES(6,'0197213c-0000-7000-8000-000000000007',1,'2026-06-05T11:55:01.750Z','2026-06-05T11:55:02.100Z','wallet','26109ba0-b05b-4ee0-93d1-000000000007',NULL);
INSERT INTO attempt VALUES(7,'0197213c-0000-7000-8000-000000000008',1,'2026-06-06T08:00:02.100Z','2026-06-06T08:00:02.450Z','wallet','26109ba0-b05b-4ee0-93d1-000000000008',NULL);
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
INSERT INTO outbox VALUES(1,4,'finance@example.com','4.0f87ff7b771b7588.7e9e7d14a8784aa1a32513420476e534@example.com','owed',0,1780225800350,'2026-05-31T11:10:00.350Z',NULL,NULL);
INSERT INTO outbox VALUES(2,7,'finance@example.com','7.98abfcd06a907107.7e9e7d14a8784aa1a32513420476e534@example.com','owed',0,1780298100700,'2026-06-01T07:15:00.700Z',NULL,NULL);
INSERT INTO outbox VALUES(3,8,'finance@example.com','8.08cc9d61e657c738.7e9e7d14a8784aa1a32513420476e534@example.com','owed',0,1780298400700,'2026-06-01T07:20:00.700Z',NULL,NULL);
INSERT INTO outbox VALUES(4,15,'finance@example.com','15.d42dc6a26e98b641.7e9e7d14a8784aa1a32513420476e534@example.com','owed',0,1780515001400,'2026-06-03T19:30:01.400Z',NULL,NULL);
INSERT INTO outbox VALUES(5,20,'finance@example.com','20.db78684aad86e09f.7e9e7d14a8784aa1a32513420476e534@example.com','owed',0,1780587901750,'2026-06-04T15:45:01.750Z',NULL,NULL);
INSERT INTO outbox VALUES(6,21,'finance@example.com','21.a036489b6f84787d.7e9e7d14a8784aa1a32513420476e534@example.com','owed',0,1780588201750,'2026-06-04T15:50:01.750Z',NULL,NULL);
INSERT INTO outbox VALUES(7,25,'finance@example.com','25.b7655fa3761ee7c0.7e9e7d14a8784aa1a32513420476e534@example.com','owed',0,1780660802100,'2026-06-05T12:00:02.100Z',NULL,NULL);
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
INSERT INTO discrepancy VALUES(1,'balance_rise:account','balance_rise',NULL,NULL,'170.00','165.00','2026-06-06T08:00:02.450Z',1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO _sqlx_migrations VALUES(1,'ledger','2026-11-22 14:46:13',1,X'4b439f7624b6e6d258c25e977d7819ec8606cc9439edbdd4a71cb3d8bf81260e113ee94bd520555cc4f3350fd4346736',11415961);
CREATE INDEX deposit_address ON deposit (address) WHERE address IS NOT NULL;
CREATE INDEX deposit_link ON deposit (link_id) WHERE link_id IS NOT NULL;
CREATE INDEX deposit_state ON deposit (state, row_id);
CREATE INDEX deposit_requested_at ON deposit (requested_at);
CREATE INDEX deposit_settled ON deposit (settled_at, currency, network, amount_booked_micros) WHERE settled_at IS NOT NULL;
CREATE INDEX deposit_refunded ON deposit (refunded_at, currency, network, amount_booked_micros) WHERE refunded_at IS NOT NULL;
CREATE INDEX deposit_review ON deposit (row_id) WHERE needs_review IS NOT NULL;
CREATE INDEX evidence_deposit ON evidence (deposit_id) WHERE deposit_id IS NOT NULL;
CREATE INDEX attempt_open ON attempt (id) WHERE outcome IS NULL OR outcome = 'unknown';
CREATE INDEX attempt_order ON attempt (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX outbox_due ON outbox (due_ms) WHERE state = 'owed';
CREATE INDEX outbox_state ON outbox (state, id) WHERE state <> 'sent';
CREATE INDEX invoice_changed ON invoice (changed_ms);
CREATE INDEX invoice_abandoned ON invoice (row_id) WHERE abandoned = 1;
CREATE INDEX invoice_elsewhere ON invoice (amount_cents) WHERE credited = 1 AND deposit_id IS NULL;
CREATE UNIQUE INDEX discrepancy_one_open ON discrepancy (key) WHERE closed_at IS NULL;
CREATE INDEX discrepancy_key ON discrepancy (key, id);
CREATE INDEX discrepancy_deposit ON discrepancy (deposit_id) WHERE deposit_id IS NOT NULL;
CREATE INDEX reconciliation_good ON reconciliation (id) WHERE ok = 1;
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
CREATE TRIGGER deposit_facts_keep_wallet BEFORE UPDATE OF facts ON deposit
WHEN OLD.order_id IS NOT NEW.facts ->> '$.wallet.order_id' OR OLD.address IS NOT NEW.facts ->> '$.wallet.address'
BEGIN SELECT RAISE(ABORT, 'a wallet never changes'); END;
CREATE TRIGGER deposit_version_grows BEFORE UPDATE OF version ON deposit WHEN NEW.version <= OLD.version
BEGIN SELECT RAISE(ABORT, 'a version only grows'); END;
CREATE TRIGGER outbox_no_delete BEFORE DELETE ON outbox BEGIN SELECT RAISE(ABORT, 'owed mail is kept'); END;
CREATE TRIGGER event_in_order BEFORE INSERT ON event
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM event)
BEGIN SELECT RAISE(ABORT, 'events are numbered without gaps'); END;
CREATE TRIGGER event_balances AFTER INSERT ON event
WHEN (SELECT coalesce(sum(amount_usd_micros), 0) FROM posting WHERE transaction_id = NEW.seq) <> 0
BEGIN SELECT RAISE(ABORT, 'a transaction must balance'); END;
COMMIT;
