//! The hands of a worker, as the configuration names them.

mod declared;
mod proposals;

use super::eyes::more::identity;
use super::kubectl;
use crate::config::{self, Config, DockerAt, Programs};
use anyhow::anyhow;
use sentinell_adapters::actuators::Watch;
use sentinell_adapters::actuators::aws::{AwsHands, AwsHandsSettings};
use sentinell_adapters::actuators::docker::{DockerHands, DockerHandsSettings};
use sentinell_adapters::actuators::kubernetes::{KubernetesHands, KubernetesHandsSettings};
use sentinell_adapters::actuators::systemd::{SystemdHands, SystemdHandsSettings, Unit};
use sentinell_adapters::actuators::terraform::{TerraformHands, TerraformHandsSettings, Workspace};
use sentinell_adapters::docker;
use sentinell_adapters::process::Program;
use sentinell_core::ports::{Actuator, Clock};
use std::ffi::OsStr;
use std::sync::Arc;

/// Every hand that the configuration names.
///
/// # Errors
/// What it names and this machine does not have.
pub fn hands(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Vec<Arc<dyn Actuator>>> {
    let mut hands: Vec<Arc<dyn Actuator>> = vec![];
    let search = OsStr::new(&config.programs.search_path);
    // Looked for only where a program is run.
    let guard = || {
        let found = Program::find("timeout", search);
        found.map_err(|error| anyhow!("{error}; deeds run under coreutils' `timeout`, install it"))
    };
    if let Some((kubernetes, acting)) = config.kubernetes.as_ref().and_then(|k| Some((k, k.acting.as_ref()?))) {
        let kubectl = kubectl(kubernetes.kubectl.as_ref(), acting, &config.programs, Some(&guard()?))?;
        hands.push(Arc::new(KubernetesHands::new(kubectl, of_cluster(kubernetes), clock.clone())));
    }
    if let Some(wanted) = &config.hands.docker {
        let settings = DockerHandsSettings {
            at: match &wanted.at {
                DockerAt::Socket(path) => docker::DockerAt::Socket(path.clone()),
                DockerAt::Url(url) => docker::DockerAt::Url(url.clone()),
            },
            containers: wanted.containers.clone(),
            environment: wanted.environment.clone(),
            max_memory_mib: wanted.max_memory_mib,
            max_cpus: wanted.max_cpus,
            watch: watch(wanted.watch),
        };
        let made = DockerHands::new(settings, clock.clone()).map_err(|error| anyhow!("docker.acting: {error}"))?;
        hands.push(Arc::new(made));
    }
    if let Some(wanted) = &config.hands.systemd {
        let found = match &wanted.systemctl {
            Some(path) => Program::at(path),
            None => Program::find("systemctl", search),
        };
        let systemctl = found.map_err(|error| anyhow!("{error}; set `systemd.systemctl`"))?;
        let systemctl = systemctl.with_env(config.programs.variables.clone()).with_guard(&guard()?);
        let unit = |unit: &config::Unit| Unit { name: unit.name.clone(), subject: unit.subject.clone() };
        let settings = SystemdHandsSettings {
            units: wanted.units.iter().map(unit).collect(),
            environment: wanted.environment.clone(),
            watch: watch(wanted.watch),
        };
        hands.push(Arc::new(SystemdHands::new(systemctl, settings, clock.clone())));
    }
    if let Some(wanted) = &config.hands.terraform {
        hands.push(Arc::new(of_terraform(wanted, &config.programs, &guard()?, clock)?));
    }
    for (index, (aws, wanted)) in config.eyes.aws.iter().filter_map(|aws| Some((aws, aws.acting.as_ref()?))).enumerate()
    {
        // Kinds have one hand each: an action does not say which region it means.
        if index > 0 {
            return Err(anyhow!("aws `{}`: only one [[aws]] may have [aws.acting]", aws.name));
        }
        hands.push(Arc::new(of_amazon(aws, wanted, &config.eyes.aws, clock)?));
    }
    if let Some(wanted) = &config.hands.github {
        hands.push(Arc::new(proposals::github(wanted, config, &guard()?, clock)?));
    }
    if !config.hands.http.is_empty() {
        hands.push(Arc::new(declared::requests(&config.hands.http, clock)?));
    }
    if !config.commands.is_empty() {
        hands.push(Arc::new(declared::commands(config, &guard()?, clock)?));
    }
    Ok(hands)
}

/// What is wrong with the requests that the operator declared.
pub fn declared_problems(config: &Config) -> Vec<String> {
    declared::problems(&config.hands.http)
}

fn of_cluster(kubernetes: &config::Kubernetes) -> KubernetesHandsSettings {
    KubernetesHandsSettings {
        environments: kubernetes.environments.clone(),
        environment: kubernetes.environment.clone(),
        max_replicas: kubernetes.max_replicas,
        images: kubernetes.images.clone(),
        variables: kubernetes.variables.clone(),
        max_drained_pods: kubernetes.max_drained_pods,
        hold_seconds: kubernetes.hold_seconds,
        every_seconds: kubernetes.every_seconds,
        within_seconds: kubernetes.within_seconds,
    }
}

fn of_amazon(
    aws: &config::Aws,
    wanted: &config::AwsHands,
    all: &[config::Aws],
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<AwsHands> {
    let first = all.first().is_some_and(|first| first.name == aws.name);
    let settings = AwsHandsSettings {
        region: aws.region.clone(),
        endpoint: aws.endpoint.clone(),
        identity: identity(aws, &wanted.identity),
        targets: wanted.targets.clone(),
        max_capacity: wanted.max_capacity,
        environment: wanted.environment.clone(),
        // As the eye on that region is called.
        eye: if first { "cloudwatch".to_owned() } else { format!("cloudwatch.{}", aws.name) },
        watch: watch(wanted.watch),
    };
    AwsHands::new(settings, clock.clone()).map_err(|error| anyhow!("aws `{}`: {error}", aws.name))
}

fn of_terraform(
    wanted: &config::TerraformHands,
    programs: &Programs,
    guard: &Program,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<TerraformHands> {
    let search = OsStr::new(&programs.search_path);
    let found = match &wanted.program {
        Some(path) => Program::at(path),
        None => Program::find("terraform", search).or_else(|_| Program::find("tofu", search)),
    };
    let program = found.map_err(|error| anyhow!("{error}; install terraform or tofu, or set `terraform.program`"))?;
    let own = wanted.env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    let program = program.with_env(programs.variables.clone().into_iter().chain(own)).with_guard(guard);
    let workspace = |one: &config::Workspace| Workspace {
        name: one.name.clone(),
        folder: one.folder.clone(),
        environment: one.environment.clone(),
        replace: one.replace.clone(),
        may_destroy: one.may_destroy,
        verification: one.verification.clone(),
    };
    let workspaces = wanted.workspaces.iter().map(workspace).collect();
    let settings = TerraformHandsSettings { workspaces, plans: wanted.plans.clone() };
    Ok(TerraformHands::new(program, settings, clock.clone()))
}

fn watch(wanted: config::Watch) -> Watch {
    let config::Watch { hold_seconds, every_seconds, within_seconds } = wanted;
    Watch { hold_seconds, every_seconds, within_seconds }
}
