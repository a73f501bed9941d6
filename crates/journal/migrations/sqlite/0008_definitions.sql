-- Several definitions in one journal. Whether the sagas of a definition are orders: all that older releases have kept are, and
-- those that they still keep beside this one.
ALTER TABLE saga_definition ADD COLUMN orders INTEGER NOT NULL DEFAULT 1;

-- The views show orders alone.
DROP VIEW commandes;
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

DROP VIEW etat_saga;
CREATE VIEW etat_saga AS
SELECT
    lower(substr(hex(saga_event.saga_id), 1, 8) || '-' || substr(hex(saga_event.saga_id), 9, 4) || '-' || substr(hex(saga_event.saga_id), 13, 4)
        || '-' || substr(hex(saga_event.saga_id), 17, 4) || '-' || substr(hex(saga_event.saga_id), 21)) AS saga_id,
    json_extract(record.value, '$.etat') AS etat,
    strftime('%Y-%m-%dT%H:%M:%S', json_extract(record.value, '$.at') / 1000000, 'unixepoch')
        || printf('.%06dZ', json_extract(record.value, '$.at') % 1000000) AS timestamp,
    first_seq + record.key AS seq
FROM saga_event JOIN saga ON saga.saga_id = saga_event.saga_id, json_each(CASE WHEN json_valid(events) THEN events ELSE '[]' END) AS record
WHERE record.type = 'object' AND json_extract(record.value, '$.etat') IS NOT NULL
    AND saga.definition NOT IN (SELECT name FROM saga_definition GROUP BY name HAVING max(orders) = 0)
ORDER BY saga_event.saga_id, seq;

-- The list of one definition's sagas, newest first.
CREATE INDEX saga_by_definition ON saga (definition, created_us, saga_id);
-- The list of sagas that are not over, newest first. Small: only those are in it.
CREATE INDEX saga_under_way ON saga (created_us, saga_id) WHERE is_over = 0;
