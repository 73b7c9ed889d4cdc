//! Who lives in the town and who calls whom. The shape is always the same; the seed decides the names.

use crate::rng::SplitMix64;

/// The namespace of every service of the town.
pub const NAMESPACE: &str = "town";

/// The part that a service plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Faces the users.
    Edge,
    /// Takes orders.
    Orders,
    /// Answers look-ups.
    Lookup,
    /// Keeps the data.
    Store,
    /// Carries messages.
    Queue,
    /// Works on its own; nobody calls it.
    Side,
}

impl Role {
    /// Everybody.
    pub const ALL: [Self; 6] = [Self::Edge, Self::Orders, Self::Lookup, Self::Store, Self::Queue, Self::Side];

    /// Caller and callee.
    pub const CALLS: [(Self, Self); 6] = [
        (Self::Edge, Self::Orders),
        (Self::Edge, Self::Lookup),
        (Self::Orders, Self::Store),
        (Self::Lookup, Self::Store),
        (Self::Orders, Self::Queue),
        (Self::Side, Self::Queue),
    ];

    /// How many copies run.
    pub(crate) fn replicas(self) -> u32 {
        match self {
            Self::Edge | Self::Orders | Self::Lookup => 2,
            Self::Store | Self::Queue | Self::Side => 1,
        }
    }

    /// The machine that its copies run on.
    pub(crate) fn node(self) -> &'static str {
        match self {
            Self::Store | Self::Queue => "town-node-2",
            _ => "town-node-1",
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    fn names(self) -> [&'static str; 4] {
        match self {
            Self::Edge => ["market", "townhall", "plaza", "gatehouse"],
            Self::Orders => ["bakery", "tailor", "smithy", "cooper"],
            Self::Lookup => ["library", "atlas", "almanac", "museum"],
            Self::Store => ["db-granary", "db-archive", "db-vault", "db-cellar"],
            Self::Queue => ["mailroom", "courier", "ferry", "carrier"],
            Self::Side => ["lamplighter", "chimneysweep", "gardener", "nightwatch"],
        }
    }
}

/// The names of one town.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cast([&'static str; 6]);

impl Cast {
    /// The names that a seed gives.
    pub fn of(seed: u64) -> Self {
        let pick = |role: Role| {
            let at = SplitMix64::keyed(seed, &[0xca57, role.index() as u64]).below(4);
            role.names()[usize::try_from(at).unwrap_or(0)]
        };
        Self(Role::ALL.map(pick))
    }

    /// A service's name.
    pub fn name(&self, role: Role) -> &'static str {
        self.0[role.index()]
    }

    /// The same as telemetry and evidence write it: `service/town/<name>`.
    pub fn subject(&self, role: Role) -> String {
        format!("service/{NAMESPACE}/{}", self.name(role))
    }

    /// Who that is: a bare name or a subject.
    pub fn role(&self, name: &str) -> Option<Role> {
        let bare = name.strip_prefix("service/").and_then(|rest| rest.strip_prefix(NAMESPACE));
        let bare = bare.and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
        Role::ALL.into_iter().find(|role| self.name(*role) == bare)
    }

    /// Everyone whom this name means; `*` and nothing mean all.
    pub(crate) fn matching(&self, name: Option<&str>) -> Option<Vec<Role>> {
        match name {
            None | Some("" | "*") => Some(Role::ALL.to_vec()),
            Some(name) => self.role(name).map(|role| vec![role]),
        }
    }
}
