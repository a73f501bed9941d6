-- Where each saga stands, written in the same transaction as its events: as before, but in the order in which sagas start. Until now, rows and
-- frames were found by trees of ids, and an id that is made of a caller's key comes in no order: an order wrote four pages at
-- random places. Now one tree has them, and it is small: it holds ids and numbers. A row's number is its place in this file alone.
DROP VIEW commandes;
DROP VIEW etat_saga;
ALTER TABLE saga RENAME TO saga_before;
CREATE TABLE saga (
    number          INTEGER NOT NULL PRIMARY KEY,
    saga_id         BLOB    NOT NULL UNIQUE CHECK (length(saga_id) = 16),
    owner           BLOB    NOT NULL CHECK (length(owner) = 16),
    definition      TEXT    NOT NULL,
    definition_hash TEXT    NOT NULL,
    created_us      INTEGER NOT NULL,
    -- What the saga is found by, to be shown; `saga_label` has it to be found.
    labels          TEXT    NOT NULL,
    seq             INTEGER NOT NULL,
    epoch           INTEGER NOT NULL,
    state           TEXT    NOT NULL,
    -- none, running, done or blocked.
    rollback        TEXT    NOT NULL,
    is_over         INTEGER NOT NULL,
    -- `state` once the saga is over, to be found by.
    final_state     TEXT,
    updated_us      INTEGER NOT NULL,
    -- When the saga was to go on by itself, at the latest; NULL where it waits for a person alone, or is over.
    due_us          INTEGER,
    -- Since when a person is needed.
    blocked_us      INTEGER,
    summary         TEXT    NOT NULL,
    -- Why the saga cannot be read, where it cannot.
    parked          TEXT,
    -- When a saga that is asleep wakes, and when it fell asleep.
    wake_us         INTEGER,
    rested_us       INTEGER,
    -- For what a person is needed, and the money in cents at stake.
    cause           TEXT,
    at_stake        INTEGER,
    -- The step that has failed the saga; empty where no step did.
    failed_step     TEXT
) STRICT;
INSERT INTO saga (saga_id, owner, definition, definition_hash, created_us, labels, seq, epoch, state, rollback, is_over, final_state, updated_us, due_us, blocked_us, summary, parked, wake_us, rested_us, cause, at_stake, failed_step)
SELECT saga_id, owner, definition, definition_hash, created_us, labels, seq, epoch, state, rollback, is_over, final_state, updated_us, due_us, blocked_us, summary, parked, wake_us, rested_us, cause, at_stake, failed_step
FROM saga_before ORDER BY created_us, saga_id;
DROP TABLE saga_before;

-- What happened, for good: one row ("frame") for each append, in the order in which they came. `events` is a JSON array of records;
-- `first_seq` is the position of the first of them in the saga's history, counted from 1. Frames without a row have a number of their own.
ALTER TABLE saga_event RENAME TO saga_event_before;
CREATE TABLE saga_event (
    saga_number INTEGER NOT NULL,
    first_seq   INTEGER NOT NULL,
    events      TEXT    NOT NULL,
    -- For people, and for the feed: nothing is found by it.
    saga_id     BLOB    NOT NULL CHECK (length(saga_id) = 16),
    UNIQUE (saga_number, first_seq)
) STRICT;
INSERT INTO saga_event (rowid, saga_number, first_seq, events, saga_id)
SELECT before.rowid, coalesce(saga.number, -before.rowid), before.first_seq, before.events, before.saga_id
FROM saga_event_before AS before LEFT JOIN saga ON saga.saga_id = before.saga_id ORDER BY before.rowid;
DROP TABLE saga_event_before;

-- The number of the last saga of which all labels are in `saga_label`. Those of later ones are written in bulk, in the order of that table.
CREATE TABLE saga_labelled (number INTEGER NOT NULL) STRICT;
INSERT INTO saga_labelled (number) SELECT coalesce(max(number), 0) FROM saga;

-- Without its row, a history is not found, and its saga could start a second time.
CREATE TRIGGER saga_kept BEFORE DELETE ON saga WHEN EXISTS (SELECT 1 FROM saga_event WHERE saga_number = old.number)
BEGIN SELECT RAISE(ABORT, 'this saga has events: delete them first'); END;

-- Claims and a replica's own: the sagas that somebody has to run. Led by the owner, so that a claim that finds nothing has not read
-- what a live replica owns.
CREATE INDEX saga_owner ON saga (owner, saga_id) WHERE is_over = 0 AND wake_us IS NULL;
-- The sagas that are asleep, by the time when they wake.
CREATE INDEX saga_asleep ON saga (wake_us) WHERE wake_us IS NOT NULL;
-- The same by the time when they fell asleep: one in the future shows that the clock was ahead.
CREATE INDEX saga_rested ON saga (rested_us) WHERE wake_us IS NOT NULL;
-- The list of sagas, newest first.
CREATE INDEX saga_newest ON saga (created_us, saga_id);
-- The list of one definition's sagas, newest first.
CREATE INDEX saga_by_definition ON saga (definition, created_us, saga_id);
-- The list of sagas that are not over, newest first, with what they are counted and sorted out by: their rows need not be read for
-- that. Small: only those are in it.
CREATE INDEX saga_under_way ON saga (
    created_us, saga_id, definition, state, rollback, parked, wake_us, due_us, blocked_us, updated_us
) WHERE is_over = 0;
-- Sagas that are over, by their state, newest first.
CREATE INDEX saga_final ON saga (final_state, created_us, saga_id) WHERE final_state IS NOT NULL;
-- The sagas that need a person, newest first. Small: it should be empty.
CREATE INDEX saga_person ON saga (created_us, saga_id) WHERE (rollback = 'blocked' OR parked IS NOT NULL);
-- The sagas that are being rolled back, newest first. Small: only for as long as that takes.
CREATE INDEX saga_running ON saga (created_us, saga_id) WHERE rollback = 'running';
-- The sagas that were undone, newest first.
CREATE INDEX saga_undone ON saga (created_us, saga_id) WHERE rollback = 'done';
-- The sagas of one cause, those first that have waited for longest; how many there are, and what is at stake. Small: it should be empty.
CREATE INDEX saga_cause ON saga (cause, blocked_us, saga_id, at_stake) WHERE cause IS NOT NULL;
-- The list of one cause's sagas, newest first. Small, too.
CREATE INDEX saga_cause_newest ON saga (cause, created_us, saga_id) WHERE cause IS NOT NULL;
-- The sagas that one step has failed, newest first.
CREATE INDEX saga_failed_step ON saga (failed_step, created_us, saga_id) WHERE failed_step IS NOT NULL AND is_over = 1;
-- All sagas that have failed, newest first.
CREATE INDEX saga_failed ON saga (created_us, saga_id) WHERE failed_step IS NOT NULL AND is_over = 1;

-- For people: the orders, with the checkout's words.
CREATE VIEW commandes AS
SELECT
    lower(substr(hex(saga_id), 1, 8) || '-' || substr(hex(saga_id), 9, 4) || '-' || substr(hex(saga_id), 13, 4)
        || '-' || substr(hex(saga_id), 17, 4) || '-' || substr(hex(saga_id), 21)) AS id,
    json_extract(labels, '$.client_id') AS client_id,
    json_extract(labels, '$.magasin_id') AS magasin_id,
    state AS etat_actuel,
    CASE
        WHEN parked IS NOT NULL THEN 'BLOQUE'
        WHEN rollback = 'none' THEN 'AUCUN'
        WHEN rollback = 'running' THEN 'EN_COURS'
        WHEN rollback = 'done' THEN 'TERMINE'
        WHEN rollback = 'blocked' THEN 'BLOQUE'
        ELSE rollback
    END AS rollback,
    CASE WHEN parked IS NULL THEN
        iif(summary ->> '$.failure' IS NULL, summary ->> '$.blocked.step', summary ->> '$.failure.step')
    END AS echec_etape,
    coalesce(parked, summary ->> '$.failure.reason', summary ->> '$.blocked.reason') AS echec_raison,
    definition,
    is_over AS terminee,
    strftime('%Y-%m-%dT%H:%M:%S', created_us / 1000000, 'unixepoch') || printf('.%06dZ', created_us % 1000000) AS cree_le,
    strftime('%Y-%m-%dT%H:%M:%S', updated_us / 1000000, 'unixepoch') || printf('.%06dZ', updated_us % 1000000)
        AS modifie_le
FROM (
    SELECT
        saga_id, definition, state, rollback, is_over, created_us, updated_us, parked,
        -- A row that is damaged hides no other.
        CASE WHEN json_valid(labels) THEN labels ELSE '{}' END AS labels,
        CASE WHEN json_valid(summary) THEN summary ELSE '{}' END AS summary
    FROM saga
)
WHERE definition NOT IN (SELECT name FROM saga_definition GROUP BY name HAVING max(orders) = 0);

-- For people: every state that an order entered, and when, in order. `seq` is the event's position in its saga. A frame that is not JSON has
-- no lines here, and hides nobody else's.
CREATE VIEW etat_saga AS
SELECT
    saga_id,
    etat,
    strftime('%Y-%m-%dT%H:%M:%S', at / 1000000, 'unixepoch') || printf('.%06dZ', at % 1000000) AS timestamp,
    seq
FROM (
    SELECT
        lower(substr(hex(record_of), 1, 8) || '-' || substr(hex(record_of), 9, 4) || '-' || substr(hex(record_of), 13, 4)
            || '-' || substr(hex(record_of), 17, 4) || '-' || substr(hex(record_of), 21)) AS saga_id,
        -- A usual record is an array, whose time counts from that of the frame's first record.
        iif(record.type = 'array', record.value ->> '$[1]', record.value ->> '$.etat') AS etat,
        CASE
            WHEN record.type = 'object' THEN record.value ->> '$.at'
            WHEN record.key = 0 THEN record.value ->> '$[0]'
            ELSE coalesce(frames ->> '$[0].at', frames ->> '$[0][0]') + (record.value ->> '$[0]')
        END AS at,
        first_seq + record.key AS seq,
        record_of
    FROM (
        SELECT saga_event.saga_id AS record_of, first_seq, CASE WHEN json_valid(events) THEN events ELSE '[]' END AS frames
        FROM saga_event JOIN saga ON saga.number = saga_event.saga_number
        WHERE saga.definition NOT IN (SELECT name FROM saga_definition GROUP BY name HAVING max(orders) = 0)
    ), json_each(frames) AS record
    WHERE record.type IN ('object', 'array')
)
WHERE etat IS NOT NULL
ORDER BY record_of, seq;
