//! Databases as their clients see them: from what the clients wrote.

use super::dns::UNRESOLVED;
use super::object::Workload;
use super::report::Report;
use super::snapshot::{Snapshot, selects, service_entity};
use super::words::{any, around, streams};
use crate::case::{Case, LogStream};
use crate::finding::{Entity, EntityKind, Fault};

const CREDENTIALS: [&str; 9] = [
    "access denied for user",
    "password authentication failed for user",
    "login failed for user",
    "ora-01017",
    "wrongpass invalid username",
    "noauth authentication required",
    "scram authentication failed",
    "authentication failed.,",
    "no pg_hba.conf entry",
];
/// A server that turns clients away: MySQL and its Java driver, PostgreSQL, PgBouncer, MongoDB, Redis, Oracle. The first
/// seven say so on their own, the rest only where a driver speaks.
const EXHAUSTED: [&str; 11] = [
    "too many connections",
    "remaining connection slots are reserved",
    "too many clients already",
    "max_user_connections",
    "max number of clients reached",
    "data source rejected establishment of connection",
    "no more connections allowed",
    "too many open connections",
    "max_connections",
    "ora-00018",
    "ora-12519",
];
/// A client's pool that waits in vain.
const POOL: [&str; 7] = [
    "timed out fetching a new connection from the connection pool",
    "unable to obtain connection from pool",
    "connection pool exhausted",
    "connection is not available, request timed out",
    "timeout waiting for idle object",
    "queuepool limit of size",
    "pool exhausted",
];
const READ_ONLY: [&str; 7] = [
    "--read-only option so it cannot execute",
    "--super-read-only option so it cannot execute",
    "in a read-only transaction",
    "can't write against a read only",
    "database is in read-only mode",
    "not primary and secondaryok",
    "attempt to write a readonly database",
];
/// Statements that were given up because others held their locks: MySQL (error 1205), PostgreSQL, SQL Server (error 1222).
const LOCKED: [&str; 3] =
    ["lock wait timeout exceeded", "canceling statement due to lock timeout", "lock request time out period exceeded"];
const UNREACHED: [&str; 6] = [
    "connection refused",
    "communications link failure",
    "could not connect to server",
    "can't connect to mysql server",
    "econnrefused",
    "connect timed out",
];
/// Drivers and pools, by which a refused connection is one to a database.
const DRIVERS: [&str; 14] = [
    "jdbc",
    "mysql",
    "hikari",
    "postgres",
    "psycopg",
    "sqlalchemy",
    "mongo",
    "sqlstate",
    "mariadb",
    "npgsql",
    "druid",
    "tomcat.jdbc",
    "sqlexception",
    "pgx",
];

pub(super) fn analyze(snapshot: &Snapshot, case: &Case, report: &mut Report) {
    for (stream, lines) in streams(case) {
        if stream.subject.kind != EntityKind::Service && stream.subject.kind != EntityKind::Pod {
            continue;
        }
        let client = client(snapshot, stream);
        if is_database(snapshot, &client) {
            own_words(&client, stream, &lines, report);
            continue;
        }
        let strength = if unwell(snapshot, &client) { 0.95 } else { 0.7 };
        let find = |needles: &[&str]| lines.iter().rev().find(|(lower, _)| any(lower, needles) && !server_line(lower));
        let full = find(&EXHAUSTED).filter(|(lower, _)| any(lower, &EXHAUSTED[..7]) || any(lower, &DRIVERS));
        let told = [
            (Fault::DatabaseConnectionsExhausted, (0.97, 9), "takes no more connections", EXHAUSTED.as_slice(), full),
            (Fault::DatabaseReadOnly, (0.97, 9), "does not take writes", READ_ONLY.as_slice(), find(&READ_ONLY)),
            (
                Fault::LockContention,
                (0.9, 8),
                "gives statements up for want of locks",
                LOCKED.as_slice(),
                find(&LOCKED),
            ),
            (
                Fault::DatabaseConnectionsExhausted,
                (0.7, 8),
                "gives no connection in time",
                POOL.as_slice(),
                find(&POOL),
            ),
        ];
        let told = told
            .into_iter()
            .find_map(|(fault, scale, says, needles, line)| line.map(|line| (fault, scale, says, needles, line)));
        if let Some((fault, scale, says, needles, (lower, _))) = told {
            let database = database_of(snapshot, case, &client);
            let say = format!("{} {says}, {} says", database.name, client.name);
            report.quoted(database, fault, scale, &say, &stream.source, &quote(lower, needles));
        } else if let Some((lower, _)) = find(&CREDENTIALS) {
            let say = format!("the database refuses the credentials of {}", client.name);
            report.quoted(
                client,
                Fault::DatabaseCredentials,
                (strength, 9),
                &say,
                &stream.source,
                &quote(lower, &CREDENTIALS),
            );
        } else if lines.iter().any(|(lower, _)| any(lower, &UNRESOLVED)) {
            // It never got as far as a port.
        } else if let Some((lower, _)) =
            lines.iter().rev().find(|(lower, _)| any(lower, &UNREACHED) && any(lower, &DRIVERS))
        {
            unreached(snapshot, case, client, strength, (&stream.source, &quote(lower, &UNREACHED)), report);
        }
    }
}

/// A server that says itself that it has no room.
fn own_words(database: &Entity, stream: &LogStream, lines: &[(String, &str)], report: &mut Report) {
    let says = |lower: &str| any(lower, &EXHAUSTED) && !any(lower, &["max_connections", "max_user_connections"]);
    if let Some((lower, _)) = lines.iter().rev().find(|(lower, _)| says(lower)) {
        let say = format!("{} says that it takes no more connections", database.name);
        let excerpt = quote(lower, &EXHAUSTED);
        report.quoted(database.clone(), Fault::DatabaseConnectionsExhausted, (0.9, 9), &say, &stream.source, &excerpt);
    }
}

/// Probes of a database that are turned away like everybody else.
pub(super) fn analyze_probes(snapshot: &Snapshot, report: &mut Report) {
    for workload in snapshot.owned().filter(|workload| database_image(workload)) {
        for pod in snapshot.pods_of(workload) {
            let mut events = snapshot.events_of_pod(pod).filter(|event| event.reason == "Unhealthy");
            let Some(event) = events.find(|event| any(&event.message.to_lowercase(), &EXHAUSTED)) else { continue };
            let subject = entity(workload);
            let say = format!("even the probes of {} get no connection", subject.name);
            let source = format!("kubectl describe pod {}", pod.meta.name);
            let fault = Fault::DatabaseConnectionsExhausted;
            report.quoted(subject, fault, (0.95, 9), &say, &source, &event.message);
        }
    }
}

fn entity(workload: &Workload) -> Entity {
    service_entity(&workload.meta.namespace, &workload.meta.name)
}

fn unreached(
    snapshot: &Snapshot,
    case: &Case,
    client: Entity,
    strength: f64,
    (source, excerpt): (&str, &str),
    report: &mut Report,
) {
    let database = database_of(snapshot, case, &client);
    if database != client && unwell(snapshot, &database) {
        let say = format!("{} does not answer its client {}", database.name, client.name);
        report.symptom(database, Some(Fault::Down), (0.8, 6), &say, source, excerpt);
        return;
    }
    // The name resolves, the server is well and its other clients are content: what is left is the port.
    let say = format!("{} is refused where it looks for its database, although that runs", client.name);
    report.quoted(client, Fault::DatabasePort, (strength * 0.95, 8), &say, source, excerpt);
}

fn quote(lower: &str, needles: &[&str]) -> String {
    needles.iter().find(|needle| lower.contains(**needle)).map(|needle| around(lower, needle)).unwrap_or_default()
}

/// A line a database server wrote about its clients, not a client about its server.
fn server_line(lower: &str) -> bool {
    any(lower, &["[server]", "[note]", "[my-0"]) || lower.contains("fatal:") && lower.contains(" utc [")
}

fn client(snapshot: &Snapshot, stream: &LogStream) -> Entity {
    let pod =
        snapshot.pods.iter().find(|pod| stream.subject.kind == EntityKind::Pod && pod.meta.name == stream.subject.name);
    pod.map_or_else(|| stream.subject.clone(), |pod| snapshot.entity_of(pod))
}

fn workload<'a>(snapshot: &'a Snapshot, entity: &Entity) -> Option<&'a Workload> {
    let here = |w: &&Workload| {
        w.meta.name == entity.name && entity.namespace.as_ref().is_none_or(|place| *place == w.meta.namespace)
    };
    snapshot.owned().find(here)
}

fn is_database(snapshot: &Snapshot, entity: &Entity) -> bool {
    workload(snapshot, entity).is_some_and(database_image)
}

fn database_image(workload: &Workload) -> bool {
    let names = [
        "mysql",
        "mariadb",
        "postgres",
        "mongo",
        "percona",
        "redis",
        "cockroach",
        "cassandra",
        "oracle",
        "mssql",
        "tidb",
        "xenon",
        "valkey",
    ];
    workload.template.containers.iter().any(|container| {
        let last = container.image.rsplit('/').next().unwrap_or("");
        any(&last.to_ascii_lowercase(), &names) && !last.contains("exporter")
    })
}

/// Not ready, or restarting.
fn unwell(snapshot: &Snapshot, entity: &Entity) -> bool {
    let Some(workload) = workload(snapshot, entity) else { return false };
    let wanted = workload.replicas.unwrap_or(1);
    workload.ready.is_some_and(|ready| ready < wanted) || snapshot.pods_of(workload).any(|pod| !pod.ready)
}

/// The database a client uses: named by its secrets, its environment, the recorded calls, or the only one there is.
fn database_of(snapshot: &Snapshot, case: &Case, client: &Entity) -> Entity {
    let namespace = client
        .namespace
        .as_deref()
        .or_else(|| workload(snapshot, client).map(|w| w.meta.namespace.as_str()))
        .unwrap_or("");
    let databases: Vec<&Workload> = snapshot
        .owned()
        .filter(|w| (namespace.is_empty() || w.meta.namespace == namespace) && database_image(w))
        .collect();
    let mut hosts: Vec<String> = Vec::new();
    if let Some(client) = workload(snapshot, client) {
        let secrets = client.template.all_needs().filter(|need| need.kind == "Secret");
        let named =
            secrets.filter_map(|need| snapshot.secret_hosts.get(&(client.meta.namespace.clone(), need.name.clone())));
        hosts.extend(named.flatten().cloned());
        let values = client.template.containers.iter().flat_map(|container| container.env.values());
        hosts.extend(
            values.filter_map(|value| value.split("//").last()?.split([':', '/', '.']).next().map(str::to_owned)),
        );
    }
    let by_host = hosts.iter().find_map(|host| {
        let service = snapshot.services.iter().find(|s| s.meta.name == *host && s.meta.namespace == namespace)?;
        let behind = |w: &&&Workload| !service.selector.is_empty() && runs(snapshot, w, service);
        databases.iter().find(behind).map(|w| entity(w))
    });
    let by_call = || {
        case.calls
            .iter()
            .filter(|(caller, _)| caller.name == client.name)
            .find_map(|(_, callee)| databases.iter().find(|w| w.meta.name == callee.name).map(|w| entity(w)))
    };
    let only = || if databases.len() == 1 { databases.first().map(|w| entity(w)) } else { None };
    by_host.or_else(by_call).or_else(only).unwrap_or_else(|| client.clone())
}

/// The service selects the workload's pods; a label that a pod only gets while running (a role) counts too.
fn runs(snapshot: &Snapshot, workload: &Workload, service: &super::object::Service) -> bool {
    selects(&service.selector, &workload.pod_labels)
        || snapshot.pods_of(workload).any(|pod| selects(&service.selector, &pod.meta.labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{KubernetesRead, LogLine};
    use crate::kubernetes::testing::{json, manifest};
    use serde_json::json as object;

    fn finding(line: &str) -> (Option<Fault>, String) {
        let workload = |kind: &str, name: &str, image: &str, ready: u64| {
            json(
                object!({ "kind": kind, "metadata": { "name": name, "namespace": "bank" }, "spec": { "replicas": 1, "template": { "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "main", "image": image, "envFrom": [{ "secretRef": { "name": "ledger-login" } }] }] } } }, "status": { "readyReplicas": ready } }),
            )
        };
        let kubernetes: Vec<KubernetesRead> = vec![
            workload("StatefulSet", "ledger", "mysql:8", 1),
            workload("StatefulSet", "audit", "postgres:16", 1),
            workload("Deployment", "clerk", "clerk:3", 0),
            json(
                object!({ "kind": "Service", "metadata": { "name": "ledger-main", "namespace": "bank" }, "spec": { "selector": { "app": "ledger" } } }),
            ),
            manifest(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  name: ledger-login\n  namespace: bank\nstringData:\n  DB_HOST: ledger-main\n  DB_PASSWORD: hunter2\n",
            ),
        ];
        let subject = service_entity("bank", "clerk");
        let lines = vec![LogLine { at_ms: None, level: None, text: line.to_owned(), trace: None }];
        let case = Case {
            kubernetes,
            logs: vec![LogStream { subject, source: "log".into(), lines, baseline: vec![] }],
            ..Case::default()
        };
        assert!(!format!("{:?}", Snapshot::new(&case.kubernetes)).contains("hunter2"), "a secret's words are not kept");
        let (findings, _) = crate::kubernetes::analyze_case(&case);
        (findings[0].fault, findings[0].subject.to_string())
    }

    #[test]
    fn what_a_client_says_tells_whose_fault_it_is() {
        let clerk = "service/bank/clerk".to_owned();
        let ledger = "service/bank/ledger".to_owned();
        assert_eq!(
            finding("java.sql.SQLException: Access denied for user 'c'@'10.0.0.1' (using password: YES)"),
            (Some(Fault::DatabaseCredentials), clerk.clone())
        );
        assert_eq!(
            finding("com.mysql.cj.jdbc.exceptions.CommunicationsException: Connection refused"),
            (Some(Fault::DatabasePort), clerk)
        );
        assert_eq!(
            finding(
                "SQLException: Data source rejected establishment of connection, message from server: \"Too many connections\""
            ),
            (Some(Fault::DatabaseConnectionsExhausted), ledger.clone())
        );
        assert_eq!(
            finding("The MySQL server is running with the --read-only option so it cannot execute this statement"),
            (Some(Fault::DatabaseReadOnly), ledger.clone())
        );
        assert_eq!(
            finding("ERROR 1205 (HY000): Lock wait timeout exceeded; try restarting transaction"),
            (Some(Fault::LockContention), ledger)
        );
    }
}
