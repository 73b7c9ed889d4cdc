//! One server and three workers on a PostgreSQL that several processes share: workers are killed, or frozen and woken,
//! and the database is restarted, while signals come in.
//!
//! `SENTINELL_CRASH_SECONDS` says how long (40).

use super::{Acknowledged, Server, TROUBLES, install, judge, send};
use crate::postgres;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const WORKERS: usize = 3;
/// Longer than the lease that `install` configures, so that a frozen worker's incidents are taken over.
const FROZEN: Duration = Duration::from_secs(4);
/// How soon everything has to work again after the database is back.
const READY: Duration = Duration::from_secs(10);

fn worker(folder: &Path, database: &str) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_sentinell"))
        .arg("worker")
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder)
        .env("DATABASE_URL", database)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

/// The workers; killed with this.
struct Crew(Vec<Child>);

impl Drop for Crew {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Every other time a worker is killed; the other times it sleeps and wakes up late.
async fn harm_a_worker(crew: &mut Crew, folder: &Path, database: &str, turn: usize) {
    let chosen = turn % WORKERS;
    if turn.is_multiple_of(2) {
        crew.0[chosen].kill().unwrap();
        crew.0[chosen].wait().unwrap();
        crew.0[chosen] = worker(folder, database);
    } else {
        signal(&crew.0[chosen], rustix::process::Signal::STOP);
        tokio::time::sleep(FROZEN).await;
        signal(&crew.0[chosen], rustix::process::Signal::CONT);
    }
}

/// Restarts the database; how long after it was back the server said that it is ready.
async fn restart(database: &postgres::Server, http: &reqwest::Client, address: &str, turn: usize) -> Duration {
    database.stop(if turn.is_multiple_of(2) { "immediate" } else { "fast" });
    tokio::time::sleep(Duration::from_millis(500)).await;
    database.start();
    let (back, url) = (Instant::now(), format!("http://{address}/api/ready"));
    loop {
        let answer = http.get(&url).send().await;
        if answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
            return back.elapsed();
        }
        if back.elapsed() > READY {
            let said = match answer {
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            panic!("not ready {READY:?} after the database was back: {said}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "dear: a stage of its own"]
async fn three_workers_on_one_database_lose_nothing_and_double_nothing_whatever_is_killed() {
    let seconds = std::env::var("SENTINELL_CRASH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let Some(database) = postgres::Server::up() else { return };
    let folder = tempfile::tempdir().unwrap();
    install(folder.path());
    let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let mut server = Server::on(folder.path(), &database.url);
    server.start(&http).await;
    let mut crew = Crew((0..WORKERS).map(|_| worker(folder.path(), &database.url)).collect());
    let known = Acknowledged::default();
    let (began, mut restarts, mut harmed) = (Instant::now(), vec![], 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        let round = restarts.len();
        let senders: Vec<_> = (0..TROUBLES / 2)
            .map(|sender| tokio::spawn(send(http.clone(), server.address.clone(), sender, round, known.clone())))
            .collect();
        // Between 5 and 12 seconds to the next restart, with a worker harmed now and then.
        let pause = Duration::from_millis(5000 + (round as u64).wrapping_mul(0x9e37_79b9) % 7000);
        let until = Instant::now() + pause;
        while Instant::now() < until {
            harm_a_worker(&mut crew, folder.path(), &database.url, harmed).await;
            harmed += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        restarts.push(restart(&database, &http, &server.address, round).await);
        for sender in senders {
            sender.abort();
            if let Err(error) = sender.await {
                assert!(error.is_cancelled(), "a sender failed: {error}");
            }
        }
    }
    judge(&mut server, &http, &known, &folder.path().join("ledger")).await;
    let slowest = restarts.iter().max().copied().unwrap_or_default();
    eprintln!(
        "{} restarts of the database, ready again after at most {slowest:?}; workers killed or frozen {harmed} times",
        restarts.len()
    );
}
