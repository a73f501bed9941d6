-- `owner` is whose appends are kept; only a claim changes it. Sixteen zero bytes are nobody: the owner of all sagas that
-- were there before there were owners. There is no table of replicas: one process has this file, and whom it does not
-- know is gone.
ALTER TABLE saga ADD COLUMN owner BLOB NOT NULL DEFAULT x'00000000000000000000000000000000' CHECK (length(owner) = 16);
-- A word left for the owner, until it has been answered or the saga is over.
ALTER TABLE saga ADD COLUMN demande TEXT;
-- When the saga was to go on by itself, at the latest; NULL where it waits for a person alone, or for nothing any more.
ALTER TABLE saga ADD COLUMN du_us INTEGER;

-- Claims and a replica's own: "the sagas that are not over, of this owner". Small: only those are in it. Led by the
-- owner, so that a claim that finds nothing has not read what a live replica owns.
DROP INDEX saga_unfinished;
CREATE INDEX saga_owner ON saga (owner, saga_id) WHERE is_over = 0;
-- The words left for one owner. Small: it should be empty.
CREATE INDEX saga_demande ON saga (owner, saga_id) WHERE demande IS NOT NULL;
