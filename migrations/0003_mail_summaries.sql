-- A flood of letters to one recipient is told in one summary; each owed mail's row says in which.
ALTER TABLE outbox ADD COLUMN told_in INTEGER REFERENCES outbox (id);  -- the mail that tells it instead of a letter of its own
CREATE INDEX outbox_told_in ON outbox (told_in) WHERE told_in IS NOT NULL AND state = 'owed';

DROP VIEW accounting_mails;
CREATE VIEW accounting_mails AS
SELECT o.id, e.name AS event, e.deposit_id, o.recipient, o.message_id, o.state, o.attempts, o.created_at AS owed_at, o.sent_at,
       o.last_error, o.told_in
FROM outbox o JOIN event e ON e.seq = o.event_seq;
