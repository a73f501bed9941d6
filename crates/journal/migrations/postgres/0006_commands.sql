-- What operators want of sagas that another process runs: each command waits here for the saga's owner, which takes it
-- away once the event that it brings about is on disk, or says in `refused` why it brings about none.
CREATE TABLE saga_command (
    saga_id    UUID   NOT NULL,
    command_id UUID   NOT NULL,
    body       TEXT   NOT NULL,
    asked_us   BIGINT NOT NULL,
    refused    TEXT,
    PRIMARY KEY (saga_id, command_id)
);

-- Until now, a saga had room for one, in a column. The saga's own id serves as the command's: there is one for each.
INSERT INTO saga_command (saga_id, command_id, body, asked_us)
SELECT saga_id, saga_id, demande, modifie_us FROM saga WHERE demande IS NOT NULL;

DROP INDEX saga_demande;
ALTER TABLE saga DROP COLUMN demande;
