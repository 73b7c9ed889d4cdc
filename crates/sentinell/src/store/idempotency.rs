//! Answers to requests that carried an `Idempotency-Key`: the same key of the same principal is answered once.

use super::Store;
use super::db::{on, run};
use super::error::Result;
use sentinell_core::time::Timestamp;

/// How long a request may take before its key is free again (its process died), milliseconds.
const ABANDONED: i64 = 60_000;
/// How long an answer counts, milliseconds: a day. Afterwards retention drops it.
const KEPT: i64 = 24 * 60 * 60 * 1000;

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// What is known about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// Nobody used it: it is yours now; call [`Store::finish_request`] or [`Store::abandon_request`].
    Yours,
    /// The first request with it is still being answered (409 with `Retry-After`).
    Running,
    /// The same request was answered so.
    Answered(StoredAnswer),
    /// Another request used this key (422).
    OtherRequest,
}

impl Store {
    /// Reserves a key for a request; `request_hash` is SHA-256 over method, path and body in lower-case hex.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn reserve_request(
        &self,
        principal: &str,
        key: &str,
        request_hash: &str,
        now: Timestamp,
    ) -> Result<Reserved> {
        let (principal, key, request_hash) = (principal.to_owned(), key.to_owned(), request_hash.to_owned());
        let free = "DELETE FROM idempotency WHERE principal = $1 AND key = $2 \
                    AND (begun_at <= $4 OR (status IS NULL AND begun_at <= $3))";
        let known = "SELECT request_hash, status, body FROM idempotency WHERE principal = $1 AND key = $2";
        let sql = "INSERT INTO idempotency (principal, key, request_hash, begun_at) VALUES ($1, $2, $3, $4)";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    run!(conn, free, &principal, &key, now.0 - ABANDONED, now.0 - KEPT);
                    let found: Option<(String, Option<i64>, Option<String>)> = on!(conn, c => {
                        sqlx::query_as(known).bind(&principal).bind(&key).fetch_optional(c).await?
                    });
                    Ok(match found {
                        Some((hash, _, _)) if hash != request_hash => Reserved::OtherRequest,
                        Some((_, Some(status), body)) => Reserved::Answered(StoredAnswer {
                            status: u16::try_from(status).unwrap_or(500),
                            body: body.unwrap_or_default(),
                        }),
                        Some((_, None, _)) => Reserved::Running,
                        None => {
                            run!(conn, sql, principal, key, request_hash, now.0);
                            Reserved::Yours
                        }
                    })
                })
            })
            .await
    }

    /// Keeps the answer for a day.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn finish_request(&self, principal: &str, key: &str, answer: StoredAnswer) -> Result<()> {
        let (principal, key) = (principal.to_owned(), key.to_owned());
        let sql = "UPDATE idempotency SET status = $1, body = $2 WHERE principal = $3 AND key = $4";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    run!(conn, sql, i64::from(answer.status), answer.body, principal, key);
                    Ok(())
                })
            })
            .await
    }

    /// Frees a key whose request changed nothing (a 4xx or 5xx), so that it can be tried again.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn abandon_request(&self, principal: &str, key: &str) -> Result<()> {
        let (principal, key) = (principal.to_owned(), key.to_owned());
        let sql = "DELETE FROM idempotency WHERE principal = $1 AND key = $2 AND status IS NULL";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    run!(conn, sql, principal, key);
                    Ok(())
                })
            })
            .await
    }
}
