-- Deeds as they were begun, for limits: written with the intent, in the same transaction. `position` is that of its entry,
-- `until` the moment by which it has ended.
CREATE TABLE deeds (
    position    BIGINT PRIMARY KEY,
    incident    TEXT NOT NULL,
    action      TEXT NOT NULL,
    at          BIGINT NOT NULL,
    until       BIGINT NOT NULL,
    kind        TEXT NOT NULL,
    service     TEXT NOT NULL,
    environment TEXT NOT NULL,
    objects     BIGINT NOT NULL
);
CREATE INDEX deeds_at ON deeds (at);
CREATE INDEX deeds_until ON deeds (until);
