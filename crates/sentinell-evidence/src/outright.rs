//! Faults that a line names outright, whoever writes it: the kernel's word for a full disk, a TLS library's for a
//! certificate that has run out.

use crate::case::{Case, LogStream};
use crate::finding::{Entity, EntityKind, Fault, Finding};
use crate::kubernetes::report::Report;
use crate::kubernetes::words::{any, around, streams};

/// ENOSPC and EDQUOT as libc, the Linux kernel's log and Windows word them.
const DISK_FULL: [&str; 4] =
    ["no space left on device", "enospc", "there is not enough space on the disk", "disk quota exceeded"];
/// Signs that a line repeats what another program answered.
const REPEATED: [&str; 9] =
    ["sqlstate", "psycopg", "sqlalchemy", "jdbc", "npgsql", "sequelize", "rpc error", "upstream", "remote error"];
/// A certificate past its date, as OpenSSL, Go, Java, rustls and Node word it.
const EXPIRED: [&str; 7] = [
    "certificate has expired",
    "certificate expired",
    "expired certificate",
    "peer certificate: expired",
    "certificateexpired",
    "cert_has_expired",
    "cert_date_invalid",
];
/// The one who shows the certificate hears of it from its clients, by a TLS alert.
const ALERTED: [&str; 4] = ["remote error", "client alert", "alert received", "tls alert"];
/// So many lines that say it cannot be one odd request.
const SURE: usize = 3;

pub(crate) fn analyze(case: &Case) -> Vec<Finding> {
    let mut report = Report::default();
    for (stream, lines) in streams(case) {
        full_disk(stream, &lines, &mut report);
        certificate(stream, &lines, &mut report);
    }
    report.findings
}

/// A disk is local: who writes that it is full means its own, unless the line repeats somebody else's answer.
fn full_disk(stream: &LogStream, lines: &[(String, &str)], report: &mut Report) {
    let says = |(lower, _): &&(String, &str)| any(lower, &DISK_FULL);
    let (repeated, own): (Vec<_>, Vec<_>) = lines.iter().filter(says).partition(|(lower, _)| any(lower, &REPEATED));
    let name = &stream.subject.name;
    if let Some((lower, _)) = own.last() {
        let say = format!("{name} cannot write: its disk is full ({} lines)", own.len());
        let weight = (strength(&own, stream, &DISK_FULL), 9);
        report.quoted(stream.subject.clone(), Fault::DiskFull, weight, &say, &stream.source, &quote(lower, &DISK_FULL));
    } else if let Some((lower, _)) = repeated.last() {
        let say = format!("{name} is told by what it calls that a disk is full");
        report.symptom(stream.subject.clone(), None, (0.6, 4), &say, &stream.source, &quote(lower, &DISK_FULL));
    }
}

/// The certificate belongs to the server: it is told so by its clients, or they name it.
fn certificate(stream: &LogStream, lines: &[(String, &str)], report: &mut Report) {
    let says = |(lower, _): &&(String, &str)| any(lower, &EXPIRED);
    let all: Vec<&(String, &str)> = lines.iter().filter(says).collect();
    let Some((lower, _)) = all.last() else { return };
    let excerpt = quote(lower, &EXPIRED);
    let sure = strength(&all, stream, &EXPIRED);
    let told = any(lower, &ALERTED);
    let server = if told { None } else { all.iter().rev().find_map(|(lower, _)| host(lower)) };
    let (subject, say, weight) = match server {
        Some(name) => {
            let say = format!("{} does not trust {name}: its certificate has run out", stream.subject.name);
            (server_entity(&stream.subject, name), say, (sure, 9))
        }
        None if told => {
            let say = format!("the clients of {} do not trust it: its certificate has run out", stream.subject.name);
            (stream.subject.clone(), say, (sure, 9))
        }
        None => {
            let say = format!("{} met a certificate that has run out; whose, it does not say", stream.subject.name);
            report.symptom(stream.subject.clone(), None, (0.7, 4), &say, &stream.source, &excerpt);
            return;
        }
    };
    report.quoted(subject, Fault::CertificateExpired, weight, &say, &stream.source, &excerpt);
}

/// What was said all the time before it began is a habit.
fn strength(lines: &[&(String, &str)], stream: &LogStream, needles: &[&str]) -> f64 {
    let before = stream.baseline.iter().any(|line| any(&line.text.to_lowercase(), needles));
    match (before, lines.len() >= SURE) {
        (true, _) => 0.4,
        (false, false) => 0.8,
        (false, true) => 0.95,
    }
}

fn quote(lower: &str, needles: &[&str]) -> String {
    needles.iter().find(|needle| lower.contains(**needle)).map(|needle| around(lower, needle)).unwrap_or_default()
}

/// The host that a client's line names before its complaint: `https://host:port/…`, or a bare `host:port`.
fn host(lower: &str) -> Option<&str> {
    let end = EXPIRED.iter().filter_map(|needle| lower.find(needle)).min()?;
    let mut words = lower[..end].split([' ', '"', '\'', '(', ')', ',', '=']).rev();
    words.find_map(|word| {
        let (url, rest) = word.split_once("://").map_or((false, word), |(_, rest)| (true, rest));
        let place = rest.split('/').next().unwrap_or_default().trim_end_matches(':');
        let (name, port) = place.split_once(':').unwrap_or((place, ""));
        let named = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
        let ported = !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
        (named && (url || ported)).then_some(name)
    })
}

/// A service of the caller's own namespace, `name.namespace.svc…`, or a host outside.
fn server_entity(client: &Entity, host: &str) -> Entity {
    let mut labels = host.split('.');
    let name = labels.next().unwrap_or(host);
    match (labels.next(), labels.next()) {
        (None, _) => Entity { kind: EntityKind::Service, name: name.to_owned(), namespace: client.namespace.clone() },
        (Some(namespace), None | Some("svc")) => Entity::new(EntityKind::Service, name).in_namespace(namespace),
        _ => Entity::new(EntityKind::Host, host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::LogLine;

    fn said(by: &str, text: &str) -> Vec<Finding> {
        let subject = Entity::new(EntityKind::Service, by).in_namespace("port");
        let lines =
            (0..5).map(|at| LogLine { at_ms: Some(at), level: None, text: text.to_owned(), trace: None }).collect();
        let logs = vec![LogStream { subject, source: "test".into(), lines, baseline: vec![] }];
        analyze(&Case { logs, ..Case::default() })
    }

    fn blamed(by: &str, text: &str) -> Option<(Fault, String)> {
        said(by, text).iter().find_map(|finding| Some((finding.fault?, finding.subject.to_string())))
    }

    #[test]
    fn a_full_disk_belongs_to_who_writes_it_and_not_to_who_repeats_it() {
        let own = Some((Fault::DiskFull, "service/port/crane".to_owned()));
        assert_eq!(blamed("crane", "write /var/lib/crane/7.log: no space left on device"), own);
        assert_eq!(blamed("crane", "Error: ENOSPC, write"), own);
        assert_eq!(blamed("crane", "insert: No space left on device (SQLSTATE 53100)"), None);
        assert_eq!(blamed("crane", "no space left in the harbour"), None);
    }

    #[test]
    fn an_expired_certificate_belongs_to_the_server_that_the_client_names() {
        let pier = |name: &str| Some((Fault::CertificateExpired, name.to_owned()));
        let go = "Get \"https://pier:8443/x\": tls: failed to verify certificate: x509: certificate has expired or is \
                  not yet valid: current time 2026-01-02T00:00:00Z is after 2026-01-01T00:00:00Z";
        assert_eq!(blamed("crane", go), pier("service/port/pier"));
        assert_eq!(blamed("crane", "pier.dock.svc:5432: invalid peer certificate: Expired"), pier("service/dock/pier"));
        assert_eq!(
            blamed("crane", "https://api.example.org/v1: certificate has expired"),
            pier("host/api.example.org")
        );
        let told = "http: TLS handshake error from 10.0.0.9:40112: remote error: tls: expired certificate";
        assert_eq!(blamed("pier", told), pier("service/port/pier"));
        let nameless = said("crane", "verify error: num=10: certificate has expired");
        assert_eq!((nameless.len(), nameless[0].fault), (1, None));
    }
}
