//! Which services call which, as far as it is known, and whether two alerts stand at the ends of one call.

use crate::signal::Signal;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt;

/// Callers and callees of one service that are looked at, at most.
const NEIGHBOURS: usize = 256;
/// The longest name, bytes.
pub const LONGEST: usize = 300;
/// Between the parts of a key.
const APART: char = '\u{1f}';

/// A service by its name, and by its namespace where that is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName {
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ServiceName {
    /// Reads `cart` or `shop/cart`.
    ///
    /// # Errors
    /// A sentence saying what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        let fits = |part: &str| !part.trim().is_empty() && !part.contains(|c: char| c == '/' || c.is_control());
        if text.len() > LONGEST || !fits(name) || !namespace.is_none_or(fits) {
            return Err(format!("expected a service such as `cart` or `shop/cart`, of at most {LONGEST} bytes"));
        }
        Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned() })
    }

    fn is(&self, spot: &Spot) -> bool {
        self.name == spot.name && self.namespace.as_deref().is_none_or(|own| agree(own, &spot.namespace))
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// One service that calls another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who calls.
    pub caller: ServiceName,
    /// Who is called.
    pub callee: ServiceName,
    /// When it was seen last; none: the operator says so.
    pub seen_at: Option<Timestamp>,
}

/// The service that an alert is about, and the place that it runs in. What is not named is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Cluster, `environment`, `env` and region.
    place: [String; 4],
    namespace: String,
    /// The service.
    pub name: String,
}

impl Spot {
    /// Where an alert stands, as its labels tell.
    pub fn of(signal: &Signal) -> Option<Self> {
        let label = |name: &str| signal.labels.get(name).cloned().filter(|text| !text.is_empty());
        let name = ["service", "deployment", "app", "component"].into_iter().find_map(label)?;
        let namespace = label("namespace").unwrap_or_default();
        Some(Self { place: place(signal), namespace, name })
    }

    /// The same text is the same service of the same place.
    pub fn key(&self) -> String {
        format!("service{APART}{}{APART}{}/{}", join(&self.place), self.namespace, self.name)
    }

    /// Reads the key of a service of this name.
    pub fn read(key: &str, name: &str) -> Option<Self> {
        let rest = key.strip_prefix("service")?.strip_prefix(APART)?;
        let rest = rest.strip_suffix(name)?.strip_suffix('/')?;
        let parts: Vec<String> = rest.split(APART).map(str::to_owned).collect();
        let [cluster, environment, env, region, namespace] = <[String; 5]>::try_from(parts).ok()?;
        Some(Self { place: [cluster, environment, env, region], namespace, name: name.to_owned() })
    }

    /// Whether nothing that both name of their places differs.
    fn meets(&self, other: &Self) -> bool {
        let [cluster, long, short, region] = &self.place;
        let [their_cluster, their_long, their_short, their_region] = &other.place;
        let named = |long: &String, short: &String| if long.is_empty() { short.clone() } else { long.clone() };
        agree(cluster, their_cluster)
            && agree(region, their_region)
            && agree(&named(long, short), &named(their_long, their_short))
    }
}

/// The four labels that tell places apart, empty where there is none.
pub(crate) fn place(signal: &Signal) -> [String; 4] {
    ["cluster", "environment", "env", "region"].map(|name| signal.labels.get(name).cloned().unwrap_or_default())
}

/// A place as it stands in keys.
pub(crate) fn join(place: &[String; 4]) -> String {
    place.join(APART.encode_utf8(&mut [0; 4]))
}

fn agree(one: &str, other: &str) -> bool {
    one.is_empty() || other.is_empty() || one == other
}

/// A caller or callee of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour<'a> {
    call: &'a Call,
    /// Whether it is the called one.
    is_callee: bool,
}

impl Neighbour<'_> {
    /// Its name, without the namespace.
    pub fn name(&self) -> &str {
        &self.end().name
    }

    fn end(&self) -> &ServiceName {
        if self.is_callee { &self.call.callee } else { &self.call.caller }
    }

    /// Whether this is the neighbour meant for a service at `from`: nothing that both name of their clusters, environments
    /// and regions differs, nor of their namespaces, unless the call itself names two.
    pub fn stands_at(&self, spot: &Spot, from: &Spot) -> bool {
        let told = self.call.caller.namespace.is_some() && self.call.callee.namespace.is_some();
        let near = told || agree(&spot.namespace, &from.namespace);
        self.end().is(spot) && near && spot.meets(from)
    }

    /// In words why an alert of the service `of` belongs to this neighbour's, which rings since `since`.
    pub fn why(&self, of: &str, since: Timestamp) -> String {
        let moment = since.to_string();
        let (name, day, hour) = (self.name(), moment.get(..10), moment.get(11..16));
        let verb = if self.is_callee { "calls" } else { "is called by" };
        let seen = self.call.seen_at.map(|at| at.to_string()).map_or_else(String::new, |at| {
            // A call that was seen on the day of the outage needs no date.
            let day = at.get(..10).filter(|seen| Some(*seen) != day);
            day.map(|day| format!(" (a call last seen on {day})")).unwrap_or_default()
        });
        format!("{of} {verb} {name}, which rings since {} UTC{seen}", hour.unwrap_or_default())
    }
}

/// All calls that are known.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    calls: Vec<Call>,
    of: BTreeMap<String, Vec<usize>>,
}

impl Topology {
    /// Of these calls, the surest first.
    pub fn new(calls: Vec<Call>) -> Self {
        let mut of: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, call) in calls.iter().enumerate().filter(|(_, call)| call.caller != call.callee) {
            of.entry(call.caller.name.clone()).or_default().push(at);
            of.entry(call.callee.name.clone()).or_default().push(at);
        }
        Self { calls, of }
    }

    /// What the service at a spot calls, then who calls it; nobody beyond them.
    pub fn beside<'a>(&'a self, spot: &Spot) -> Vec<Neighbour<'a>> {
        let known = || self.of.get(&spot.name).into_iter().flatten().filter_map(|at| self.calls.get(*at));
        let callees = known().filter(|call| call.caller.is(spot)).map(|call| Neighbour { call, is_callee: true });
        let callers = known().filter(|call| call.callee.is(spot)).map(|call| Neighbour { call, is_callee: false });
        callees.chain(callers).take(NEIGHBOURS).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Severity, SignalState};
    use crate::triage::tests::signal;

    fn spot(labels: &[(&str, &str)]) -> Spot {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Spot::of(&Signal { labels, ..signal(SignalState::Firing, Severity::Medium, 0) }).unwrap()
    }

    fn call(caller: &str, callee: &str, seen: Option<&str>) -> Call {
        let name = |text| ServiceName::parse(text).unwrap();
        let seen_at = seen.map(|text| Timestamp::parse(text).unwrap());
        Call { caller: name(caller), callee: name(callee), seen_at }
    }

    /// Whether an alert of the second belongs to one of the first.
    fn beside(topology: &Topology, of: &Spot, other: &Spot) -> bool {
        topology.beside(of).iter().any(|neighbour| neighbour.stands_at(other, of))
    }

    #[test]
    fn callers_and_callees_stand_beside_each_other_and_nobody_further() {
        let topology = Topology::new(vec![call("web", "cart", None), call("cart", "payments", None)]);
        let service = |name| spot(&[("service", name)]);
        for (one, other, near) in
            [("cart", "payments", true), ("web", "cart", true), ("web", "payments", false), ("cart", "cart", false)]
        {
            assert_eq!(beside(&topology, &service(one), &service(other)), near, "{one} {other}");
            assert_eq!(beside(&topology, &service(other), &service(one)), near, "{other} {one}");
        }
    }

    #[test]
    fn places_that_both_name_must_not_differ() {
        let topology = Topology::new(vec![call("cart", "payments", None), call("shop/web", "pay/till", None)]);
        let near = |one: &[(&str, &str)], other: &[(&str, &str)]| {
            let with = |name: &'static str, labels: &[(&str, &str)]| spot(&[&[("service", name)], labels].concat());
            beside(&topology, &with("cart", one), &with("payments", other))
        };
        assert!(near(&[("namespace", "shop")], &[]) && near(&[("env", "live")], &[("environment", "live")]));
        for label in ["namespace", "cluster", "environment", "env", "region"] {
            assert!(!near(&[(label, "one")], &[(label, "other")]), "{label}");
        }
        assert!(!near(&[("env", "live")], &[("environment", "test")]), "two names of one thing");
        let (web, till) =
            (spot(&[("service", "web"), ("namespace", "shop")]), spot(&[("service", "till"), ("namespace", "pay")]));
        assert!(beside(&topology, &web, &till), "the call names both namespaces");
        assert!(!beside(&topology, &web, &spot(&[("service", "till"), ("namespace", "test")])));
    }

    #[test]
    fn the_reason_says_who_calls_whom_since_when_and_how_old_the_knowledge_is() {
        let since = Timestamp::parse("2026-11-22T12:03:30Z").unwrap();
        let why = |call: Call, of: &str| {
            let topology = Topology::new(vec![call]);
            topology.beside(&spot(&[("service", of)]))[0].why(of, since)
        };
        assert_eq!(why(call("cart", "payments", None), "cart"), "cart calls payments, which rings since 12:03 UTC");
        assert_eq!(
            why(call("cart", "payments", Some("2026-11-20T09:00:00Z")), "payments"),
            "payments is called by cart, which rings since 12:03 UTC (a call last seen on 2026-11-20)"
        );
    }

    #[test]
    fn a_spot_is_read_back_from_its_key_unless_somebody_built_the_key_by_hand() {
        let cart = spot(&[("service", "cart"), ("namespace", "shop"), ("env", "live"), ("cluster", "east")]);
        assert_eq!(Spot::read(&cart.key(), "cart"), Some(cart.clone()));
        let forged = spot(&[("service", "cart"), ("namespace", "shop\u{1f}x")]);
        assert_eq!(Spot::read(&forged.key(), "cart"), None);
        assert_eq!(Spot::read("machine\u{1f}n1", "n1"), None);
        for wrong in ["", "a/b/c", "/cart", "shop/", "a\nb", &"x".repeat(301)] {
            assert!(ServiceName::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
