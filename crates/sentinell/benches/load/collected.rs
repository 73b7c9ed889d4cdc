//! Log lines of collectors, as bodies of OTLP/HTTP: built from a file, and either posted to a running server over
//! `--connections` connections, or (without `--url`) read in this process on `--threads` threads.
//!
//! `--errors` of a hundred records are bad enough to be told; each of those goes through redaction and template mining. The
//! others are read as far as it takes to know that they are not.

use super::loops::processor_seconds;
use super::{Args, Outcome};
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;
use sentinell::intake::lines::Lines;
use sentinell::intake::otlp;
use sentinell_evidence::case::Level;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Plan {
    /// Each with the lines in it.
    bodies: Vec<(Vec<u8>, u64)>,
    protobuf: bool,
    gzip: bool,
    per_body: usize,
}

fn plan(args: &Args) -> Outcome<Plan> {
    let text = std::fs::read_to_string(args.get("file", String::new())?)?;
    let lines: Vec<&str> = text.lines().collect();
    let (per_body, errors) = (args.get("records", 5000)?, args.get("errors", 100_usize)?);
    let (protobuf, gzip) = (args.get("form", "protobuf".to_owned())? == "protobuf", args.get("gzip", true)?);
    let mut bodies = vec![];
    for (index, slice) in lines.chunks(per_body).take(40).enumerate() {
        let records: Vec<Value> = slice.iter().enumerate().map(|(n, line)| record(n, n % 100 < errors, line)).collect();
        let request = json!({"resourceLogs": [{"schemaUrl": "", "resource": {"droppedAttributesCount": 0, "attributes": [
            {"key": "service.name", "value": {"stringValue": format!("bench-{}", index % 4)}},
            {"key": "k8s.pod.name", "value": {"stringValue": format!("bench-{index}")}}]},
            "scopeLogs": [{"scope": null, "schemaUrl": "", "logRecords": records}]}]});
        let mut body = request.to_string().into_bytes();
        if protobuf {
            body = serde_json::from_value::<ExportLogsServiceRequest>(request)?.encode_to_vec();
        }
        if gzip {
            let mut packed = GzEncoder::new(vec![], Compression::fast());
            packed.write_all(&body)?;
            body = packed.finish()?;
        }
        bodies.push((body, slice.len() as u64));
    }
    Ok(Plan { bodies, protobuf, gzip, per_body: per_body.min(lines.len()) })
}

fn record(n: usize, error: bool, line: &str) -> Value {
    let time = (1_795_348_790_000_000_000_u64 + n as u64).to_string();
    json!({"timeUnixNano": time, "observedTimeUnixNano": time, "severityNumber": if error { 17 } else { 9 },
        "severityText": if error { "ERROR" } else { "INFO" }, "body": {"stringValue": line},
        "attributes": [{"key": "thread.name", "value": {"stringValue": "main"}}, {"key": "code.lineno", "value": {"intValue": "42"}}],
        "droppedAttributesCount": 0, "flags": 0, "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
        "eventName": ""})
}

/// Sends or reads the bodies again and again for `--seconds`.
pub async fn collected(args: &Args) -> Outcome<Value> {
    let plan = Arc::new(plan(args)?);
    let time = Duration::from_secs_f64(args.get("seconds", 5.0)?);
    let url: String = args.get("url", String::new())?;
    let at_once = if url.is_empty() { args.get("threads", 2)? } else { args.get("connections", 4)? };
    let token: String = args.get("token", String::new())?;
    let (began, used) = (Instant::now(), processor_seconds());
    let mut workers = vec![];
    for worker in 0..at_once {
        let (plan, url, token) = (plan.clone(), url.clone(), token.clone());
        workers.push(tokio::spawn(async move {
            match url.is_empty() {
                true => tokio::task::spawn_blocking(move || reading(&plan, worker, began, time)).await?,
                false => posting(&plan, worker, began, time, &url, &token).await,
            }
        }));
    }
    let (mut lines, mut refused, mut kinds) = (0, 0, 0);
    for worker in workers {
        let (taken, turned_away, most) = worker.await??;
        lines += taken;
        refused += turned_away;
        kinds = kinds.max(most);
    }
    let (seconds, used) = (began.elapsed().as_secs_f64(), processor_seconds() - used);
    let bytes: usize = plan.bodies.iter().map(|(body, _)| body.len()).sum();
    let records: u64 = plan.bodies.iter().map(|(_, lines)| lines).sum();
    Ok(json!({
        "lines": lines, "refused": refused, "records_a_body": plan.per_body, "most_kinds_a_body": kinds,
        "bytes_a_record": bytes as f64 / records as f64, "lines_per_second": lines as f64 / seconds,
        "own_processor_seconds": used,
    }))
}

fn reading(plan: &Plan, worker: usize, began: Instant, time: Duration) -> Outcome<(u64, u64, usize)> {
    let (mut taken, mut kinds) = (0, 0);
    for (body, count) in plan.bodies.iter().cycle().skip(worker) {
        if began.elapsed() >= time {
            break;
        }
        let mut unpacked = vec![];
        let body = match plan.gzip {
            true => {
                std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&body[..]), &mut unpacked)?;
                &unpacked
            }
            false => body,
        };
        let mut lines = Lines::new(Level::Error);
        match plan.protobuf {
            true => otlp::read_protobuf(body, &mut lines)?,
            false => otlp::read_json(body, &mut lines)?,
        }
        kinds = kinds.max(lines.kinds());
        taken += count;
    }
    Ok((taken, 0, kinds))
}

async fn posting(
    plan: &Plan,
    worker: usize,
    began: Instant,
    time: Duration,
    url: &str,
    token: &str,
) -> Outcome<(u64, u64, usize)> {
    let client = reqwest::Client::new();
    let (mut taken, mut refused) = (0, 0);
    for (body, count) in plan.bodies.iter().cycle().skip(worker) {
        if began.elapsed() >= time {
            break;
        }
        let form = if plan.protobuf { "application/x-protobuf" } else { "application/json" };
        let mut request = client.post(format!("{url}/v1/logs")).header("content-type", form).body(body.clone());
        if plan.gzip {
            request = request.header("content-encoding", "gzip");
        }
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        match request.send().await?.status().as_u16() {
            200 => taken += count,
            429 | 503 => {
                refused += 1;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            other => return Err(format!("the server answered {other}").into()),
        }
    }
    Ok((taken, refused, 0))
}
