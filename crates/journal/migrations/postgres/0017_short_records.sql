-- A frame's usual records are arrays from now on: the starts and ends of attempts, and the saga's completion. The time of one counts
-- from that of the frame's first record, and that one's from 1970. Frames that are there stay as they are.
CREATE OR REPLACE VIEW etat_saga AS
SELECT
    line.saga_id,
    line.etat,
    TIMESTAMPTZ '1970-01-01 00:00:00+00' + line.at * INTERVAL '1 microsecond' AS timestamp,
    line.seq
FROM (
    SELECT
        frame.saga_id,
        CASE json_typeof(entry.record) WHEN 'array' THEN entry.record ->> 1 ELSE entry.record ->> 'etat' END AS etat,
        CASE json_typeof(entry.record)
            WHEN 'array' THEN (entry.record ->> 0)::bigint
                + CASE entry.number WHEN 1 THEN 0 ELSE coalesce(frame.records -> 0 ->> 'at', frame.records -> 0 ->> 0)::bigint END
            ELSE (entry.record ->> 'at')::bigint
        END AS at,
        frame.first_seq + entry.number - 1 AS seq
    FROM
        (
            SELECT
                saga_event.saga_id,
                saga_event.first_seq,
                regexp_replace(saga_event.events, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\ufffd', 'g')::json AS records
            FROM saga_event JOIN saga ON saga.saga_id = saga_event.saga_id
            WHERE saga.definition NOT IN (SELECT name FROM saga_definition GROUP BY name HAVING NOT bool_or(orders))
        ) AS frame,
        json_array_elements(frame.records) WITH ORDINALITY AS entry (record, number)
) AS line
WHERE line.etat IS NOT NULL
ORDER BY line.saga_id, line.seq;
