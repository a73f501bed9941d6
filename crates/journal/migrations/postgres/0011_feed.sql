-- The feed of all sagas' frames: each is ordered by the id of the transaction that brought it. Frames of before this column was
-- there are not in the feed.
ALTER TABLE saga_event ADD COLUMN commit_id BIGINT;
ALTER TABLE saga_event ALTER COLUMN commit_id SET DEFAULT pg_current_xact_id()::text::bigint;
-- The ids come in their order, so each goes to the index's end.
CREATE INDEX saga_event_feed ON saga_event (commit_id) WHERE commit_id IS NOT NULL;
