-- What GitHub tells of changes is read back for every incident, by time.
CREATE INDEX signals_github ON signals (received_at) WHERE source = 'github';
