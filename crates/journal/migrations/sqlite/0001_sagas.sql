-- What happened, for good: one row ("frame") for each append. `events` is a JSON array of records; `first_seq` is
-- the position of the first of them in the saga's history, counted from 1.
CREATE TABLE saga_event (
    saga_id   BLOB   NOT NULL CHECK (length(saga_id) = 16),
    first_seq INTEGER NOT NULL,
    events    TEXT   NOT NULL,
    PRIMARY KEY (saga_id, first_seq)
) STRICT, WITHOUT ROWID;

-- Where each saga stands, written in the same transaction as its events. `seq` is the position of the last event:
-- whoever appends says which one they know, and loses if it is not this one any more.
CREATE TABLE saga (
    saga_id         BLOB    NOT NULL CHECK (length(saga_id) = 16),
    seq             INTEGER NOT NULL,
    epoch           INTEGER NOT NULL,
    definition      TEXT    NOT NULL,
    definition_hash TEXT    NOT NULL,
    client_id       INTEGER,
    magasin_id      INTEGER,
    etat            TEXT    NOT NULL,
    rollback        TEXT    NOT NULL,
    echec_etape     TEXT,
    echec_raison    TEXT,
    is_over         INTEGER NOT NULL,
    cree_us         INTEGER NOT NULL,
    modifie_us      INTEGER NOT NULL,
    PRIMARY KEY (saga_id)
) STRICT, WITHOUT ROWID;

-- Start-up and take-over: "the sagas that are not over, in the order of their ids". Small: only those are in it.
CREATE INDEX saga_unfinished ON saga (saga_id) WHERE is_over = 0;
-- The list of orders, newest first.
CREATE INDEX saga_newest ON saga (cree_us, saga_id);
-- One client's orders, newest first.
CREATE INDEX saga_client ON saga (client_id, cree_us, saga_id);
-- The orders that need a person, newest first. Small: it should be empty.
CREATE INDEX saga_blocked ON saga (cree_us, saga_id) WHERE rollback = 'BLOQUE';

-- The definitions that sagas are pinned to, as they were written.
CREATE TABLE saga_definition (
    hash   TEXT NOT NULL PRIMARY KEY,
    name   TEXT NOT NULL,
    source TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- For people: the orders.
CREATE VIEW commandes AS
SELECT
    lower(substr(hex(saga_id), 1, 8) || '-' || substr(hex(saga_id), 9, 4) || '-' || substr(hex(saga_id), 13, 4)
        || '-' || substr(hex(saga_id), 17, 4) || '-' || substr(hex(saga_id), 21)) AS id,
    client_id,
    magasin_id,
    etat AS etat_actuel,
    rollback,
    echec_etape,
    echec_raison,
    definition,
    is_over AS terminee,
    strftime('%Y-%m-%dT%H:%M:%S', cree_us / 1000000, 'unixepoch') || printf('.%06dZ', cree_us % 1000000) AS cree_le,
    strftime('%Y-%m-%dT%H:%M:%S', modifie_us / 1000000, 'unixepoch') || printf('.%06dZ', modifie_us % 1000000)
        AS modifie_le
FROM saga;

-- For people: every state that an order entered, and when, in order. `seq` is the event's position in its saga.
-- A frame that is not JSON has no lines here, and hides nobody else's.
CREATE VIEW etat_saga AS
SELECT
    lower(substr(hex(saga_id), 1, 8) || '-' || substr(hex(saga_id), 9, 4) || '-' || substr(hex(saga_id), 13, 4)
        || '-' || substr(hex(saga_id), 17, 4) || '-' || substr(hex(saga_id), 21)) AS saga_id,
    json_extract(record.value, '$.etat') AS etat,
    strftime('%Y-%m-%dT%H:%M:%S', json_extract(record.value, '$.at') / 1000000, 'unixepoch')
        || printf('.%06dZ', json_extract(record.value, '$.at') % 1000000) AS timestamp,
    first_seq + record.key AS seq
FROM saga_event, json_each(CASE WHEN json_valid(events) THEN events ELSE '[]' END) AS record
WHERE record.type = 'object' AND json_extract(record.value, '$.etat') IS NOT NULL
ORDER BY saga_event.saga_id, seq;
