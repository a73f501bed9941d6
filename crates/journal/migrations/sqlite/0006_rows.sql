-- Where each saga stands, written in the same transaction as its events. What SQL compares or sorts by has a column; what
-- is only shown is JSON. `seq` is the position of the last event: an append says which one it knows, and loses if it is
-- not this one any more. Only a claim changes `owner`; sixteen zero bytes are nobody.
DROP VIEW commandes;
ALTER TABLE saga RENAME TO saga_before;
CREATE TABLE saga (
    saga_id         BLOB    NOT NULL CHECK (length(saga_id) = 16),
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
    PRIMARY KEY (saga_id)
) STRICT, WITHOUT ROWID;

-- Sagas by what they are found by, newest first: one row for each label of a saga, written by its start.
CREATE TABLE saga_label (
    name       TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    created_us INTEGER NOT NULL,
    saga_id    BLOB    NOT NULL CHECK (length(saga_id) = 16),
    PRIMARY KEY (name, value, created_us, saga_id)
) STRICT, WITHOUT ROWID;

-- Until now, a saga that could not be read was one that was blocked without an event and without a step.
INSERT INTO saga (
    saga_id, owner, definition, definition_hash, created_us, labels, seq, epoch, state, rollback, is_over, final_state,
    updated_us, due_us, blocked_us, summary, parked
)
SELECT
    saga_id, owner, definition, definition_hash, cree_us,
    json_patch('{}', json_object('client_id', client_id, 'magasin_id', magasin_id)),
    seq, epoch, etat,
    CASE
        WHEN is_parked THEN 'none'
        WHEN rollback = 'AUCUN' THEN 'none'
        WHEN rollback = 'EN_COURS' THEN 'running'
        WHEN rollback = 'TERMINE' THEN 'done'
        WHEN rollback = 'BLOQUE' THEN 'blocked'
        ELSE rollback
    END,
    is_over,
    CASE WHEN is_over THEN etat END,
    modifie_us, du_us, bloque_us,
    CASE
        WHEN echec_raison IS NULL OR is_parked THEN '{}'
        ELSE json_object('failure', json_object('step', echec_etape, 'reason', echec_raison))
    END,
    CASE WHEN is_parked THEN echec_raison END
FROM (
    SELECT *, rollback = 'BLOQUE' AND echec_etape IS NULL AND bloque_us IS NULL AND echec_raison IS NOT NULL AS is_parked
    FROM saga_before
);
INSERT INTO saga_label (name, value, created_us, saga_id)
SELECT 'client_id', CAST(client_id AS TEXT), cree_us, saga_id FROM saga_before WHERE client_id IS NOT NULL;
INSERT INTO saga_label (name, value, created_us, saga_id)
SELECT 'magasin_id', CAST(magasin_id AS TEXT), cree_us, saga_id FROM saga_before WHERE magasin_id IS NOT NULL;
DROP TABLE saga_before;

-- Claims and a replica's own: "the sagas that are not over, of this owner". Small: only those are in it. Led by the
-- owner, so that a claim that finds nothing has not read what a live replica owns.
CREATE INDEX saga_owner ON saga (owner, saga_id) WHERE is_over = 0;
-- The list of sagas, newest first.
CREATE INDEX saga_newest ON saga (created_us, saga_id);
-- Sagas that are over, by their state, newest first.
CREATE INDEX saga_final ON saga (final_state, created_us, saga_id) WHERE final_state IS NOT NULL;
-- The sagas that need a person, newest first. Small: it should be empty.
CREATE INDEX saga_person ON saga (created_us, saga_id) WHERE (rollback = 'blocked' OR parked IS NOT NULL);
-- The sagas that are being rolled back, newest first. Small: only for as long as that takes.
CREATE INDEX saga_running ON saga (created_us, saga_id) WHERE rollback = 'running';
-- The sagas that were undone, newest first.
CREATE INDEX saga_undone ON saga (created_us, saga_id) WHERE rollback = 'done';

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
);
