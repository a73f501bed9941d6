-- Sagas that have nothing to do for a while have no owner, and are found again by the time when they wake: in microseconds
-- since the epoch, or the largest number for a saga that only a command wakes. NULL: the saga is awake.
ALTER TABLE saga ADD COLUMN wake_us BIGINT;
-- When the saga fell asleep, by the clock of the process that ran it.
ALTER TABLE saga ADD COLUMN rested_us BIGINT;

-- The sagas that somebody has to run: those asleep are not read to find them.
DROP INDEX saga_owner;
CREATE INDEX saga_owner ON saga (owner, saga_id) WHERE NOT is_over AND wake_us IS NULL;
-- The sagas that are asleep, by the time when they wake.
CREATE INDEX saga_asleep ON saga (wake_us) WHERE wake_us IS NOT NULL;
-- The same by the time when they fell asleep: one in the future shows that the clock was ahead.
CREATE INDEX saga_rested ON saga (rested_us) WHERE wake_us IS NOT NULL;
