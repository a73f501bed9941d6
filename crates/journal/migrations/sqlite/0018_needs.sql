-- What each later step asks of the programs that use the journal once it is applied: the lowest schema version that a program has to
-- know. NULL, as for all steps up to this one: the step's own version.
ALTER TABLE saga_migration ADD COLUMN needs INTEGER;
