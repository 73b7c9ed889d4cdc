//! The real `sentinell serve`, talked to over REST.

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The first operator's token.
pub const OPERATOR: &str = "cluster-story-operator-token-0123456789";

/// One installation: a folder with `sentinell.toml` and a database.
pub struct Serve {
    folder: PathBuf,
    address: String,
    http: reqwest::Client,
    child: Option<Child>,
}

impl Serve {
    /// Looks with one identity, acts with the other, asks before it acts.
    pub fn install(folder: &Path, reader: &Path, hand: &Path) -> Self {
        let configuration = format!(
            r#"
autonomy = "approve"
[policy]
approval_seconds = 300
[kubernetes]
kubeconfig = "{}"
hold_seconds = 5
every_seconds = 1
within_seconds = 120
[kubernetes.acting]
kubeconfig = "{}"
[kubernetes.environments]
"*" = "staging"
"#,
            reader.display(),
            hand.display()
        );
        fs::write(folder.join("sentinell.toml"), configuration).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { folder: folder.to_owned(), address: format!("127.0.0.1:{port}"), http, child: None }
    }

    pub async fn start(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_sentinell"))
            .args(["serve", "--listen", &self.address])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &self.folder)
            .env("SENTINELL_OPERATOR_TOKEN", OPERATOR)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        self.until("the server is ready", async || {
            let answer = self.http.get(self.url("/api/ready")).send().await;
            answer.is_ok_and(|answer| answer.status().is_success()).then_some(())
        })
        .await;
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Asks again and again until there is an answer.
    pub async fn until<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(120), "not in two minutes: {what}\n{}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn text(&self, path: &str) -> String {
        let answer = self.http.get(self.url(path)).bearer_auth(OPERATOR).send().await.unwrap();
        assert!(answer.status().is_success(), "GET {path}: {}", answer.status());
        answer.text().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).unwrap()
    }

    /// Status and body.
    pub async fn send(&self, method: reqwest::Method, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        let mut request = self.http.request(method, self.url(path)).json(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send(reqwest::Method::POST, path, Some(OPERATOR), body).await
    }

    pub async fn press_kill_switch(&self, on: bool) {
        let body = json!({"on": on, "why": "a test of the switch"});
        let (status, answer) = self.send(reqwest::Method::PUT, "/api/kill-switch", Some(OPERATOR), &body).await;
        assert_eq!((status, &answer["on"]), (200, &Value::Bool(on)), "{answer}");
    }

    /// Posts a notification of one alert as Alertmanager does; answers the incident's id.
    pub async fn alert(&self, name: &str, namespace: &str) -> String {
        let labels = json!({"alertname": name, "severity": "critical", "namespace": namespace, "deployment": "web", "service": "web"});
        let summary = format!("web in {namespace} has fewer ready pods than wanted");
        let alert = json!({"status": "firing", "labels": labels, "annotations": {"summary": summary},
            "startsAt": chrono::Utc::now().to_rfc3339(), "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "0123456789abcdef"});
        let notification = json!({"version": "4", "receiver": "sentinell", "status": "firing", "groupLabels": {},
            "groupKey": "{}:{}", "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alerts.test", "alerts": [alert]});
        let (status, answer) = self.post("/api/signals/alertmanager", &notification).await;
        assert_eq!(status, 202, "{answer}");
        answer["alerts"][0]["incident_id"].as_str().unwrap().to_owned()
    }

    pub async fn incident(&self, id: &str) -> Value {
        self.get(&format!("/api/incidents/{id}")).await
    }

    /// Waits for a phase; another one at which it comes to rest is an end of the test.
    pub async fn reaches(&self, id: &str, phase: &str) -> Value {
        let incident = self
            .until(&format!("incident {id} is {phase}"), async || {
                let incident = self.incident(id).await;
                let now = incident["phase"].as_str().unwrap_or_default();
                let rests = ["resolved", "escalated", "dismissed", "dead_letter", "in_doubt"];
                (now == phase || rests.contains(&now)).then_some(incident)
            })
            .await;
        assert_eq!(incident["phase"], phase, "{:#}", json!(self.journal(id).await));
        incident
    }

    pub async fn journal(&self, id: &str) -> Vec<Value> {
        let answer = self.get(&format!("/api/incidents/{id}/journal?limit=1000")).await;
        answer["entries"].as_array().unwrap().clone()
    }

    /// The types of an incident's entries, in order.
    pub async fn types(&self, id: &str) -> Vec<String> {
        self.journal(id).await.iter().map(|entry| entry["type"].as_str().unwrap().to_owned()).collect()
    }

    /// The only proposed deed.
    pub async fn proposal(&self, id: &str) -> Value {
        let actions = self.get(&format!("/api/incidents/{id}/actions")).await;
        assert_eq!(actions["actions"].as_array().unwrap().len(), 1, "{actions:#}");
        actions["actions"][0].clone()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.kill();
    }
}
