//! A real `sentinell serve` process in a folder of its own.

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The operator's token of every server here.
pub const TOKEN: &str = "operations-operator-token-0123456789";

pub struct Serve {
    pub folder: PathBuf,
    pub address: String,
    pub http: reqwest::Client,
    child: Option<Child>,
}

/// How a server is started.
#[derive(Default)]
pub struct Wishes {
    pub settings: String,
    pub variables: Vec<(String, String)>,
    /// Words before the program: a wrapper such as `prlimit`.
    pub before: Vec<String>,
}

impl Serve {
    pub async fn start(folder: &Path, wishes: &Wishes) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(40)).build().unwrap();
        let mut serve = Self { folder: folder.to_owned(), address: format!("127.0.0.1:{port}"), http, child: None };
        fs::write(folder.join("sentinell.toml"), &wishes.settings).unwrap();
        serve.child = Some(serve.command(wishes));
        let began = Instant::now();
        while !serve.answers("/api/health").await {
            assert!(began.elapsed() < Duration::from_secs(30), "the server does not answer:\n{}", serve.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        serve
    }

    fn command(&self, wishes: &Wishes) -> Child {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let program = env!("CARGO_BIN_EXE_sentinell").to_owned();
        let words: Vec<String> = wishes.before.iter().cloned().chain([program]).collect();
        Command::new(&words[0])
            .args(&words[1..])
            .args(["serve", "--listen", &self.address])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &self.folder)
            .env("SENTINELL_OPERATOR_TOKEN", TOKEN)
            .envs(wishes.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn log_file(&self) -> PathBuf {
        // Beside the folder: where a disk is full, the log must not be what fills it.
        self.folder.with_extension("log")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn answers(&self, path: &str) -> bool {
        self.http.get(self.url(path)).send().await.is_ok_and(|answer| answer.status().is_success())
    }

    pub async fn get(&self, path: &str) -> Value {
        self.http.get(self.url(path)).send().await.unwrap().json().await.unwrap()
    }

    pub async fn text(&self, path: &str) -> String {
        self.http.get(self.url(path)).send().await.unwrap().text().await.unwrap()
    }

    /// Posts a log line under a delivery id.
    pub async fn post_log(&self, key: &str, message: &str) -> reqwest::Result<reqwest::Response> {
        let body = json!({"message": message, "level": "error", "metadata": {"key": key}});
        self.http.post(self.url("/api/signals/logs")).header("X-Webhook-Id", key).json(&body).send().await
    }

    /// Waits until the incident is in one of these phases.
    pub async fn until(&self, incident: &str, phases: &[&str]) -> String {
        let began = Instant::now();
        loop {
            let seen = self.get(&format!("/api/incidents/{incident}")).await;
            let phase = seen["phase"].as_str().unwrap_or_default().to_owned();
            if phases.contains(&phase.as_str()) {
                return phase;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "still {phase}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// SIGTERM, and how long it takes to end.
    pub async fn stop(&mut self) -> Duration {
        let mut child = self.child.take().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let began = Instant::now();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        began.elapsed()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
