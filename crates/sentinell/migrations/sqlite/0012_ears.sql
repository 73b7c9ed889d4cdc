-- How far followed files have been read, and by whom.
CREATE TABLE tails (
    name        TEXT   NOT NULL PRIMARY KEY, -- machine:path
    holder      TEXT   NOT NULL,
    lease_until BIGINT NOT NULL,
    place       TEXT   NOT NULL              -- JSON; null: not read yet
);
-- What is done every so often, by one of several processes.
CREATE TABLE turns (
    name     TEXT   NOT NULL PRIMARY KEY,
    taken_at BIGINT NOT NULL
);
-- Alerts that are to open nothing for a while.
CREATE TABLE silences (
    id         TEXT   NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    starts_at  BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    body       TEXT   NOT NULL
);
CREATE INDEX silences_ends ON silences (ends_at);
