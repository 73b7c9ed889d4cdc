//! Short ways to write reads down in tests.

use super::snapshot::Snapshot;
use crate::case::KubernetesRead;
use crate::finding::Finding;
use serde_json::Value;

pub fn json(value: Value) -> KubernetesRead {
    KubernetesRead::Json(value)
}

fn text(argv: &[&str], output: &str) -> KubernetesRead {
    KubernetesRead::Text { argv: argv.iter().map(|word| (*word).to_owned()).collect(), output: output.to_owned() }
}

/// `kubectl describe KIND`.
pub fn describe(kind: &str, output: &str) -> KubernetesRead {
    text(&["describe", kind, "-n", "shop"], output)
}

/// `kubectl get KIND -n shop`.
pub fn get(kind: &str, output: &str) -> KubernetesRead {
    text(&["get", kind, "-n", "shop"], output)
}

/// The same call in another namespace.
pub fn in_namespace(read: KubernetesRead, namespace: &str) -> KubernetesRead {
    match read {
        KubernetesRead::Text { argv, output } => {
            let argv = argv.into_iter().map(|word| if word == "shop" { namespace.to_owned() } else { word }).collect();
            KubernetesRead::Text { argv, output }
        }
        read => read,
    }
}

/// What a manifest declares.
pub fn manifest(output: &str) -> KubernetesRead {
    text(&["apply", "--dry-run=client", "-o", "yaml", "-f", "app.yaml"], output)
}

/// The weightiest finding.
pub fn top(snapshot: &Snapshot) -> Finding {
    super::analyze(snapshot).0.into_iter().next().expect("at least one finding")
}
