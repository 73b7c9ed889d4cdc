-- Which deliveries were taken, beside the signals: those are partitioned by time, and what is unique over all time is
-- kept here. The answer that the first delivery was given stays with its signal.
CREATE TABLE deliveries (
    source      TEXT COLLATE "C" NOT NULL,
    delivery_id TEXT COLLATE "C" NOT NULL,
    n           BIGINT           NOT NULL, -- of the signal
    received_at BIGINT           NOT NULL, -- of the signal
    PRIMARY KEY (source, delivery_id)
);
