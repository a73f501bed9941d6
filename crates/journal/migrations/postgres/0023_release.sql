-- expands; needs 22
-- The release of each process, and the newest schema version that it knows: a step that contracts is not made while a process runs that
-- relies on what it would take away. NULL: a release from before these columns.
ALTER TABLE replica ADD COLUMN release TEXT;
ALTER TABLE replica ADD COLUMN knows BIGINT;
