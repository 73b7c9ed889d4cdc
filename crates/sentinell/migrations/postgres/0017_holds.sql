-- What calls to a language model that are under way may cost at most, of the day's money of all processes.
CREATE TABLE holds (
    incident  TEXT NOT NULL PRIMARY KEY,
    micro_usd BIGINT NOT NULL,
    until     BIGINT NOT NULL
);
