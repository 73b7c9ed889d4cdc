//! The four requests that the hand knows, and back. A deed that does not read back as one of them is refused, whoever approved it.

use super::world::World;
use crate::docker::Engine;
use sentinell_core::action::{Deed, HttpDeed};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So long a container may take to end by itself before it is killed, seconds.
pub(super) const GRACE: u64 = 10;

/// How much a container may take. 0 is no limit, as the engine writes it; of swap −1 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Bytes.
    pub memory: i64,
    /// Memory and swap together, bytes.
    pub swap: i64,
    /// Billionths of a processor.
    pub cpus: i64,
}

/// What is done to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DockerDeed {
    Restart,
    Start,
    Stop,
    Update(Bounds),
}

impl DockerDeed {
    /// As it is shown, approved and sent. `expect` is what must be found right before.
    pub fn deed(&self, engine: &Engine, id: &str, expect: BTreeMap<String, String>) -> Deed {
        let (verb, query) = match self {
            Self::Restart => ("restart", Some(format!("t={GRACE}"))),
            Self::Start => ("start", None),
            Self::Stop => ("stop", Some(format!("t={GRACE}"))),
            Self::Update(_) => ("update", None),
        };
        let mut url = engine.url(&format!("containers/{id}/{verb}"));
        url.set_query(query.as_deref());
        let mut deed = HttpDeed { method: "POST".into(), url: url.to_string(), expect, ..HttpDeed::default() };
        if let Self::Update(bounds) = self {
            deed.headers.insert("content-type".into(), "application/json".into());
            // A limit of 0 would be no change, and is left out.
            let fields = [("Memory", bounds.memory), ("MemorySwap", bounds.swap), ("NanoCpus", bounds.cpus)];
            let body: BTreeMap<&str, i64> = fields.into_iter().filter(|(_, value)| *value != 0).collect();
            deed.body = Some(json!(body).to_string());
        }
        Deed::Http(deed)
    }

    /// Reads a deed back, with the container's id; it must be exactly what [`DockerDeed::deed`] writes for this engine.
    pub fn read(deed: &Deed, engine: &Engine) -> Option<(Self, String)> {
        let request = deed.http()?;
        let all = engine.url("containers/").to_string();
        let (id, verb) = request.url.strip_prefix(&all)?.split_once('/')?;
        if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let read = match verb.split('?').next()? {
            "restart" => Self::Restart,
            "start" => Self::Start,
            "stop" => Self::Stop,
            "update" => {
                let body: Value = serde_json::from_str(request.body.as_deref()?).ok()?;
                let field = |name: &str| body.get(name).map_or(Some(0), Value::as_i64);
                Self::Update(Bounds { memory: field("Memory")?, swap: field("MemorySwap")?, cpus: field("NanoCpus")? })
            }
            _ => return None,
        };
        let named = request.expect.contains_key("container") && request.expect.contains_key("service");
        let known = named && request.expect.keys().all(|name| World::knows(name));
        let same = read.deed(engine, id, request.expect.clone()) == *deed;
        (known && same).then(|| (read, id.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::DockerAt;

    #[test]
    fn only_the_four_known_requests_on_one_container_read_back() {
        let engine = Engine::new(&DockerAt::Url("http://booth:2375/proxy".into()), Default::default()).unwrap();
        let other = Engine::new(&DockerAt::Url("http://elsewhere:2375".into()), Default::default()).unwrap();
        let id = "0123456789abcdef".repeat(4);
        let expect = || ["container", "service"].map(|name| (name.to_owned(), "till-1".to_owned())).into();
        let update = DockerDeed::Update(Bounds { memory: 64 << 20, swap: 128 << 20, cpus: 0 });
        for deed in [DockerDeed::Restart, DockerDeed::Start, DockerDeed::Stop, update] {
            let written = deed.deed(&engine, &id, expect());
            assert_eq!(DockerDeed::read(&written, &engine), Some((deed, id.clone())));
            assert_eq!(DockerDeed::read(&written, &other), None);
            let bent = |bend: fn(&mut HttpDeed)| {
                let mut request = written.http().unwrap().clone();
                bend(&mut request);
                DockerDeed::read(&Deed::Http(request), &engine)
            };
            assert_eq!(bent(|one| one.method = "DELETE".into()), None);
            assert_eq!(bent(|one| one.url = one.url.replace("containers", "images")), None);
            assert_eq!(bent(|one| one.url.push_str("&signal=KILL")), None);
            assert_eq!(bent(|one| one.url = one.url.replace("0123", "../x")), None);
            assert_eq!(bent(|one| one.body = Some(r#"{"Privileged":true}"#.into())), None);
            assert_eq!(bent(|one| drop(one.headers.insert("x-registry-auth".into(), "x".into()))), None);
            assert_eq!(bent(|one| drop(one.expect.insert("moon".into(), "full".into()))), None);
            assert_eq!(bent(|one| one.expect.clear()), None, "whose container it is must stand there");
        }
    }
}
