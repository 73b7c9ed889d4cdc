-- What the one who asked for a ticket had shown, so that what it opens ends with that.
ALTER TABLE tickets ADD COLUMN by_token TEXT;
ALTER TABLE tickets ADD COLUMN by_session TEXT;
