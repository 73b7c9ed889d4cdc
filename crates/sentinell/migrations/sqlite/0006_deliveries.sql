-- Which deliveries were taken, beside the signals: those may be partitioned by time, and what is unique over all time is
-- kept here. The answer that the first delivery was given stays with its signal.
CREATE TABLE deliveries (
    source      TEXT   NOT NULL,
    delivery_id TEXT   NOT NULL,
    n           BIGINT NOT NULL, -- of the signal
    received_at BIGINT NOT NULL, -- of the signal
    PRIMARY KEY (source, delivery_id)
) WITHOUT ROWID;
INSERT INTO deliveries (source, delivery_id, n, received_at)
SELECT source, delivery_id, n, received_at FROM signals WHERE delivery_id IS NOT NULL;
DROP INDEX signals_delivery;
