-- The sagas that need a person, by cause. `cause` is the key that sagas have in common that are stuck for the same; NULL where the saga
-- needs nobody. `0:`: a release without this column blocked it, and nothing has been recorded since. Its bytes are compared.
ALTER TABLE saga ADD COLUMN cause TEXT COLLATE "C";
-- The money in cents that the saga is about, while it needs a person.
ALTER TABLE saga ADD COLUMN at_stake BIGINT;
-- The step that has failed the saga.
ALTER TABLE saga ADD COLUMN failed_step TEXT;

-- Sagas that cannot be read wait since their last event.
UPDATE saga SET cause = '0:', blocked_us = coalesce(blocked_us, updated_us) WHERE (rollback = 'blocked' OR parked IS NOT NULL);
-- The summary begins with it. Its text is not read as JSON, so that a damaged one stops nothing.
UPDATE saga SET failed_step = substring(summary FROM '^\s*\{\s*"failure"\s*:\s*\{\s*"step"\s*:\s*"([^"\\]+)"')
WHERE summary ~ '^\s*\{\s*"failure"\s*:\s*\{\s*"step"\s*:\s*"[^"\\]+"';

-- The sagas of one cause, those first that have waited for longest; how many there are, and what is at stake. Small: it should be empty.
CREATE INDEX saga_cause ON saga (cause, blocked_us, saga_id, at_stake) WHERE cause IS NOT NULL;
-- The list of one cause's sagas, newest first. Small, too.
CREATE INDEX saga_cause_newest ON saga (cause, created_us, saga_id) WHERE cause IS NOT NULL;
-- The sagas that failed at one step, newest first.
CREATE INDEX saga_failed_step ON saga (failed_step, created_us, saga_id) WHERE failed_step IS NOT NULL;
-- The sagas that failed at any step, newest first.
CREATE INDEX saga_failed ON saga (created_us, saga_id) WHERE failed_step IS NOT NULL;
