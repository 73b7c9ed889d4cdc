//! The town's cluster as the Kubernetes API would show it: Deployments, Services, Pods and Events.

use crate::cast::{NAMESPACE, Role};
use crate::rng::{SplitMix64, word};
use crate::telemetry::metrics::memory_limit;
use crate::trouble::{Effect, LEAK_MILLIS};
use crate::world::{ServiceState, World};
use sentinell_core::time::Timestamp;
use serde_json::{Value, json};

struct View<'w> {
    world: &'w World,
    role: Role,
    name: &'static str,
    now: Timestamp,
    state: ServiceState,
    effect: Option<Effect>,
}

/// A `List` of everything that belongs to these services.
pub(crate) fn read(world: &World, roles: &[Role], now: Timestamp) -> Value {
    let items: Vec<Value> = roles.iter().flat_map(|role| View::of(world, *role, now).objects()).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}})
}

impl<'w> View<'w> {
    fn of(world: &'w World, role: Role, now: Timestamp) -> Self {
        let (state, effect) = (world.service(role, now), world.effect(role, now));
        Self { world, role, name: world.scene.cast.name(role), now, state, effect }
    }

    fn objects(&self) -> Vec<Value> {
        let pods: Vec<String> = (0..self.state.replicas).map(|copy| self.pod_name(copy)).collect();
        let mut objects = vec![self.deployment(), self.service()];
        objects.extend(pods.iter().map(|pod| self.pod(pod)));
        objects.extend(pods.iter().filter_map(|pod| self.event(pod)));
        objects
    }

    fn is_up(&self) -> bool {
        // Nothing wanted and nothing there is as it should be, says the Deployment.
        self.state.replicas == 0 || self.effect.as_ref().is_none_or(|effect| effect.up)
    }

    fn kills(&self) -> u32 {
        self.effect.as_ref().map_or(0, |effect| effect.kills)
    }

    fn port(&self) -> u16 {
        match self.role {
            Role::Store => 5432,
            Role::Queue => 5672,
            _ => 8080,
        }
    }

    fn pod_name(&self, copy: u32) -> String {
        let key = [word("pod"), self.role.index() as u64, u64::from(self.state.revision), u64::from(copy)];
        let bits = SplitMix64::keyed(self.world.scene.seed, &key).bits();
        let template = SplitMix64::keyed(self.world.scene.seed, &key[..3]).bits();
        format!("{}-{:08x}-{}", self.name, template >> 32, letters(bits))
    }

    fn container(&self) -> Value {
        let probe = json!({"tcpSocket": {"port": self.port()}, "periodSeconds": 10, "timeoutSeconds": 1,
            "failureThreshold": 3, "successThreshold": 1});
        json!({
            "name": self.name,
            "image": format!("registry.town.example/{}:r{}", self.name, self.state.release),
            "imagePullPolicy": "IfNotPresent",
            "ports": [{"containerPort": self.port(), "protocol": "TCP"}],
            "resources": {"limits": {"memory": self.memory()}, "requests": {"cpu": "100m", "memory": self.memory()}},
            "readinessProbe": probe,
        })
    }

    fn memory(&self) -> String {
        format!("{:.0}Mi", memory_limit(self.role) / 1024.0 / 1024.0)
    }

    fn service(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": self.name, "namespace": NAMESPACE},
            "spec": {"selector": {"app": self.name}, "type": "ClusterIP",
                "ports": [{"port": self.port(), "targetPort": self.port(), "protocol": "TCP"}]},
        })
    }

    fn deployment(&self) -> Value {
        let (replicas, labels) = (self.state.replicas, json!({"app": self.name}));
        let ready = if self.is_up() { replicas } else { 0 };
        let mut status = json!({
            "observedGeneration": self.state.revision, "replicas": replicas, "updatedReplicas": replicas,
            "conditions": [
                {"type": "Available", "status": if self.is_up() { "True" } else { "False" },
                 "reason": if self.is_up() { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" },
                 "message": if self.is_up() { "Deployment has minimum availability." }
                            else { "Deployment does not have minimum availability." }},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable",
                 "message": "ReplicaSet has successfully progressed."},
            ],
        });
        match ready {
            0 if replicas == 0 => {}
            0 => status["unavailableReplicas"] = json!(replicas),
            _ => (status["readyReplicas"], status["availableReplicas"]) = (json!(ready), json!(ready)),
        }
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": self.name, "namespace": NAMESPACE, "labels": labels, "generation": self.state.revision,
                "annotations": {"deployment.kubernetes.io/revision": self.state.revision.to_string()},
                "creationTimestamp": seconds(self.world.scene.epoch.plus_seconds(-30 * 86_400)),
            },
            "spec": {
                "replicas": replicas, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [self.container()]}},
            },
            "status": status,
        })
    }

    fn pod(&self, pod: &str) -> Value {
        let ready = if self.is_up() { "True" } else { "False" };
        let mut condition = json!({"type": "Ready", "status": ready});
        if !self.is_up() {
            condition["reason"] = json!("ContainersNotReady");
            condition["message"] = json!(format!("containers with unready status: [{}]", self.name));
        }
        let template = pod.rsplit_once('-').map_or(pod, |(template, _)| template);
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": pod, "namespace": NAMESPACE, "labels": {"app": self.name},
                "creationTimestamp": seconds(self.state.started_at),
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": template, "controller": true}],
            },
            "spec": {"containers": [self.container()], "nodeName": self.role.node(), "restartPolicy": "Always"},
            "status": {
                "phase": "Running", "startTime": seconds(self.state.started_at),
                "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Initialized", "status": "True"},
                    {"type": "ContainersReady", "status": ready}, condition],
                "containerStatuses": [self.container_status()],
            },
        })
    }

    fn container_status(&self) -> Value {
        let (started, last) = match self.last_kill() {
            Some(killed) => {
                let terminated = json!({"reason": "OOMKilled", "exitCode": 137,
                    "startedAt": seconds(self.state.started_at), "finishedAt": seconds(killed)});
                (killed.plus_seconds(1), json!({"terminated": terminated}))
            }
            None => (self.state.started_at, json!({})),
        };
        json!({
            "name": self.name, "image": format!("registry.town.example/{}:r{}", self.name, self.state.release),
            "ready": self.is_up(), "started": true, "restartCount": self.kills(),
            "state": {"running": {"startedAt": seconds(started)}}, "lastState": last,
        })
    }

    fn last_kill(&self) -> Option<Timestamp> {
        let since = i64::from(self.kills()).checked_sub(1).filter(|kills| *kills >= 0)?;
        Some(self.world.scene.onset.plus_millis(LEAK_MILLIS + since * 60_000))
    }

    fn event(&self, pod: &str) -> Option<Value> {
        let (reason, message, count) = match (self.is_up(), self.kills()) {
            (false, _) => {
                let message =
                    format!("Readiness probe failed: dial tcp 10.1.0.7:{}: connect: connection refused", self.port());
                ("Unhealthy", message, 1 + self.now.millis_since(self.world.scene.onset) / 10_000)
            }
            (true, 0) => return None,
            (true, kills) => (
                "BackOff",
                format!("Back-off restarting failed container {} in pod {pod}", self.name),
                i64::from(kills),
            ),
        };
        Some(json!({
            "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": reason, "message": message, "count": count,
            "metadata": {"name": format!("{pod}.1"), "namespace": NAMESPACE},
            "involvedObject": {"kind": "Pod", "namespace": NAMESPACE, "name": pod},
            "source": {"component": "kubelet", "host": self.role.node()},
            "firstTimestamp": seconds(self.world.scene.onset), "lastTimestamp": seconds(self.now),
        }))
    }
}

/// Five letters as Kubernetes gives its pods.
fn letters(mut bits: u64) -> String {
    const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut name = String::new();
    for _ in 0..5 {
        name.push(char::from(SAFE[usize::try_from(bits % SAFE.len() as u64).unwrap_or(0)]));
        bits /= SAFE.len() as u64;
    }
    name
}

/// A time without fractions, as the API writes it.
fn seconds(at: Timestamp) -> String {
    let text = at.to_string();
    text.split_once('.').map_or(text.clone(), |(whole, _)| format!("{whole}Z"))
}
