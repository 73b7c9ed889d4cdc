//! A PostgreSQL server that dies, freezes and comes back. Each test starts its own (`scripts/postgres`), so they are dear
//! and run in a stage of their own.

use sentinell::store::{Accept, Filter, Options, Store, StoreError};
use sentinell_core::alert::fingerprint;
use sentinell_core::policy::Budget;
use sentinell_core::signal::{Severity, Signal, SignalState, SignalType};
use sentinell_core::time::Timestamp;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A server of its own; gone with this.
pub struct Server {
    folder: tempfile::TempDir,
    pub url: String,
}

fn script(verb: &str, folder: &Path, mode: Option<&str>) -> std::process::Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/postgres");
    Command::new(script).arg(verb).arg(folder).args(mode).output().unwrap()
}

impl Server {
    /// None, loudly, where there are no server programs.
    pub fn up() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let up = script("up", folder.path(), None);
        if up.status.code() == Some(77) {
            eprintln!("\n!!! SKIPPED: no PostgreSQL server programs\n");
            return None;
        }
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        Some(Self { folder, url: String::from_utf8(up.stdout).unwrap().trim().to_owned() })
    }

    /// Stops it: `fast`, or `immediate` as a crash leaves it.
    pub fn stop(&self, mode: &str) {
        let stopped = script("stop", self.folder.path(), Some(mode));
        assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
    }

    pub fn start(&self) {
        let started = script("start", self.folder.path(), None);
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    }

    /// Sends a signal (`STOP`, `CONT`) to every one of its processes.
    fn signal(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", pid]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        let all = std::iter::once(pid).chain(children.split_whitespace());
        // One that has just ended is no error.
        let _ = Command::new("kill").arg(format!("-{signal}")).args(all).output().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        script("down", self.folder.path(), None);
    }
}

fn firing(n: usize) -> Accept {
    let rule = format!("rule-{n}");
    let signal = Signal {
        id: format!("s-{n}").as_str().into(),
        signal_type: SignalType::Alert,
        source: "watcher".into(),
        delivery_id: Some(format!("d-{n}")),
        state: SignalState::Firing,
        severity: Severity::Medium,
        title: format!("{rule} on lighthouse"),
        text: String::new(),
        labels: std::collections::BTreeMap::new(),
        repo_id: None,
        source_ref: None,
        occurred_at: Timestamp(1000),
        received_at: Timestamp(1000),
        tags: vec![],
        metadata: serde_json::Value::Null,
    };
    let fingerprint = fingerprint([rule.as_str()]);
    Accept {
        signal,
        fingerprint,
        raw_sha256: [7; 32],
        budget: Budget::default(),
        new_incident: format!("i-{n}").as_str().into(),
    }
}

/// Asks until it can be written again; how long that took.
async fn back(store: &Store) -> Duration {
    let began = Instant::now();
    while let Err(error) = store.check(Timestamp(1)).await {
        assert!(began.elapsed() < Duration::from_secs(10), "not ready 10 s after the server was back: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

/// Every kind of call is answered with an error, in seconds, and without the password.
async fn refused(store: &Store, password: &str) {
    let asked = Instant::now();
    let (taken, listed, claimed) = tokio::join!(
        store.accept(firing(99)),
        store.incidents(Filter::default(), None, 10),
        store.claim("one", Timestamp(1000), 100)
    );
    assert!(asked.elapsed() < Duration::from_secs(20), "an answer took {:?}", asked.elapsed());
    for error in [taken.map(drop), listed.map(drop), claimed.map(drop)].map(Result::unwrap_err) {
        assert!(matches!(error, StoreError::Unavailable(_) | StoreError::Busy), "{error:?}");
        assert!(!format!("{error} {error:?}").contains(password), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "dear: a stage of its own"]
async fn a_store_outlives_its_server() {
    let Some(server) = Server::up() else { return };
    let password = server.url.split(['@', ':']).nth(2).unwrap().to_owned();
    let store = Store::open(&server.url, Options::default()).await.unwrap();
    assert!(!format!("{store:?}").contains(&password));
    store.accept(firing(0)).await.unwrap();
    for (n, mode) in ["fast", "immediate", "immediate"].into_iter().enumerate() {
        server.stop(mode);
        refused(&store, &password).await;
        server.start();
        let took = back(&store).await;
        eprintln!("{mode}: ready again after {took:?}");
        store.accept(firing(n + 1)).await.unwrap();
    }

    server.signal("STOP");
    refused(&store, &password).await;
    server.signal("CONT");
    eprintln!("frozen: ready again after {:?}", back(&store).await);
    store.accept(firing(4)).await.unwrap();
    // What was refused may have been kept all the same (nobody knows), but it is kept once.
    assert!(store.accept(firing(99)).await.is_ok());
    let counters = store.counters(Timestamp(2000)).await.unwrap();
    assert_eq!((counters.signals_total, counters.entries_total), (6, 6));
    let positions = store.entries_after(0, None, 100).await.unwrap();
    assert_eq!(positions.iter().map(|stored| stored.position).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "dear: a stage of its own"]
async fn a_process_that_freezes_with_the_right_to_append_does_not_hold_the_others_up() {
    let Some(server) = Server::up() else { return };
    let store = Store::open(&server.url, Options::default()).await.unwrap();
    let mut frozen = <sqlx::PgConnection as sqlx::Connection>::connect(&server.url).await.unwrap();
    // What a store's writer does, and then nothing more; the limits are those of a store's connection.
    let begun = "SET idle_in_transaction_session_timeout = '5s'; BEGIN; SELECT pg_advisory_xact_lock(7305796351)";
    sqlx::raw_sql(begun).execute(&mut frozen).await.unwrap();
    let began = Instant::now();
    while store.accept(firing(1)).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "the lock was never given up");
    }
    assert!(began.elapsed() < Duration::from_secs(12), "it took {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "dear: a stage of its own"]
async fn signals_lie_in_the_table_of_their_month() {
    let Some(server) = Server::up() else { return };
    let store = Store::open(&server.url, Options::default()).await.unwrap();
    let now = chrono::Utc::now();
    let mut accept = firing(1);
    accept.signal.received_at = Timestamp(now.timestamp_millis());
    store.accept(accept).await.unwrap();
    store.accept(firing(2)).await.unwrap();
    store.close().await;
    let mut conn = <sqlx::PgConnection as sqlx::Connection>::connect(&server.url).await.unwrap();
    let places: Vec<String> = sqlx::query_scalar("SELECT tableoid::regclass::text FROM signals ORDER BY n")
        .fetch_all(&mut conn)
        .await
        .unwrap();
    assert_eq!(places, [format!("signals_{}", now.format("%Y_%m")), "signals_rest".into()]);
    // A month that was forgotten is made at the next start, and takes over what came meanwhile.
    let forget = format!(
        "BEGIN; CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM {0}; DROP TABLE {0}; \
         INSERT INTO signals SELECT * FROM kept; COMMIT",
        places[0]
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(forget)).execute(&mut conn).await.unwrap();
    Store::open(&server.url, Options::default()).await.unwrap().close().await;
    let again: Vec<String> = sqlx::query_scalar("SELECT tableoid::regclass::text FROM signals ORDER BY n")
        .fetch_all(&mut conn)
        .await
        .unwrap();
    assert_eq!(again, places);
}
