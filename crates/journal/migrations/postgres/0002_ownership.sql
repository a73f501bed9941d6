-- Who runs sagas: one row for each run of a process. All times are this database's; nobody else's clock counts.
-- `gone` is for good: the process left, or its lease ran out and somebody noticed. Rows that are gone are kept for an
-- hour, and for as long as they own a saga that is not over, so that people can tell who it was; nothing hangs on them,
-- since an owner that is not in here is as gone as one can be.
CREATE TABLE replica (
    replica_id UUID        NOT NULL,
    name       TEXT        NOT NULL,
    joined_at  TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    gone       BOOLEAN     NOT NULL,
    PRIMARY KEY (replica_id)
);

-- Nobody: the owner of all sagas that were there before there were owners. It is here so that no process can take its
-- id, and gone, so that what it owns can be claimed.
INSERT INTO replica (replica_id, name, joined_at, expires_at, gone)
VALUES ('00000000-0000-0000-0000-000000000000', 'nobody', now(), now(), TRUE);

-- `owner` is whose appends are kept; only a claim changes it. `demande` is a word left for the owner, until it has been
-- answered or the saga is over. `du_us` is when the saga was to go on by itself, at the latest; NULL where it waits for
-- a person alone, or for nothing any more. No index has `du_us`: it changes with nearly every append.
ALTER TABLE saga
    ADD COLUMN owner   UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    ADD COLUMN demande TEXT,
    ADD COLUMN du_us   BIGINT;

-- Claims and a replica's own: "the sagas that are not over, of this owner". Small: only those are in it. Led by the
-- owner, so that a claim that finds nothing has not read what live replicas own.
DROP INDEX saga_unfinished;
CREATE INDEX saga_owner ON saga (owner, saga_id) WHERE NOT is_over;
-- The words left for one owner. Small: it should be empty.
CREATE INDEX saga_demande ON saga (owner, saga_id) WHERE demande IS NOT NULL;
