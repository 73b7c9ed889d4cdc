//! A Redis (or what speaks its protocol): clients, memory, evictions, replication, persistence, slow commands. `INFO`,
//! `SLOWLOG GET` and `LATENCY LATEST`, and never another command.

mod wire;

use super::database::{DatabaseSettings, Reading, first_look, meant};
use crate::http::Url;
use crate::text::one_line;
use sentinell_core::evidence::{Gap, Observation, Query};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use wire::{Trouble, Value, Wire};

/// How long the whole look may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Figures of `INFO` that are passed on as they are.
const FIGURES: [&str; 26] = [
    "uptime_in_seconds",
    "connected_clients",
    "maxclients",
    "blocked_clients",
    "used_memory",
    "used_memory_rss",
    "maxmemory",
    "mem_fragmentation_ratio",
    "total_connections_received",
    "rejected_connections",
    "instantaneous_ops_per_sec",
    "evicted_keys",
    "expired_keys",
    "keyspace_hits",
    "keyspace_misses",
    "total_error_replies",
    "latest_fork_usec",
    "rdb_changes_since_last_save",
    "rdb_bgsave_in_progress",
    "aof_delayed_fsync",
    "loading",
    "connected_slaves",
    "master_last_io_seconds_ago",
    "master_sync_in_progress",
    "used_cpu_user",
    "used_cpu_sys",
];
/// Words of `INFO` that are well, as figures that are 1 or 0.
const WELL: [(&str, &str, &str); 4] = [
    ("master_link_status", "up", "redis_master_link_up"),
    ("rdb_last_bgsave_status", "ok", "redis_rdb_last_bgsave_ok"),
    ("aof_last_bgrewrite_status", "ok", "redis_aof_last_bgrewrite_ok"),
    ("aof_last_write_status", "ok", "redis_aof_last_write_ok"),
];

/// The tool `redis`.
pub struct Redis {
    databases: Vec<DatabaseSettings>,
    clock: Arc<dyn Clock>,
    describe: String,
}

impl Redis {
    /// An eye on these servers and no others.
    ///
    /// # Errors
    /// The first URL that makes no sense; it is not repeated.
    pub fn new(databases: Vec<DatabaseSettings>, clock: Arc<dyn Clock>) -> Result<Self, String> {
        for one in &databases {
            let url = Url::parse(&one.url).ok();
            let fits = url.is_some_and(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host());
            if !fits {
                return Err(format!("redis `{}`: url must look like redis://user:password@host:6379", one.name));
            }
        }
        let names: Vec<&str> = databases.iter().map(|one| one.name.as_str()).collect();
        let describe = format!(
            "reads the state of a Redis now: clients, memory, evictions, replication, persistence, slow commands; \
             args: database (one of: {})",
            names.join(", ")
        );
        Ok(Self { databases, clock, describe })
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        let database = meant(&self.databases, query)?;
        let url = Url::parse(&database.url).map_err(|_| ToolError::BadQuery("no such address".into()))?;
        let mut reading = Reading::new(database, "redis", self.clock.now());
        let gaps = match timeout(PATIENCE, ask(&url, &mut reading)).await {
            Ok(Ok(gaps)) => gaps,
            Ok(Err(Trouble::Denied(why))) => return Err(ToolError::Denied(why)),
            Ok(Err(Trouble::Nonsense(why))) => return Err(ToolError::BadQuery(why)),
            Ok(Err(Trouble::Away(why))) => return Ok(down(reading, &why)),
            Err(_) => return Ok(down(reading, &format!("no answer within {} s", PATIENCE.as_secs()))),
        };
        Ok(Observation { gaps, ..reading.finish() })
    }
}

fn down(mut reading: Reading<'_>, why: &str) -> Observation {
    reading.figure("redis_up", &[("failed", why)], 0.0);
    reading.line(None, "error", why);
    reading.finish()
}

async fn ask(url: &Url, reading: &mut Reading<'_>) -> Result<Vec<Gap>, Trouble> {
    let mut wire = Wire::open(url).await?;
    let info = match wire.ask(&["INFO"]).await? {
        Value::Text(text) => text,
        Value::Error(error) => return Err(refused(&error)),
        _ => return Err(Trouble::Nonsense("the answer to INFO is none of Redis's".to_owned())),
    };
    reading.figure("redis_up", &[], 1.0);
    figures(&info, reading);
    let mut gaps = vec![];
    for (command, take) in
        [(&["SLOWLOG", "GET", "32"][..], slow as fn(&Value, &mut Reading<'_>)), (&["LATENCY", "LATEST"], latency)]
    {
        match wire.ask(command).await? {
            Value::Error(error) => gaps.push(Gap { what: command.join(" "), why: one_line(&error, 300) }),
            answer => take(&answer, reading),
        }
    }
    Ok(gaps)
}

/// A server that refuses us by name is asked for access; one that refuses everybody is not well.
fn refused(error: &str) -> Trouble {
    let error = one_line(error, 300);
    match error.split(' ').next() {
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => Trouble::Denied(error),
        _ => Trouble::Away(error),
    }
}

fn figures(info: &str, reading: &mut Reading<'_>) {
    let pairs: BTreeMap<&str, &str> =
        info.lines().take(1000).filter_map(|line| line.trim_end().split_once(':')).collect();
    let number = |name: &str| pairs.get(name).and_then(|value| value.parse::<f64>().ok());
    let role = pairs.get("role").copied().unwrap_or("unknown");
    for name in FIGURES {
        if let Some(value) = number(name) {
            reading.figure(&format!("redis_{name}"), &[("role", role)], value);
        }
    }
    for (name, well, figure) in WELL {
        if let Some(word) = pairs.get(name) {
            reading.figure(figure, &[("said", word)], f64::from(u8::from(*word == well)));
            if *word != well {
                reading.line(None, "error", &format!("{name} is {}", one_line(word, 60)));
            }
        }
    }
    for (used, limit, figure) in [
        ("used_memory", "maxmemory", "redis_memory_used_percent"),
        ("connected_clients", "maxclients", "redis_clients_used_percent"),
    ] {
        if let (Some(used), Some(limit)) = (number(used), number(limit).filter(|limit| *limit > 0.0)) {
            reading.figure(figure, &[], 100.0 * used / limit);
        }
    }
}

/// `[[id, unix seconds, microseconds, [command, …], …], …]`.
fn slow(answer: &Value, reading: &mut Reading<'_>) {
    for entry in answer.list() {
        if let [_, Value::Number(at), Value::Number(micros), command, ..] = entry.list() {
            let words: Vec<String> = command.list().iter().take(8).map(|word| one_line(word.text(), 60)).collect();
            let at = Timestamp(at.saturating_mul(1000));
            reading.line(Some(at), "warn", &format!("slow command, {} ms: {}", micros / 1000, words.join(" ")));
        }
    }
}

/// `[[event, unix seconds, latest ms, highest ms], …]`.
fn latency(answer: &Value, reading: &mut Reading<'_>) {
    for entry in answer.list() {
        if let [event, _, Value::Number(latest), Value::Number(highest), ..] = entry.list() {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds are few")]
            for (name, value) in
                [("redis_latency_latest_ms", *latest as f64), ("redis_latency_highest_ms", *highest as f64)]
            {
                reading.figure(name, &[("event", event.text())], value);
            }
        }
    }
}

impl Tool for Redis {
    fn name(&self) -> &str {
        "redis"
    }

    fn describe(&self) -> &str {
        &self.describe
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        first_look(self.name(), &self.databases, case)
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            let mut found = vec![];
            for database in &self.databases {
                let seen = self.look(&database.question(self.name())).await;
                found.push(database.checked(seen)?);
            }
            Ok(Some(found.join("; ")))
        })
    }
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.databases).finish()
    }
}
