-- What happened, for good: one row ("frame") for each append. `events` is a JSON array of records; `first_seq` is
-- the position of the first of them in the saga's history, counted from 1.
--
-- Until now, the frames were kept in the order of (saga_id, first_seq), within the tree that finds them. They are large for
-- that: few have room in an inner page, so the tree was deep, and an append wrote several pages of it. Now they are kept in
-- the order in which they come, and the tree holds only where they are.
DROP VIEW etat_saga;
ALTER TABLE saga_event RENAME TO saga_event_before;
CREATE TABLE saga_event (
    saga_id   BLOB    NOT NULL CHECK (length(saga_id) = 16),
    first_seq INTEGER NOT NULL,
    events    TEXT    NOT NULL,
    UNIQUE (saga_id, first_seq)
) STRICT;
INSERT INTO saga_event (saga_id, first_seq, events)
SELECT saga_id, first_seq, events FROM saga_event_before ORDER BY saga_id, first_seq;
DROP TABLE saga_event_before;

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
