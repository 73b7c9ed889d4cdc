-- Deeds as they were begun, for limits: written with the intent, in the same transaction. `position` is that of its entry,
-- `until` the moment by which it has ended.
CREATE TABLE deeds (
    position    BIGINT PRIMARY KEY,
    incident    TEXT COLLATE "C" NOT NULL,
    action      TEXT COLLATE "C" NOT NULL,
    at          BIGINT NOT NULL,
    until       BIGINT NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    service     TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    objects     BIGINT NOT NULL
);
CREATE INDEX deeds_at ON deeds (at);
CREATE INDEX deeds_until ON deeds (until);
