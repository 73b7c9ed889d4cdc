//! The questions, and what their answers mean. Each stands alone: what one identity may not see is a gap, not the end.

use super::Reading;
use crate::text::one_line;
use sentinell_core::evidence::Gap;
use sqlx::PgConnection;

/// Clients by what they do.
const ACTIVITY: &str =
    "SELECT coalesce(state, 'unknown'), coalesce(wait_event_type || ':' || wait_event, 'none'), count(*)
    FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 40";
/// How many may connect and do; ours is one of them.
const ROOM: &str =
    "SELECT current_setting('max_connections')::float8 - current_setting('superuser_reserved_connections')::float8,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::float8";
/// The longest transaction, and the longest that does nothing.
const LONGEST: &str = "SELECT coalesce(extract(epoch FROM max(now() - xact_start)), 0)::float8,
    coalesce(extract(epoch FROM max(now() - state_change) FILTER (WHERE state LIKE 'idle in transaction%')), 0)::float8
    FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
/// Who waits for whom.
const BLOCKED: &str =
    "SELECT w.pid, extract(epoch FROM now() - w.state_change)::float8, coalesce(left(w.query, 200), ''),
    b.pid, coalesce(b.application_name, ''), coalesce(b.state, ''), extract(epoch FROM now() - b.xact_start)::float8,
    coalesce(left(b.query, 200), '')
    FROM pg_stat_activity w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS by(pid)
    JOIN pg_stat_activity b ON b.pid = by.pid WHERE w.wait_event_type = 'Lock' ORDER BY 2 DESC LIMIT 20";
/// Replicas of a primary.
const REPLICAS: &str = "SELECT coalesce(application_name, ''), coalesce(state, 'unknown'),
    coalesce(extract(epoch FROM replay_lag), 0)::float8,
    coalesce(CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) END, 0)::float8
    FROM pg_stat_replication ORDER BY 3 DESC LIMIT 20";
/// A standby's own lag, and whether it receives.
const STANDBY: &str = "SELECT coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::float8,
    EXISTS (SELECT 1 FROM pg_stat_wal_receiver) WHERE pg_is_in_recovery()";
/// Databases, the largest first.
const SIZES: &str = "SELECT datname, pg_database_size(oid)::float8 FROM pg_database
    WHERE datallowconn AND has_database_privilege(oid, 'CONNECT') ORDER BY 2 DESC LIMIT 20";
/// What went wrong in this one since its counters began.
const COUNTERS: &str = "SELECT deadlocks::float8, conflicts::float8, xact_rollback::float8, temp_bytes::float8
    FROM pg_stat_database WHERE datname = current_database()";

type Answer = Result<(), sqlx::Error>;

/// Asks everything; what could not be answered.
pub(super) async fn ask(connection: &mut PgConnection, reading: &mut Reading<'_>) -> Vec<Gap> {
    let mut gaps = vec![];
    let mut note = |what: &str, answer: Answer| {
        if let Err(error) = answer {
            gaps.push(Gap { what: format!("{what} of PostgreSQL"), why: one_line(&error.to_string(), 300) });
        }
    };
    note("connections", connections(connection, reading).await);
    note("transactions", transactions(connection, reading).await);
    note("locks", locks(connection, reading).await);
    note("replication", replication(connection, reading).await);
    note("sizes", sizes(connection, reading).await);
    gaps
}

async fn connections(connection: &mut PgConnection, reading: &mut Reading<'_>) -> Answer {
    let groups: Vec<(String, String, i64)> = sqlx::query_as(ACTIVITY).fetch_all(&mut *connection).await?;
    for (state, wait, count) in groups {
        #[expect(clippy::cast_precision_loss, reason = "sessions are few")]
        reading.figure("pg_stat_activity_sessions", &[("state", &state), ("wait", &wait)], count as f64);
    }
    let (room, used): (f64, f64) = sqlx::query_as(ROOM).fetch_one(&mut *connection).await?;
    reading.figure("pg_connections", &[], used);
    reading.figure("pg_connections_limit", &[], room);
    if room > 0.0 {
        reading.figure("pg_connections_used_percent", &[], 100.0 * used / room);
        if used >= 0.9 * room {
            reading.line(None, "warn", &format!("{used} of {room} connections are used"));
        }
    }
    Ok(())
}

async fn transactions(connection: &mut PgConnection, reading: &mut Reading<'_>) -> Answer {
    let (longest, idle): (f64, f64) = sqlx::query_as(LONGEST).fetch_one(&mut *connection).await?;
    reading.figure("pg_longest_transaction_seconds", &[], longest);
    reading.figure("pg_longest_idle_in_transaction_seconds", &[], idle);
    let (deadlocks, conflicts, rollbacks, temporary): (f64, f64, f64, f64) =
        sqlx::query_as(COUNTERS).fetch_one(&mut *connection).await?;
    reading.figure("pg_stat_database_deadlocks", &[], deadlocks);
    reading.figure("pg_stat_database_conflicts", &[], conflicts);
    reading.figure("pg_stat_database_rollbacks", &[], rollbacks);
    reading.figure("pg_stat_database_temp_bytes", &[], temporary);
    Ok(())
}

/// Pid, wait, query of who waits; pid, application, state, age, query of who is waited for.
type Pair = (i32, f64, String, i32, String, String, Option<f64>, String);

async fn locks(connection: &mut PgConnection, reading: &mut Reading<'_>) -> Answer {
    let pairs: Vec<Pair> = sqlx::query_as(BLOCKED).fetch_all(&mut *connection).await?;
    let waiting: std::collections::BTreeSet<i32> = pairs.iter().map(|pair| pair.0).collect();
    reading.figure("pg_blocked_sessions", &[], f64::from(u32::try_from(waiting.len()).unwrap_or(u32::MAX)));
    for (waiter, seconds, query, blocker, application, state, age, last) in pairs {
        let age = age.map(|age| format!(", its transaction is {age:.0} s old")).unwrap_or_default();
        let who = one_line(&application, 60);
        let text = format!(
            "session {waiter} waits {seconds:.0} s for a lock that session {blocker} ({who}, {state}{age}) holds: {} | held by: {}",
            one_line(&query, 200),
            one_line(&last, 200)
        );
        reading.line(None, "warn", &text);
    }
    Ok(())
}

async fn replication(connection: &mut PgConnection, reading: &mut Reading<'_>) -> Answer {
    let replicas: Vec<(String, String, f64, f64)> = sqlx::query_as(REPLICAS).fetch_all(&mut *connection).await?;
    for (name, state, seconds, bytes) in replicas {
        let labels = [("replica", name.as_str()), ("state", state.as_str())];
        reading.figure("pg_replication_lag_seconds", &labels, seconds);
        reading.figure("pg_replication_lag_bytes", &labels, bytes);
    }
    let standby: Option<(f64, bool)> = sqlx::query_as(STANDBY).fetch_optional(&mut *connection).await?;
    if let Some((seconds, receiving)) = standby {
        reading.figure("pg_standby_lag_seconds", &[], seconds);
        reading.figure("pg_wal_receiver_up", &[], f64::from(u8::from(receiving)));
    }
    Ok(())
}

async fn sizes(connection: &mut PgConnection, reading: &mut Reading<'_>) -> Answer {
    let sizes: Vec<(String, f64)> = sqlx::query_as(SIZES).fetch_all(&mut *connection).await?;
    for (name, bytes) in sizes {
        reading.figure("pg_database_size_bytes", &[("datname", &name)], bytes);
    }
    Ok(())
}
