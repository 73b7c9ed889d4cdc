//! A real Kubernetes through the real `sentinell serve`: an alert becomes a verified fix when a person says yes, and nothing
//! at all when anybody says no.
//!
//! Dear, and it needs a cluster, so it runs in a stage of its own: `scripts/test.sh story`.

mod kubernetes;
mod serve;

use chrono::{DateTime, Utc};
use kubernetes::{BAD, Cluster, GOOD};
use serde_json::{Value, json};
use serve::Serve;
use std::time::Instant;

/// One alert that waits for approval, and what may have been changed in the cluster.
struct Waiting {
    namespace: &'static str,
    incident: String,
    action: Value,
    before: (String, u64, u64),
}

impl Waiting {
    /// A web that ran well gets an image that does not exist, and an alert comes.
    async fn bring_about(cluster: &Cluster, serve: &Serve, namespace: &'static str) -> Self {
        cluster.healthy_shop(namespace);
        cluster.grant("sentinell-acting", namespace);
        cluster.break_it(namespace);
        let before = cluster.state(namespace);
        assert_eq!(before.0, BAD);
        let incident = serve.alert("WebDegraded", namespace).await;
        serve.reaches(&incident, "awaiting_approval").await;
        let action = serve.proposal(&incident).await;
        assert_eq!(action["kind"], "kubernetes.rollout_undo");
        assert_eq!(action["target"], format!("deployment/{namespace}/web"));
        Self { namespace, incident, action, before }
    }

    fn approval(&self) -> Value {
        json!({"action_id": self.action["id"], "hash": self.action["hash"], "comment": "go back"})
    }

    async fn approve(&self, serve: &Serve, token: Option<&str>, body: &Value) -> (u16, Value) {
        let path = format!("/api/incidents/{}/approve", self.incident);
        serve.send(reqwest::Method::POST, &path, token, body).await
    }

    /// Not one bit of the Deployment has changed, and no deed was begun.
    async fn untouched(&self, cluster: &Cluster, serve: &Serve) {
        assert_eq!(cluster.state(self.namespace), self.before, "{} was touched", self.namespace);
        let types = serve.types(&self.incident).await;
        assert!(!types.contains(&"action_started".to_owned()), "{types:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real cluster: a stage of its own"]
async fn an_alert_becomes_a_verified_fix_only_if_a_person_says_yes() {
    let cluster = Cluster::given();
    let folder = tempfile::tempdir().unwrap();
    cluster.roles();
    let mut serve = Serve::install(folder.path(), &cluster.reader(), &cluster.hand(folder.path()));
    serve.start().await;
    a_yes_cures(&cluster, &serve).await;
    a_no_changes_nothing(&cluster, &serve).await;
    a_yes_too_late_changes_nothing(&cluster, &serve).await;
    a_yes_under_the_kill_switch_changes_nothing(&cluster, &mut serve).await;
    without_the_right_it_says_what_is_missing(&cluster, &serve).await;
    the_first_hypothesis_is_quick(&serve).await;
}

async fn a_yes_cures(cluster: &Cluster, serve: &Serve) {
    let began = Instant::now();
    let waiting = Waiting::bring_about(cluster, serve, "bakery").await;
    let (id, right) = (waiting.incident.as_str(), waiting.approval());
    let (status, viewer) = serve.post("/api/tokens", &json!({"name": "vera", "role": "viewer"})).await;
    assert_eq!(status, 201, "{viewer}");
    let wrong = json!({"action_id": waiting.action["id"], "hash": "0".repeat(64)});
    assert_eq!(waiting.approve(serve, Some(serve::OPERATOR), &wrong).await.0, 409, "a wrong hash");
    assert_eq!(waiting.approve(serve, viewer["token"].as_str(), &right).await.0, 403, "a viewer");
    assert_eq!(waiting.approve(serve, None, &right).await.0, 401, "nobody");
    assert_eq!(serve.incident(id).await["phase"], "awaiting_approval");
    waiting.untouched(cluster, serve).await;

    let (status, action) = waiting.approve(serve, Some(serve::OPERATOR), &right).await;
    assert_eq!((status, &action["hash"]), (200, &waiting.action["hash"]), "{action}");
    let incident = serve.reaches(id, "resolved").await;
    assert_eq!(incident["resolution"], "verified_fix", "{:#}", json!(serve.journal(id).await));
    let (image, revision, generation) = cluster.state("bakery");
    assert_eq!((image.as_str(), revision, generation), (GOOD, waiting.before.1 + 1, waiting.before.2 + 1));
    cluster.settled("bakery");
    let postmortem = serve.text(&format!("/api/incidents/{id}/postmortem?format=markdown")).await;
    // Markdown escapes what an outsider may have written.
    let postmortem = postmortem.replace('\\', "");
    for word in ["service/bakery/web", "image", "kubernetes.rollout_undo", "deployment/bakery/web"] {
        assert!(postmortem.contains(word), "the postmortem does not say {word}:\n{postmortem}");
    }
    tells_it_in_order(&serve.journal(id).await);
    eprintln!("bakery: verified fix after {:.1} s, rollout included", began.elapsed().as_secs_f64());
}

/// All four nodes, and every step of the deed once and in its order.
fn tells_it_in_order(journal: &[Value]) {
    for node in ["observe", "reason", "act", "evaluate"] {
        assert!(journal.iter().any(|entry| entry["node"] == node), "no entry of node {node}");
    }
    let steps = ["approval_requested", "approval_granted", "action_started", "action_finished", "verified", "resolved"];
    let told: Vec<&str> = journal.iter().filter_map(|entry| entry["type"].as_str()).collect();
    let kept: Vec<&str> = told.iter().copied().filter(|kind| steps.contains(kind)).collect();
    assert_eq!(kept, steps, "{told:?}");
}

async fn a_no_changes_nothing(cluster: &Cluster, serve: &Serve) {
    let waiting = Waiting::bring_about(cluster, serve, "florist").await;
    let path = format!("/api/incidents/{}/reject", waiting.incident);
    let (status, answer) = serve.post(&path, &json!({"action_id": waiting.action["id"], "comment": "not now"})).await;
    assert_eq!(status, 200, "{answer}");
    serve.reaches(&waiting.incident, "escalated").await;
    assert_eq!(waiting.approve(serve, Some(serve::OPERATOR), &waiting.approval()).await.0, 409, "after a no");
    waiting.untouched(cluster, serve).await;
    eprintln!("florist: rejected, nothing done");
}

async fn a_yes_too_late_changes_nothing(cluster: &Cluster, serve: &Serve) {
    let policies = serve.get("/api/policies").await;
    let mut policy = policies["policies"][0]["policy"].clone();
    policy.as_object_mut().unwrap().remove("kill_switch");
    let patient = policy.clone();
    policy["approval_seconds"] = json!(3);
    let set = async |policy: &Value| {
        let (status, answer) = serve.post("/api/policies", &json!({"policy": policy, "why": "a test"})).await;
        assert_eq!(status, 201, "{answer}");
    };
    set(&policy).await;
    let waiting = Waiting::bring_about(cluster, serve, "saddler").await;
    let expires: DateTime<Utc> = waiting.action["expires_at"].as_str().unwrap().parse().unwrap();
    serve.until("its time is over", async || (Utc::now() > expires).then_some(())).await;
    assert_eq!(waiting.approve(serve, Some(serve::OPERATOR), &waiting.approval()).await.0, 410, "too late");
    serve.reaches(&waiting.incident, "escalated").await;
    assert_eq!(waiting.approve(serve, Some(serve::OPERATOR), &waiting.approval()).await.0, 410, "still too late");
    waiting.untouched(cluster, serve).await;
    set(&patient).await;
    eprintln!("saddler: expired, nothing done");
}

async fn a_yes_under_the_kill_switch_changes_nothing(cluster: &Cluster, serve: &mut Serve) {
    let waiting = Waiting::bring_about(cluster, serve, "cobbler").await;
    serve.press_kill_switch(true).await;
    assert_eq!(waiting.approve(serve, Some(serve::OPERATOR), &waiting.approval()).await.0, 200);
    serve.reaches(&waiting.incident, "escalated").await;
    let journal = serve.journal(&waiting.incident).await;
    let blocked = journal.iter().find(|entry| entry["type"] == "deed_blocked").expect("the deed was blocked");
    assert!(blocked["data"]["why"].as_str().unwrap().contains("kill switch"), "{blocked}");
    serve.kill();
    serve.start().await;
    assert_eq!(serve.get("/api/kill-switch").await["on"], true, "it outlives a restart");
    waiting.untouched(cluster, serve).await;
    serve.press_kill_switch(false).await;
    eprintln!("cobbler: kill switch, nothing done, before and after a restart");
}

async fn without_the_right_it_says_what_is_missing(cluster: &Cluster, serve: &Serve) {
    cluster.healthy_shop("chandler");
    cluster.grant("sentinell-reader", "chandler");
    cluster.break_it("chandler");
    let before = cluster.state("chandler");
    let id = serve.alert("WebDegraded", "chandler").await;
    serve.reaches(&id, "escalated").await;
    let journal = serve.journal(&id).await;
    let not_planned = journal.iter().find(|entry| entry["type"] == "action_not_planned").expect("it wanted to act");
    let why = not_planned["data"]["why"].as_str().unwrap();
    assert!(why.contains("may not patch deployments.apps in namespace chandler"), "{why}");
    assert_eq!(cluster.state("chandler"), before);
    over(serve, &id).await;
    eprintln!("chandler: {why}");
}

/// A person says that an incident is over: the next alert of that service opens another one.
async fn over(serve: &Serve, id: &str) {
    let (status, answer) = serve.post(&format!("/api/incidents/{id}/resolve"), &json!({"reason": "seen"})).await;
    assert_eq!(status, 200, "{answer}");
}

/// From the acknowledged signal to the first hypothesis, on everything that happened here and a dozen alerts more.
async fn the_first_hypothesis_is_quick(serve: &Serve) {
    for round in 0..12 {
        let id = serve.alert(&format!("Again{round}"), "chandler").await;
        serve.reaches(&id, "escalated").await;
        over(serve, &id).await;
    }
    let incidents = serve.get("/api/incidents?limit=100").await;
    let mut samples = vec![];
    for incident in incidents["incidents"].as_array().unwrap() {
        let detail = serve.incident(incident["id"].as_str().unwrap()).await;
        let moment = |field: &str| detail[field].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
        let took = moment("first_hypothesis_at").unwrap() - moment("created_at").unwrap();
        samples.push(took.num_milliseconds());
    }
    samples.sort_unstable();
    let p95 = samples[(samples.len() * 95).div_ceil(100) - 1];
    eprintln!("first hypothesis: p95 {p95} ms of {samples:?} ms");
    let metrics = serve.text("/metrics").await;
    let shown = metrics.lines().filter(|line| line.contains("time_to_first_hypothesis") && !line.starts_with('#'));
    shown.for_each(|line| eprintln!("{line}"));
    assert!(samples.len() >= 15, "too few to say anything: {samples:?}");
    // Two seconds are wanted, and the line above tells; a machine that is busy with other things fails at hanging only.
    assert!(p95 < 20_000, "p95 {p95} ms");
}
