-- What retention has to remember; one row, or none yet.
CREATE TABLE retention (
    one      BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    horizon  BIGINT NOT NULL, -- the newest position that was ever dropped
    swept_at BIGINT NOT NULL
);
