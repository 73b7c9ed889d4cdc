-- The newest incident of what alerts have in common: a service, a machine, a rule.
CREATE TABLE kin (
    key       TEXT   NOT NULL PRIMARY KEY,
    incident  TEXT   NOT NULL, -- one that is gone is as good as over
    opened_at BIGINT NOT NULL,
    last_at   BIGINT NOT NULL,
    gathered  BIGINT NOT NULL  -- alerts so far
);
CREATE INDEX kin_last ON kin (last_at);
