-- Operators' wishes for many sagas: one row for each wish, and one for each saga that it covers.
CREATE TABLE bulk_action (
    action_id   UUID   NOT NULL,
    -- A second wish with the same key is the same wish.
    idempotency_key TEXT   NOT NULL,
    -- resume.
    kind        TEXT   NOT NULL,
    -- The name of the caller's key, where callers have keys.
    caller      TEXT,
    -- The operator, as the events of the sagas say.
    asked_by    TEXT   NOT NULL,
    reason      TEXT,
    -- How the sagas were chosen, as JSON.
    described   TEXT   NOT NULL,
    items       BIGINT NOT NULL,
    begun_us    BIGINT NOT NULL,
    -- When it was found that no item is left to carry out.
    ended_us    BIGINT,
    PRIMARY KEY (action_id)
);

CREATE TABLE bulk_item (
    action_id   UUID   NOT NULL,
    saga_id     UUID   NOT NULL,
    place       BIGINT NOT NULL,
    -- What the operator knew of the saga: all until then, or until that event.
    seen_us     BIGINT NOT NULL,
    seen_seq    BIGINT,
    -- waiting, sent, or its result.
    state       TEXT   NOT NULL,
    why         TEXT,
    -- The replica that carries it out, while it is `sent`.
    claimed_by  UUID,
    -- When it got its result.
    ended_us    BIGINT,
    PRIMARY KEY (action_id, saga_id)
);

-- One action for each key.
CREATE UNIQUE INDEX bulk_action_key ON bulk_action (idempotency_key);
-- Lists of actions, newest first; and those that are old enough to be removed.
CREATE INDEX bulk_action_begun ON bulk_action (begun_us, action_id);
-- Claims: the actions that have not ended, those begun first. Small: it should be empty.
CREATE INDEX bulk_action_open ON bulk_action (begun_us, action_id) WHERE ended_us IS NULL;
-- Lists of an action's items, in their order.
CREATE INDEX bulk_item_place ON bulk_item (action_id, place);
-- Claims: the items without a result, in their order.
CREATE INDEX bulk_item_open ON bulk_item (action_id, place) WHERE ended_us IS NULL;
-- Claims: the items that a replica has. Small: each has a few.
CREATE INDEX bulk_item_claimed ON bulk_item (claimed_by) WHERE claimed_by IS NOT NULL;
