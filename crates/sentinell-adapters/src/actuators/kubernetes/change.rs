//! Deeds that exchange one value: pause and resume a rollout, another image, other resources, another value of a variable, cordon
//! and uncordon. Each is tried by the API server when it is planned (`--dry-run=server`) and carries its preconditions.

use super::KubernetesHands;
use super::swap::{Field, Object, Swap, container, within};
use super::target::{self, Target};
use crate::kubectl::{argv, complaint};
use crate::text::{arg, known_args, one_line};
use sentinell_core::action::{Action, ActionDraft, Deed, Plan};
use sentinell_core::ports::{Applied, ToolError};
use serde_json::{Value, json};

pub(super) const PAUSE: &str = "kubernetes.rollout_pause";
pub(super) const RESUME: &str = "kubernetes.rollout_resume";
pub(super) const IMAGE: &str = "kubernetes.set_image";
pub(super) const RESOURCES: &str = "kubernetes.set_resources";
pub(super) const VARIABLE: &str = "kubernetes.set_env";
pub(super) const CORDON: &str = "kubernetes.cordon";
pub(super) const UNCORDON: &str = "kubernetes.uncordon";
/// All of them, with what they take.
pub(super) const KINDS: [(&str, &str); 7] = [
    (PAUSE, "target deployment/<namespace>/<name>; no further pods of its newest revision"),
    (RESUME, "target deployment/<namespace>/<name>; goes on with a rollout that was paused"),
    (IMAGE, "target deployment/<namespace>/<name>; container, image=<the same repository>:<another tag>"),
    (
        RESOURCES,
        "target deployment/<namespace>/<name>; container, resource=memory or cpu, limit=<quantity such as 256Mi or 500m>",
    ),
    (VARIABLE, "target deployment/<namespace>/<name>; container, name=<a variable that may be set>, value"),
    (CORDON, "target node/<name>; service=<namespace>/<name> whose health tells whether it helped; no new pods there"),
    (
        UNCORDON,
        "target node/<name>; service=<namespace>/<name> whose health tells whether it helped; new pods there again",
    ),
];

/// What a deed of one of these kinds is put on.
enum On {
    Deployment(Target),
    Node(String),
}

impl On {
    fn of(kind: &str, text: &str) -> Result<Self, String> {
        match kind {
            CORDON | UNCORDON => target::node(text).map(|name| Self::Node(name.to_owned())),
            _ => Target::parse(text).map(Self::Deployment),
        }
    }

    fn object(&self) -> Object<'_> {
        match self {
            Self::Deployment(target) => {
                Object { name: format!("deployment/{}", target.name), namespace: Some(&target.namespace) }
            }
            Self::Node(name) => Object { name: format!("node/{name}"), namespace: None },
        }
    }

    fn get(&self) -> Vec<String> {
        match self {
            Self::Deployment(target) => {
                argv(&["get", "deployments.apps", &target.name, "-n", &target.namespace, "-o", "json"])
            }
            Self::Node(name) => argv(&["get", "nodes", name, "-o", "json"]),
        }
    }
}

/// An exchange with what a person reads of it.
struct Change {
    swap: Swap,
    objects: u64,
    text: String,
}

impl KubernetesHands {
    pub(super) async fn plan_change(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        let kind = draft.kind.as_str();
        let known: &[&str] = match kind {
            PAUSE | RESUME => &[],
            IMAGE => &["container", "image"],
            RESOURCES => &["container", "resource", "limit"],
            VARIABLE => &["container", "name", "value"],
            _ => &["service"],
        };
        known_args(&draft.params, known).map_err(ToolError::BadQuery)?;
        let on = On::of(kind, &draft.target).map_err(ToolError::BadQuery)?;
        let object = self.kubectl.json(&on.get()).await?;
        let change = match kind {
            PAUSE | RESUME => paused(kind, &object),
            IMAGE => self.image(draft, &object),
            RESOURCES => resources(draft, &object),
            VARIABLE => self.variable(draft, &object),
            _ => self.cordoned(kind, &object).await?,
        };
        let change = change.map_err(ToolError::BadQuery)?;
        let deed = change.swap.deed(&on.object());
        self.try_out(&deed).await?;
        let precondition = "the old value is still there, of the same object (the API server checks it)".to_owned();
        let (namespace, service) = match &on {
            On::Deployment(target) => (target.namespace.as_str(), target.name.as_str()),
            On::Node(_) => service(draft)?,
        };
        let mut plan = self.plan_of(deed, (namespace, service), change.objects, change.text, precondition);
        if matches!(on, On::Node(_)) {
            plan.environment = self.settings.environment.clone();
        }
        plan.undo = Some(change.swap.undo().deed(&on.object()));
        plan.undo_if_unhelpful = true;
        Ok(plan)
    }

    /// Has the API server say whether it would do it, without doing it.
    pub(super) async fn try_out(&self, deed: &Deed) -> Result<(), ToolError> {
        let mut words = deed.argv().unwrap_or_default().get(1..).unwrap_or_default().to_vec();
        words.push("--dry-run=server".to_owned());
        let ended = self.kubectl.read(&words).await?;
        if ended.code == Some(0) { Ok(()) } else { Err(complaint(&ended.stderr)) }
    }

    /// Another image of the same repository, or of one that the operator names.
    fn image(&self, draft: &ActionDraft, deployment: &Value) -> Result<Change, String> {
        let (place, guard, name) = named(draft, deployment)?;
        let path = within(place, "image");
        let from = deployment.pointer(&path).and_then(Value::as_str).unwrap_or_default();
        let to = arg(&draft.params, "image").ok_or("image=<repository>:<tag> is missing")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
        if to.len() > 255 || !to.chars().all(plain) || repository(to) == to || to == from {
            return Err(format!("`{}` is not another image with a tag or digest", one_line(to, 100)));
        }
        let allowed = repository(to) == repository(from)
            || self.settings.images.iter().any(|prefix| to.starts_with(prefix.as_str()));
        if !allowed {
            return Err(format!("{} is not of the repository {}", one_line(to, 100), one_line(repository(from), 100)));
        }
        let text = format!("the container {name} goes from {} to {to}", one_line(from, 200));
        Ok(template(deployment, vec![guard], path, from, to, text))
    }

    /// Another value of a variable that stands there as text and that the operator allows by name.
    fn variable(&self, draft: &ActionDraft, deployment: &Value) -> Result<Change, String> {
        let (place, guard, container) = named(draft, deployment)?;
        let name = arg(&draft.params, "name").ok_or("name=<variable> is missing")?;
        if !self.settings.variables.iter().any(|allowed| allowed == name) {
            return Err(format!("{} is not among the variables that may be set", one_line(name, 80)));
        }
        let all = deployment.pointer(&within(place, "env")).and_then(Value::as_array);
        let index = all.and_then(|all| all.iter().position(|one| one["name"] == name && one["value"].is_string()));
        let index = index.ok_or_else(|| format!("{container} has no variable {name} with a value of its own"))?;
        let path = within(place, &format!("env/{index}/value"));
        let from = deployment.pointer(&path).and_then(Value::as_str).unwrap_or_default();
        let to = draft.params.get("value").map(String::as_str).ok_or("value is missing")?;
        if to.len() > 200 || to.chars().any(char::is_control) || to == from {
            return Err("value: one line of at most 200 bytes, other than the old one".to_owned());
        }
        let text = format!("{name} of the container {container} goes from `{}` to `{to}`", one_line(from, 200));
        let whose = (within(place, &format!("env/{index}/name")), json!(name));
        Ok(template(deployment, vec![guard, whose], path, from, to, text))
    }

    /// Never the last node that takes pods.
    async fn cordoned(&self, kind: &str, node: &Value) -> Result<Result<Change, String>, ToolError> {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        let closed = node["spec"]["unschedulable"] == true;
        let guards = vec![("/metadata/uid".to_owned(), node["metadata"]["uid"].clone())];
        let path = "/spec/unschedulable".to_owned();
        let yes = Some(Value::Bool(true));
        if kind == UNCORDON {
            let swap = Swap { guards, path, from: yes, to: None };
            let text = format!("new pods may come to the node {name} again");
            let change = Change { swap, objects: 1, text };
            return Ok(if closed { Ok(change) } else { Err(format!("{name} is not cordoned")) });
        }
        if closed {
            return Ok(Err(format!("{name} is cordoned already")));
        }
        let others = self.open_nodes(name).await?;
        if others == 0 {
            return Ok(Err(format!("{name} is the last node that takes pods")));
        }
        let text = format!("no new pods come to the node {name}; {others} other nodes take them");
        Ok(Ok(Change { swap: Swap { guards, path, from: None, to: yes }, objects: 1, text }))
    }

    /// How many nodes besides this one are ready and take pods.
    pub(super) async fn open_nodes(&self, besides: &str) -> Result<usize, ToolError> {
        let nodes = self.kubectl.json(&argv(&["get", "nodes", "-o", "json"])).await?;
        let open = |node: &&Value| {
            let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
            let ready = conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
            ready && node["spec"]["unschedulable"] != true && node["metadata"]["name"] != besides
        };
        Ok(nodes["items"].as_array().into_iter().flatten().filter(open).count())
    }

    pub(super) async fn change_shows(&self, action: &Action) -> Result<Applied, ToolError> {
        let on = On::of(&action.kind, &action.target).map_err(ToolError::BadQuery)?;
        let swap = read(action).map_err(ToolError::BadQuery)?;
        Ok(swap.shows(&self.kubectl.json(&on.get()).await?))
    }
}

/// The exchange, if it is one that this hand itself would have written for that target.
pub(super) fn read(action: &Action) -> Result<Swap, String> {
    let on = On::of(&action.kind, &action.target)?;
    let read = Swap::read(&action.plan.deed, &on.object());
    let (field, swap) = read.ok_or_else(|| format!("the deed is none that this hand does to {}", action.target))?;
    let (on, undoes) = (swap.to == Some(Value::Bool(true)), action.undoes.is_some());
    let fits = match action.kind.as_str() {
        PAUSE => field == Field::Paused && on != undoes,
        RESUME => field == Field::Paused && on == undoes,
        CORDON => field == Field::Unschedulable && on != undoes,
        UNCORDON => field == Field::Unschedulable && on == undoes,
        IMAGE => field == Field::Image,
        RESOURCES => field == Field::Resource,
        VARIABLE => field == Field::Variable,
        _ => false,
    };
    if fits { Ok(swap) } else { Err(format!("the deed is not a {}", action.kind)) }
}

fn paused(kind: &str, deployment: &Value) -> Result<Change, String> {
    let (now, wanted) = (deployment["spec"]["paused"] == true, kind == PAUSE);
    let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
    if now == wanted {
        return Err(format!("the rollout of {name} is {} already", if now { "paused" } else { "not paused" }));
    }
    let yes = Some(Value::Bool(true));
    let (from, to) = if wanted { (None, yes) } else { (yes, None) };
    let guards = vec![("/metadata/uid".to_owned(), deployment["metadata"]["uid"].clone())];
    let text = format!("the rollout of {name} is {}", if wanted { "paused" } else { "resumed" });
    Ok(Change { swap: Swap { guards, path: "/spec/paused".into(), from, to }, objects: replicas(deployment), text })
}

/// Another limit where there is one already; the request stays as it is.
fn resources(draft: &ActionDraft, deployment: &Value) -> Result<Change, String> {
    let (place, guard, name) = named(draft, deployment)?;
    let resource = arg(&draft.params, "resource").filter(|word| matches!(*word, "memory" | "cpu"));
    let resource = resource.ok_or("resource is memory or cpu")?;
    let path = within(place, &format!("resources/limits/{resource}"));
    let from = deployment.pointer(&path).and_then(Value::as_str);
    let from = from.ok_or_else(|| format!("the container {name} has no limit of {resource}"))?;
    let to = arg(&draft.params, "limit").filter(|text| is_quantity(text) && *text != from);
    let to = to.ok_or("limit: a quantity such as 256Mi or 500m, other than the old one")?;
    let text = format!("the limit of {resource} of the container {name} goes from {} to {to}", one_line(from, 40));
    Ok(template(deployment, vec![guard], path, from, to, text))
}

/// A change of the template, which replaces every pod.
fn template(
    deployment: &Value,
    mut guards: Vec<(String, Value)>,
    path: String,
    from: &str,
    to: &str,
    text: String,
) -> Change {
    guards.push(("/metadata/generation".to_owned(), deployment["metadata"]["generation"].clone()));
    let objects = replicas(deployment);
    let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
    let text = format!("{objects} pods of {name} are replaced one by one: {text}");
    Change { swap: Swap { guards, path, from: Some(json!(from)), to: Some(json!(to)) }, objects, text }
}

fn named(draft: &ActionDraft, deployment: &Value) -> Result<(usize, (String, Value), String), String> {
    let name = arg(&draft.params, "container").ok_or("container=<name> is missing")?;
    let found = container(deployment, name);
    let (place, guard) = found.ok_or_else(|| format!("there is no container {}", one_line(name, 80)))?;
    Ok((place, guard, name.to_owned()))
}

fn service(draft: &ActionDraft) -> Result<(&str, &str), ToolError> {
    let parts = arg(&draft.params, "service").and_then(|text| text.split_once('/'));
    let fits = |(namespace, name): &(&str, &str)| crate::kubectl::is_label(namespace) && crate::kubectl::is_name(name);
    parts.filter(fits).ok_or_else(|| {
        ToolError::BadQuery("service=<namespace>/<name>: whose health would tell whether it helped".to_owned())
    })
}

fn replicas(deployment: &Value) -> u64 {
    deployment["spec"]["replicas"].as_u64().unwrap_or(1)
}

/// `registry:5000/shop/cart:1` → `registry:5000/shop/cart`.
fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    }
}

/// `256Mi`, `500m`, `1.5`.
fn is_quantity(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    number && text.len() <= 16 && matches!(unit, "" | "m" | "k" | "M" | "G" | "T" | "Ki" | "Mi" | "Gi" | "Ti")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_what_stands_before_tag_and_digest() {
        assert_eq!(repository("registry:5000/shop/cart:1.2"), "registry:5000/shop/cart");
        assert_eq!(repository("registry:5000/shop/cart"), "registry:5000/shop/cart");
        assert_eq!(repository("cart:1@sha256:ab"), "cart");
    }

    #[test]
    fn a_quantity_is_digits_and_a_unit() {
        assert!(["256Mi", "500m", "1.5", "2"].into_iter().all(is_quantity));
        assert!(!["", "Mi", "-1", "1e9", "256 Mi", "1;2", "1MiB"].into_iter().any(is_quantity));
    }
}
