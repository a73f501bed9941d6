-- What callers with names did: one row for each event that a request of theirs brought about, written with that event.
-- By name, newest first: the list of all that one name did.
CREATE TABLE saga_deed (
    name    TEXT    NOT NULL,
    at_us   INTEGER NOT NULL,
    saga_id BLOB    NOT NULL CHECK (length(saga_id) = 16),
    -- The event's position in the saga's history.
    seq     INTEGER NOT NULL,
    -- start, cancel, resume, resolve or signal.
    deed    TEXT    NOT NULL,
    PRIMARY KEY (name, at_us, saga_id, seq)
) STRICT, WITHOUT ROWID;
