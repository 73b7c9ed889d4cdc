//! One cause at a time in a town with harmless oddities: an optional part that was never installed, old restarts, a warning
//! of an hour ago, one name that did not resolve while everything started. The texts of claims, quotas, taints, images and
//! resolvers are as a real Kubernetes 1.20 printed them, shortened.

use sentinell_evidence::case::{Case, KubernetesRead, LogLine, LogStream, Series};
use sentinell_evidence::diagnose;
use sentinell_evidence::finding::{Entity, EntityKind, Fault};

fn text(argv: &str, output: &str) -> KubernetesRead {
    let argv = argv.split(' ').map(str::to_owned).collect();
    KubernetesRead::Text { argv, output: output.to_owned() }
}

fn get(kind: &str, output: &str) -> KubernetesRead {
    text(&format!("get {kind} -n fair"), output)
}

fn describe(kind: &str, output: &str) -> KubernetesRead {
    text(&format!("describe {kind} -n fair"), output)
}

fn manifest(output: &str) -> KubernetesRead {
    text("apply --dry-run=client -o yaml -f app.yaml", output)
}

fn service(name: &str) -> Entity {
    Entity::new(EntityKind::Service, name).in_namespace("fair")
}

fn log(who: &str, lines: &[&str]) -> LogStream {
    let line = |text: &&str| LogLine { at_ms: None, level: None, text: (*text).to_owned(), trace: None };
    let lines = lines.iter().map(line).collect();
    LogStream { subject: service(who), source: format!("logs of {who}"), lines, baseline: vec![] }
}

/// What runs, and what is odd about it without being wrong.
fn town() -> Case {
    let pods = "NAME                     READY   STATUS    RESTARTS       AGE   IP          NODE\n\
        gate-66fdf8c7b8-qrlc9    1/1     Running   34 (12d ago)   90d   10.1.0.3    n1\n\
        kiosk-5468ff586c-8gp84   1/1     Running   0              45s   10.1.0.5    n1\n\
        ledger-0                 1/1     Running   0              45s   10.1.1.7    n2\n";
    let services = "NAME     TYPE        CLUSTER-IP    EXTERNAL-IP   PORT(S)    AGE\n\
        gate     ClusterIP   10.96.0.3     <none>        80/TCP     90d\n\
        kiosk    ClusterIP   10.96.0.5     <none>        7000/TCP   90d\n\
        ledger   ClusterIP   10.96.0.7     <none>        3306/TCP   90d\n";
    let events = "LAST SEEN   TYPE      REASON      OBJECT                       MESSAGE\n\
        58m         Warning   Unhealthy   pod/kiosk-5468ff586c-8gp84   Readiness probe failed: connection refused\n";
    let workload = |kind: &str, name: &str, image: &str, port: u16, env: &str| {
        manifest(&format!(
            "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: fair}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  \
             template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      containers:\n      - {{name: main, image: \"{image}\", \
             ports: [{{containerPort: {port}}}], env: [{env}]}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: fair}}\n\
             spec: {{selector: {{app: {name}}}, ports: [{{port: {port}}}]}}\n"
        ))
    };
    let deployments = "NAME    READY   UP-TO-DATE   AVAILABLE   AGE\ngate    1/1     1            1           90d\nkiosk   1/1     1            1           90d\n";
    let kubernetes = vec![
        get("pods", pods),
        get("services", services),
        get("events", events),
        get("deployments", deployments),
        get("statefulsets", "NAME     READY   AGE\nledger   1/1     90d\n"),
        get("secrets", "NAME    TYPE     DATA   AGE\nother   Opaque   1      3d\n"),
        workload("Deployment", "gate", "town/gate:3", 80, "{name: ORACLE_ADDR, value: \"oracle:99\"}"),
        workload("Deployment", "kiosk", "town/kiosk:3", 7000, "{name: LEDGER_HOST, value: ledger}"),
        workload("StatefulSet", "ledger", "mysql:8", 3306, "{name: MODE, value: plain}"),
    ];
    let logs = vec![log("gate", &["dial tcp: lookup kiosk on 10.96.0.10:53: no such host", "open"])];
    let calls = vec![(service("gate"), service("kiosk")), (service("kiosk"), service("ledger"))];
    Case { kubernetes, logs, calls, ..Case::default() }
}

/// The town with something read on top of it.
fn with(reads: impl IntoIterator<Item = KubernetesRead>) -> Case {
    let mut case = town();
    case.kubernetes.extend(reads);
    case
}

fn saying(streams: impl IntoIterator<Item = LogStream>) -> Case {
    let mut case = town();
    case.logs.extend(streams);
    case
}

/// The first hypothesis, and that it is held with some confidence.
fn first(case: &Case) -> (Fault, String) {
    let diagnosis = diagnose(case);
    let first = diagnosis.ranking.hypotheses.first().expect("a hypothesis");
    assert!(first.confidence >= 0.6, "{first:?}");
    (first.fault, first.component.to_string())
}

fn expect(case: &Case, fault: Fault, component: &str) {
    assert_eq!(first(case), (fault, component.to_owned()));
}

fn pending(name: &str, said: &str) -> KubernetesRead {
    describe(
        "pod",
        &format!(
            "Name:           {name}-5f94b66944-wvfxh\nNamespace:      fair\nNode:           <none>\nStatus:         Pending\n\
             Controlled By:  ReplicaSet/{name}-5f94b66944\nContainers:\n  main:\n    Image:        town/{name}:1\n\
             Conditions:\n  Type           Status\n  PodScheduled   False\nEvents:\n\
             \x20 Type     Reason            Age   From               Message\n  ----     ------            ----  ----               -------\n\
             \x20 Warning  FailedScheduling  5s    default-scheduler  {said}\n"
        ),
    )
}

#[test]
fn without_a_fault_the_town_is_not_accused_with_confidence() {
    let diagnosis = diagnose(&town());
    assert!(diagnosis.ranking.hypotheses.iter().all(|h| h.confidence < 0.6), "{:?}", diagnosis.ranking);
}

#[test]
fn a_taint_that_nobody_tolerates() {
    for said in [
        "0/1 nodes are available: 1 node(s) had taint {stage: dark}, that the pod didn't tolerate.",
        "0/3 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unschedulable: }, 2 node(s) had \
         untolerated taint {node-pool: night}. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
    ] {
        expect(&with([pending("lamp", said)]), Fault::TaintNotTolerated, "service/fair/lamp");
    }
}

#[test]
fn a_namespace_that_may_use_no_more_memory() {
    let events = "LAST SEEN   TYPE      REASON         OBJECT                       MESSAGE\n\
        4m          Warning   FailedCreate   replicaset/pump-64f99bcb95   Error creating: pods \"pump-64f99bcb95-t2m9m\" is forbidden: \
        exceeded quota: small, requested: requests.memory=40Mi, used: requests.memory=40Mi, limited: requests.memory=64Mi\n";
    let quota = "Name:            small\nNamespace:       fair\nResource         Used  Hard\n--------         ----  ----\n\
        limits.memory    60Mi  128Mi\nrequests.memory  40Mi  64Mi\npods             9     10\n";
    expect(&with([get("events", events), describe("quota", quota)]), Fault::MemoryQuotaExceeded, "namespace/fair");
}

fn claim(spec: &str) -> Case {
    let claim = "Name:          till-data\nNamespace:     fair\nStorageClass:  \nStatus:        Pending\nVolume:        \nCapacity:      \n\
        Access Modes:  \nVolumeMode:    Filesystem\nUsed By:       till-7db5d868d8-nr4q5\nEvents:\n  Type    Reason         Age   From   Message\n\
        \x20 ----    ------         ----  ----   -------\n  Normal  FailedBinding  10s (x18 over 4m24s)  persistentvolume-controller  \
        no persistent volumes available for this claim and no storage class is set\n";
    let volumes = "NAME     CAPACITY   ACCESS MODES   RECLAIM POLICY   STATUS      CLAIM          STORAGECLASS   REASON   AGE\n\
        attic    5Gi        RWX            Retain           Bound       loft/archive                           90d\n\
        cellar   1Gi        RWO            Retain           Available                                          47s\n";
    let volume = "Name:            cellar\nLabels:          shelf=low\nStorageClass:    \nStatus:          Available\nClaim:           \n\
        Access Modes:    RWO\nVolumeMode:      Filesystem\nCapacity:        1Gi\nEvents:            <none>\n";
    let declared = manifest(&format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: till-data, namespace: fair}}\nspec:\n  storageClassName: \"\"\n  \
         resources: {{requests: {{storage: 1Gi}}}}\n  {spec}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: till, namespace: fair}}\n\
         spec:\n  template:\n    spec:\n      containers: [{{name: main, image: \"town/till:1\"}}]\n      \
         volumes: [{{name: data, persistentVolumeClaim: {{claimName: till-data}}}}]\n"
    ));
    with([
        pending("till", "0/1 nodes are available: 1 pod has unbound immediate PersistentVolumeClaims."),
        describe("pvc", claim),
        text("get pv", volumes),
        text("describe pv", volume),
        declared,
    ])
}

#[test]
fn a_claim_that_fits_no_volume() {
    let till = "service/fair/till";
    let many = claim("accessModes: [ReadWriteMany]");
    expect(&many, Fault::ClaimAccessModeMismatch, till);
    let top = claim("accessModes: [ReadWriteOnce]\n  selector: {matchLabels: {shelf: top}}");
    expect(&top, Fault::ClaimSelectorMismatch, till);
    let high = claim(
        "accessModes: [ReadWriteOnce]\n  selector: {matchExpressions: [{key: shelf, operator: In, values: [top, high]}]}",
    );
    expect(&high, Fault::ClaimSelectorMismatch, till);
}

#[test]
fn a_registry_that_wants_a_login() {
    let stall = |said: &str| {
        describe(
            "pod",
            &format!(
                "Name:         stall-594f5fc85d-5fsg6\nNamespace:    fair\nNode:         n1/10.0.0.2\nStatus:       Pending\n\
                 Controlled By:  ReplicaSet/stall-594f5fc85d\nContainers:\n  main:\n    Image:         reg.example/stall:9\n    State:          Waiting\n      \
                 Reason:       ImagePullBackOff\n    Ready:          False\nEvents:\n  Type     Reason             Age                    From     Message\n  ----     ------  ----  ----  -------\n\
                 \x20 Warning  FailedScheduling   4m23s                  default-scheduler  0/1 nodes are available: 1 node(s) had taint {{node.kubernetes.io/not-ready: }}, that the pod didn't tolerate.\n{said}"
            ),
        )
    };
    let pull = "  Warning  Failed  3m30s (x3 over 4m10s)  kubelet  Failed to pull image \"reg.example/stall:9\": rpc error: code = Unknown desc = failed to pull and unpack image \"reg.example/stall:9\": failed to resolve reference \"reg.example/stall:9\": ";
    let lacks = "  Warning  FailedToRetrieveImagePullSecret  3s (x8 over 4m)  kubelet  Unable to retrieve some image pull secrets (reg-login); attempting to pull the image may not succeed.\n";
    let ours = "service/fair/stall";
    for said in [
        "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
        "reg.example/stall:9: not found",
    ] {
        expect(&with([stall(&format!("{pull}{said}\n{lacks}"))]), Fault::MissingImagePullSecret, ours);
    }
    let refused = "unexpected status from HEAD request to https://reg.example/v2/stall/manifests/9: 401 Unauthorized\n";
    expect(&with([stall(&format!("{pull}{refused}"))]), Fault::ImagePullDenied, ours);
}

#[test]
fn a_service_that_speaks_another_protocol_than_its_pods() {
    let described = "Name:              kiosk\nNamespace:         fair\nLabels:            <none>\nSelector:          app=kiosk\nType:              ClusterIP\n\
        IP:                10.96.185.182\nPort:              main  7000/UDP\nTargetPort:        7000/UDP\nEndpoints:         10.1.0.5:7000\nEvents:            <none>\n";
    expect(&with([describe("service", described)]), Fault::ServiceProtocolMismatch, "service/fair/kiosk");
}

#[test]
fn a_gateway_that_sends_elsewhere() {
    let gate = "service/fair/gate";
    let nginx = |target: &str| {
        let config = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: gate-config, namespace: fair}}\ndata:\n  default.conf: |\n    \
             upstream kiosks {{ server {target}; }}\n    server {{ listen 8080;\n      location /kiosk/ {{ proxy_pass http://kiosks; }} }}\n"
        );
        with([text("get configmap gate-config -n fair -o yaml", &config)])
    };
    expect(&nginx("kiosk:7001"), Fault::RouteMismatch, gate);
    expect(&nginx("kiosks:7000"), Fault::RouteMismatch, gate);
    expect(&nginx("ledger:3306"), Fault::RouteMismatch, gate);
    assert_ne!(diagnose(&nginx("kiosk:7000")).ranking.hypotheses.first().map(|h| h.fault), Some(Fault::RouteMismatch));
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: gate, namespace: fair}\nspec:\n  rules:\n  - http:\n      paths:\n      \
        - {path: /kiosk, pathType: Prefix, backend: {service: {name: kiosk, port: {number: 7009}}}}\n";
    expect(&with([text("get ingress gate -n fair -o yaml", ingress)]), Fault::RouteMismatch, gate);
}

#[test]
fn names_that_do_not_resolve() {
    let clerk = "service/fair/clerk";
    let pod = describe(
        "pod",
        "Name:         clerk-66fdf8c7b8-qrlc9\nNamespace:    fair\nNode:         n1/10.0.0.2\nStatus:       Running\nControlled By:  ReplicaSet/clerk-66fdf8c7b8\n\
         Containers:\n  main:\n    State:          Waiting\n      Reason:       CrashLoopBackOff\n    Last State:     Terminated\n      Reason:       Error\n      \
         Exit Code:    1\n    Ready:          False\n    Restart Count:  2\nConditions:\n  Type   Status\n  Ready  False\nEvents:\n\
         \x20 Type     Reason   Age   From     Message\n  ----     ------   ----  ----     -------\n  Warning  BackOff  2m    kubelet  Back-off restarting failed container\n",
    );
    let words = log(
        "clerk",
        &["ping: bad address 'kiosk'", "nslookup: can't connect to remote host (192.0.2.53): Network is unreachable"],
    );
    let mut case = with([pod.clone()]);
    case.logs.push(words);
    expect(&case, Fault::DnsFailure, clerk);
    let mut case = with([pod]);
    let java = "com.mysql.cj.exceptions.CJCommunicationsException: Communications link failure Caused by: java.net.UnknownHostException: ledgerr";
    case.logs.push(log("clerk", &[java]));
    expect(&case, Fault::DnsFailure, clerk);
    let own = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: kiosk, namespace: fair}\nspec:\n  template:\n    spec:\n      \
        dnsPolicy: None\n      dnsConfig: {nameservers: [192.0.2.53]}\n";
    let live = text("get deployment kiosk -n fair -o yaml", own);
    expect(&with([live]), Fault::DnsFailure, "service/fair/kiosk");
    let system = text(
        "get pods -n kube-system",
        "NAME                       READY   STATUS             RESTARTS   AGE\ncoredns-66dfb88745-5nhbv   0/1     CrashLoopBackOff   9          8d\n",
    );
    expect(&with([system]), Fault::DnsFailure, "service/kube-system/coredns");
}

#[test]
fn a_database_without_a_free_connection() {
    let ledger = "service/fair/ledger";
    for line in [
        "java.sql.SQLNonTransientConnectionException: Data source rejected establishment of connection,  message from server: \"Too many connections\"",
        "ERROR 1040 (HY000): Too many connections",
        "org.postgresql.util.PSQLException: FATAL: remaining connection slots are reserved for non-replication superuser connections",
        "psycopg2.OperationalError: FATAL:  sorry, too many clients already",
        "HikariPool-1 - Connection is not available, request timed out after 30000ms.",
        "pq: no more connections allowed (max_client_conn)",
    ] {
        expect(&saying([log("kiosk", &["open", line])]), Fault::DatabaseConnectionsExhausted, ledger);
    }
    let probe = "Name:         ledger-0\nNamespace:    fair\nNode:         n2/10.0.0.3\nStatus:       Running\nControlled By:  StatefulSet/ledger\n\
        Containers:\n  main:\n    Image:          mysql:8\n    Ready:          False\nConditions:\n  Type   Status\n  Ready  False\nEvents:\n\
        \x20 Type     Reason     Age   From     Message\n  ----     ------     ----  ----     -------\n\
        \x20 Warning  Unhealthy  2s (x9 over 80s)  kubelet  Readiness probe failed: mysqladmin: connect to server at 'localhost' failed error: 'Too many connections'\n";
    expect(&with([describe("pod", probe)]), Fault::DatabaseConnectionsExhausted, ledger);
}

#[test]
fn a_node_without_its_proxy() {
    let unit = |state: &str| {
        text(
            "debug node/n2 -- chroot /host systemctl status kube-proxy",
            &format!(
                "○ kube-proxy.service - Kubernetes Kube-Proxy Server\n     Loaded: loaded (/etc/systemd/system/kube-proxy.service; enabled)\n     Active: {state} since Mon; 3min ago\n   Main PID: 909 (code=killed, signal=TERM)\n"
            ),
        )
    };
    for state in ["inactive (dead)", "failed (Result: exit-code)", "activating (auto-restart) (Result: exit-code)"] {
        expect(&with([unit(state)]), Fault::KubeProxyDown, "node/n2");
    }
    let nodes = "NAME   STATUS   ROLES    AGE   VERSION\nn1     Ready    <none>   8d    v1.30.0\nn2     Ready    <none>   8d    v1.30.0\nn3     Ready    <none>   8d    v1.30.0\n";
    let proxies = "NAME               READY   STATUS    RESTARTS   AGE   IP         NODE\nkube-proxy-4gv5w   1/1     Running   0          8d    10.0.0.1   n1\n\
        kube-proxy-6hthd   1/1     Running   0          8d    10.0.0.3   n3\n";
    let gone = [text("get nodes", nodes), text("get pods -n kube-system -o wide", proxies)];
    expect(&with(gone), Fault::KubeProxyDown, "node/n2");
}

#[test]
fn a_node_that_loses_packets() {
    let series = |subject: Entity, name: &str, usual: f64, then: f64| {
        let points = (0..40).map(|at| (at * 5000, if at < 20 { usual } else { then })).collect();
        Series { subject, name: name.to_owned(), labels: Default::default(), source: name.to_owned(), points }
    };
    let node = |name: &str| Entity::new(EntityKind::Node, name);
    for (rate, elsewhere) in [(25.0, 1.0), (2.4, 0.2)] {
        let mut case = town();
        case.metrics = vec![
            series(service("ledger"), "latency_p50", 3.0, 400.0),
            series(service("kiosk"), "latency_p50", 9.0, 900.0),
            series(node("n1"), "tcp_retransmits", 0.1, elsewhere),
            series(node("n2"), "tcp_retransmits", 0.1, rate),
        ];
        expect(&case, Fault::NetworkLoss, "node/n2");
    }
}
