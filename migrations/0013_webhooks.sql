-- Webhooks: the second transport of what is owed. A row is owed in the transaction of its event, like a mail, and has a
-- table of its own for its order: the events of one deposit reach one webhook one after another.
CREATE TABLE webhook_delivery (
    id         INTEGER PRIMARY KEY,           -- its number
    event_seq  INTEGER NOT NULL REFERENCES event (seq) DEFERRABLE INITIALLY DEFERRED,  -- what it tells
    webhook    TEXT NOT NULL,                 -- which webhook, by its name in the configuration
    deposit_id TEXT,                          -- about which deposit; NULL: the whole account
    state      TEXT NOT NULL CHECK (state IN ('owed', 'sent', 'dead')),  -- dead: given up, kept
    attempts   INTEGER NOT NULL,              -- how often it was tried
    due_ms     INTEGER,                       -- when to try next
    created_at TEXT NOT NULL,                 -- when it was owed
    sent_at    TEXT,                          -- when the receiver took it
    last_error TEXT,                          -- why it is not sent yet
    UNIQUE (event_seq, webhook)
) STRICT;
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook, due_ms, id) WHERE state = 'owed';
CREATE INDEX webhook_delivery_order ON webhook_delivery (webhook, deposit_id, id) WHERE state = 'owed';
CREATE INDEX webhook_delivery_state ON webhook_delivery (state, id) WHERE state <> 'sent';
CREATE TRIGGER webhook_delivery_no_delete BEFORE DELETE ON webhook_delivery
BEGIN SELECT RAISE(ABORT, 'owed webhooks are kept'); END;

-- A receiver that answered 410: nothing is sent to it until a person says so.
CREATE TABLE webhook_ended (
    webhook  TEXT PRIMARY KEY,                -- which webhook
    ended_at TEXT NOT NULL,                   -- since when
    why      TEXT NOT NULL                    -- what it answered
) STRICT, WITHOUT ROWID;

CREATE VIEW accounting_webhooks AS
SELECT w.id, w.webhook, e.name AS event, w.deposit_id, w.event_seq, 'evt_' || substr(e.hash, 1, 32) AS webhook_id, w.state,
       w.attempts, w.created_at AS owed_at, w.sent_at, w.last_error
FROM webhook_delivery w JOIN event e ON e.seq = w.event_seq;
