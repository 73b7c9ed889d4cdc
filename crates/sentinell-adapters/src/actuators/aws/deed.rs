//! The five requests that the hand knows, and back. A deed that does not read back as one of them is refused, whoever approved it.

use crate::aws::{AwsRequest, Caller, Protocol, Service};
use crate::text::one_line;
use sentinell_core::action::{Deed, HttpDeed};
use sentinell_core::ports::{Applied, ToolError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Containers.
pub(super) const ECS: Service = Service {
    name: "ecs",
    protocol: Protocol::Json {
        target: "AmazonEC2ContainerServiceV20141113",
        content_type: "application/x-amz-json-1.1",
    },
};
/// Groups of machines.
pub(super) const SCALING: Service = Service { name: "autoscaling", protocol: Protocol::Query };
/// Machines.
pub(super) const EC2: Service = Service { name: "ec2", protocol: Protocol::Query };
/// Functions.
pub(super) const LAMBDA: Service = Service { name: "lambda", protocol: Protocol::Rest };

const SCALING_VERSION: &str = "2011-01-01";
const EC2_VERSION: &str = "2016-11-15";

/// What a deed is done to, as drafts name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// `ecs/<cluster>/<service>`.
    Service { cluster: String, service: String },
    /// `asg/<group>`.
    Group(String),
    /// `ec2/<instance>`.
    Instance(String),
    /// `lambda/<function>/<alias>`.
    Alias { function: String, alias: String },
}

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let plain = |name: &&str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            (1..=128).contains(&name.len()) && name.chars().all(fits)
        };
        let own = |name: &str| name.to_owned();
        match parts.as_slice() {
            ["ecs", cluster, service] if plain(cluster) && plain(service) => {
                Ok(Self::Service { cluster: own(cluster), service: own(service) })
            }
            ["asg", group] if plain(group) => Ok(Self::Group(own(group))),
            ["ec2", instance] if plain(instance) && instance.starts_with("i-") => Ok(Self::Instance(own(instance))),
            ["lambda", function, alias] if plain(function) && plain(alias) => {
                Ok(Self::Alias { function: own(function), alias: own(alias) })
            }
            _ => Err(format!(
                "`{}` is not a target such as ecs/fair/till, asg/till, ec2/i-0abc or lambda/till/live",
                one_line(text, 100)
            )),
        }
    }
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AwsDeed {
    /// New tasks of the same definition.
    Redeploy,
    /// Another number of tasks, or of machines of a group.
    Count(u64),
    Reboot,
    /// Another version behind an alias, if its revision is still this one.
    Version {
        version: String,
        revision: Option<String>,
    },
}

impl AwsDeed {
    /// The service and the request; none: that is not done to such a target.
    pub fn request(&self, target: &Target) -> Option<(Service, AwsRequest)> {
        Some(match (self, target) {
            (Self::Redeploy, Target::Service { cluster, service }) => {
                let body = json!({"cluster": cluster, "service": service, "forceNewDeployment": true});
                (ECS, AwsRequest::json(ECS, "UpdateService", &body))
            }
            (Self::Count(to), Target::Service { cluster, service }) => {
                let body = json!({"cluster": cluster, "service": service, "desiredCount": to});
                (ECS, AwsRequest::json(ECS, "UpdateService", &body))
            }
            (Self::Count(to), Target::Group(group)) => {
                let to = to.to_string();
                let pairs =
                    [("AutoScalingGroupName", group.as_str()), ("HonorCooldown", "false"), ("DesiredCapacity", &to)];
                (SCALING, AwsRequest::form("SetDesiredCapacity", SCALING_VERSION, &pairs))
            }
            (Self::Reboot, Target::Instance(id)) => {
                (EC2, AwsRequest::form("RebootInstances", EC2_VERSION, &[("InstanceId.1", id)]))
            }
            (Self::Version { version, revision }, Target::Alias { function, alias }) => {
                let mut body = json!({"FunctionVersion": version});
                if let Some(revision) = revision {
                    body["RevisionId"] = json!(revision);
                }
                let (path, content_type) = (alias_path(function, alias), "application/json");
                (LAMBDA, AwsRequest { method: "PUT", path, content_type, target: None, body: body.to_string() })
            }
            _ => return None,
        })
    }

    /// As it is shown, approved and, signed, sent. `expect` is what must be found right before.
    pub fn deed(&self, target: &Target, caller: &Caller, expect: BTreeMap<String, String>) -> Result<Deed, ToolError> {
        let wrong = || ToolError::BadQuery("that is not done to such a target".to_owned());
        let (service, request) = self.request(target).ok_or_else(wrong)?;
        let mut headers = BTreeMap::from([("content-type".to_owned(), request.content_type.to_owned())]);
        headers.extend(request.target.map(|target| ("x-amz-target".to_owned(), target)));
        Ok(Deed::Http(HttpDeed {
            method: request.method.to_owned(),
            url: caller.url(service, &request.path)?.to_string(),
            headers,
            body: Some(request.body),
            expect,
        }))
    }

    /// Reads a deed back; it must be exactly what [`AwsDeed::deed`] writes for this target.
    pub fn read(deed: &Deed, target: &Target, caller: &Caller) -> Option<Self> {
        let request = deed.http()?;
        let body = request.body.as_deref()?;
        let told: Value = serde_json::from_str(body).unwrap_or_default();
        let read = match target {
            Target::Service { .. } if told["forceNewDeployment"] == true => Self::Redeploy,
            Target::Service { .. } => Self::Count(told["desiredCount"].as_u64()?),
            Target::Group(_) => Self::Count(body.rsplit_once("&DesiredCapacity=")?.1.parse().ok()?),
            Target::Instance(_) => Self::Reboot,
            Target::Alias { .. } => Self::Version {
                version: told["FunctionVersion"].as_str()?.to_owned(),
                revision: told["RevisionId"].as_str().map(str::to_owned),
            },
        };
        let known =
            |name: &String| matches!(name.as_str(), "desired" | "deployment" | "task_definition" | "state" | "version");
        let known = !request.expect.is_empty() && request.expect.keys().all(known);
        (known && read.deed(target, caller, request.expect.clone()).ok().as_ref() == Some(deed)).then_some(read)
    }

    /// What the world says about a deed that was planned when `expect` held.
    pub fn shows(&self, expect: &BTreeMap<String, String>, seen: &BTreeMap<String, String>) -> Applied {
        let same = |name: &str| seen.get(name).is_some() && seen.get(name) == expect.get(name);
        let is = |name: &str, wanted: &str| seen.get(name).is_some_and(|value| value == wanted);
        let either = |done: bool, undone: bool| match (done, undone) {
            (true, _) => Applied::Yes,
            (_, true) => Applied::No,
            _ => Applied::Unknown,
        };
        match self {
            // A deployment of another definition is somebody else's.
            Self::Redeploy => either(!same("deployment") && same("task_definition"), same("deployment")),
            Self::Count(to) => either(is("desired", &to.to_string()), same("desired")),
            // A machine does not tell when it was rebooted.
            Self::Reboot => Applied::Unknown,
            Self::Version { version, .. } => either(is("version", version), same("version")),
        }
    }
}

/// Where an alias of a function is.
pub(super) fn alias_path(function: &str, alias: &str) -> String {
    format!("/2015-03-31/functions/{function}/aliases/{alias}")
}

/// What reads a target.
pub(super) fn look(target: &Target) -> (Service, &'static str, AwsRequest) {
    match target {
        Target::Service { cluster, service } => {
            let body = json!({"cluster": cluster, "services": [service]});
            (ECS, "DescribeServices", AwsRequest::json(ECS, "DescribeServices", &body))
        }
        Target::Group(group) => {
            let pairs = [("AutoScalingGroupNames.member.1", group.as_str())];
            let operation = "DescribeAutoScalingGroups";
            (SCALING, operation, AwsRequest::form(operation, SCALING_VERSION, &pairs))
        }
        Target::Instance(id) => {
            let operation = "DescribeInstances";
            (EC2, operation, AwsRequest::form(operation, EC2_VERSION, &[("InstanceId.1", id)]))
        }
        Target::Alias { function, alias } => {
            let (path, content_type) = (alias_path(function, alias), "application/json");
            let request = AwsRequest { method: "GET", path, content_type, target: None, body: String::new() };
            (LAMBDA, "GetAlias", request)
        }
    }
}

/// The same reboot, only tried: EC2 answers with an error that says whether it would have done it.
pub(super) fn try_reboot(id: &str) -> AwsRequest {
    AwsRequest::form("RebootInstances", EC2_VERSION, &[("InstanceId.1", id), ("DryRun", "true")])
}
