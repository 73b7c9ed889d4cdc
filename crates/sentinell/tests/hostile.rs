//! Public lists of hostile input against the whole: whatever comes, nothing inside is connected to, no foreign program runs,
//! no file is written where it should not be, no answer is a 5xx, and memory is bounded.
//!
//! The lists are not part of this repository; without them these tests are skipped, loudly.

mod commands;
mod json;
mod origins;
mod outgoing;
mod paths;
mod repositories;
mod secrets;
mod strings;
mod wire;

use crate::api::{Answer, House, OPERATOR, request};
use axum::body::Body;
use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use sentinell::config::{Secret, Senders};
use serde_json::Value;
use sha2::Sha256;
use std::path::{Path, PathBuf};
use std::process::Command;

const SECRET: &str = "a-secret-of-the-mill";

/// What a member of the archive's hostile input holds.
pub fn member(name: &str) -> Option<Vec<u8>> {
    of_archive(&format!("badinput/{name}"))
}

/// What a member of the archive of lists holds; none, loudly, where the archive is not at hand.
pub fn of_archive(name: &str) -> Option<Vec<u8>> {
    let shared = std::env::var_os("SENTINELL_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let archive = shared.join("data/security.tar.xz");
    if !archive.is_file() {
        eprintln!("SKIPPED: no {} (set SENTINELL_SHARED)", archive.display());
        return None;
    }
    let unpacked = Command::new("tar").arg("-xJOf").arg(&archive).arg(format!("security/{name}")).output();
    let unpacked = unpacked.unwrap();
    assert!(unpacked.status.success(), "tar could not read {name} of {}", archive.display());
    Some(unpacked.stdout)
}

/// The rows of a list; none, loudly, where it is not at hand.
pub fn rows(name: &str) -> Option<Vec<Value>> {
    let text = String::from_utf8(member(name)?).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Senders that prove themselves with [`SECRET`], so that what they post is read.
pub fn senders() -> Senders {
    let all = || Some(Secret::new(SECRET));
    let bells = "name = \"bells\"\ntitle = \"/title\"\nkey = [\"/id\"]\nstate = \"/status\"\n[labels]\nservice = \"/labels/service\"";
    let generic = [("bells".to_owned(), toml::from_str(bells).unwrap())].into();
    Senders { github: all(), slack: all(), pagerduty: all(), sentry: all(), standard: None, generic, sns: None }
}

/// Posts bytes as their sender would, signed where senders sign.
pub async fn posted(house: &House, path: &str, kind: &str, body: &[u8]) -> Answer {
    use sentinell_core::ports::Clock;
    let hex = |parts: &[&[u8]]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let mut request = request("POST", path, None).header("content-type", kind);
    let own = hex(&[body]);
    request = match path {
        "/api/signals/pagerduty" => request.header("x-pagerduty-signature", format!("v1={own}")),
        "/api/signals/sentry" => request.header("sentry-hook-signature", own).header("sentry-hook-resource", "issue"),
        "/api/signals/slack/events" | "/api/signals/slack/interactions" => {
            let at = (house.clock.now().0 / 1000).to_string();
            let signed = hex(&[b"v0:", at.as_bytes(), b":", body]);
            request.header("x-slack-request-timestamp", at).header("x-slack-signature", format!("v0={signed}"))
        }
        "/api/signals/github" if kind.starts_with("application/json;") => {
            let delivery = sentinell_id(body);
            request
                .header("x-hub-signature-256", format!("sha256={own}"))
                .header("x-github-event", "issues")
                .header("x-github-delivery", delivery)
        }
        _ => request.header("authorization", format!("Bearer {OPERATOR}")),
    };
    house.send(request.body(Body::from(body.to_vec())).unwrap()).await
}

fn sentinell_id(body: &[u8]) -> String {
    use sha2::Digest;
    Sha256::digest(body).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a base64 text.
pub fn unbase64(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// Demands an answer that is no 5xx, and a problem document if it refuses.
pub fn calm(answer: &Answer, what: &str) {
    let status = answer.status.as_u16();
    assert!(status < 500, "{what}: {status} {}", answer.text);
    if status >= 400 {
        let kind = answer.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        assert!(kind.starts_with("application/"), "{what}: {status} without a problem document: {kind}");
    }
}
