-- Where in Slack an incident is talked about.
CREATE TABLE slack_threads (
    incident TEXT    NOT NULL PRIMARY KEY,
    channel  TEXT    NOT NULL,
    ts       TEXT    NOT NULL, -- the thread's first message
    ours     BOOLEAN NOT NULL, -- whether the bot wrote that
    asked    TEXT              -- the message whose buttons may still be pressed
);
CREATE INDEX slack_threads_place ON slack_threads (channel, ts);
