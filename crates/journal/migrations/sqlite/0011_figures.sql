-- The flow of sagas: how many of each definition started and ended in each minute, and how long they took. Each is counted in
-- the transaction of its event, so nothing is counted when figures are read. They begin with this table: sagas that ended
-- before are not in it. Old rows are taken away.
-- The owner is the process that counted. It is part of the key so that no process waits for another one's row.
CREATE TABLE saga_minute (
    -- When the minute began.
    minute_us  INTEGER NOT NULL,
    definition TEXT    NOT NULL,
    -- started, completed, failed, cancelled or deadline_passed.
    outcome    TEXT    NOT NULL,
    -- The step that failed; empty where none did.
    step       TEXT    NOT NULL,
    owner      BLOB    NOT NULL CHECK (length(owner) = 16),
    -- How many sagas.
    sagas      INTEGER NOT NULL,
    -- Those of them that ended, by how long they took from their start: up to this, and longer than the column before.
    to_1ms     INTEGER NOT NULL,
    to_2ms     INTEGER NOT NULL,
    to_5ms     INTEGER NOT NULL,
    to_10ms    INTEGER NOT NULL,
    to_20ms    INTEGER NOT NULL,
    to_50ms    INTEGER NOT NULL,
    to_100ms   INTEGER NOT NULL,
    to_200ms   INTEGER NOT NULL,
    to_500ms   INTEGER NOT NULL,
    to_1s      INTEGER NOT NULL,
    to_2s      INTEGER NOT NULL,
    to_5s      INTEGER NOT NULL,
    to_10s     INTEGER NOT NULL,
    to_20s     INTEGER NOT NULL,
    to_1min    INTEGER NOT NULL,
    to_2min    INTEGER NOT NULL,
    to_5min    INTEGER NOT NULL,
    to_10min   INTEGER NOT NULL,
    to_30min   INTEGER NOT NULL,
    to_1h      INTEGER NOT NULL,
    to_4h      INTEGER NOT NULL,
    to_1d      INTEGER NOT NULL,
    to_7d      INTEGER NOT NULL,
    over_7d    INTEGER NOT NULL,
    PRIMARY KEY (minute_us, definition, outcome, step, owner)
) STRICT, WITHOUT ROWID;
