-- Old answers are forgotten by age.
CREATE INDEX idempotency_begun ON idempotency (begun_at);
