//! Where the keys come from: the configuration, a profile's file, a web identity (a pod's role), the container's or the
//! machine's own role. Keys that run out are fetched again in time; no program is ever run for them.

use super::sign::AwsKeys;
use crate::http::{HeaderMap, Http, Method, Url};
use crate::text::one_line;
use sentinell_core::ports::{Clock, ToolError};
use sentinell_core::time::Timestamp;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// So long before keys run out new ones are fetched, milliseconds.
const EARLY: i64 = 5 * 60_000;
/// Keys whose end nobody told are looked up again after so long, milliseconds.
const UNTOLD: i64 = 5 * 60_000;
/// Bytes of a file with keys or tokens that are read.
const FILE_BYTES: u64 = 256 << 10;
/// Where a machine of EC2 learns who it is.
const INSTANCE: &str = "http://169.254.169.254";

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsIdentity {
    /// They are given.
    Keys(AwsKeys),
    /// A section of a credentials file.
    Profile {
        /// The file (`~/.aws/credentials`).
        file: PathBuf,
        /// The section.
        name: String,
    },
    /// A token that stands for a role, as Kubernetes gives it to a pod of EKS.
    WebIdentity {
        /// The file that holds the token.
        token: PathBuf,
        /// The role's ARN.
        role: String,
        /// The security token service.
        sts: String,
    },
    /// A container's role.
    Container {
        /// Where it is told.
        url: String,
        /// A file whose text is sent as `Authorization`.
        token: Option<PathBuf>,
    },
    /// The machine's role, by the second version of its metadata service.
    Instance {
        /// Where the service is, if not at its usual address.
        url: Option<String>,
    },
}

/// Keys with their end.
type Held = Option<(AwsKeys, Timestamp)>;

/// Holds keys while they last.
pub(super) struct Who {
    identity: AwsIdentity,
    http: Http,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
}

impl Who {
    pub(super) fn new(identity: AwsIdentity, http: Http, clock: Arc<dyn Clock>) -> Self {
        Self { identity, http, clock, held: Mutex::default() }
    }

    /// Keys that are good for some minutes at least.
    pub(super) async fn keys(&self) -> Result<AwsKeys, ToolError> {
        if let AwsIdentity::Keys(keys) = &self.identity {
            return Ok(keys.clone());
        }
        let mut held = self.held.lock().await;
        let now = self.clock.now();
        if let Some((keys, ends)) = held.as_ref()
            && ends.0 > now.0
        {
            return Ok(keys.clone());
        }
        let (keys, ends) = self.fetch().await?;
        let until = ends.map_or(now.plus_millis(UNTOLD), |ends| ends.plus_millis(-EARLY));
        *held = Some((keys.clone(), until));
        Ok(keys)
    }

    /// What was refused is fetched anew.
    pub(super) async fn forget(&self) {
        *self.held.lock().await = None;
    }

    async fn fetch(&self) -> Result<(AwsKeys, Option<Timestamp>), ToolError> {
        match &self.identity {
            AwsIdentity::Keys(keys) => Ok((keys.clone(), None)),
            AwsIdentity::Profile { file, name } => {
                let keys = profile(&read(file).await?, name);
                keys.map(|keys| (keys, None)).ok_or_else(|| {
                    denied(format!("{} has no keys for the profile `{}`", file.display(), one_line(name, 80)))
                })
            }
            AwsIdentity::WebIdentity { token, role, sts } => {
                let (token, url) = (read(token).await?, address(sts)?);
                let form = [
                    ("Action", "AssumeRoleWithWebIdentity"),
                    ("Version", "2011-06-15"),
                    ("RoleArn", role),
                    ("RoleSessionName", "sentinell"),
                    ("WebIdentityToken", token.trim()),
                ];
                let said = self.http.post_form_for_json(url, &form).await?;
                given(&said["AssumeRoleWithWebIdentityResponse"]["AssumeRoleWithWebIdentityResult"]["Credentials"])
            }
            AwsIdentity::Container { url, token } => {
                let mut headers = HeaderMap::new();
                if let Some(file) = token {
                    headers.insert("authorization", header(read(file).await?.trim())?);
                }
                given(&self.ask(Method::GET, address(url)?, headers).await.and_then(json)?)
            }
            AwsIdentity::Instance { url } => self.instance(url.as_deref().unwrap_or(INSTANCE)).await,
        }
    }

    async fn instance(&self, base: &str) -> Result<(AwsKeys, Option<Timestamp>), ToolError> {
        let at = |path: &str| address(&format!("{}/latest/{path}", base.trim_end_matches('/')));
        let mut headers = HeaderMap::new();
        headers.insert("x-aws-ec2-metadata-token-ttl-seconds", header("300")?);
        let token = self.ask(Method::PUT, at("api/token")?, headers).await?;
        let mut headers = HeaderMap::new();
        headers.insert("x-aws-ec2-metadata-token", header(token.trim())?);
        let roles = self.ask(Method::GET, at("meta-data/iam/security-credentials/")?, headers.clone()).await?;
        let role = roles.lines().next().map(str::trim).unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        if role.is_empty() || !role.chars().all(plain) {
            return Err(denied("this machine has no role".to_owned()));
        }
        let path = format!("meta-data/iam/security-credentials/{role}");
        given(&self.ask(Method::GET, at(&path)?, headers).await.and_then(json)?)
    }

    async fn ask(&self, method: Method, url: Url, headers: HeaderMap) -> Result<String, ToolError> {
        let (status, _, body) = self.http.send(method, url, headers, vec![]).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        match status.as_u16() {
            200 => Ok(text),
            429 | 500.. => Err(ToolError::Retry(format!("the keeper of our keys: {status}"))),
            _ => Err(denied(format!("the keeper of our keys: {status}"))),
        }
    }
}

/// Keys as AWS tells them, spelled either way.
fn given(said: &Value) -> Result<(AwsKeys, Option<Timestamp>), ToolError> {
    let text = |names: [&str; 2]| names.iter().find_map(|name| said[*name].as_str()).map(str::to_owned);
    let id = text(["AccessKeyId", "accessKeyId"]);
    let secret = text(["SecretAccessKey", "secretAccessKey"]);
    let (Some(id), Some(secret)) = (id, secret) else {
        return Err(denied("the keeper of our keys gave none".to_owned()));
    };
    let session = text(["SessionToken", "sessionToken"]).or_else(|| text(["Token", "token"]));
    let ends = match &said["Expiration"] {
        Value::String(text) => Timestamp::parse(text).ok(),
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and times are small")]
        seconds => seconds.as_f64().map(|seconds| Timestamp((seconds * 1000.0) as i64)),
    };
    Ok((AwsKeys { id, secret, session }, ends))
}

/// The keys of one section.
fn profile(text: &str, name: &str) -> Option<AwsKeys> {
    let mut here = false;
    let (mut id, mut secret, mut session) = (None, None, None);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            here = section.trim().trim_start_matches("profile ").trim() == name;
        } else if let (true, Some((key, value))) = (here, line.split_once('=')) {
            let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            match key.trim().to_ascii_lowercase().as_str() {
                "aws_access_key_id" => id = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => session = value,
                _ => {}
            }
        }
    }
    Some(AwsKeys { id: id?, secret: secret?, session })
}

async fn read(file: &Path) -> Result<String, ToolError> {
    let problem = |error: std::io::Error| denied(format!("{}: {error}", file.display()));
    let size = tokio::fs::metadata(file).await.map_err(problem)?.len();
    if size > FILE_BYTES {
        return Err(denied(format!("{} is too large for keys", file.display())));
    }
    tokio::fs::read_to_string(file).await.map_err(problem)
}

fn header(value: &str) -> Result<reqwest::header::HeaderValue, ToolError> {
    value.parse().map_err(|_| denied("the token for our keys is no plain text".to_owned()))
}

fn address(url: &str) -> Result<Url, ToolError> {
    crate::http::base_url(url)
        .map(|mut base| {
            if url.ends_with('/') && !base.path().ends_with('/') {
                base.set_path(&format!("{}/", base.path()));
            }
            base
        })
        .map_err(ToolError::BadQuery)
}

fn json(text: String) -> Result<Value, ToolError> {
    serde_json::from_str(&text).map_err(|_| denied("the keeper of our keys answers no JSON".to_owned()))
}

fn denied(why: String) -> ToolError {
    ToolError::Denied(format!("{why}; say who asks: access_key_id and secret_access_key, a profile, or a role"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_as_aws_writes_it() {
        let text = "# mine\n[default]\naws_access_key_id=A\n\n[profile fair]\naws_access_key_id = B\naws_secret_access_key = s=1\n[x]\naws_session_token=t\n";
        let keys = profile(text, "fair").unwrap();
        assert_eq!((keys.id.as_str(), keys.secret.as_str(), keys.session), ("B", "s=1", None));
        assert_eq!(profile(text, "default"), None, "half a pair is none");
        assert_eq!(profile(text, "elsewhere"), None);
    }
}
