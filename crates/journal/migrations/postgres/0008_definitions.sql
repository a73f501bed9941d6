-- Several definitions in one journal. Whether the sagas of a definition are orders: all that older releases have kept are, and
-- those that they still keep beside this one.
ALTER TABLE saga_definition ADD COLUMN orders BOOLEAN NOT NULL DEFAULT TRUE;

-- The views show orders alone. They are replaced, so that the rights to read them stay.
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
FROM saga
WHERE definition NOT IN (SELECT name FROM saga_definition GROUP BY name HAVING NOT bool_or(orders));

CREATE OR REPLACE VIEW etat_saga AS
SELECT
    frame.saga_id,
    line.record ->> 'etat' AS etat,
    TIMESTAMPTZ '1970-01-01 00:00:00+00' + (line.record ->> 'at')::bigint * INTERVAL '1 microsecond' AS timestamp,
    frame.first_seq + line.number - 1 AS seq
FROM
    saga_event AS frame JOIN saga ON saga.saga_id = frame.saga_id,
    json_array_elements(
        regexp_replace(frame.events, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\ufffd', 'g')::json
    ) WITH ORDINALITY AS line (record, number)
WHERE line.record ->> 'etat' IS NOT NULL
    AND saga.definition NOT IN (SELECT name FROM saga_definition GROUP BY name HAVING NOT bool_or(orders))
ORDER BY frame.saga_id, seq;

-- The list of one definition's sagas, newest first.
CREATE INDEX saga_by_definition ON saga (definition, created_us, saga_id);
-- The list of sagas that are not over, newest first. Small: only those are in it.
CREATE INDEX saga_under_way ON saga (created_us, saga_id) WHERE NOT is_over;
