-- The memory: a reading of what is kept elsewhere, made to be searched; it can be made again at any time.
CREATE TABLE context_records (
    n         INTEGER NOT NULL PRIMARY KEY, -- its time in milliseconds, shifted by 16 bits: in the order of time
    id        TEXT    NOT NULL UNIQUE,      -- follows from what it was made of
    kind      TEXT    NOT NULL,
    at        BIGINT  NOT NULL,
    taken_at  BIGINT  NOT NULL,             -- when what it was made of came in
    repo_id   TEXT,
    service   TEXT,
    incident  TEXT,                         -- goes when that goes
    title     TEXT    NOT NULL,
    text      TEXT    NOT NULL,
    reference TEXT,
    facts     TEXT    NOT NULL              -- what is known besides, JSON
);
CREATE INDEX context_incident ON context_records (incident) WHERE incident IS NOT NULL;
CREATE INDEX context_alone ON context_records (taken_at) WHERE kind IN ('signal', 'slack', 'commit');

-- What ranks a record, close together.
CREATE TABLE context_marks (
    n      INTEGER NOT NULL PRIMARY KEY,
    model  TEXT    NOT NULL, -- of the vector; empty without one
    words  BLOB    NOT NULL, -- hashes of its words, four bytes each, sorted
    vector BLOB    NOT NULL  -- one signed byte a dimension
);

-- Which records have a word, a service, a repository, a kind.
CREATE VIRTUAL TABLE context_words USING fts5(
    words, content = '', contentless_delete = 1, detail = 'none', tokenize = 'ascii'
);

-- How far the signals and the journals have been read.
CREATE TABLE context_cursors (
    source   TEXT   NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);
