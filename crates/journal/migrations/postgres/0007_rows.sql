-- Where each saga stands, written in the same transaction as its events. What SQL compares or sorts by has a column; what
-- is only shown is JSON. `seq` is the position of the last event: an append says which one it knows, and loses if it is
-- not this one any more. Only a claim changes `owner`; the UUID of zeros is nobody.
-- The room left in each page lets a row's new version stay beside the old one. No index has `state` or `due_us`: they
-- change with nearly every append.
ALTER TABLE saga RENAME TO saga_before;
ALTER INDEX saga_pkey RENAME TO saga_before_pkey;
CREATE TABLE saga (
    saga_id         UUID    NOT NULL,
    owner           UUID    NOT NULL,
    definition      TEXT    NOT NULL,
    definition_hash TEXT    NOT NULL,
    created_us      BIGINT  NOT NULL,
    -- What the saga is found by, to be shown; `saga_label` has it to be found.
    labels          TEXT    NOT NULL,
    seq             BIGINT  NOT NULL,
    epoch           BIGINT  NOT NULL,
    state           TEXT    NOT NULL,
    -- none, running, done or blocked.
    rollback        TEXT    NOT NULL,
    is_over         BOOLEAN NOT NULL,
    -- `state` once the saga is over, to be found by.
    final_state     TEXT,
    updated_us      BIGINT  NOT NULL,
    -- When the saga was to go on by itself, at the latest; NULL where it waits for a person alone, or is over.
    due_us          BIGINT,
    -- Since when a person is needed.
    blocked_us      BIGINT,
    summary         TEXT    NOT NULL,
    -- Why the saga cannot be read, where it cannot.
    parked          TEXT,
    PRIMARY KEY (saga_id)
) WITH (fillfactor = 70);

-- Sagas by what they are found by, newest first: one row for each label of a saga, written by its start.
CREATE TABLE saga_label (
    name       TEXT   NOT NULL,
    value      TEXT   NOT NULL,
    created_us BIGINT NOT NULL,
    saga_id    UUID   NOT NULL,
    PRIMARY KEY (name, value, created_us, saga_id)
);

-- Until now, a saga that could not be read was one that was blocked without an event and without a step.
INSERT INTO saga (
    saga_id, owner, definition, definition_hash, created_us, labels, seq, epoch, state, rollback, is_over, final_state,
    updated_us, due_us, blocked_us, summary, parked
)
SELECT
    saga_id, owner, definition, definition_hash, cree_us,
    json_strip_nulls(json_build_object('client_id', client_id, 'magasin_id', magasin_id))::text,
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
        ELSE json_build_object('failure', json_build_object('step', echec_etape, 'reason', echec_raison))::text
    END,
    CASE WHEN is_parked THEN echec_raison END
FROM (
    SELECT
        saga_before.*,
        rollback = 'BLOQUE' AND echec_etape IS NULL AND bloque_us IS NULL AND echec_raison IS NOT NULL AS is_parked
    FROM saga_before
) AS before;
INSERT INTO saga_label (name, value, created_us, saga_id)
SELECT 'client_id', client_id::text, cree_us, saga_id FROM saga_before WHERE client_id IS NOT NULL;
INSERT INTO saga_label (name, value, created_us, saga_id)
SELECT 'magasin_id', magasin_id::text, cree_us, saga_id FROM saga_before WHERE magasin_id IS NOT NULL;

-- For people: the orders, with the checkout's words. Replaced, so that who may read it stays.
CREATE OR REPLACE VIEW commandes AS
SELECT
    saga_id AS id,
    CASE WHEN json_typeof(labels::json -> 'client_id') = 'number' THEN (labels::json ->> 'client_id')::bigint END
        AS client_id,
    CASE WHEN json_typeof(labels::json -> 'magasin_id') = 'number' THEN (labels::json ->> 'magasin_id')::bigint END
        AS magasin_id,
    state AS etat_actuel,
    CASE
        WHEN parked IS NOT NULL THEN 'BLOQUE'
        WHEN rollback = 'none' THEN 'AUCUN'
        WHEN rollback = 'running' THEN 'EN_COURS'
        WHEN rollback = 'done' THEN 'TERMINE'
        WHEN rollback = 'blocked' THEN 'BLOQUE'
        ELSE rollback
    END AS rollback,
    CASE
        WHEN parked IS NOT NULL THEN NULL
        WHEN summary::json -> 'failure' IS NOT NULL THEN summary::json -> 'failure' ->> 'step'
        ELSE summary::json -> 'blocked' ->> 'step'
    END AS echec_etape,
    coalesce(parked, summary::json -> 'failure' ->> 'reason', summary::json -> 'blocked' ->> 'reason') AS echec_raison,
    definition,
    is_over AS terminee,
    TIMESTAMPTZ '1970-01-01 00:00:00+00' + created_us * INTERVAL '1 microsecond' AS cree_le,
    TIMESTAMPTZ '1970-01-01 00:00:00+00' + updated_us * INTERVAL '1 microsecond' AS modifie_le
FROM saga;
DROP TABLE saga_before;

-- Claims and a replica's own: "the sagas that are not over, of this owner". Small: only those are in it. Led by the
-- owner, so that a claim that finds nothing has not read what live replicas own.
CREATE INDEX saga_owner ON saga (owner, saga_id) WHERE NOT is_over;
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
