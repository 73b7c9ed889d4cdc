//! Deeds that exchange a value, delete a pod, close and open a node, on the real API.

use super::{Cluster, READER, action, args, clock, until, warrant_for, words};
use sentinell_adapters::actuators::kubernetes::{KubernetesHands, KubernetesHandsSettings};
use sentinell_core::action::{Action, ActionDraft, Deed};
use sentinell_core::ports::{ActError, Actuator, Applied, ToolError};
use serde_json::{Value, json};
use std::time::Duration;

const CART: &str = "deployment/shop/cart";

fn hands(cluster: &Cluster, identity: &str) -> KubernetesHands {
    let settings = KubernetesHandsSettings {
        variables: vec!["MOOD".into()],
        max_drained_pods: 3,
        ..KubernetesHandsSettings::default()
    };
    KubernetesHands::new(cluster.kubectl(identity), settings, clock())
}

fn draft(kind: &str, target: &str, pairs: &[(&str, &str)]) -> ActionDraft {
    let (because, why) = ("h1".into(), String::new());
    ActionDraft { kind: kind.into(), target: target.into(), params: args(pairs), because, why }
}

async fn planned(hands: &KubernetesHands, kind: &str, target: &str, pairs: &[(&str, &str)]) -> Action {
    let plan = hands.plan(&draft(kind, target, pairs)).await;
    action(kind, target, pairs, plan.unwrap_or_else(|error| panic!("{kind} {target}: {error}")))
}

async fn does(hands: &KubernetesHands, action: &Action) -> Result<String, ActError> {
    hands.apply(action, warrant_for(action, 60)).await
}

/// Done once, seen to be done, refused by the API server for who comes late, taken back.
async fn once_and_back(hands: &KubernetesHands, kind: &str, target: &str, pairs: &[(&str, &str)]) {
    let action = planned(hands, kind, target, pairs).await;
    assert_eq!(hands.was_applied(&action).await, Ok(Applied::No), "{kind}");
    does(hands, &action).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    assert_eq!(hands.was_applied(&action).await, Ok(Applied::Yes), "{kind}");
    let sleeper = does(hands, &action).await;
    assert!(matches!(&sleeper, Err(ActError::Failed(_))), "the API server checks {kind}: {sleeper:?}");
    let undo = action.undo("a2".into(), action.expires_at).unwrap();
    assert_eq!(hands.was_applied(&undo).await, Ok(Applied::No), "{kind}");
    does(hands, &undo).await.unwrap_or_else(|error| panic!("undo of {kind}: {error}"));
    assert_eq!((hands.was_applied(&undo).await, hands.was_applied(&action).await), (Ok(Applied::Yes), Ok(Applied::No)));
}

pub async fn values_are_exchanged_once_and_back(cluster: &Cluster) {
    let patch = json!([
        {"op": "add", "path": "/spec/template/spec/containers/0/env", "value": [{"name": "MOOD", "value": "calm"}, {"name": "KEY", "value": "x"}]},
        {"op": "add", "path": "/spec/template/spec/containers/0/resources", "value": {"limits": {"memory": "64Mi"}, "requests": {"memory": "16Mi"}}},
    ]);
    cluster.admin(&["patch", "deployment/cart", "-n", "shop", "--type=json", "-p", &patch.to_string()], None);
    cluster.admin(&["rollout", "status", "deployment/cart", "-n", "shop", "--timeout=60s"], None);
    let hands = hands(cluster, READER);
    once_and_back(&hands, "kubernetes.rollout_pause", CART, &[]).await;
    once_and_back(
        &hands,
        "kubernetes.set_resources",
        CART,
        &[("container", "main"), ("resource", "memory"), ("limit", "96Mi")],
    )
    .await;
    once_and_back(&hands, "kubernetes.set_env", CART, &[("container", "main"), ("name", "MOOD"), ("value", "merry")])
        .await;
    let image = [("container", "main"), ("image", "docker.io/local/busybox:2")];
    let shown = planned(&hands, "kubernetes.set_image", CART, &image).await;
    assert!(words(&shown.plan.deed).starts_with("kubectl patch deployment/cart -n shop --type=json -p "), "{shown:?}");
    once_and_back(&hands, "kubernetes.set_image", CART, &image).await;
    for (kind, pairs) in [
        ("kubernetes.rollout_resume", &[][..]),
        ("kubernetes.set_image", &[("container", "main"), ("image", "docker.io/evil/busybox:1")]),
        ("kubernetes.set_image", &[("container", "main"), ("image", "docker.io/local/busybox")]),
        ("kubernetes.set_image", &[("container", "other"), ("image", "docker.io/local/busybox:2")]),
        ("kubernetes.set_env", &[("container", "main"), ("name", "KEY"), ("value", "y")]),
        ("kubernetes.set_resources", &[("container", "main"), ("resource", "cpu"), ("limit", "1")]),
        ("kubernetes.set_resources", &[("container", "main"), ("resource", "memory"), ("limit", "8Mi")]),
    ] {
        let answer = hands.plan(&draft(kind, CART, pairs)).await;
        assert!(matches!(answer, Err(ToolError::BadQuery(_))), "{kind} {pairs:?}: {answer:?}");
    }
    let mut bent = shown.clone();
    if let Deed::Argv(words) = &mut bent.plan.deed {
        let patch = json!([{"op": "test", "path": "/spec/paused", "value": null}, {"op": "add", "path": "/spec/template/spec/hostPID", "value": true}]);
        *words.last_mut().unwrap() = patch.to_string();
    }
    assert!(matches!(does(&hands, &bent).await, Err(ActError::NotStarted(_))));
}

pub async fn a_pod_is_deleted_by_its_identity(cluster: &Cluster) {
    cluster.admin(&["rollout", "status", "deployment/cart", "-n", "shop", "--timeout=60s"], None);
    let rule = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "delete"]}]);
    let pods = || -> Vec<Value> {
        let text = cluster.admin(&["get", "pods", "-n", "shop", "-l", "app=cart", "-o", "json"], None);
        let list: Value = serde_json::from_str(&text).unwrap();
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .cloned()
            .collect()
    };
    let name = pods()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let target = format!("pod/shop/{name}");
    let hands = hands(cluster, READER);
    let denied = hands.plan(&draft("kubernetes.delete_pod", &target, &[])).await;
    assert!(matches!(&denied, Err(ToolError::Denied(why)) if why.contains("delete")), "{denied:?}");
    cluster.grant("deletes", &rule);
    let delete = planned(&hands, "kubernetes.delete_pod", &target, &[]).await;
    assert_eq!(hands.was_applied(&delete).await, Ok(Applied::No));
    let mut other = delete.clone();
    if let Deed::Argv(words) = &mut other.plan.deed {
        *words.last_mut().unwrap() =
            format!("/api/v1/namespaces/shop/pods/{name}?uid=00000000-0000-0000-0000-000000000000");
    }
    let answer = does(&hands, &other).await;
    assert!(matches!(&answer, Err(ActError::Failed(why)) if why.contains("uid") || why.contains("UID")), "{answer:?}");
    assert_eq!(hands.was_applied(&delete).await, Ok(Applied::No), "another pod's identity deletes nothing");
    does(&hands, &delete).await.unwrap();
    assert_eq!(hands.was_applied(&delete).await, Ok(Applied::Yes));
    until("another pod in its place", async || pods().iter().any(|pod| pod["metadata"]["name"] != name.as_str())).await;
}

pub async fn the_last_node_is_never_closed(cluster: &Cluster) {
    let nodes: Value = serde_json::from_str(&cluster.admin(&["get", "nodes", "-o", "json"], None)).unwrap();
    let name = nodes["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    let target = format!("node/{name}");
    let helps = [("service", "shop/cart")];
    let reader = hands(cluster, READER);
    let denied = reader.plan(&draft("kubernetes.cordon", &target, &helps)).await;
    assert!(matches!(denied, Err(ToolError::Denied(_))), "{denied:?}");
    let hands = hands(cluster, "kubeconfig");
    for kind in ["kubernetes.cordon", "kubernetes.drain"] {
        let alone = hands.plan(&draft(kind, &target, &helps)).await;
        assert!(matches!(&alone, Err(ToolError::BadQuery(why)) if why.contains("last node")), "{kind}: {alone:?}");
    }
    // A second one, as its kubelet would tell of it.
    let metadata = json!({"name": "spare"});
    cluster.apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata}));
    let mut spare: Value = serde_json::from_str(&cluster.admin(&["get", "node", "spare", "-o", "json"], None)).unwrap();
    spare["status"]["conditions"] = json!([{"type": "Ready", "status": "True", "reason": "Test", "message": "",
        "lastHeartbeatTime": "2030-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    spare["spec"] = json!({});
    cluster.admin(&["replace", "--raw", "/api/v1/nodes/spare/status", "-f", "-"], Some(&spare));
    once_and_back(&hands, "kubernetes.cordon", &target, &helps).await;
    cluster.admin(&["cordon", &name], None);
    once_and_back(&hands, "kubernetes.uncordon", &target, &helps).await;
    cluster.admin(&["uncordon", &name], None);
    cluster.admin(&["delete", "node", "spare"], None);
    tokio::time::sleep(Duration::from_millis(100)).await;
}
