-- Who asked for a deposit, or reviewed it: a user of this machine, or a token by its name.
ALTER TABLE event ADD COLUMN acted_by TEXT;   -- NULL: the daemon itself; or an event of before this column

DROP VIEW accounting_events;
CREATE VIEW accounting_events AS
SELECT seq, deposit_id, at, from_state, to_state, upstream_status, reason, hash, acted_by
FROM event WHERE deposit_id IS NOT NULL AND from_state IS NOT to_state;

DROP VIEW accounting_history;
CREATE VIEW accounting_history AS
SELECT seq, deposit_id, at, name, from_state, to_state, upstream_status, reason, hash, acted_by FROM event;
