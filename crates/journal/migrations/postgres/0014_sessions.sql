-- People who are signed in to the console: a row for each browser, until it signs out or the session ends. Neither a cookie nor a
-- key is in it.
CREATE TABLE console_session (
    -- The SHA-256 of the cookie's random bits.
    session_id BYTEA  NOT NULL PRIMARY KEY,
    -- The name of the key that was signed in with.
    name       TEXT   NOT NULL,
    -- A digest of that key's hash in the keys file.
    key_digest BYTEA  NOT NULL,
    created_us BIGINT NOT NULL,
    used_us    BIGINT NOT NULL,
    ends_us    BIGINT NOT NULL
);
-- The sessions of one name, the oldest of which goes when there are too many.
CREATE INDEX console_session_name ON console_session (name, created_us);
