//! Signature Version 4 of a request without a query, to a path of plain characters: all that is ever sent.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use hmac::{Hmac, KeyInit, Mac};
use sentinell_core::time::Timestamp;
use sha2::{Digest, Sha256};

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsKeys {
    /// The access key's id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// What came with keys that run out.
    pub session: Option<String>,
}

impl std::fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not even the id: it names an account.
        f.write_str("AwsKeys")
    }
}

/// What is signed.
pub(super) struct Signed<'p> {
    pub method: &'p str,
    pub host: &'p str,
    /// Of letters, digits, `/`, `-`, `_` and `.`, so that it is the same however it is encoded.
    pub path: &'p str,
    pub region: &'p str,
    /// The service's name in signatures.
    pub service: &'p str,
    pub content_type: &'p str,
    /// The operation's name, where the protocol has it in a header.
    pub target: Option<&'p str>,
    pub body: &'p [u8],
}

/// The headers that make a request ours, the host left to the client.
pub(super) fn headers(post: &Signed<'_>, keys: &AwsKeys, now: Timestamp) -> Vec<(&'static str, String)> {
    let stamp = stamp(now);
    let mut signed = vec![("content-type", post.content_type.to_owned()), ("host", post.host.to_owned())];
    signed.push(("x-amz-date", stamp.clone()));
    signed.extend(keys.session.iter().map(|session| ("x-amz-security-token", session.clone())));
    signed.extend(post.target.map(|target| ("x-amz-target", target.to_owned())));
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let canonical = format!("{}\n{}\n\n{lines}\n{names}\n{}", post.method, post.path, hex(&Sha256::digest(post.body)));
    let day = &stamp[..8];
    let scope = format!("{day}/{}/{}/aws4_request", post.region, post.service);
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let mut key = format!("AWS4{}", keys.secret).into_bytes();
    for part in [day, post.region, post.service, "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = hex(&mac(&key, &text));
    let proof =
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", keys.id);
    signed.retain(|(name, _)| *name != "host");
    signed.push(("authorization", proof));
    signed
}

/// `20261122T120000Z`.
fn stamp(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split('.').next().unwrap_or(&text);
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is taken.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signatures that botocore made of the same request.
    #[test]
    fn a_request_is_signed_as_amazons_own_library_signs_it() {
        let post = Signed {
            method: "POST",
            path: "/",
            host: "127.0.0.1:5601",
            region: "eu-west-1",
            service: "logs",
            content_type: "application/x-amz-json-1.1",
            target: Some("Logs_20140328.DescribeLogGroups"),
            body: b"{\"limit\":1}",
        };
        let now = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
        let signed = |session: Option<&str>| {
            let keys = AwsKeys {
                id: "AKIDEXAMPLE".into(),
                secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
                session: session.map(str::to_owned),
            };
            assert!(!format!("{keys:?}").contains("wJal"));
            headers(&post, &keys, now).pop().map(|(_, proof)| proof).unwrap_or_default()
        };
        let (plain, held) = (signed(None), signed(Some("a-session")));
        assert!(plain.ends_with("942c15ec64f1290d168b26b55b66980c308837ae1400c24c02b0d63de61c47f5"), "{plain}");
        assert!(held.ends_with("4be24024bed8adf5cf9e9b7719cd7bbf91ea9a65f4da56f83978ff6106787d96"), "{held}");
        assert!(held.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,"));
    }
}
