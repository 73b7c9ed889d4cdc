//! Who of several processes does what: the place in a file that somebody follows, and turns that come round by the clock.

use super::Store;
use super::db::{on, run};
use super::error::Result;
use sentinell_core::time::Timestamp;

impl Store {
    /// Claims a followed file for `holder` until `until`; answers where to go on (JSON, `null` for a file never seen), or
    /// nothing while somebody else has it.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn claim_tail(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<String>> {
        let sql = "INSERT INTO tails (name, holder, lease_until, place) VALUES ($1, $2, $3, 'null') \
                   ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until \
                   WHERE tails.holder = excluded.holder OR tails.lease_until < $4 RETURNING place";
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.aside(move |conn| {
            Box::pin(async move {
                let place: Option<String> = on!(conn, c => {
                    sqlx::query_scalar(sql).bind(name).bind(holder).bind(until.0).bind(now.0).fetch_optional(c).await?
                });
                Ok(place)
            })
        })
        .await
    }

    /// Keeps where to go on in a followed file, and claims it anew; false if it is somebody else's by now.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn keep_tail(&self, name: &str, holder: &str, place: &str, until: Timestamp) -> Result<bool> {
        let sql = "UPDATE tails SET place = $1, lease_until = $2 WHERE name = $3 AND holder = $4";
        let (name, holder, place) = (name.to_owned(), holder.to_owned(), place.to_owned());
        self.aside(move |conn| Box::pin(async move { Ok(run!(conn, sql, place, until.0, name, holder) > 0) })).await
    }

    /// Lets go of a followed file, so that another process need not wait.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn let_go_of_tail(&self, name: &str, holder: &str) -> Result<()> {
        let sql = "UPDATE tails SET lease_until = 0 WHERE name = $1 AND holder = $2";
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.aside(move |conn| {
            Box::pin(async move {
                run!(conn, sql, name, holder);
                Ok(())
            })
        })
        .await
    }

    /// Whether it is time for something that is done every `every_ms`, and this process is the one that does it.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn take_turn(&self, name: String, now: Timestamp, every_ms: i64) -> Result<bool> {
        let sql = "INSERT INTO turns (name, taken_at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE \
                   SET taken_at = excluded.taken_at WHERE turns.taken_at <= $3";
        let due = now.0 - every_ms;
        self.aside(move |conn| Box::pin(async move { Ok(run!(conn, sql, name, now.0, due) > 0) })).await
    }
}
