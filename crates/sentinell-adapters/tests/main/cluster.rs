//! A real Kubernetes: started from the shared folder for this test, or the running one in the folder `SENTINELL_CLUSTER`.

mod changes;

use super::case::{action, args, ask, case, clock, first_look, warrant_for};
use sentinell_adapters::actuators::kubernetes::{KubernetesHands, KubernetesHandsSettings};
use sentinell_adapters::kubectl::Kubectl;
use sentinell_adapters::process::Program;
use sentinell_adapters::tools::kubernetes::Kubernetes;
use sentinell_core::action::{Action, ActionDraft, Deed};
use sentinell_core::evidence::{Observation, Telemetry};
use sentinell_core::ports::{ActError, Actuator, Applied, Tool, ToolError};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PORT_BASE: &str = "22600";
const READER: &str = "kubeconfig-reader";

/// A cluster's folder; stopped in the end if this test started it.
struct Cluster {
    folder: PathBuf,
    program: Program,
    started: Option<(PathBuf, tempfile::TempDir)>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut look = Command::new("kubectl");
            look.arg("--kubeconfig").arg(self.folder.join("kubeconfig"));
            let seen = look.args(["get", "nodes,pods,events", "-A", "-o", "wide"]).output();
            eprintln!(
                "the cluster, as it was:\n{}",
                seen.map(|seen| String::from_utf8_lossy(&seen.stdout).into_owned()).unwrap_or_default()
            );
        }
        if let Some((script, _)) = &self.started {
            let down = Command::new(script).arg("down").arg(&self.folder).env("KUBE_PORT_BASE", PORT_BASE).status();
            assert!(
                std::thread::panicking() || down.is_ok_and(|status| status.success()),
                "the cluster was not stopped"
            );
        }
    }
}

impl Cluster {
    /// None, said loudly, where there is no cluster to be had.
    fn find() -> Option<Self> {
        let skip = |why: &str| eprintln!("SKIPPED: {why}; the real-cluster stage did not run");
        let path = std::env::var("PATH").unwrap_or_default();
        let program = match Program::find("kubectl", path.as_ref()) {
            Ok(program) => program.with_var("PATH", &path),
            Err(why) => {
                skip(&why);
                return None;
            }
        };
        if let Some(folder) = std::env::var_os("SENTINELL_CLUSTER") {
            return Some(Self { folder: folder.into(), program, started: None });
        }
        let shared = std::env::var_os("SENTINELL_SHARED").map(PathBuf::from);
        let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
        let script = shared.join("k8s/cluster");
        if !script.exists() {
            skip("there is no k8s/cluster in the shared folder");
            return None;
        }
        let missing = ["etcd", "containerd", "runc"].into_iter().find(|name| {
            !Command::new("which").arg(name).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
        });
        if let Some(name) = missing {
            skip(&format!("{name} is not installed"));
            return None;
        }
        let keep = roomy_folder();
        let folder = keep.path().join("cluster");
        let cluster = Self { folder: folder.clone(), program, started: Some((script.clone(), keep)) };
        let mut up = Command::new(&script);
        up.args(["up".as_ref(), folder.as_os_str(), "--pods".as_ref()]).env("KUBE_PORT_BASE", PORT_BASE);
        let up = up.stdin(Stdio::null()).output().unwrap();
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        Some(cluster)
    }

    fn kubectl(&self, identity: &str) -> Kubectl {
        let home = self.folder.display().to_string();
        Kubectl::new(self.program.clone().with_var("HOME", &home), self.folder.join(identity), None)
    }

    fn hands(&self, identity: &str) -> KubernetesHands {
        let environments = [("shop".to_owned(), "production".to_owned())].into();
        let settings = KubernetesHandsSettings { environments, ..KubernetesHandsSettings::default() };
        KubernetesHands::new(self.kubectl(identity), settings, clock())
    }

    /// As the administrator, outside of what is tested.
    fn admin(&self, words: &[&str], input: Option<&Value>) -> String {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(self.folder.join("kubeconfig")).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let text = input.map(Value::to_string).unwrap_or_default();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn apply(&self, object: &Value) {
        self.admin(&["apply", "-f", "-"], Some(object));
    }

    /// Lets the reader do exactly this in the namespace `shop`.
    fn grant(&self, name: &str, rules: &Value) {
        let metadata = json!({"name": name, "namespace": "shop"});
        let group = "rbac.authorization.k8s.io";
        let version = format!("{group}/v1");
        self.apply(&json!({"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules}));
        let subjects = json!([{"kind": "User", "name": "reader", "apiGroup": group}]);
        let role = json!({"kind": "Role", "name": name, "apiGroup": group});
        self.apply(&json!({"apiVersion": version, "kind": "RoleBinding", "metadata": metadata, "subjects": subjects,
            "roleRef": role}));
    }

    fn deploy(&self, name: &str, command: &[&str]) {
        let labels = json!({"app": name});
        let container = json!({"name": "main", "image": "docker.io/local/busybox:1", "imagePullPolicy": "Never",
            "command": command});
        self.apply(&json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"replicas": 1, "progressDeadlineSeconds": 60, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1,
                    "automountServiceAccountToken": false, "containers": [container]}}}}));
    }
}

/// In memory where there is room: a kubelet starts no pod while less than 15 % of its disk are free, however much that is.
fn roomy_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(memory).map_or(0, |held| held.f_bavail * held.f_frsize);
    if room > 2 << 30 { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Until `look` is content, for a minute at most.
async fn until<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let begun = Instant::now();
    while !look().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn object<'o>(seen: &'o Observation, kind: &str, name: &str) -> &'o Value {
    let lists = seen.telemetry.iter().filter_map(|one| match one {
        Telemetry::KubernetesJson { object } if object["kind"] == kind => object["items"].as_array(),
        _ => None,
    });
    let found = lists.flatten().find(|item| item["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {kind}"))
}

fn draft(kind: &str, name: &str, params: &[(&str, &str)]) -> ActionDraft {
    let target = format!("deployment/shop/{name}");
    ActionDraft { kind: kind.into(), target, params: args(params), because: "h1".into(), why: String::new() }
}

async fn planned(hands: &KubernetesHands, kind: &str, params: &[(&str, &str)]) -> Action {
    let draft = draft(kind, "cart", params);
    for _ in 0..50 {
        match hands.plan(&draft).await {
            Ok(plan) => return action(kind, &draft.target, params, plan),
            Err(ToolError::Retry(_)) => tokio::time::sleep(Duration::from_millis(200)).await,
            Err(error) => panic!("{kind}: {error}"),
        }
    }
    panic!("{kind}: never planned");
}

fn words(deed: &Deed) -> String {
    deed.argv().unwrap().join(" ")
}

#[tokio::test]
async fn a_real_cluster_is_seen_and_mended() {
    let Some(cluster) = Cluster::find() else { return };
    cluster.admin(&["create", "namespace", "shop"], None);
    let begun = Instant::now();
    for stage in 0..9 {
        match stage {
            0 => nobody_without_rights_sees_or_plans_anything(&cluster).await,
            1 => what_may_not_be_read_is_a_gap(&cluster).await,
            2 => secrets_are_names_and_crashes_have_words(&cluster).await,
            3 => a_bad_image_is_rolled_back_once(&cluster).await,
            4 => a_restart_happens_once(&cluster).await,
            5 => a_scaling_happens_once_and_can_be_taken_back(&cluster).await,
            6 => changes::values_are_exchanged_once_and_back(&cluster).await,
            7 => changes::a_pod_is_deleted_by_its_identity(&cluster).await,
            _ => changes::the_last_node_is_never_closed(&cluster).await,
        }
        eprintln!("stage {stage} held after {:.1} s", begun.elapsed().as_secs_f64());
    }
    cluster.admin(&["delete", "namespace", "shop", "--wait=false"], None);
}

async fn nobody_without_rights_sees_or_plans_anything(cluster: &Cluster) {
    cluster.deploy("cart", &["sleep", "1000"]);
    let eye = Kubernetes::new(cluster.kubectl(READER), vec![]);
    let blind = ask(&eye, &[("namespace", "shop")]).await;
    assert!(matches!(&blind, Err(ToolError::Denied(text)) if text.contains("orbidden")), "{blind:?}");
    let hands = cluster.hands(READER);
    let Err(ToolError::Denied(text)) = hands.plan(&draft("kubernetes.rollout_undo", "cart", &[])).await else {
        panic!()
    };
    for expected in
        ["may not", "patch deployments.apps", "namespace shop", "resources: [\"deployments\"], verbs: [\"patch\"]"]
    {
        assert!(text.contains(expected), "{expected} is missing in: {text}");
    }
    let Err(ToolError::Denied(text)) = hands.plan(&draft("kubernetes.scale", "cart", &[("replicas", "2")])).await
    else {
        panic!()
    };
    assert!(text.contains("resources: [\"deployments/scale\"], verbs: [\"update\"]"), "{text}");
}

#[test]
fn the_namespace_comes_from_a_label_then_from_the_text_then_from_the_configuration() {
    let nowhere = Kubectl::new(Program::at("/bin/true").unwrap(), "/nowhere", None);
    let eye = Kubernetes::new(nowhere, vec!["shop".into(), "cart".into(), "--all".into()]);
    let asked = |labels: &[(&str, &str)], text: &str| {
        let mut case = case(labels);
        case.signal.text = text.into();
        let questions = eye.first_look(&case).into_iter();
        questions.map(|question| question.args["namespace"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(asked(&[("namespace", "bank")], "slow in shop"), ["bank"]);
    assert_eq!(asked(&[("namespace", "-A")], "slow in 'Shop'!"), ["shop"]);
    assert_eq!(asked(&[], "workshop is slow"), ["shop", "cart"]);
}

async fn what_may_not_be_read_is_a_gap(cluster: &Cluster) {
    let core = ["pods", "pods/log", "services", "endpoints", "events", "configmaps", "serviceaccounts"];
    let rule = |group: &str, resources: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": ["get", "list"]});
    let apps = ["deployments", "replicasets", "statefulsets", "daemonsets"];
    cluster.grant("sees", &json!([rule("", &core), rule("apps", &apps)]));
    let eye = Kubernetes::new(cluster.kubectl(READER), vec![]);
    let seen = first_look(&eye, &case(&[("namespace", "shop")])).await.remove(0);
    assert_eq!(object(&seen, "DeploymentList", "cart")["spec"]["replicas"], 1);
    let gaps: Vec<&str> = seen.gaps.iter().map(|gap| gap.what.as_str()).collect();
    for resource in ["secrets", "nodes", "persistentvolumes", "resourcequotas", "persistentvolumeclaims"] {
        assert!(gaps.contains(&format!("kubectl get {resource} -n shop").as_str()), "{resource}: {gaps:?}");
    }
    assert!(seen.gaps.iter().all(|gap| gap.why.contains("cannot list")), "{:?}", seen.gaps);
    assert!(matches!(ask(&eye, &[("namespace", "--all-namespaces")]).await, Err(ToolError::BadQuery(_))));
}

async fn secrets_are_names_and_crashes_have_words(cluster: &Cluster) {
    cluster.admin(&["create", "secret", "generic", "door", "-n", "shop", "--from-literal=key=opensesame"], None);
    cluster.deploy("moody", &["sh", "-c", "echo the last words; exit 3"]);
    let eye = Kubernetes::new(cluster.kubectl("kubeconfig"), vec!["shop".into()]);
    let said = async || {
        let seen = first_look(&eye, &case(&[])).await.remove(0);
        let text = serde_json::to_string(&seen).unwrap();
        assert!(text.contains("\"door") || text.contains("door "), "the secret's name is known");
        assert!(!text.contains("opensesame") && !text.contains("b3BlbnNlc2FtZQ"), "its contents are not");
        seen.telemetry.iter().any(|one| match one {
            Telemetry::Logs { subject, lines, source, .. } => {
                let spoke = lines.iter().any(|line| line.text == "the last words" && line.at.is_some());
                subject == "service/shop/moody" && spoke && source.contains("--previous")
            }
            _ => false,
        })
    };
    until("the words of the container that crashed", said).await;
    cluster.admin(&["delete", "deployment", "moody", "-n", "shop", "--wait=false"], None);
}

async fn a_bad_image_is_rolled_back_once(cluster: &Cluster) {
    cluster.admin(&["rollout", "status", "deployment/cart", "-n", "shop", "--timeout=60s"], None);
    // The acting identity gets exactly what the refusals above asked for.
    let rule = |resource: &str, verbs: &[&str]| json!({"apiGroups": ["apps"], "resources": [resource], "verbs": verbs});
    let rules = [
        rule("deployments", &["get", "patch"]),
        rule("replicasets", &["list"]),
        rule("deployments/scale", &["get", "update"]),
    ];
    cluster.grant("acts", &json!(rules));
    let hands = cluster.hands(READER);
    let first = hands.plan(&draft("kubernetes.rollout_undo", "cart", &[])).await;
    assert!(matches!(&first, Err(ToolError::BadQuery(text)) if text.contains("no earlier revision")), "{first:?}");
    cluster.admin(&["set", "image", "deployment/cart", "main=docker.io/local/nothing:9", "-n", "shop"], None);
    let planned = {
        tokio::time::sleep(Duration::from_secs(1)).await;
        planned(&hands, "kubernetes.rollout_undo", &[]).await
    };
    assert_eq!(words(&planned.plan.deed), "kubectl rollout undo deployment/cart -n shop --to-revision=1");
    assert_eq!(
        words(planned.plan.undo.as_ref().unwrap()),
        "kubectl rollout undo deployment/cart -n shop --to-revision=2"
    );
    assert_eq!((planned.plan.environment.as_str(), planned.plan.blast_radius.objects), ("production", 1));
    assert!(!planned.plan.undo_if_unhelpful, "not one pod of the bad revision ran");
    assert_eq!(hands.was_applied(&planned).await, Ok(Applied::No));
    hands.apply(&planned, warrant_for(&planned, 60)).await.unwrap();
    assert_eq!(hands.was_applied(&planned).await, Ok(Applied::Yes));
    let sleeper = hands.apply(&planned, warrant_for(&planned, 60)).await;
    assert!(
        matches!(&sleeper, Err(ActError::NotStarted(text)) if text.contains("not current any more")),
        "{sleeper:?}"
    );
    cluster.admin(&["rollout", "status", "deployment/cart", "-n", "shop", "--timeout=60s"], None);
    let undo = planned.undo("a2".into(), planned.expires_at).unwrap();
    assert_eq!(hands.was_applied(&undo).await, Ok(Applied::No));
}

async fn a_restart_happens_once(cluster: &Cluster) {
    let hands = cluster.hands(READER);
    let planned = planned(&hands, "kubernetes.rollout_restart", &[]).await;
    assert_eq!(hands.was_applied(&planned).await, Ok(Applied::No));
    hands.apply(&planned, warrant_for(&planned, 60)).await.unwrap();
    assert_eq!(hands.was_applied(&planned).await, Ok(Applied::Yes));
    let sleeper = hands.apply(&planned, warrant_for(&planned, 60)).await;
    assert!(matches!(&sleeper, Err(ActError::Failed(_))), "the API server checks the precondition: {sleeper:?}");
    cluster.admin(&["rollout", "status", "deployment/cart", "-n", "shop", "--timeout=60s"], None);
}

async fn a_scaling_happens_once_and_can_be_taken_back(cluster: &Cluster) {
    let hands = cluster.hands(READER);
    for nonsense in ["0", "1", "1000", "x"] {
        let draft = draft("kubernetes.scale", "cart", &[("replicas", nonsense)]);
        assert!(matches!(hands.plan(&draft).await, Err(ToolError::BadQuery(_))), "{nonsense}");
    }
    let planned = planned(&hands, "kubernetes.scale", &[("replicas", "2")]).await;
    assert_eq!(hands.was_applied(&planned).await, Ok(Applied::No));
    hands.apply(&planned, warrant_for(&planned, 60)).await.unwrap();
    assert_eq!(hands.was_applied(&planned).await, Ok(Applied::Yes));
    let sleeper = hands.apply(&planned, warrant_for(&planned, 60)).await;
    assert!(matches!(&sleeper, Err(ActError::Failed(text)) if text.contains("replicas")), "{sleeper:?}");
    let undo = planned.undo("a2".into(), planned.expires_at).unwrap();
    hands.apply(&undo, warrant_for(&undo, 60)).await.unwrap();
    assert_eq!(
        (hands.was_applied(&undo).await, hands.was_applied(&planned).await),
        (Ok(Applied::Yes), Ok(Applied::No))
    );
    let gone = hands.plan(&draft("kubernetes.scale", "nobody", &[("replicas", "2")])).await;
    assert!(matches!(&gone, Err(ToolError::BadQuery(text)) if text.contains("not found")), "{gone:?}");
}
