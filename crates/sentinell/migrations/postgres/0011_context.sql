-- The memory: a reading of what is kept elsewhere, made to be searched; it can be made again at any time.
CREATE TABLE context_records (
    n         BIGINT NOT NULL PRIMARY KEY, -- its time in milliseconds, shifted by 16 bits: in the order of time
    id        TEXT   COLLATE "C" NOT NULL UNIQUE, -- follows from what it was made of
    kind      TEXT   COLLATE "C" NOT NULL,
    at        BIGINT NOT NULL,
    taken_at  BIGINT NOT NULL,             -- when what it was made of came in
    repo_id   TEXT   COLLATE "C",
    service   TEXT   COLLATE "C",
    incident  TEXT   COLLATE "C",          -- goes when that goes
    title     TEXT   NOT NULL,
    text      TEXT   NOT NULL,
    reference TEXT,
    facts     TEXT   NOT NULL              -- what is known besides, JSON
);
CREATE INDEX context_incident ON context_records (incident) WHERE incident IS NOT NULL;
CREATE INDEX context_alone ON context_records (taken_at) WHERE kind IN ('signal', 'slack', 'commit');

-- What ranks a record, close together.
CREATE TABLE context_marks (
    n      BIGINT NOT NULL PRIMARY KEY,
    model  TEXT   NOT NULL, -- of the vector; empty without one
    words  BYTEA  NOT NULL, -- hashes of its words, four bytes each, sorted
    vector BYTEA  NOT NULL  -- one signed byte a dimension
);

-- Which records have a word, a service, a repository, a kind.
CREATE TABLE context_words (
    n       BIGINT   NOT NULL PRIMARY KEY,
    words   TEXT     NOT NULL,
    lexemes TSVECTOR GENERATED ALWAYS AS (array_to_tsvector(string_to_array(words, ' '))) STORED
);
CREATE INDEX context_lexemes ON context_words USING gin (lexemes);

-- How far the signals and the journals have been read.
CREATE TABLE context_cursors (
    source   TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);
