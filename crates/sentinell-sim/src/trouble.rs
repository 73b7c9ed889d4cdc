//! What can go wrong, what it looks like in each service, and what the truth is.

mod shortage;

use crate::cast::Role;

/// A fault with a known true cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// A new revision of the order service fails on some orders.
    BadDeploy,
    /// The message carrier's process does not answer any more.
    LostDependency,
    /// The look-up service eats its memory until it is killed, again and again.
    MemoryLeak,
    /// A configuration change makes the database slow, and with it everybody who asks it.
    SlowDatabase,
    /// The database's volume is full: it still reads, and takes no more writes.
    FullDisk,
    /// A batch job runs wild and takes the processor from everybody else on its node.
    NoisyNeighbour,
    /// The message carrier's certificate has run out, so that nobody trusts it any more.
    ExpiredCertificate,
    /// Somebody scaled the look-up service down to nothing.
    WrongScale,
}

/// From the beginning of a leak until the first kill.
pub(crate) const LEAK_MILLIS: i64 = 240_000;
/// From one kill to the next.
const KILL_MILLIS: i64 = 60_000;

/// How one service differs from normal while a trouble lasts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Effect {
    /// Added to the share of failed requests.
    pub errors: f64,
    /// Times the latency.
    pub latency: f64,
    /// Times the traffic.
    pub traffic: f64,
    /// Whether the process answers.
    pub up: bool,
    /// Memory in use, as a share of the limit.
    pub memory: Option<f64>,
    /// How often it was killed so far.
    pub kills: u32,
    /// Times the processor time.
    pub cpu: f64,
    /// Share of the time spent waiting for a processor.
    pub waiting: f64,
    /// Share of its volume that is used.
    pub disk: Option<f64>,
    /// Lines that it writes besides.
    pub lines: &'static [LineKind],
}

/// A kind of log line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LineKind {
    /// Its level.
    pub level: &'static str,
    /// How many of it in ten seconds.
    pub rate: f64,
    /// Its text; see `telemetry::logs::fill` for the words in braces.
    pub text: &'static str,
}

const fn line(level: &'static str, rate: f64, text: &'static str) -> LineKind {
    LineKind { level, rate, text }
}

pub(crate) const WELL: Effect = Effect {
    errors: 0.0,
    latency: 1.0,
    traffic: 1.0,
    up: true,
    memory: None,
    kills: 0,
    cpu: 1.0,
    waiting: 0.0,
    disk: None,
    lines: &[],
};

impl Trouble {
    /// The service at fault.
    pub fn role(self) -> Role {
        match self {
            Self::BadDeploy => Role::Orders,
            Self::LostDependency | Self::ExpiredCertificate => Role::Queue,
            Self::MemoryLeak | Self::WrongScale => Role::Lookup,
            Self::SlowDatabase | Self::FullDisk => Role::Store,
            Self::NoisyNeighbour => Role::Side,
        }
    }

    /// The fault in the evidence engine's words.
    pub fn fault(self) -> &'static str {
        match self {
            Self::BadDeploy | Self::SlowDatabase => "bad_change",
            Self::LostDependency => "down",
            Self::MemoryLeak => "out_of_memory",
            Self::FullDisk => "disk_full",
            Self::NoisyNeighbour => "noisy_neighbour",
            Self::ExpiredCertificate => "certificate_expired",
            Self::WrongScale => "zero_replicas",
        }
    }

    /// The kind of action that cures it; none: only people can (what may be deleted is for them to say).
    pub fn cure(self) -> Option<&'static str> {
        match self {
            Self::BadDeploy => Some("town.rollout_undo"),
            Self::LostDependency | Self::MemoryLeak | Self::NoisyNeighbour => Some("town.restart"),
            Self::SlowDatabase => Some("town.revert_config"),
            Self::ExpiredCertificate => Some("town.renew_certificate"),
            Self::WrongScale => Some("town.scale_back"),
            Self::FullDisk => None,
        }
    }

    /// What it does to one service, `since` milliseconds after its onset.
    pub(crate) fn effect(self, role: Role, since: i64) -> Effect {
        match self {
            Self::BadDeploy => bad_deploy(role),
            Self::LostDependency => lost_dependency(role),
            Self::MemoryLeak => memory_leak(role, since),
            Self::SlowDatabase => slow_database(role),
            Self::FullDisk => shortage::full_disk(role, since),
            Self::NoisyNeighbour => shortage::noisy_neighbour(role),
            Self::ExpiredCertificate => shortage::expired_certificate(role),
            Self::WrongScale => shortage::wrong_scale(role),
        }
    }
}

fn bad_deploy(role: Role) -> Effect {
    match role {
        Role::Orders => Effect {
            errors: 0.34,
            lines: const {
                &[
                    line(
                        "ERROR",
                        5.0,
                        "order {n} cannot be priced: rule table has no column 'surcharge' (order.rs:{line})",
                    ),
                    line("WARN", 1.0, "order {n} put aside for manual pricing"),
                ]
            },
            ..WELL
        },
        Role::Edge => Effect {
            errors: 0.17,
            lines: const { &[line("ERROR", 6.0, "POST /orders 502 {ms}ms upstream {orders} answered 500 trace={id}")] },
            ..WELL
        },
        _ => WELL,
    }
}

fn lost_dependency(role: Role) -> Effect {
    match role {
        Role::Queue => Effect { traffic: 0.0, up: false, ..WELL },
        Role::Orders => Effect {
            errors: 0.42,
            latency: 1.6,
            lines: const {
                &[line("ERROR", 6.0, "cannot announce order {n}: connect to {queue}:5672 failed: connection refused")]
            },
            ..WELL
        },
        Role::Edge => Effect {
            errors: 0.55,
            latency: 1.8,
            lines: const {
                &[
                    line("ERROR", 9.0, "POST /orders 503 {ms}ms upstream {orders} answered 503 trace={id}"),
                    line("WARN", 3.0, "retry {digit} of request {id} to {orders}"),
                ]
            },
            ..WELL
        },
        Role::Side => Effect {
            lines: const { &[line("WARN", 1.0, "no round possible: connect to {queue}:5672 failed: connection refused")] },
            ..WELL
        },
        Role::Lookup | Role::Store => WELL,
    }
}

#[expect(clippy::cast_precision_loss, reason = "minutes in milliseconds")]
fn memory_leak(role: Role, since: i64) -> Effect {
    let kills = if since < LEAK_MILLIS { 0 } else { 1 + (since - LEAK_MILLIS) / KILL_MILLIS };
    // A killed process reads its swollen cache back, so it never gets far away from its limit again.
    let memory = match since {
        ..LEAK_MILLIS => 0.35 + 0.65 * since as f64 / LEAK_MILLIS as f64,
        _ => 0.84 + 0.16 * ((since - LEAK_MILLIS) % KILL_MILLIS) as f64 / KILL_MILLIS as f64,
    };
    let dying = kills > 0 && (since - LEAK_MILLIS) % KILL_MILLIS < 20_000;
    match role {
        Role::Lookup if dying => Effect {
            errors: 0.3,
            latency: 3.0,
            memory: Some(memory),
            kills: u32::try_from(kills).unwrap_or(u32::MAX),
            lines: const {
                &[
                    line("INFO", 1.0, "starting, reading back {n} cached pages"),
                    line("WARN", 1.5, "heap nearly full after collection, pause {ms} ms"),
                ]
            },
            ..WELL
        },
        Role::Lookup => Effect {
            latency: if memory > 0.8 { 2.0 } else { 1.0 },
            memory: Some(memory),
            kills: u32::try_from(kills).unwrap_or(u32::MAX),
            lines: if memory > 0.7 {
                const { &[line("WARN", 1.5, "heap nearly full after collection, pause {ms} ms")] }
            } else {
                &[]
            },
            ..WELL
        },
        Role::Edge if dying => Effect {
            errors: 0.2,
            latency: 1.5,
            lines: const {
                &[line("ERROR", 5.0, "GET /pages/{n} 502 {ms}ms upstream {lookup} closed the connection trace={id}")]
            },
            ..WELL
        },
        _ => WELL,
    }
}

fn slow_database(role: Role) -> Effect {
    match role {
        Role::Store => Effect {
            latency: 90.0,
            lines: const {
                &[line(
                    "WARN",
                    4.0,
                    "slow statement: {slow} ms: select * from ledger where account = {n} (sort spilled to disk)",
                )]
            },
            ..WELL
        },
        Role::Orders => Effect {
            errors: 0.04,
            latency: 22.0,
            lines: const { &[line("WARN", 3.0, "{store} took {slow} ms for order {n}")] },
            ..WELL
        },
        Role::Lookup => Effect {
            errors: 0.03,
            latency: 24.0,
            lines: const { &[line("WARN", 3.0, "page {n} waited {slow} ms for {store}")] },
            ..WELL
        },
        Role::Edge => Effect {
            errors: 0.09,
            latency: 16.0,
            lines: const { &[line("ERROR", 4.0, "GET /pages/{n} 504 {slow}ms upstream {lookup} timed out trace={id}")] },
            ..WELL
        },
        Role::Queue | Role::Side => WELL,
    }
}
