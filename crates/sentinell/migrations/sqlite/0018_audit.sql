-- What people did to the system, as a chain of hashes.
CREATE TABLE audit (
    seq   BIGINT NOT NULL PRIMARY KEY, -- from 1 without gaps
    at    BIGINT NOT NULL,
    actor TEXT   NOT NULL,
    kind  TEXT   NOT NULL,
    body  TEXT   NOT NULL,
    hash  TEXT   NOT NULL
);

-- Signed: each vouches for everything since the one before it.
CREATE TABLE audit_heads (
    number     BIGINT NOT NULL PRIMARY KEY, -- from 1 without gaps
    at         BIGINT NOT NULL,
    position   BIGINT NOT NULL,
    system_seq BIGINT NOT NULL,
    digest     TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    signature  TEXT   NOT NULL
);

-- What retention leaves of an entry, so that heads can still be checked.
CREATE TABLE dropped (
    position BIGINT NOT NULL PRIMARY KEY,
    hash     TEXT   NOT NULL
);
