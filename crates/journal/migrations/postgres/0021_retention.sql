-- The process that takes old sagas away: its one row names it. Another process takes its place once it is gone.
CREATE TABLE saga_retention (
    number BIGINT NOT NULL PRIMARY KEY CHECK (number = 1),
    holder UUID   NOT NULL
);
