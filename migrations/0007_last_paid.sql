-- What a row last counted as paid outlives a word that credits nothing: a refund may come after such a word.
ALTER TABLE invoice ADD COLUMN paid_cents INTEGER NOT NULL DEFAULT 0;  -- what it last counted as paid, while it is not
UPDATE invoice SET paid_cents = counted_cents WHERE weight = 2;
