//! What a process listens to by itself: followed files over rotation and restart, checks by the clock.

use super::serve::{Serve, TOKEN, Wishes};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

fn append(path: &Path, text: &str) {
    fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

async fn signals(serve: &Serve, source: &str) -> Vec<Value> {
    let listed = serve.get("/api/signals?limit=1000").await;
    let ours = |signal: &&Value| signal["source"] == source;
    listed["signals"].as_array().unwrap().iter().rev().filter(ours).cloned().collect()
}

async fn until(serve: &Serve, source: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let seen = signals(serve, source).await;
        if wanted(&seen) {
            return seen;
        }
        assert!(began.elapsed() < Duration::from_secs(40), "{seen:?}\n{}", serve.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_file_is_heard_over_rotation_and_restart_each_line_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("mill.log");
    append(&log, "ERROR of long ago\n");
    let settings =
        "[[tail]]\npath = \"mill.log\"\nservice = \"mill\"\n[[tail]]\npath = \"not-there.log\"\nservice = \"weir\"\n";
    let wishes = Wishes { settings: settings.into(), ..Wishes::default() };
    let mut serve = Serve::start(folder.path(), &wishes).await;
    // Where reading begins is known once the file has been looked at.
    tokio::time::sleep(Duration::from_secs(2)).await;
    append(&log, "2026-11-22 12:00:00 ERROR the wheel jams\n  at wheel.rs:7\n{\"level\":\"info\",\"msg\":\"calm\"}\n");
    let heard = until(&serve, "tail", |seen| !seen.is_empty()).await;
    assert_eq!((heard.len(), &heard[0]["labels"]["service"]), (1, &json!("mill")));
    assert!(heard[0]["text"].as_str().unwrap().ends_with("  at wheel.rs:7"), "{heard:?}");
    assert!(serve.stop().await < Duration::from_secs(10));
    append(&log, "{\"level\":\"error\",\"msg\":\"no grain\"}\n");
    fs::rename(&log, folder.path().join("mill.log.1")).unwrap();
    append(&log, "FATAL the mill burns\n");
    let serve = Serve::start(folder.path(), &wishes).await;
    let heard = until(&serve, "tail", |seen| seen.len() >= 3).await;
    let titles: Vec<&str> = heard.iter().map(|signal| signal["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["2026-11-22 12:00:00 ERROR the wheel jams", "no grain", "FATAL the mill burns"]);
    append(&folder.path().join("not-there.log"), "ERROR the weir breaks\n");
    assert_eq!(until(&serve, "tail", |seen| seen.len() > 3).await.len(), 4, "a file that comes later is read whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_check_is_one_incident_until_it_passes() {
    let folder = tempfile::tempdir().unwrap();
    let well = folder.path().join("well");
    let settings = format!(
        "[repos.mill]\ncheck = [\"/usr/bin/test\", \"-e\", {well:?}]\n[repos.child]\ncheck = [\"/usr/bin/env\"]\n"
    );
    let variables = [("SRE_ENABLE_AUTO_POLL", "true"), ("SRE_POLL_INTERVAL_SECONDS", "10")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let serve = Serve::start(folder.path(), &Wishes { settings, variables, ..Wishes::default() }).await;
    let register = async |name: &str| -> String {
        let body = json!({"name": name, "repo_url": format!("https://github.com/acme/{name}")});
        let post = serve.http.post(serve.url("/api/repos")).bearer_auth(TOKEN).json(&body);
        let made: Value = post.send().await.unwrap().json().await.unwrap();
        made["id"].as_str().unwrap().to_owned()
    };
    register("mill").await;
    let child = register("child").await;
    let failed =
        until(&serve, "check", |seen| seen.iter().filter(|signal| signal["state"] == "firing").count() >= 2).await;
    let incidents = serve.get("/api/incidents").await;
    assert_eq!(incidents["incidents"].as_array().unwrap().len(), 1, "{failed:?}");
    let incident = incidents["incidents"][0]["id"].as_str().unwrap().to_owned();
    fs::write(&well, "").unwrap();
    serve.until(&incident, &["resolved"]).await;
    assert_eq!(serve.get(&format!("/api/incidents/{incident}")).await["resolution"], "self_recovered");
    let poll = serve.http.post(serve.url(&format!("/api/repos/{child}/poll"))).bearer_auth(TOKEN);
    let polled: Value = poll.send().await.unwrap().json().await.unwrap();
    assert!(polled["success"] == true && !polled["stdout"].as_str().unwrap().contains(TOKEN), "{polled}");
}
