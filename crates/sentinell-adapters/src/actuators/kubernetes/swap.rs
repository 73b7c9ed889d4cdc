//! One value of one object is exchanged for another, by a JSON patch whose every other step is a precondition that the API server
//! checks: whose value it is, and that it is still the old one. <https://www.rfc-editor.org/rfc/rfc6902>

use crate::kubectl::argv;
use sentinell_core::action::Deed;
use sentinell_core::ports::Applied;
use serde_json::{Value, json};

/// Where the containers of a Deployment stand.
const CONTAINERS: &str = "/spec/template/spec/containers/";

/// What may be exchanged. Nothing else is, whoever approved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// Whether a Deployment's rollout is paused.
    Paused,
    /// A container's image.
    Image,
    /// A container's limit or request of memory or processors.
    Resource,
    /// A literal environment variable of a container.
    Variable,
    /// Whether a node takes no new pods.
    Unschedulable,
}

/// An exchange. No value is one that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Swap {
    /// What else must be so: a path and its value.
    pub guards: Vec<(String, Value)>,
    pub path: String,
    pub from: Option<Value>,
    pub to: Option<Value>,
}

/// What the patch is put on, as kubectl spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object<'o> {
    /// `deployment/cart`, `node/n1`.
    pub name: String,
    pub namespace: Option<&'o str>,
}

impl Swap {
    /// As it is shown, approved and run.
    pub fn deed(&self, object: &Object<'_>) -> Deed {
        let mut words = argv(&["kubectl", "patch", &object.name]);
        words.extend(object.namespace.iter().flat_map(|namespace| argv(&["-n", namespace])));
        words.extend(argv(&["--type=json", "-p", &self.patch().to_string()]));
        Deed::Argv(words)
    }

    fn patch(&self) -> Value {
        let test = |path: &String, value: &Value| json!({"op": "test", "path": path, "value": value});
        let mut steps: Vec<Value> = self.guards.iter().map(|(path, value)| test(path, value)).collect();
        // A value that is not there passes for null.
        steps.push(test(&self.path, self.from.as_ref().unwrap_or(&Value::Null)));
        steps.push(match (&self.from, &self.to) {
            (_, None) => json!({"op": "remove", "path": self.path}),
            (None, Some(value)) => json!({"op": "add", "path": self.path, "value": value}),
            (Some(_), Some(value)) => json!({"op": "replace", "path": self.path, "value": value}),
        });
        Value::Array(steps)
    }

    /// Reads a deed back; it must be exactly what [`Swap::deed`] writes for this object, and about what may be exchanged.
    pub fn read(deed: &Deed, object: &Object<'_>) -> Option<(Field, Self)> {
        let patch: Value = serde_json::from_str(deed.argv()?.last()?).ok()?;
        let (last, tests) = patch.as_array()?.split_last()?;
        let (old, guards) = tests.split_last()?;
        let path = last["path"].as_str()?.to_owned();
        let guard = |step: &Value| Some((step["path"].as_str()?.to_owned(), step["value"].clone()));
        let guards = guards.iter().map(guard).collect::<Option<Vec<_>>>()?;
        let to = if last["op"] == "remove" { None } else { Some(last["value"].clone()) };
        let swap = Self { guards, path, from: Some(old["value"].clone()).filter(|value| !value.is_null()), to };
        let field = swap.field()?;
        (swap.deed(object) == *deed).then_some((field, swap))
    }

    /// What it is about; none: nothing that may be exchanged.
    fn field(&self) -> Option<Field> {
        let plain = |value: &Option<Value>| value.as_ref().is_none_or(|value| value.is_string() || value.is_boolean());
        if !plain(&self.from) || !plain(&self.to) || self.guards.iter().any(|(path, _)| !is_guard(path)) {
            return None;
        }
        match self.path.as_str() {
            "/spec/paused" => return Some(Field::Paused),
            "/spec/unschedulable" => return Some(Field::Unschedulable),
            _ => {}
        }
        let parts: Vec<&str> = self.path.strip_prefix(CONTAINERS)?.split('/').collect();
        let number = |text: &str| text.parse::<u16>().is_ok();
        match parts.as_slice() {
            [n, "image"] if number(n) => Some(Field::Image),
            [n, "resources", "limits" | "requests", "memory" | "cpu"] if number(n) => Some(Field::Resource),
            [n, "env", m, "value"] if number(n) && number(m) => Some(Field::Variable),
            _ => None,
        }
    }

    /// The exchange back. What else must be so still must, except for versions, which change with every deed.
    pub fn undo(&self) -> Self {
        let guards = self.guards.iter().filter(|(path, _)| path != "/metadata/generation").cloned().collect();
        Self { guards, path: self.path.clone(), from: self.to.clone(), to: self.from.clone() }
    }

    /// What an object that was read shows.
    pub fn shows(&self, object: &Value) -> Applied {
        let same = self.guards.iter().filter(|(path, _)| path != "/metadata/generation");
        if same.clone().any(|(path, value)| object.pointer(path) != Some(value)) {
            // Another container in that place, another object of that name.
            return Applied::Unknown;
        }
        // Where no value stands, false is meant: the API server leaves it out.
        let is = |wanted: &Option<Value>| match (object.pointer(&self.path), wanted) {
            (Some(Value::Bool(false)), None) | (None, Some(Value::Bool(false))) => true,
            (found, wanted) => found == wanted.as_ref(),
        };
        match (is(&self.to), is(&self.from)) {
            (true, _) => Applied::Yes,
            (_, true) => Applied::No,
            _ => Applied::Unknown,
        }
    }
}

/// What may be a precondition: versions, identities, names.
fn is_guard(path: &str) -> bool {
    let named = |rest: &str| {
        let parts: Vec<&str> = rest.split('/').collect();
        matches!(parts.as_slice(), [_, "name"] | [_, "env", _, "name"])
    };
    matches!(path, "/metadata/generation" | "/metadata/uid") || path.strip_prefix(CONTAINERS).is_some_and(named)
}

/// A container's place in a Deployment, and the guard that it is still that one.
pub(super) fn container(deployment: &Value, name: &str) -> Option<(usize, (String, Value))> {
    let containers = deployment.pointer(CONTAINERS.trim_end_matches('/'))?.as_array()?;
    let place = containers.iter().position(|container| container["name"] == name)?;
    Some((place, (format!("{CONTAINERS}{place}/name"), json!(name))))
}

/// A path within a container.
pub(super) fn within(place: usize, rest: &str) -> String {
    format!("{CONTAINERS}{place}/{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cart() -> Object<'static> {
        Object { name: "deployment/cart".into(), namespace: Some("shop") }
    }

    fn image() -> Swap {
        let guards = vec![(format!("{CONTAINERS}0/name"), json!("main")), ("/metadata/generation".into(), json!(4))];
        Swap { guards, path: within(0, "image"), from: Some(json!("cart:2")), to: Some(json!("cart:1")) }
    }

    #[test]
    fn only_known_fields_of_the_shown_object_read_back() {
        let (object, swap) = (cart(), image());
        let written = swap.deed(&object);
        assert_eq!(Swap::read(&written, &object), Some((Field::Image, swap.clone())));
        assert_eq!(Swap::read(&written, &Object { namespace: Some("bank"), ..cart() }), None);
        let absent = Swap { guards: vec![], path: "/spec/paused".into(), from: None, to: Some(json!(true)) };
        for swap in [absent.clone(), absent.undo()] {
            assert_eq!(Swap::read(&swap.deed(&object), &object), Some((Field::Paused, swap)));
        }
        let paths = [
            "/spec/template/spec/hostPID",
            "/spec/template/spec/containers/0/command",
            "/spec/replicas",
            "/spec/template/spec/containers/0/securityContext/privileged",
            "/spec/template/spec/containers/x/image",
            "/spec/template/spec/containers/0/env/0/valueFrom",
        ];
        for path in paths {
            let other = Swap { path: path.into(), ..image() };
            assert_eq!(Swap::read(&other.deed(&object), &object), None, "{path}");
        }
        let deep = Swap { to: Some(json!({"privileged": true})), ..image() };
        assert_eq!(Swap::read(&deep.deed(&object), &object), None);
        let mut words = written.argv().unwrap_or_default().to_vec();
        words.insert(2, "--as=system:admin".into());
        assert_eq!(Swap::read(&Deed::Argv(words), &object), None);
        let mut steps = swap.patch();
        steps[0]["op"] = json!("replace");
        let mut words = written.argv().unwrap_or_default().to_vec();
        *words.last_mut().unwrap() = steps.to_string();
        assert_eq!(Swap::read(&Deed::Argv(words), &object), None, "a precondition that is none");
    }

    #[test]
    fn the_object_tells_whether_the_value_was_exchanged() {
        let with = |name: &str, image: &str| json!({"spec": {"template": {"spec": {"containers": [{"name": name, "image": image}]}}}});
        let swap = image();
        assert_eq!(swap.shows(&with("main", "cart:1")), Applied::Yes);
        assert_eq!(swap.shows(&with("main", "cart:2")), Applied::No);
        assert_eq!(swap.shows(&with("main", "cart:3")), Applied::Unknown);
        assert_eq!(swap.shows(&with("other", "cart:1")), Applied::Unknown);
        assert_eq!(swap.undo().shows(&with("main", "cart:2")), Applied::Yes);
        let pause = Swap { guards: vec![], path: "/spec/paused".into(), from: None, to: Some(json!(true)) };
        assert_eq!(pause.shows(&json!({"spec": {"paused": false}})), Applied::No);
        assert_eq!(pause.undo().shows(&json!({"spec": {}})), Applied::Yes);
    }
}
