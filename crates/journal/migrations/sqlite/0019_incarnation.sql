-- expands; needs 18
-- How often this journal was set back to an older copy of itself, counted from 1: in one row. `orchestrateur database accept` raises it.
CREATE TABLE saga_incarnation (
    number      INTEGER NOT NULL PRIMARY KEY CHECK (number = 1),
    incarnation INTEGER NOT NULL
) STRICT;
INSERT INTO saga_incarnation (number, incarnation) VALUES (1, 1);
