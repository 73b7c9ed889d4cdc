//! How Amazon SNS signs what it delivers
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>): with the key of a certificate that is
//! fetched from Amazon, from nowhere else.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sentinell_core::time::Timestamp;
use serde::Deserialize;
use x509_cert::der::Decode;

/// A message as SNS posts it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    /// `Notification`, `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The same for every delivery of it.
    pub message_id: String,
    /// The topic.
    pub topic_arn: String,
    /// Its headline.
    #[serde(default)]
    pub subject: Option<String>,
    /// Its text.
    pub message: String,
    /// When it was published.
    pub timestamp: String,
    /// `1` (SHA-1) or `2` (SHA-256).
    pub signature_version: String,
    /// Base64.
    pub signature: String,
    /// Where the certificate is.
    #[serde(rename = "SigningCertURL")]
    pub signing_cert_url: String,
    /// Of a confirmation.
    #[serde(default)]
    pub token: Option<String>,
    /// Whoever asks for it confirms the subscription.
    #[serde(default, rename = "SubscribeURL")]
    pub subscribe_url: Option<String>,
}

impl Message {
    /// What is signed: the fields by name, each with its value, a line each.
    fn signed(&self) -> String {
        let confirms = self.kind != "Notification";
        let fields = [
            ("Message", Some(self.message.as_str())),
            ("MessageId", Some(self.message_id.as_str())),
            ("Subject", self.subject.as_deref().filter(|_| !confirms)),
            ("SubscribeURL", self.subscribe_url.as_deref().filter(|_| confirms)),
            ("Timestamp", Some(self.timestamp.as_str())),
            ("Token", self.token.as_deref().filter(|_| confirms)),
            ("TopicArn", Some(self.topic_arn.as_str())),
            ("Type", Some(self.kind.as_str())),
        ];
        fields.into_iter().filter_map(|(name, value)| Some(format!("{name}\n{}\n", value?))).collect()
    }

    /// Whether the key of this certificate (PEM) signed it, and the certificate is valid now.
    pub fn is_signed_by(&self, pem: &[u8], now: Timestamp) -> bool {
        let read = der(pem).and_then(|der| x509_cert::Certificate::from_der(&der).ok());
        let Some(certificate) = read else { return false };
        let certificate = certificate.tbs_certificate;
        let seconds = u64::try_from(now.0 / 1000).unwrap_or(0);
        let (from, until) = (certificate.validity.not_before, certificate.validity.not_after);
        let valid = (from.to_unix_duration().as_secs()..=until.to_unix_duration().as_secs()).contains(&seconds);
        let algorithm: &'static RsaParameters = match self.signature_version.as_str() {
            "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            "2" => &RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
        let Some(key) = certificate.subject_public_key_info.subject_public_key.as_bytes() else { return false };
        let Ok(signature) = STANDARD.decode(&self.signature) else { return false };
        valid && UnparsedPublicKey::new(algorithm, key).verify(self.signed().as_bytes(), &signature).is_ok()
    }
}

/// The first certificate of a PEM text.
fn der(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()
}

/// Whether an address is one of SNS itself: https, `sns.<region>.amazonaws.com` (or `.cn`), nothing in the authority besides.
pub fn is_of_sns(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://").filter(|_| url.len() <= 2000) else { return false };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
    let region = host.strip_prefix("sns.");
    let region =
        region.and_then(|rest| rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn")));
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    plain && region.is_some_and(|region| (4..=30).contains(&region.len()) && region.bytes().all(word))
}

/// Whether an address is that of a certificate of SNS.
pub fn is_certificate(url: &str) -> bool {
    is_of_sns(url) && url.ends_with(".pem") && !url.contains(['?', '%']) && !url.contains("..")
}

/// Whether asking for an address confirms a subscription and does nothing else.
pub fn is_confirmation(url: &str) -> bool {
    let query = url.split_once("amazonaws.com").and_then(|(_, rest)| rest.split_once("/?"));
    is_of_sns(url) && query.is_some_and(|(_, query)| query.split('&').any(|pair| pair == "Action=ConfirmSubscription"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_sns_are_asked() {
        let certificate = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem";
        assert!(is_certificate(certificate) && is_certificate("https://sns.cn-north-1.amazonaws.com.cn/a.pem"));
        let confirm = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:1:a&Token=ab";
        assert!(is_confirmation(confirm) && !is_certificate(confirm));
        for odd in [
            "http://sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
            "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem",
            "https://evil.example/sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
            "https://evil.sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.evil.example#.amazonaws.com/a.pem",
            "https://sns.a/b.amazonaws.com/a.pem",
            "https://s3.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com/a.pem?x=.pem",
            "https://sns.eu-west-1.amazonaws.com/../a.pem",
            "https://sns.eu-west-1.amazonaws.com\\@evil.example/a.pem",
            "",
        ] {
            assert!(!is_certificate(odd), "{odd}");
        }
        assert!(!is_confirmation("https://sns.eu-west-1.amazonaws.com/?Action=DeleteTopic&TopicArn=a"));
    }
}
