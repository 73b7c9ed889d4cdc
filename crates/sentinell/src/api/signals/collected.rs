//! Log lines from collectors: OpenTelemetry's over HTTP, and what is pushed to Loki. Neither signs: they bring a token.
//!
//! A body is unpacked and read away from the threads that answer, a few at a time; while more wait than should, senders are
//! asked to come back. Lines of one kind are one signal, so that a body costs a handful of rows whatever it holds.

use super::receipt;
use crate::api::AppState;
use crate::api::extract::read_body;
use crate::api::problem::ApiError;
use crate::auth::Posting;
use crate::ears::take_all;
use crate::intake::lines::Lines;
use crate::intake::{loki, otlp};
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::read::MultiGzDecoder;
use futures::stream::StreamExt;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::time::Duration;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

/// The largest body as it is sent, bytes.
const PACKED: usize = 16 << 20;
/// The largest body once it is unpacked, bytes.
const UNPACKED: usize = 64 << 20;
/// What any packed body may unpack to, bytes, and how many more for each byte of it: logs shrink to a tenth or a
/// fiftieth, bombs to a thousandth.
const SMALL: usize = 8 << 20;
const RATIO: usize = 100;
/// Bodies that are read at the same time.
static READING: Semaphore = Semaphore::const_new(4);
/// How long a body waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// A request of OTLP/HTTP (`ExportLogsServiceRequest`).
#[derive(Debug, ToSchema)]
pub struct OtlpLogs {
    /// What each resource wrote: `{resource, scopeLogs: [{logRecords: […]}]}`.
    #[schema(rename = "resourceLogs", value_type = Option<Vec<Object>>)]
    pub resource_logs: Option<Vec<Value>>,
}

/// How a request was taken (`ExportLogsServiceResponse`); empty if it was taken whole.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct OtlpTaken {
    /// What was not taken.
    #[serde(rename = "partialSuccess", skip_serializing_if = "Option::is_none")]
    partial_success: Option<PartialSuccess>,
}

/// What was not taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartialSuccess {
    /// How many records.
    #[serde(rename = "rejectedLogRecords")]
    rejected_log_records: String,
    /// Why.
    #[serde(rename = "errorMessage")]
    error_message: String,
}

/// Lines that are pushed as to Loki.
#[derive(Debug, ToSchema)]
pub struct LokiPush {
    /// `{stream: {label: value}, values: [["<nanoseconds>", "<line>", {structured metadata}]]}`.
    #[schema(value_type = Vec<Object>)]
    pub streams: Vec<Value>,
}

/// Takes in OpenTelemetry's logs over HTTP, as JSON or protobuf, gzipped or not. Records of severity error or worse open or
/// join incidents, one signal for each kind; the others are counted.
#[utoipa::path(post, path = "/v1/logs", tag = "signals",
    request_body(content((OtlpLogs = "application/json"), (Vec<u8> = "application/x-protobuf"))),
    responses((status = 200, description = "Taken; what was not is told", body = OtlpTaken)))]
pub async fn post_otlp(State(app): State<AppState>, _: Posting, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = form(&parts.headers);
    let taken = async {
        let form = form.clone()?;
        let read = read_body(body, PACKED).await?;
        let hash: [u8; 32] = Sha256::digest(&read).into();
        let lines = decode(&app, &parts.headers, read, move |bytes, lines| match form {
            Form::Json => otlp::read_json(bytes, lines).map_err(|error| error.to_string()),
            Form::Protobuf => otlp::read_protobuf(bytes, lines).map_err(|error| error.to_string()),
        })
        .await?;
        take(&app, "otlp", &parts.headers, hash, lines).await
    };
    let protobuf = [(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))];
    match (taken.await, form) {
        (Ok(rejected), Ok(Form::Protobuf)) => (protobuf, otlp::answer_protobuf(rejected)).into_response(),
        (Ok(0), _) => axum::Json(OtlpTaken::default()).into_response(),
        (Ok(rejected), _) => {
            let (rejected_log_records, error_message) = (rejected.to_string(), otlp::partly(rejected));
            let partial_success = Some(PartialSuccess { rejected_log_records, error_message });
            axum::Json(OtlpTaken { partial_success }).into_response()
        }
        (Err(error), Ok(Form::Protobuf)) => in_protobuf(&error, error.clone().into_response()),
        (Err(error), _) => error.into_response(),
    }
}

/// Takes in lines that are pushed as to Loki: JSON, gzipped or not, or protobuf packed with snappy. Lines of level error or
/// worse open or join incidents, one signal for each kind; the others are counted.
#[utoipa::path(post, path = "/loki/api/v1/push", tag = "signals",
    request_body(content((LokiPush = "application/json"), (Vec<u8> = "application/x-protobuf"))),
    responses((status = 204, description = "Taken")))]
pub async fn post_loki(State(app): State<AppState>, _: Posting, request: Request) -> Result<StatusCode, ApiError> {
    let (parts, body) = request.into_parts();
    let form = form(&parts.headers)?;
    let read = read_body(body, PACKED).await?;
    let hash: [u8; 32] = Sha256::digest(&read).into();
    let lines = match form {
        Form::Json => {
            let read_json =
                |bytes: &[u8], lines: &mut Lines| loki::read_json(bytes, lines).map_err(|error| error.to_string());
            decode(&app, &parts.headers, read, read_json).await?
        }
        Form::Protobuf => {
            let mut headers = parts.headers.clone();
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("snappy"));
            let read_push =
                |bytes: &[u8], lines: &mut Lines| loki::read_protobuf(bytes, lines).map_err(|error| error.to_string());
            decode(&app, &headers, read, read_push).await?
        }
    };
    take(&app, "loki", &parts.headers, hash, lines).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Protobuf,
}

fn form(headers: &HeaderMap) -> Result<Form, ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Form::Json),
        "application/x-protobuf" | "application/protobuf" => Ok(Form::Protobuf),
        _ => {
            let detail = "send the body as `Content-Type: application/json` or `application/x-protobuf`";
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

/// Unpacks a body and reads its lines, in its turn.
async fn decode(
    app: &AppState,
    headers: &HeaderMap,
    packed: Bytes,
    read: impl FnOnce(&[u8], &mut Lines) -> Result<(), String> + Send + 'static,
) -> Result<Lines, ApiError> {
    let encoding = headers.get(header::CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap_or("unreadable"));
    let encoding = encoding.trim().to_ascii_lowercase();
    let busy = || {
        let error =
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "more log lines wait to be read than can be; try again");
        error.with(header::RETRY_AFTER, HeaderValue::from_static("1"))
    };
    let turn = tokio::time::timeout(PATIENCE, READING.acquire()).await.map_err(|_| busy())?;
    let turn = turn.map_err(|_| busy())?;
    let threshold = app.config.log_threshold;
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let unpacked = unpack(&encoding, packed)?;
        let mut lines = Lines::new(threshold);
        read(&unpacked, &mut lines)
            .map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error:.300}")))?;
        Ok(lines)
    });
    done.await.unwrap_or_else(|error| Err(ApiError::internal(&error)))
}

/// A body as it was before it was packed.
fn unpack(encoding: &str, packed: Bytes) -> Result<Bytes, ApiError> {
    let large = |limit: usize| {
        let detail = format!("the unpacked body is larger than {limit} bytes; send less at a time");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    match encoding {
        "" | "identity" => Ok(packed),
        "gzip" | "x-gzip" => {
            let mut unpacked = vec![];
            let limit = UNPACKED.min(SMALL + RATIO * packed.len());
            let read = MultiGzDecoder::new(&packed[..]).take(limit as u64 + 1).read_to_end(&mut unpacked);
            read.map_err(|error| ApiError::bad_request(format!("the body is not gzip that can be unpacked: {error}")))?;
            if unpacked.len() > limit { Err(large(limit)) } else { Ok(unpacked.into()) }
        }
        "snappy" => {
            let broken = |error: snap::Error| {
                ApiError::bad_request(format!("the body is not snappy that can be unpacked: {error}"))
            };
            if snap::raw::decompress_len(&packed).map_err(broken)? > UNPACKED {
                return Err(large(UNPACKED));
            }
            snap::raw::Decoder::new().decompress_vec(&packed).map(Bytes::from).map_err(broken)
        }
        other => {
            let detail = format!("`Content-Encoding: {other:.40}` is not understood; send gzip, or the body as it is");
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

/// Stores what the lines say; answers how many were turned away.
async fn take(
    app: &AppState,
    source: &'static str,
    headers: &HeaderMap,
    hash: [u8; 32],
    lines: Lines,
) -> Result<u64, ApiError> {
    let (below, told, mut rejected) = (lines.below, lines.told, lines.rejected);
    let signals = lines.into_signals(source, |index| {
        let mut receipt = receipt(app, headers)?;
        receipt.delivery_id = receipt.delivery_id.map(|id| format!("{id}/{index}"));
        Ok::<_, ApiError>(receipt)
    })?;
    let (signals, lines): (Vec<_>, Vec<_>) = signals.into_iter().unzip();
    let taken = take_all(&app.store, &app.metrics, signals, hash).await?;
    let mut taken = std::pin::pin!(taken.zip(futures::stream::iter(lines)));
    let mut refused = 0;
    while let Some((receipt, lines)) = taken.next().await {
        match receipt.map_err(ApiError::from) {
            Ok(_) => {}
            // What no database keeps will not be kept the next time either.
            Err(error) if error.status() == StatusCode::BAD_REQUEST => refused += lines,
            Err(error) => return Err(error),
        }
    }
    rejected += refused;
    app.metrics.lines(source, below, told - refused, rejected);
    Ok(rejected)
}

/// An error as a sender of protobuf reads it (`google.rpc.Status`), with the headers that it has.
fn in_protobuf(error: &ApiError, answer: Response) -> Response {
    let code = match error.status() {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => 8,
        StatusCode::SERVICE_UNAVAILABLE => 14,
        status if status.is_server_error() => 13,
        _ => 3,
    };
    let (mut parts, _) = answer.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, otlp::status_protobuf(code, error.detail()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_small_body_that_unpacks_to_a_large_one_is_refused() {
        let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        let zeroes = vec![0; 1 << 20];
        (0..65).for_each(|_| packed.write_all(&zeroes).unwrap());
        let bomb: Bytes = packed.finish().unwrap().into();
        assert!(bomb.len() < 1 << 20);
        assert_eq!(unpack("gzip", bomb).unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
        // Snappy says how long it will be: 4 GiB here.
        let claims = Bytes::from_static(b"\xff\xff\xff\xff\x0f");
        assert_eq!(unpack("snappy", claims).unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
        for (encoding, status) in [("gzip", 400), ("snappy", 400), ("br", 415), ("unreadable", 415)] {
            let refused = unpack(encoding, Bytes::from_static(b"\x03no")).unwrap_err();
            assert_eq!(refused.status().as_u16(), status, "{encoding}");
        }
        assert_eq!(unpack("identity", Bytes::from_static(b"{}")).unwrap(), "{}");
    }
}
