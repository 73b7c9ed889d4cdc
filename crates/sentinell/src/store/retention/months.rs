//! On a server signals are in one table a month. One whose month has expired goes whole, without a row being touched,
//! unless it holds something of an incident that is not over.

use super::super::db::{Conn, Sql, on, run};
use super::super::error::Result;
use super::super::from_db;
use super::Dropped;
use chrono::{Months, NaiveDate, NaiveTime};
use sentinell_core::time::Timestamp;
use sqlx::AssertSqlSafe;

const TABLES: Sql = Sql {
    sqlite: "SELECT '' WHERE 1 = 0",
    postgres: "SELECT CAST(c.relname AS TEXT) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent WHERE p.relname = 'signals' ORDER BY 1",
};

/// Drops the tables of months that were over before this moment.
pub(super) async fn drop_expired(conn: &mut Conn, before: Timestamp) -> Result<Dropped> {
    let tables = conn.text(&TABLES);
    let tables: Vec<String> = on!(conn, c => sqlx::query_scalar(tables).fetch_all(c).await?);
    let mut dropped = Dropped::default();
    for table in tables.iter().filter(|table| end_of(table).is_some_and(|end| end <= before.0)) {
        let sql = format!(
            "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN i.status <> 'resolved' THEN 1 ELSE 0 END), 0) AS BIGINT), \
             COALESCE(MAX(s.n), 0) - (SELECT COALESCE(MAX(n), 0) FROM signals) \
             FROM {table} s LEFT JOIN incidents i ON i.id = s.incident"
        );
        let row: (i64, i64, i64) = on!(conn, c => sqlx::query_as(AssertSqlSafe(sql)).fetch_one(c).await?);
        let (signals, open, from_the_newest) = row;
        if open > 0 || from_the_newest == 0 {
            continue;
        }
        let forget = format!(
            "DELETE FROM deliveries WHERE (source, delivery_id) IN \
             (SELECT source, delivery_id FROM {table} WHERE delivery_id IS NOT NULL)"
        );
        run!(conn, AssertSqlSafe(forget));
        run!(conn, AssertSqlSafe(format!("DROP TABLE {table}")));
        dropped.add(Dropped { signals: from_db(signals), ..Dropped::default() });
    }
    Ok(dropped)
}

/// When the month of `signals_2026_03` was over, unix milliseconds; none for any other name.
fn end_of(table: &str) -> Option<i64> {
    let (year, month) = table.strip_prefix("signals_")?.split_once('_')?;
    let first = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1)?;
    let sound = table == format!("signals_{year:0>4}_{month:0>2}");
    let after = first.checked_add_months(Months::new(1)).filter(|_| sound)?;
    Some(after.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::end_of;

    #[test]
    fn only_a_month_has_an_end() {
        assert_eq!(end_of("signals_2026_03"), Some(1_775_001_600_000));
        assert_eq!(end_of("signals_2026_12"), Some(1_798_761_600_000));
        for other in ["signals_rest", "signals_2026_13", "signals_2026_03; DROP", "tokens"] {
            assert_eq!(end_of(other), None, "{other}");
        }
    }
}
