-- The flow of sagas: how many of each definition started and ended in each minute, and how long they took. Each is counted in
-- the transaction of its event, so nothing is counted when figures are read. They begin with this table: sagas that ended
-- before are not in it. Old rows are taken away.
-- The owner is the process that counted. It is part of the key so that no process waits for another one's row.
-- A row is written many times within its minute, and never after: the room left in each page is for its new versions, so that
-- no index is touched.
CREATE TABLE saga_minute (
    -- When the minute began.
    minute_us  BIGINT NOT NULL,
    definition TEXT   NOT NULL,
    -- started, completed, failed, cancelled or deadline_passed.
    outcome    TEXT   NOT NULL,
    -- The step that failed; empty where none did.
    step       TEXT   NOT NULL,
    owner      UUID   NOT NULL,
    -- How many sagas.
    sagas      BIGINT NOT NULL,
    -- Those of them that ended, by how long they took from their start: up to this, and longer than the column before.
    to_1ms     BIGINT NOT NULL,
    to_2ms     BIGINT NOT NULL,
    to_5ms     BIGINT NOT NULL,
    to_10ms    BIGINT NOT NULL,
    to_20ms    BIGINT NOT NULL,
    to_50ms    BIGINT NOT NULL,
    to_100ms   BIGINT NOT NULL,
    to_200ms   BIGINT NOT NULL,
    to_500ms   BIGINT NOT NULL,
    to_1s      BIGINT NOT NULL,
    to_2s      BIGINT NOT NULL,
    to_5s      BIGINT NOT NULL,
    to_10s     BIGINT NOT NULL,
    to_20s     BIGINT NOT NULL,
    to_1min    BIGINT NOT NULL,
    to_2min    BIGINT NOT NULL,
    to_5min    BIGINT NOT NULL,
    to_10min   BIGINT NOT NULL,
    to_30min   BIGINT NOT NULL,
    to_1h      BIGINT NOT NULL,
    to_4h      BIGINT NOT NULL,
    to_1d      BIGINT NOT NULL,
    to_7d      BIGINT NOT NULL,
    over_7d    BIGINT NOT NULL,
    PRIMARY KEY (minute_us, definition, outcome, step, owner)
) WITH (fillfactor = 60);
