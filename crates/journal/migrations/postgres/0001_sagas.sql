-- What happened, for good: one row ("frame") for each append. `events` is a JSON array of records; `first_seq` is
-- the position of the first of them in the saga's history, counted from 1. TEXT, not JSONB: it has to come back to
-- the letter, and JSONB cannot hold \u0000.
CREATE TABLE saga_event (
    saga_id   UUID   NOT NULL,
    first_seq BIGINT NOT NULL,
    events    TEXT   NOT NULL,
    PRIMARY KEY (saga_id, first_seq)
);

-- Where each saga stands, written in the same transaction as its events. `seq` is the position of the last event:
-- whoever appends says which one they know, and loses if it is not this one any more.
-- The room left in each page lets a row's new version stay beside the old one, so that no index is touched.
CREATE TABLE saga (
    saga_id         UUID    NOT NULL,
    seq             BIGINT  NOT NULL,
    epoch           BIGINT  NOT NULL,
    definition      TEXT    NOT NULL,
    definition_hash TEXT    NOT NULL,
    client_id       BIGINT,
    magasin_id      BIGINT,
    etat            TEXT    NOT NULL,
    rollback        TEXT    NOT NULL,
    echec_etape     TEXT,
    echec_raison    TEXT,
    is_over         BOOLEAN NOT NULL,
    cree_us         BIGINT  NOT NULL,
    modifie_us      BIGINT  NOT NULL,
    PRIMARY KEY (saga_id)
) WITH (fillfactor = 70);

-- Start-up and take-over: "the sagas that are not over, in the order of their ids". Small: only those are in it.
CREATE INDEX saga_unfinished ON saga (saga_id) WHERE NOT is_over;
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
);

-- For people: the orders.
CREATE VIEW commandes AS
SELECT
    saga_id AS id,
    client_id,
    magasin_id,
    etat AS etat_actuel,
    rollback,
    echec_etape,
    echec_raison,
    definition,
    is_over AS terminee,
    TIMESTAMPTZ '1970-01-01 00:00:00+00' + cree_us * INTERVAL '1 microsecond' AS cree_le,
    TIMESTAMPTZ '1970-01-01 00:00:00+00' + modifie_us * INTERVAL '1 microsecond' AS modifie_le
FROM saga;

-- For people: every state that an order entered, and when, in order. `seq` is the event's position in its saga.
-- Reading one member makes PostgreSQL read all texts of the record, and it refuses \u0000 and halves of surrogate
-- pairs, which a payload may have: they are replaced first. (In "\\u0000" too, where it does no harm: payloads are not
-- shown here.)
CREATE VIEW etat_saga AS
SELECT
    frame.saga_id,
    line.record ->> 'etat' AS etat,
    TIMESTAMPTZ '1970-01-01 00:00:00+00' + (line.record ->> 'at')::bigint * INTERVAL '1 microsecond' AS timestamp,
    frame.first_seq + line.number - 1 AS seq
FROM
    saga_event AS frame,
    json_array_elements(
        regexp_replace(frame.events, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\ufffd', 'g')::json
    ) WITH ORDINALITY AS line (record, number)
WHERE line.record ->> 'etat' IS NOT NULL
ORDER BY frame.saga_id, seq;
