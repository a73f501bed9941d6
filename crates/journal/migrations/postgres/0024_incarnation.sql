-- expands; needs 22
-- How often this journal was set back to an older copy of itself, counted from 1. `orchestrateur database accept` raises it.
ALTER TABLE saga_database ADD COLUMN incarnation BIGINT NOT NULL DEFAULT 1;
