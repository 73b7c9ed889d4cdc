//! Kubernetes: what is declared against what is there.
//!
//! A [`Snapshot`] is built from whatever was read: the API's JSON, printed tables, `describe` texts, manifests; several
//! reads about one object become one typed object. Each analyzer knows one family of faults and adds findings whose
//! subject is what has to be changed (the workload, the node, the namespace), not what suffers from it.
//!
//! Reads are [`KubernetesRead`](crate::case::KubernetesRead)s. Understood calls: `get` (table, YAML or JSON), `describe`,
//! `apply --dry-run` (what a manifest declares), and `debug node/NAME … systemctl status UNIT`.

use crate::case::Case;
use crate::finding::{Finding, Gap};
use report::Report;

mod address;
mod admission;
mod crash;
mod database;
mod describe;
mod dns;
mod extract;
mod images;
mod load;
mod merge;
mod missing;
mod naming;
mod nodes;
pub mod object;
mod probes;
mod quantity;
mod quota;
mod read;
pub(crate) mod report;
mod routing;
mod scheduling;
mod services;
mod sidecar;
mod snapshot;
mod table;
#[cfg(test)]
mod testing;
mod unready;
mod volumes;
pub(crate) mod words;

pub use snapshot::Snapshot;

/// Compares what is declared with what is there.
pub fn analyze(snapshot: &Snapshot) -> (Vec<Finding>, Vec<Gap>) {
    let mut report = Report::default();
    analyze_state(snapshot, &mut report);
    finish(report, snapshot)
}

/// The same with the case's logs, metrics and calls at hand, which tell apart what objects alone cannot: a wrong password,
/// a port taken twice, a slow network.
pub fn analyze_case(case: &Case) -> (Vec<Finding>, Vec<Gap>) {
    let snapshot = Snapshot::new(&case.kubernetes);
    let mut report = Report::default();
    analyze_state(&snapshot, &mut report);
    crash::analyze_recent(&snapshot, case.onset_ms, &mut report);
    database::analyze(&snapshot, case, &mut report);
    sidecar::analyze_logs(&snapshot, case, &mut report);
    volumes::analyze_logs(&snapshot, case, &mut report);
    address::analyze(&snapshot, Some(case), &mut report);
    dns::analyze_logs(&snapshot, case, &mut report);
    routing::analyze_requests(&snapshot, case, &mut report);
    load::analyze(&snapshot, case, &mut report);
    finish(report, &snapshot)
}

fn analyze_state(snapshot: &Snapshot, report: &mut Report) {
    nodes::analyze(snapshot, report);
    quota::analyze(snapshot, report);
    admission::analyze(snapshot, report);
    images::analyze(snapshot, report);
    missing::analyze(snapshot, report);
    crash::analyze(snapshot, report);
    probes::analyze(snapshot, report);
    scheduling::analyze(snapshot, report);
    volumes::analyze(snapshot, report);
    services::analyze(snapshot, report);
    sidecar::analyze(snapshot, report);
    routing::analyze(snapshot, report);
    dns::analyze(snapshot, report);
    address::analyze(snapshot, None, report);
    database::analyze_probes(snapshot, report);
    unready::analyze(snapshot, report);
}

fn finish(mut report: Report, snapshot: &Snapshot) -> (Vec<Finding>, Vec<Gap>) {
    report
        .findings
        .sort_by(|a, b| report::weight(b).total_cmp(&report::weight(a)).then_with(|| a.subject.cmp(&b.subject)));
    report.gaps.extend(snapshot.gaps.iter().cloned());
    report.gaps.sort();
    report.gaps.dedup();
    (report.findings, report.gaps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{KubernetesRead, LogLine, LogStream};
    use crate::finding::{Entity, EntityKind};
    use proptest::prelude::*;
    use serde_json::Value;

    const WORDS: &str = "kind metadata name namespace labels spec status containers template selector matchLabels \
        ports port targetPort items data stringData conditions type Ready volumes affinity env \
        value resources requests cpu hard used routes uri ownerReferences reason message \
        involvedObject containerStatuses state waiting";
    const KINDS: &str = "Pod Deployment Service Node Event ResourceQuota PersistentVolumeClaim ConfigMap Secret \
        Ingress NetworkPolicy PodList";

    /// Values of the API's shape with anything in it.
    fn value() -> impl Strategy<Value = Value> {
        let words: Vec<&str> = WORDS.split(' ').collect();
        let kinds: Vec<&str> = KINDS.split(' ').collect();
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            prop::sample::select(kinds).prop_map(Value::from),
            "\\PC{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 8, move |inner| {
            let key = prop_oneof![prop::sample::select(words.clone()).prop_map(str::to_owned), "\\PC{0,6}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..8).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    /// Lines that look like what kubectl prints, cut up and mixed.
    fn text() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "NAME   READY   STATUS  AGE\n",
            "Name: a-b-c\n",
            "Namespace: x\n",
            "Containers:\n",
            "  main:\n",
            "    Image: i\n",
            "    Liveness: grpc <pod>:99999999 delay=\n",
            "Conditions:\n  Type Status\n  Ready  False\n",
            "Events:\n  Type  Reason  Age  From  Message\n",
            "  Warning  Failed  9s (x99999999999999999999 over)  k  é\n",
            "a-b-c   0/1   Pending   5d\n",
            "Labels:   a=b\n    c=\n",
            "apiVersion: v1\n",
            "kind: Pod\n",
            "metadata: {name: é}\n",
            "---\n",
            "- - - -\n",
            "  ",
            "\t",
            "é: ü\n",
            "Port: x 99999/TCP\n",
            "TargetPort: /\n",
            "Taints: =:\n",
            "Selector: ,,=\n",
            "Replicas: | | 9 desired\n",
            "Non-terminated\n",
            "Active: \n",
            "x.service\n",
        ]);
        let piece = prop_oneof![4 => pieces.prop_map(str::to_owned), 1 => "\\PC{0,30}", 1 => any::<String>()];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    fn argv() -> impl Strategy<Value = Vec<String>> {
        let verb = prop::sample::select(vec!["get", "describe", "apply", "debug", "logs", ""]);
        let what = prop::sample::select(vec![
            "pods",
            "events",
            "nodes",
            "svc",
            "deploy/x",
            "quota",
            "pvc",
            "pv",
            "endpoints",
            "cm",
            "node/n",
            "--dry-run",
            "é",
        ]);
        let more = prop::sample::select(vec!["-n", "shop", "--dry-run=client", "systemctl", "-o", "yaml", "-l", "x"]);
        (verb, what, prop::collection::vec(more, 0..4))
            .prop_map(|(verb, what, more)| [verb, what].into_iter().chain(more).map(str::to_owned).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        #[test]
        fn nothing_that_is_read_can_panic(
            values in prop::collection::vec(value(), 0..4),
            texts in prop::collection::vec((argv(), text()), 0..6),
            log in text(),
        ) {
            let mut kubernetes: Vec<KubernetesRead> = values.into_iter().map(KubernetesRead::Json).collect();
            kubernetes.extend(texts.into_iter().map(|(argv, output)| KubernetesRead::Text { argv, output }));
            let subject = Entity::new(EntityKind::Service, "a");
            let lines = vec![LogLine { at_ms: None, level: None, text: log, trace: None }];
            let logs = vec![LogStream { subject, source: "log".into(), lines, baseline: Vec::new() }];
            let case = Case { kubernetes, logs, ..Case::default() };
            let (findings, _) = analyze_case(&case);
            for finding in findings {
                prop_assert!((0.0..=1.0).contains(&finding.strength) && finding.specificity <= 10);
                prop_assert!(!finding.summary.contains('\n'));
            }
        }
    }

    #[test]
    fn a_text_indented_without_end_is_read_to_the_end() {
        let text: String = (0..20_000).map(|depth| format!("{}k{depth}:\n", " ".repeat(depth % 4000))).collect();
        let argv = ["describe", "pod"].map(str::to_owned).to_vec();
        let (findings, _) =
            analyze(&Snapshot::new(&[KubernetesRead::Text { argv, output: format!("Name: x\n{text}") }]));
        assert!(findings.is_empty());
    }
}
