-- Sagas that are over and have failed are found whatever failed them: `failed_step` is empty where no step did, but a command or the
-- saga's deadline.
UPDATE saga SET failed_step = '' WHERE failed_step IS NULL AND (summary LIKE '%"failure"%' OR rollback = 'done');

-- Sagas that are under way are found by what they wait for, so they are not in these any more.
DROP INDEX saga_failed_step;
DROP INDEX saga_failed;
-- The sagas that one step has failed, newest first.
CREATE INDEX saga_failed_step ON saga (failed_step, created_us, saga_id) WHERE failed_step IS NOT NULL AND is_over;
-- All sagas that have failed, newest first.
CREATE INDEX saga_failed ON saga (created_us, saga_id) WHERE failed_step IS NOT NULL AND is_over;
