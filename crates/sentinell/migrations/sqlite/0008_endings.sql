-- How incidents ended is counted for every look at the metrics.
CREATE INDEX incidents_resolution ON incidents (resolution) WHERE resolution IS NOT NULL;
