-- The sagas that a replica owns, in the order of their numbers: those that are claimed together lie on few pages, and so do the
-- take-overs that follow. By their ids, which are in no order, each would have a page of its own.
DROP INDEX saga_owner;
CREATE INDEX saga_owner ON saga (owner) WHERE is_over = 0 AND wake_us IS NULL;
