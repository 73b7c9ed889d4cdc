-- Services that were seen to call each other; `cart` or `shop/cart`.
CREATE TABLE calls (
    caller  TEXT NOT NULL,
    callee  TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (caller, callee)
);
CREATE INDEX calls_seen ON calls (seen_at);

-- What alerts have in common: the name of the service, where it is one; when it began to ring; whether it belongs to its
-- incident by a call only; and the incidents that people split it off from, apart by spaces.
ALTER TABLE kin ADD COLUMN service TEXT;
ALTER TABLE kin ADD COLUMN began_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE kin ADD COLUMN by_call BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE kin ADD COLUMN parted TEXT NOT NULL DEFAULT '';
CREATE INDEX kin_service ON kin (service, last_at) WHERE service IS NOT NULL;
