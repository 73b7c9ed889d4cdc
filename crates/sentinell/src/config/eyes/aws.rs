//! `[[aws]]`: a region whose CloudWatch is read, and as whom.

use crate::config::Secret;
use crate::config::hands::{AwsHands, RawAwsHands};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Where containers of ECS learn who they are.
const CONTAINERS: &str = "http://169.254.170.2";

/// A region as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawAws {
    pub name: Option<String>,
    pub region: Option<String>,
    pub endpoint: Option<String>,
    pub access_key_id: Option<Secret>,
    pub secret_access_key: Option<Secret>,
    pub session_token: Option<Secret>,
    pub profile: Option<String>,
    pub credentials_file: Option<PathBuf>,
    pub log_groups: Vec<String>,
    pub acting: Option<RawAwsHands>,
    /// What Amazon's own programs read from the environment, and `HOME`.
    #[serde(skip)]
    pub around: BTreeMap<String, String>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsIdentity {
    /// Keys.
    Keys {
        /// The access key's id.
        id: Secret,
        /// Its secret.
        secret: Secret,
        /// What came with keys that run out.
        session: Option<Secret>,
    },
    /// A section of a credentials file.
    Profile {
        /// The file.
        file: PathBuf,
        /// The section.
        name: String,
    },
    /// A pod's role.
    WebIdentity {
        /// The file that holds the token.
        token: PathBuf,
        /// The role's ARN.
        role: String,
    },
    /// A container's role.
    Container {
        /// Where it is told.
        url: String,
        /// A file whose text proves who asks.
        token: Option<PathBuf>,
    },
    /// The machine's role.
    Instance,
}

/// One region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aws {
    /// What it is called in evidence.
    pub name: String,
    /// The region.
    pub region: String,
    /// Where to ask instead of Amazon's own addresses.
    pub endpoint: Option<String>,
    /// Who asks.
    pub identity: AwsIdentity,
    /// How the names of log groups begin that may be read; empty: any.
    pub log_groups: Vec<String>,
    /// What may be touched there; none: nothing is.
    pub acting: Option<AwsHands>,
}

impl Aws {
    /// For people; no key is in it.
    pub(super) fn line(&self) -> String {
        let who = match &self.identity {
            AwsIdentity::Keys { .. } => "keys".to_owned(),
            AwsIdentity::Profile { name, .. } => format!("the profile {name}"),
            AwsIdentity::WebIdentity { role, .. } => role.clone(),
            AwsIdentity::Container { .. } => "the container's role".to_owned(),
            AwsIdentity::Instance => "the machine's role".to_owned(),
        };
        format!("{}: CloudWatch in {}, by {who}", self.name, self.region)
    }
}

impl RawAws {
    pub(in crate::config) fn lay_environment(&mut self, variables: &BTreeMap<String, String>) {
        let ours = variables
            .iter()
            .filter(|(name, value)| (name.starts_with("AWS_") || name.as_str() == "HOME") && !value.is_empty());
        self.around = ours.map(|(name, value)| (name.clone(), value.clone())).collect();
    }

    fn var(&self, name: &str) -> Option<&String> {
        self.around.get(name)
    }

    /// What was typed, else what the environment says, in the order of Amazon's own programs.
    fn identity(&self, base: &Path) -> Result<AwsIdentity, String> {
        match (&self.access_key_id, &self.secret_access_key, &self.profile) {
            (Some(id), Some(secret), None) => {
                let (id, secret, session) = (id.clone(), secret.clone(), self.session_token.clone());
                return Ok(AwsIdentity::Keys { id, secret, session });
            }
            (None, None, Some(profile)) => return self.profile(profile, base),
            (None, None, None) => {}
            _ => return Err("access_key_id and secret_access_key together, or profile, or none of them".to_owned()),
        }
        if let (Some(id), Some(secret)) = (self.var("AWS_ACCESS_KEY_ID"), self.var("AWS_SECRET_ACCESS_KEY")) {
            let session = self.var("AWS_SESSION_TOKEN").map(Secret::new);
            return Ok(AwsIdentity::Keys { id: Secret::new(id), secret: Secret::new(secret), session });
        }
        if let (Some(token), Some(role)) = (self.var("AWS_WEB_IDENTITY_TOKEN_FILE"), self.var("AWS_ROLE_ARN")) {
            return Ok(AwsIdentity::WebIdentity { token: token.into(), role: role.clone() });
        }
        let usual = self.var("AWS_PROFILE").map_or("default", String::as_str);
        if self.file(base).is_some_and(|file| file.is_file()) || self.var("AWS_PROFILE").is_some() {
            return self.profile(usual, base);
        }
        let token = self.var("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(PathBuf::from);
        if let Some(path) = self.var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").filter(|path| path.starts_with('/')) {
            return Ok(AwsIdentity::Container { url: format!("{CONTAINERS}{path}"), token });
        }
        if let Some(url) = self.var("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            return Ok(AwsIdentity::Container { url: url.clone(), token });
        }
        match self.var("AWS_EC2_METADATA_DISABLED") {
            Some(word) if word.eq_ignore_ascii_case("true") => {
                Err("nobody to ask as: write access_key_id and secret_access_key, or profile".to_owned())
            }
            _ => Ok(AwsIdentity::Instance),
        }
    }

    fn file(&self, base: &Path) -> Option<PathBuf> {
        let typed = self.credentials_file.as_ref().map(|file| base.join(file));
        let named = || self.var("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
        typed.or_else(named).or_else(|| self.var("HOME").map(|home| Path::new(home).join(".aws/credentials")))
    }

    fn profile(&self, name: &str, base: &Path) -> Result<AwsIdentity, String> {
        let file = self.file(base).ok_or("there is no home folder with .aws/credentials; write credentials_file")?;
        Ok(AwsIdentity::Profile { file, name: name.to_owned() })
    }
}

/// Checks all of them.
pub(super) fn check(raw: Vec<RawAws>, base: &Path, problems: &mut Vec<String>) -> Vec<Aws> {
    let mut names = BTreeSet::new();
    let mut finished = vec![];
    for (place, aws) in raw.into_iter().enumerate() {
        let usual = if place == 0 { "cloudwatch".to_owned() } else { format!("cloudwatch{}", place + 1) };
        let name = aws.name.clone().unwrap_or(usual);
        let mut problem = |why: &str| problems.push(format!("aws `{name}`: {why}"));
        if !names.insert(name.clone()) {
            problem("the name is used twice");
        }
        let around = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(|name| aws.var(name));
        let region = aws.region.clone().or_else(|| around.cloned()).unwrap_or_default();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if region.is_empty() || !region.chars().all(plain) {
            problem("region: write one, such as eu-west-1");
        }
        let http = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        if aws.endpoint.as_ref().is_some_and(|url| !http(url) || url.contains('@')) {
            problem("endpoint must begin with http:// or https:// and carry no name or password");
        }
        let identity = aws.identity(base).unwrap_or_else(|why| {
            problem(&why);
            AwsIdentity::Instance
        });
        let RawAws { endpoint, log_groups, acting, around, .. } = aws;
        let acting = acting.and_then(|raw| {
            // Keys of the environment are the eye's; the hands are told who they are.
            let who = RawAws {
                access_key_id: raw.access_key_id.clone(),
                secret_access_key: raw.secret_access_key.clone(),
                session_token: raw.session_token.clone(),
                profile: raw.profile.clone(),
                credentials_file: raw.credentials_file.clone(),
                around: around.into_iter().filter(|(name, _)| name == "HOME").collect(),
                ..RawAws::default()
            };
            let named = who.access_key_id.is_some() || who.profile.is_some();
            let acts = if named { who.identity(base) } else { Err("write access_key_id or profile".to_owned()) };
            match acts {
                Ok(acts) if acts == identity => {
                    problems.push(format!(
                        "aws `{name}`: acting: the same as for reading; eyes and hands need separate ones"
                    ));
                    None
                }
                Ok(acts) => Some(raw.check(&name, acts, problems)),
                Err(why) => {
                    problems.push(format!("aws `{name}`: acting: {why}"));
                    None
                }
            }
        });
        finished.push(Aws { name, region, endpoint, identity, log_groups, acting });
    }
    finished
}
