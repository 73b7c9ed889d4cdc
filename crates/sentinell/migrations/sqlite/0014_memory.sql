-- The memory is made again from what is kept: its index knows words within a service, a repository and a kind.
INSERT INTO context_words (context_words) VALUES ('delete-all');
DELETE FROM context_marks;
DELETE FROM context_records;
DELETE FROM context_cursors;

-- Who follows the memory (what gives meaning, what mirrors it elsewhere) reads on by this number; it only grows.
ALTER TABLE context_records ADD COLUMN changed BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX context_changed ON context_records (changed);

-- What was forgotten here and may still be kept elsewhere.
CREATE TABLE context_gone (
    id   TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL
);
