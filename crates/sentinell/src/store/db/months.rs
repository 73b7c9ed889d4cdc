//! Signals on a server are kept in one table per month (UTC), so that old ones can be let go whole.

use super::super::error::Result;
use chrono::{Datelike, Months, NaiveDate, NaiveTime};
use sqlx::{AssertSqlSafe, PgConnection};
use std::time::Duration;

/// How many months after the present one have their table.
const AHEAD: u32 = 3;
/// How often a running process looks.
pub(super) const EVERY: Duration = Duration::from_secs(6 * 60 * 60);

/// Makes the tables of this month and the next ones that are not there. What had come before its month's table was
/// there is moved into it.
pub(super) async fn make_ahead(conn: &mut PgConnection, today: NaiveDate) -> Result<()> {
    let first = today.with_day(1).unwrap_or(today);
    for ahead in 0..=AHEAD {
        let Some(month) = first.checked_add_months(Months::new(ahead)) else { return Ok(()) };
        let Some(after) = month.checked_add_months(Months::new(1)) else { return Ok(()) };
        let table = format!("signals_{:04}_{:02}", month.year(), month.month());
        let there = "SELECT to_regclass($1) IS NOT NULL";
        if sqlx::query_scalar(there).bind(&table).fetch_one(&mut *conn).await? {
            continue;
        }
        let (from, to) = (millis(month), millis(after));
        // The appenders' lock comes first: nobody holds a row of the tables that are locked here. Whoever waited for it
        // behind another process finds the work done, and a transaction that fails leaves nothing.
        let make = format!(
            "BEGIN; SELECT pg_advisory_xact_lock({lock}); \
             CREATE TABLE {table} (LIKE signals INCLUDING DEFAULTS INCLUDING CONSTRAINTS); \
             WITH moved AS (DELETE FROM signals_rest WHERE received_at >= {from} AND received_at < {to} RETURNING *) \
             INSERT INTO {table} SELECT * FROM moved; \
             ALTER TABLE signals ATTACH PARTITION {table} FOR VALUES FROM ({from}) TO ({to}); COMMIT",
            lock = super::postgres::APPENDING,
        );
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut *conn).await {
            sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await?;
            if !sqlx::query_scalar(there).bind(&table).fetch_one(&mut *conn).await? {
                return Err(error.into());
            }
        }
    }
    Ok(())
}

fn millis(day: NaiveDate) -> i64 {
    day.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
}
