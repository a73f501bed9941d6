-- The database in which this journal is kept: its one row has the system identifier of the server's data, and the highest timeline on
-- which a process has used it. A process that finds itself on a lower one, or in another system, does not serve.
CREATE TABLE saga_database (
    number            BIGINT NOT NULL PRIMARY KEY CHECK (number = 1),
    system_identifier BIGINT NOT NULL,
    timeline          BIGINT NOT NULL,
    noted_us          BIGINT NOT NULL
);
