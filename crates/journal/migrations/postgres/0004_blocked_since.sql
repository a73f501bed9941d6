-- Since when a person is needed; NULL where nobody is, where the order cannot be read, and where it was blocked before
-- this column was there: then the last event tells the latest it can be.
ALTER TABLE saga ADD COLUMN bloque_us BIGINT;
