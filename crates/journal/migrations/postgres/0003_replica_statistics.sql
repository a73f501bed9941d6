-- A table that was never analyzed is thought to have hundreds of rows, and the walk over the owners to be so expensive
-- that PostgreSQL would compile it (JIT) twice a second, until autovacuum comes by. It has a handful.
ANALYZE replica;
