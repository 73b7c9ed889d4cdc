//! The real cluster as its administrator sees it, and identities that may less.

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What pods run.
pub const GOOD: &str = "docker.io/local/busybox:1";
/// An image that no node has.
pub const BAD: &str = "docker.io/local/busybox:no-such-tag";

/// A running cluster's folder: `kubeconfig` is the administrator's, `kubeconfig-reader` that of a user in `readers`.
pub struct Cluster {
    folder: PathBuf,
}

impl Cluster {
    /// The cluster that the stage started.
    pub fn given() -> Self {
        let folder = std::env::var("SENTINELL_CLUSTER").expect("SENTINELL_CLUSTER: run scripts/test.sh story");
        Self { folder: folder.into() }
    }

    pub fn reader(&self) -> PathBuf {
        self.folder.join("kubeconfig-reader")
    }

    fn run(&self, args: &[&str], input: &str) -> String {
        let mut child = Command::new("kubectl")
            .arg(format!("--kubeconfig={}", self.folder.join("kubeconfig").display()))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {}: {complaint}", args.join(" "));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn kubectl(&self, args: &[&str]) -> String {
        self.run(args, "")
    }

    /// Applies a manifest of the repository or one made here.
    pub fn apply(&self, manifest: &str) {
        self.run(&["apply", "-f", "-"], manifest);
    }

    /// A namespace with a Deployment `web` behind a Service that has run well once.
    pub fn healthy_shop(&self, namespace: &str) {
        self.kubectl(&["create", "namespace", namespace]);
        let manifest = format!(
            r#"
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {namespace}, labels: {{app: web}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {{name: web, image: "{GOOD}", imagePullPolicy: Never, command: [httpd, -f, -p, "8080"]}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: {namespace}}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}]}}
"#
        );
        self.apply(&manifest);
        self.settled(namespace);
    }

    /// Waits until the newest rollout is done.
    pub fn settled(&self, namespace: &str) {
        self.kubectl(&["-n", namespace, "rollout", "status", "deployment/web", "--timeout=120s"]);
    }

    /// Rolls out an image that does not exist, and waits until the kubelet has found that out: alerts come later still.
    pub fn break_it(&self, namespace: &str) {
        self.kubectl(&["-n", namespace, "set", "image", "deployment/web", &format!("web={BAD}")]);
        let waiting = "jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}";
        let began = Instant::now();
        while !self.kubectl(&["-n", namespace, "get", "pods", "-o", waiting]).contains("Image") {
            assert!(began.elapsed() < Duration::from_secs(120), "{namespace}: its new pod does not fail");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The Deployment's image, its revision and its generation: what any deed would change.
    pub fn state(&self, namespace: &str) -> (String, u64, u64) {
        let json = self.kubectl(&["-n", namespace, "get", "deployment", "web", "-o", "json"]);
        let web: Value = serde_json::from_str(&json).unwrap();
        let image = web["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
        let revision = web["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str().unwrap();
        (image, revision.parse().unwrap(), web["metadata"]["generation"].as_u64().unwrap())
    }

    /// Who may look, and what may be done, exactly as the documentation says.
    pub fn roles(&self) {
        self.apply(include_str!("../../../../deploy/kubernetes/rbac-reader.yaml"));
        self.apply(include_str!("../../../../deploy/kubernetes/rbac-acting.yaml"));
        self.kubectl(&["create", "clusterrolebinding", "readers", "--clusterrole=sentinell-reader", "--group=readers"]);
        self.kubectl(&["create", "serviceaccount", "sentinell-hand", "-n", "default"]);
    }

    /// Gives the acting identity this role in this namespace.
    pub fn grant(&self, role: &str, namespace: &str) {
        let args = ["create", "rolebinding", role, "-n", namespace];
        let whom = [&format!("--clusterrole={role}"), "--serviceaccount=default:sentinell-hand"];
        self.kubectl(&[&args[..], &whom[..]].concat());
    }

    /// The acting identity's kubeconfig.
    pub fn hand(&self, folder: &Path) -> PathBuf {
        let token = self.kubectl(&["create", "token", "sentinell-hand", "-n", "default", "--duration=1h"]);
        let reader = fs::read_to_string(self.reader()).unwrap();
        let path = folder.join("kubeconfig-hand");
        fs::write(&path, reader.replace("reader-token", token.trim()).replace("reader", "hand")).unwrap();
        path
    }
}
