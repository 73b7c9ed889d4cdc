//! The eyes on databases against a real PostgreSQL and a real Redis.

use super::case::{ask, case, clock};
use sentinell_adapters::tools::database::DatabaseSettings;
use sentinell_adapters::tools::postgres::Postgres;
use sentinell_adapters::tools::redis::Redis;
use sentinell_core::evidence::{Observation, Telemetry};
use sentinell_core::ports::{Tool, ToolError};
use sqlx::{Connection, Executor, PgConnection};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn settings(url: &str) -> DatabaseSettings {
    DatabaseSettings {
        name: "till-db".into(),
        url: url.to_owned(),
        subject: "service/fair/till-db".into(),
        used_by: vec!["service/fair/till".into()],
    }
}

fn figure(seen: &Observation, wanted: &str) -> Option<f64> {
    seen.telemetry.iter().find_map(|one| match one {
        Telemetry::Metric { name, points, .. } if name == wanted => points.last().map(|(_, value)| *value),
        _ => None,
    })
}

fn said(seen: &Observation) -> String {
    let lines = seen.telemetry.iter().filter_map(|one| match one {
        Telemetry::Logs { lines, .. } => {
            Some(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n"))
        }
        _ => None,
    });
    lines.collect()
}

/// A real PostgreSQL of one's own.
struct Server {
    folder: tempfile::TempDir,
    script: PathBuf,
    url: String,
}

impl Server {
    fn start() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("eyes-postgres").tempdir_in("/tmp").unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/postgres");
        let made = Command::new(&script).arg("up").arg(folder.path()).output().unwrap();
        if made.status.code() == Some(77) {
            eprintln!("SKIPPED: no PostgreSQL here; the real-PostgreSQL stage did not run");
            return None;
        }
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let url = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        Some(Self { folder, script, url })
    }

    fn tell(&self, words: &[&str]) {
        let told = Command::new(&self.script).arg(words[0]).arg(self.folder.path()).args(&words[1..]).status();
        assert!(told.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new(&self.script).arg("down").arg(self.folder.path()).status();
    }
}

#[tokio::test]
async fn a_real_postgres_tells_who_blocks_whom_who_it_turns_away_and_that_it_is_gone() {
    let Some(server) = Server::start() else { return };
    let eye = Postgres::new(vec![settings(&server.url)], clock()).unwrap();
    let mut blocker = PgConnection::connect(&server.url).await.unwrap();
    blocker
        .execute("CREATE TABLE drawer (coins int); CREATE ROLE busker LOGIN PASSWORD 'hunter2' CONNECTION LIMIT 0")
        .await
        .unwrap();
    blocker.execute("BEGIN; LOCK TABLE drawer").await.unwrap();
    let mut waiter = PgConnection::connect(&server.url).await.unwrap();
    let waiting = tokio::spawn(async move { waiter.execute("SELECT count(*) FROM drawer").await.map(|_| ()) });
    let mut seen = Observation::default();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        seen = ask(&eye, &[("database", "till-db")]).await.unwrap();
        if figure(&seen, "pg_blocked_sessions") == Some(1.0) {
            break;
        }
    }
    assert_eq!((figure(&seen, "pg_blocked_sessions"), seen.gaps.len()), (Some(1.0), 0), "{seen:?}");
    assert!(
        said(&seen).contains("count(*) FROM drawer") && said(&seen).contains("LOCK TABLE drawer"),
        "{}",
        said(&seen)
    );
    assert_eq!(figure(&seen, "pg_up"), Some(1.0));
    assert!(figure(&seen, "pg_connections_used_percent").is_some_and(|used| (0.5..5.0).contains(&used)));
    assert!(figure(&seen, "pg_longest_transaction_seconds").is_some_and(|longest| longest > 0.1));
    assert!(figure(&seen, "pg_database_size_bytes").is_some_and(|size| size > 1e6));
    assert!(
        seen.telemetry.iter().any(|one| matches!(one, Telemetry::Call { callee, .. } if callee.ends_with("till-db")))
    );
    assert_eq!(eye.check().await, Ok(Some("till-db answers".to_owned())));
    blocker.close().await.unwrap();
    waiting.await.unwrap().unwrap();
    // Turned away for want of room: the server's own words, and down for whoever needs it.
    let full = server.url.replace(server.url.split('@').next().unwrap(), "postgres://busker:hunter2");
    let seen = ask(&Postgres::new(vec![settings(&full)], clock()).unwrap(), &[]).await.unwrap();
    assert_eq!(figure(&seen, "pg_up"), Some(0.0));
    assert!(said(&seen).contains("too many connections for role"), "{}", said(&seen));
    let wrong = server.url.replace("sentinell:", "sentinell:wrong-hunter2");
    let denied = ask(&Postgres::new(vec![settings(&wrong)], clock()).unwrap(), &[]).await;
    assert!(matches!(&denied, Err(ToolError::Denied(text)) if !text.contains("hunter2")), "{denied:?}");
    server.tell(&["stop", "immediate"]);
    let seen = ask(&eye, &[]).await.unwrap();
    assert_eq!(figure(&seen, "pg_up"), Some(0.0));
    assert!(said(&seen).contains("refused"), "{}", said(&seen));
    assert!(matches!(eye.check().await, Err(ToolError::Retry(why)) if why.contains("till-db")));
    server.tell(&["start"]);
}

#[tokio::test]
async fn a_database_is_looked_at_for_whoever_uses_it_and_never_with_words_of_others() {
    let eye = Postgres::new(vec![settings("postgres://ann:hunter2@127.0.0.1:1/x")], clock()).unwrap();
    assert!(!format!("{eye:?}").contains("hunter2"));
    for (labels, questions) in [
        (vec![("service", "till"), ("namespace", "fair")], 1),
        (vec![("service", "till-db")], 1),
        (vec![("service", "till"), ("namespace", "pier")], 0),
        (vec![("service", "swing")], 0),
        (vec![], 0),
    ] {
        assert_eq!(eye.first_look(&case(&labels)).len(), questions, "{labels:?}");
    }
    for odd in [vec![("query", "SELECT 1")], vec![("database", "postgres://elsewhere/")]] {
        assert!(matches!(ask(&eye, &odd).await, Err(ToolError::BadQuery(_))));
    }
    assert!(Postgres::new(vec![settings("mysql://ann:hunter2@x")], clock()).is_err_and(|why| !why.contains("hunter2")));
    assert!(Redis::new(vec![settings("http://ann:hunter2@x")], clock()).is_err_and(|why| !why.contains("hunter2")));
}

/// A real Redis that calls everything slow.
struct Cache {
    process: Child,
    place: String,
    _folder: tempfile::TempDir,
}

impl Drop for Cache {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn cache() -> Option<Cache> {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let arguments = [
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--requirepass",
        "hunter/2",
        "--slowlog-log-slower-than",
        "0",
    ];
    let started = Command::new("redis-server").args(arguments).current_dir(folder.path()).stdout(Stdio::null()).spawn();
    match started {
        Ok(process) => Some(Cache { process, place: format!("127.0.0.1:{port}"), _folder: folder }),
        Err(error) => {
            eprintln!("SKIPPED: no redis-server here ({error}); the real-Redis stage did not run");
            None
        }
    }
}

#[tokio::test]
async fn a_real_redis_tells_its_figures_its_slow_commands_and_that_it_is_gone() {
    let Some(mut server) = cache() else { return };
    let of =
        |password: &str| Redis::new(vec![settings(&format!("redis://:{password}@{}", server.place))], clock()).unwrap();
    let (eye, stranger) = (of("hunter%2F2"), of("hunter3"));
    let mut seen = Observation::default();
    for _ in 0..50 {
        seen = ask(&eye, &[]).await.unwrap();
        // The first look is in the log of slow commands by the time of the second.
        if figure(&seen, "redis_up") == Some(1.0) && said(&seen).contains("INFO") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        (figure(&seen, "redis_up"), figure(&seen, "redis_connected_clients")),
        (Some(1.0), Some(1.0)),
        "{seen:?}"
    );
    assert!(figure(&seen, "redis_used_memory").is_some() && figure(&seen, "redis_rdb_last_bgsave_ok") == Some(1.0));
    assert!(said(&seen).contains("slow command"), "{}", said(&seen));
    let denied = ask(&stranger, &[]).await;
    assert!(matches!(&denied, Err(ToolError::Denied(text)) if !text.contains("hunter3")), "{denied:?}");
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    let seen = ask(&eye, &[]).await.unwrap();
    assert_eq!(figure(&seen, "redis_up"), Some(0.0));
    assert!(!format!("{seen:?}").contains("hunter"));
}
