//! The redactor against public lists: secrets in every dress that they are seen in, and look-alikes that must stay.

use super::of_archive;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sentinell_core::redact::redact;
use serde_json::Value;

fn rows(name: &str) -> Option<Vec<Value>> {
    let text = String::from_utf8(of_archive(&format!("secrets/{name}"))?).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// A row's line and what stands in it; lists keep secrets in parts, so that no scanner takes them for a leak.
fn line(row: &Value) -> (String, String) {
    let parts = row["secret_parts"].as_array().unwrap().iter().filter_map(Value::as_str);
    let secret: String = parts.collect();
    (row["line"].as_str().unwrap().replace("{S}", &secret), secret)
}

/// What could be used of a secret that comes with its frame (`machine … password …`): its longest word with a figure in it.
fn core(secret: &str) -> &str {
    let words = secret.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '/' | '_' | '-'));
    words.filter(|word| word.contains(|c: char| c.is_ascii_digit())).max_by_key(|word| word.len()).unwrap_or(secret)
}

/// Whether nothing that could be used is left: neither the secret nor half of what matters of it.
fn is_gone(secret: &str, told: &str) -> bool {
    let letters: Vec<char> = core(secret).chars().collect();
    let half = (letters.len() / 2).max(8).min(letters.len()).max(1);
    !told.contains(secret) && !letters.windows(half).any(|part| told.contains(&part.iter().collect::<String>()))
}

#[test]
fn of_a_hundred_secrets_ninety_nine_are_taken_out_and_of_a_hundred_look_alikes_ninety_eight_stay() {
    let Some((secrets, others)) = rows("synthetic_secrets.jsonl").zip(rows("synthetic_negatives.jsonl")) else {
        return;
    };
    let told = |row: &Value| {
        let (line, _) = line(row);
        format!("{}: {}", row["id"].as_str().unwrap_or_default(), redact(&line))
    };
    let left = secrets.iter().filter(|row| {
        let (line, secret) = line(row);
        !is_gone(&secret, &redact(&line))
    });
    let left: Vec<String> = left.map(told).collect();
    let changed: Vec<String> = others.iter().filter(|row| redact(&line(row).0) != line(row).0).map(told).collect();
    println!(
        "{} of {} secrets are left, {} of {} look-alikes changed",
        left.len(),
        secrets.len(),
        changed.len(),
        others.len()
    );
    assert!(left.len() * 100 <= secrets.len(), "{}", left.join("\n"));
    assert!(changed.len() * 50 <= others.len(), "{}", changed.join("\n"));
}

/// Rules that are about something else than secrets (accounts, folders, comments, made-up words), files that no text holds, and a
/// bare number of 64 figures, as every checksum is.
const OTHER: [&str; 10] = [
    "-aws/ng.AWS Account ID",
    "-azure/ng.ad_tenant_id",
    "-azure/ng.azure_client_id",
    "-example/",
    "-filter-comments/",
    "-gcp/ng.privatekey-p12",
    "-no-homedir/",
    "-pattern/",
    "-secp256k1-privatekey/",
    // `0tskey-…`, `MY_tskey-…`: inside of another word.
    "-tailscale/ng.boundary-non-letter",
];

#[test]
fn what_another_scanner_calls_a_secret_is_taken_out() {
    let Some(rows) = rows("third_party/secretlint_cases.jsonl") else { return };
    let id = |row: &Value| row["id"].as_str().unwrap_or_default().to_owned();
    let secrets = rows.iter().filter(|row| row["expect"] == "secret");
    let secrets: Vec<&Value> = secrets.filter(|row| !OTHER.iter().any(|other| id(row).contains(other))).collect();
    let left = secrets.iter().filter(|row| {
        let body = BASE64_STANDARD.decode(row["body_b64"].as_str().unwrap()).unwrap();
        let text = String::from_utf8_lossy(&body);
        redact(&text) == text
    });
    let left: Vec<String> = left.map(|row| id(row)).collect();
    assert!(secrets.len() > 40 && left.is_empty(), "of {}: {left:#?}", secrets.len());
}
