//! Eyes on what runs services and tells of them: CloudWatch, a Docker engine, other people's MCP servers.

use crate::config::{self, AwsIdentity, DockerAt, Eyes, McpAt, Programs};
use crate::wire::server::renamed::Renamed;
use anyhow::anyhow;
use sentinell_adapters::process::Program;
use sentinell_adapters::tools::cloudwatch::{self as cloudwatch, AwsKeys, CloudWatch, CloudWatchSettings};
use sentinell_adapters::tools::docker::{self as docker, Docker, DockerSettings};
use sentinell_adapters::tools::mcp::{Mcp, McpAsk, McpReach, McpSettings};
use sentinell_core::ports::{Clock, Tool};
use std::sync::Arc;
use std::time::Duration;

/// Every one of them that the configuration names.
///
/// # Errors
/// What the configuration says and no eye can be made of.
pub(super) fn eyes(config: &Eyes, programs: &Programs, clock: &Arc<dyn Clock>) -> anyhow::Result<Vec<Arc<dyn Tool>>> {
    let mut eyes: Vec<Arc<dyn Tool>> = vec![];
    for (index, aws) in config.aws.iter().enumerate() {
        let settings = CloudWatchSettings {
            region: aws.region.clone(),
            endpoint: aws.endpoint.clone(),
            identity: identity(aws, &aws.identity),
            log_groups: aws.log_groups.clone(),
        };
        let eye = CloudWatch::new(settings, clock.clone()).map_err(|error| anyhow!("aws `{}`: {error}", aws.name))?;
        eyes.push(Renamed::unless_first(Arc::new(eye), index, &aws.name));
    }
    if let Some(engine) = &config.docker {
        let at = match &engine.at {
            DockerAt::Socket(path) => docker::DockerAt::Socket(path.clone()),
            DockerAt::Url(url) => docker::DockerAt::Url(url.clone()),
        };
        let settings = DockerSettings { at, host: engine.host.clone() };
        eyes.push(Arc::new(Docker::new(settings, clock.clone()).map_err(|error| anyhow!("docker: {error}"))?));
    }
    for server in &config.mcp {
        let settings = mcp(server, programs).map_err(|error| anyhow!("mcp `{}`: {error}", server.name))?;
        eyes.push(Arc::new(Mcp::new(settings, clock.clone())));
    }
    Ok(eyes)
}

fn mcp(server: &config::Mcp, programs: &Programs) -> Result<McpSettings, String> {
    let reach = match &server.at {
        McpAt::Program { path, args, env } => {
            let own = env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
            let env = programs.variables.clone().into_iter().chain(own);
            McpReach::Child(Program::at(path)?.with_env(env), args.clone())
        }
        McpAt::Url { url, private, token } => McpReach::Http {
            url: url.clone(),
            private: *private,
            token: token.as_ref().map(|token| token.expose().to_owned()),
        },
    };
    let ask = |ask: &config::McpQuestion| McpAsk {
        tool: ask.tool.clone(),
        args: ask.args.clone(),
        when: ask.when.clone(),
        why: ask.why.clone(),
    };
    Ok(McpSettings {
        name: server.name.clone(),
        about: server.about.clone(),
        reach,
        tools: server.tools.clone(),
        logs: server.logs.clone(),
        asks: server.asks.iter().map(ask).collect(),
        patience: Duration::from_secs(u64::from(server.timeout_seconds)),
        calls_per_minute: usize::try_from(server.calls_per_minute).unwrap_or(usize::MAX),
    })
}

/// Who asks or acts in a region.
pub(in crate::wire::server) fn identity(aws: &config::Aws, who: &AwsIdentity) -> cloudwatch::AwsIdentity {
    match who {
        AwsIdentity::Keys { id, secret, session } => cloudwatch::AwsIdentity::Keys(AwsKeys {
            id: id.expose().to_owned(),
            secret: secret.expose().to_owned(),
            session: session.as_ref().map(|session| session.expose().to_owned()),
        }),
        AwsIdentity::Profile { file, name } => {
            cloudwatch::AwsIdentity::Profile { file: file.clone(), name: name.clone() }
        }
        AwsIdentity::WebIdentity { token, role } => {
            let china = if aws.region.starts_with("cn-") { ".cn" } else { "" };
            let usual = || format!("https://sts.{}.amazonaws.com{china}/", aws.region);
            let sts = aws.endpoint.clone().unwrap_or_else(usual);
            cloudwatch::AwsIdentity::WebIdentity { token: token.clone(), role: role.clone(), sts }
        }
        AwsIdentity::Container { url, token } => {
            cloudwatch::AwsIdentity::Container { url: url.clone(), token: token.clone() }
        }
        AwsIdentity::Instance => cloudwatch::AwsIdentity::Instance { url: None },
    }
}
