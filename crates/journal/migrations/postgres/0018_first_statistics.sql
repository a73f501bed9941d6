-- A journal is at its busiest compared with its statistics when it is new: autovacuum looks at a table for the first time after up to a
-- minute, and until then PostgreSQL guesses. It guesses that a third of all sagas are asleep and that each needs a person, reads the whole
-- table to find them, several times a second, and compiles (JIT) what it guesses to be expensive. So an empty journal begins with
-- the statistics of a usual one: its sagas are over, and nobody waits for any of them.
INSERT INTO saga (saga_id, owner, definition, definition_hash, created_us, labels, seq, epoch, state, rollback, is_over,
    final_state, updated_us, summary)
SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, '00000000-0000-0000-0000-000000000000', '', '', n, '{}', 1, 1, '',
    'none', TRUE, '', n, '{}'
FROM generate_series(1, 1000) AS line (n) WHERE NOT EXISTS (SELECT 1 FROM saga);
ANALYZE saga;
-- No definition has an empty name.
DELETE FROM saga WHERE definition = '';
