-- Payers get letters in words of their own.
ALTER TABLE outbox ADD COLUMN audience TEXT NOT NULL DEFAULT 'operator' CHECK (audience IN ('operator', 'payer'));  -- in whose words

DROP VIEW accounting_mails;
CREATE VIEW accounting_mails AS
SELECT o.id, e.name AS event, e.deposit_id, o.recipient, o.message_id, o.state, o.attempts, o.created_at AS owed_at, o.sent_at,
       o.last_error, o.told_in, o.audience
FROM outbox o JOIN event e ON e.seq = o.event_seq;
