-- Text that is a key sorts by bytes, whatever the locale of the database. Times are unix milliseconds; JSON is text;
-- hashes are lower-case hex unless said otherwise.

CREATE TABLE incidents (
    id                  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    created_at          BIGINT  NOT NULL,
    updated_at          BIGINT  NOT NULL,
    signal_type         TEXT    NOT NULL,
    status              TEXT COLLATE "C" NOT NULL,
    phase               TEXT COLLATE "C" NOT NULL,
    severity            TEXT COLLATE "C" NOT NULL,
    resolution          TEXT,
    repo_id             TEXT COLLATE "C",
    fingerprint         TEXT    NOT NULL,
    seq                 BIGINT  NOT NULL, -- entries in its journal
    head                TEXT    NOT NULL, -- hash of the newest entry
    first_hypothesis_at BIGINT,
    deed_open           BOOLEAN NOT NULL, -- a deed was begun and nobody knows yet how it ended
    haystack            TEXT    NOT NULL, -- lower-cased words to search in
    view                TEXT    NOT NULL  -- the contract's object
);
CREATE INDEX incidents_newest   ON incidents (created_at, id);
CREATE INDEX incidents_status   ON incidents (status, created_at, id);
CREATE INDEX incidents_phase    ON incidents (phase, created_at, id);
CREATE INDEX incidents_severity ON incidents (severity, created_at, id);
CREATE INDEX incidents_repo     ON incidents (repo_id, created_at, id) WHERE repo_id IS NOT NULL;
CREATE INDEX incidents_deeds    ON incidents (id) WHERE deed_open;

CREATE TABLE entries (
    position BIGINT  NOT NULL PRIMARY KEY, -- over all journals, in commit order, without gaps
    incident TEXT COLLATE "C" NOT NULL REFERENCES incidents (id),
    seq      BIGINT  NOT NULL,
    at       BIGINT  NOT NULL,
    node     TEXT    NOT NULL,
    type     TEXT    NOT NULL,
    event    TEXT    NOT NULL,
    hash     TEXT    NOT NULL, -- sha256(previous hash, canonical {incident, seq, at, event})
    UNIQUE (incident, seq)
);

CREATE TABLE alerts (
    fingerprint TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    incident    TEXT COLLATE "C" NOT NULL REFERENCES incidents (id), -- the newest it belongs to
    firing      BOOLEAN NOT NULL,
    severity    TEXT    NOT NULL,
    count       BIGINT  NOT NULL, -- signals since that incident opened
    first_seen  BIGINT  NOT NULL,
    last_seen   BIGINT  NOT NULL
);
CREATE INDEX alerts_incident ON alerts (incident);

CREATE TABLE signals (
    n           BIGINT  NOT NULL, -- in commit order, without gaps
    id          TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    delivery_id TEXT,
    fingerprint TEXT    NOT NULL,
    incident    TEXT COLLATE "C" REFERENCES incidents (id),
    decision    TEXT    NOT NULL, -- what triage said
    raw_sha256  TEXT    NOT NULL, -- of the bytes as they came in
    received_at BIGINT  NOT NULL,
    body        TEXT    NOT NULL,
    answer      TEXT,             -- what the first delivery was answered, where there is a delivery id
    PRIMARY KEY (n, received_at)
) PARTITION BY RANGE (received_at);
-- Months are made ahead by the store; what falls outside of them is here.
CREATE TABLE signals_rest PARTITION OF signals DEFAULT;
CREATE INDEX signals_incident ON signals (incident, n) WHERE incident IS NOT NULL;

CREATE TABLE wakeups (
    incident     TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES incidents (id),
    due_at       BIGINT,           -- null: nothing due, but somebody still holds it
    lease_until  BIGINT,
    holder       TEXT,
    token        TEXT,             -- of the claim; a holder that lost it cannot append any more
    attempts     BIGINT NOT NULL DEFAULT 0,
    seq_at_claim BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX wakeups_due ON wakeups (due_at);

CREATE TABLE workers (
    holder  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    seen_at BIGINT NOT NULL
);

CREATE TABLE observations (
    address  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    n        BIGINT NOT NULL, -- order within the incident
    incident TEXT COLLATE "C" NOT NULL REFERENCES incidents (id),
    query    TEXT   NOT NULL,
    bytes    BIGINT NOT NULL,
    body     TEXT   NOT NULL
);
CREATE INDEX observations_incident ON observations (incident, n);

CREATE TABLE repos (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    body       TEXT   NOT NULL
);
CREATE TABLE log_sources (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    repo_id    TEXT COLLATE "C" REFERENCES repos (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    body       TEXT   NOT NULL
);
CREATE TABLE slack_channels (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    team_id    TEXT COLLATE "C" NOT NULL,
    channel_id TEXT COLLATE "C" NOT NULL,
    repo_id    TEXT COLLATE "C" REFERENCES repos (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    body       TEXT   NOT NULL,
    UNIQUE (team_id, channel_id)
);

CREATE TABLE tokens (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL,
    role         TEXT   NOT NULL,
    hash         TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at   BIGINT
);
CREATE TABLE sessions (
    hash       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    actor      TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    token_id   TEXT COLLATE "C" REFERENCES tokens (id),
    csrf       TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE TABLE tickets (
    hash       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    actor      TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE policies (
    version BIGINT  NOT NULL PRIMARY KEY,
    body    TEXT    NOT NULL,
    by_whom TEXT    NOT NULL,
    why     TEXT    NOT NULL,
    at      BIGINT  NOT NULL
);

CREATE TABLE idempotency (
    principal    TEXT COLLATE "C" NOT NULL,
    key          TEXT COLLATE "C" NOT NULL,
    request_hash TEXT   NOT NULL,
    begun_at     BIGINT NOT NULL,
    status       BIGINT, -- null: still being answered
    body         TEXT,
    PRIMARY KEY (principal, key)
);

CREATE TABLE spending (
    day           TEXT COLLATE "C" NOT NULL, -- 2026-11-22, UTC
    reasoner      TEXT COLLATE "C" NOT NULL,
    turns         BIGINT NOT NULL,
    input_tokens  BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    micro_usd     BIGINT NOT NULL,
    PRIMARY KEY (day, reasoner)
);
