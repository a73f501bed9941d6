-- The rules that a definition was checked with, by their number: its sagas are run by those to their end. What was kept
-- before rules had numbers is 1.
ALTER TABLE saga_definition ADD COLUMN format BIGINT NOT NULL DEFAULT 1;
