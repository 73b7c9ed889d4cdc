use super::serve::{Serve, TOKEN, Wishes};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").canonicalize().unwrap()
}

/// Runs Prometheus's own judge; none where it is not installed.
fn promtool(args: &[&str], folder: &Path, input: &str) -> Option<()> {
    let spawned = Command::new("promtool")
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        eprintln!("!!! SKIPPED: promtool is not installed; `promtool {}` judged nothing", args.join(" "));
        return None;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(ended.status.success() && !said.contains("FAILED"), "promtool {}:\n{said}", args.join(" "));
    Some(())
}

/// Every expression of every dashboard, with Grafana's variables filled in.
fn expressions() -> Vec<String> {
    let files = fs::read_dir(deploy().join("dashboards")).unwrap().map(|file| file.unwrap().path());
    let mut found = vec![];
    for file in files {
        let board: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap();
                found.push(expression.replace("$__rate_interval", "5m").replace("$job", ".*"));
            }
        }
    }
    assert!(found.len() > 30, "only {} expressions were found", found.len());
    found
}

fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("sentinell_")).map(str::to_owned).collect()
}

#[test]
fn every_expression_of_the_dashboards_and_every_alert_is_one_that_prometheus_understands() {
    let folder = tempfile::tempdir().unwrap();
    let rule = |(n, expr): (usize, String)| json!({"record": format!("panel:{n}"), "expr": expr});
    let rules: Vec<_> = expressions().into_iter().enumerate().map(rule).collect();
    let file = json!({"groups": [{"name": "dashboards", "rules": rules}]});
    fs::write(folder.path().join("rules.json"), file.to_string()).unwrap();
    let judged = promtool(&["check", "rules", "rules.json"], folder.path(), "")
        .and_then(|()| promtool(&["check", "rules", "alerts.yaml"], &deploy(), ""))
        .and_then(|()| promtool(&["test", "rules", "alerts_test.yaml"], &deploy(), ""));
    let _ = judged;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_keep_prometheus_s_conventions_and_hold_every_name_that_dashboards_and_alerts_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    // A destination that nobody is at: its notices wait.
    let settings = "[[webhooks]]\nname = \"pager\"\nurl = \"http://127.0.0.1:9/\"\nat_least = \"low\"\n".into();
    let secret = ("SENTINELL_WEBHOOK_PAGER_SECRETS".into(), format!("whsec_{}=", "A".repeat(43)));
    let serve = Serve::start(folder.path(), &Wishes { settings, variables: vec![secret], ..Wishes::default() }).await;
    let taken: Value = serve.post_log("k1", "cart is slow").await.unwrap().json().await.unwrap();
    let id = taken["id"].as_str().unwrap();
    serve.until(id, &["escalated"]).await;
    let resolve = serve.http.post(serve.url(&format!("/api/incidents/{id}/resolve"))).bearer_auth(TOKEN);
    assert_eq!(resolve.json(&json!({"reason": "seen"})).send().await.unwrap().status(), 200);
    let classic = serve.text("/metrics").await;
    promtool(&["check", "metrics"], folder.path(), &classic);
    let shown = names(&classic);
    let alerts = fs::read_to_string(deploy().join("alerts.yaml")).unwrap();
    let asked = expressions().into_iter().chain([alerts]);
    let missing: Vec<_> = asked.flat_map(|text| names(&text)).filter(|name| !shown.contains(name)).collect();
    assert!(missing.is_empty(), "not in /metrics: {missing:?}\n{classic}");
    assert!(classic.contains("sentinell_ready 1"), "{classic}");
    assert!(classic.contains("sentinell_incidents_resolved{resolution=\"person\"} 1"), "{classic}");

    let open = serve.http.get(serve.url("/metrics")).header("accept", "application/openmetrics-text; version=1.0.0");
    let open = open.send().await.unwrap();
    assert!(open.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    assert!(open.text().await.unwrap().ends_with("# EOF\n"));
}
