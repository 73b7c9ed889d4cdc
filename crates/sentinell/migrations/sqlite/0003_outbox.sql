-- Notices on their way out: written with the journal entry they tell of, one row for each destination.
CREATE TABLE outbox (
    n           INTEGER NOT NULL PRIMARY KEY, -- order in which they were made
    notice      TEXT    NOT NULL,             -- its id, by which a receiver recognises it
    destination TEXT    NOT NULL,
    incident    TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    state       TEXT    NOT NULL,             -- waiting, sent, dead
    made_at     BIGINT  NOT NULL,
    due_at      BIGINT  NOT NULL,
    lease_until BIGINT,
    token       TEXT,                         -- of the claim
    attempts    BIGINT  NOT NULL DEFAULT 0,
    away        BOOLEAN NOT NULL DEFAULT FALSE, -- the last attempt met nobody, rather than a refusal
    said        TEXT,                         -- what the last attempt brought
    ended_at    BIGINT,
    body        TEXT    NOT NULL,
    UNIQUE (destination, notice)
);
CREATE INDEX outbox_due   ON outbox (destination, due_at, n) WHERE state = 'waiting';
CREATE INDEX outbox_order ON outbox (destination, incident, n) WHERE state = 'waiting';
CREATE INDEX outbox_state ON outbox (state, n);

-- What is known of destinations that are not simply open.
CREATE TABLE destinations (
    name       TEXT   NOT NULL PRIMARY KEY,
    held_until BIGINT,                        -- it asked for a pause until then
    closed_at  BIGINT,                        -- it said that it wants nothing any more
    why        TEXT   NOT NULL
);
