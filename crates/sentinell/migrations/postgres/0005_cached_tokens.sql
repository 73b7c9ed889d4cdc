-- Tokens that went through a provider's cache have a price of their own.
ALTER TABLE spending ADD COLUMN cache_read_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE spending ADD COLUMN cache_written_tokens BIGINT NOT NULL DEFAULT 0;
