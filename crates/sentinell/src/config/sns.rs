//! Topics of Amazon SNS that CloudWatch's alarms come through: `[cloudwatch]`.

use futures::future::BoxFuture;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Mutex;

/// `[cloudwatch]` as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCloudwatch {
    pub topics: BTreeSet<String>,
}

/// Reads an address of Amazon's.
pub type FetchAddress = dyn Fn(String) -> BoxFuture<'static, Result<Vec<u8>, String>> + Send + Sync;

/// What reads Amazon's certificates and confirms subscriptions.
#[derive(Clone)]
pub struct Fetch(pub Arc<FetchAddress>);

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetch")
    }
}

/// Whose messages are taken.
#[derive(Debug, Clone)]
pub struct Sns {
    /// Their ARNs.
    pub topics: BTreeSet<String>,
    /// What reads Amazon's addresses.
    pub fetch: Fetch,
    known: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Sns {
    /// For these topics.
    pub fn new(topics: BTreeSet<String>, fetch: Fetch) -> Self {
        Self { topics, fetch, known: Arc::default() }
    }

    /// The certificate at an address, read once; at most `most` are remembered.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn certificate(&self, url: &str, most: usize) -> Result<Vec<u8>, String> {
        // Held while it is read: of many messages at once, one asks.
        let mut known = self.known.lock().await;
        if let Some(pem) = known.get(url) {
            return Ok(pem.clone());
        }
        let pem = (self.fetch.0)(url.to_owned()).await?;
        if known.len() >= most {
            known.clear();
        }
        known.insert(url.to_owned(), pem.clone());
        Ok(pem)
    }
}

/// Checks the topics; none: messages of SNS are refused.
pub(super) fn check(raw: &RawCloudwatch, problems: &mut Vec<String>) -> Option<Sns> {
    for topic in raw.topics.iter().filter(|topic| !topic.starts_with("arn:aws") || topic.split(':').count() != 6) {
        problems.push(format!(
            "cloudwatch.topics: `{topic}` is no topic; write its ARN, arn:aws:sns:<region>:<account>:<name>"
        ));
    }
    let unwired = |_| -> BoxFuture<'static, _> { Box::pin(async { Err("nothing reads it here".to_owned()) }) };
    (!raw.topics.is_empty()).then(|| Sns::new(raw.topics.clone(), Fetch(Arc::new(unwired))))
}
