//! Running out: of disk, of processor, of a certificate's time, of copies.

use super::{Effect, WELL, line};
use crate::cast::Role;

/// From the beginning of the flood until the volume is full.
const FILLING_MILLIS: i64 = 60_000;

#[expect(clippy::cast_precision_loss, reason = "a minute in milliseconds")]
pub(super) fn full_disk(role: Role, since: i64) -> Effect {
    let used = 0.6 + 0.4 * (since as f64 / FILLING_MILLIS as f64).min(1.0);
    let full = since >= FILLING_MILLIS;
    match role {
        Role::Store if !full => Effect { disk: Some(used), ..WELL },
        Role::Store => Effect {
            errors: 0.4,
            disk: Some(1.0),
            lines: const {
                &[
                    line("ERROR", 5.0, "ERROR:  could not extend file \"base/16402/{n}\": No space left on device"),
                    line("INFO", 5.0, "HINT:  Check free disk space."),
                ]
            },
            ..WELL
        },
        Role::Orders if full => Effect {
            errors: 0.6,
            lines: const {
                &[line(
                    "ERROR",
                    6.0,
                    "order {n} not kept: ERROR: could not extend file \"base/16402/{n}\": No space left on device (SQLSTATE 53100)",
                )]
            },
            ..WELL
        },
        Role::Edge if full => Effect {
            errors: 0.3,
            lines: const { &[line("ERROR", 6.0, "POST /orders 500 {ms}ms upstream {orders} answered 500 trace={id}")] },
            ..WELL
        },
        _ => WELL,
    }
}

pub(super) fn noisy_neighbour(role: Role) -> Effect {
    match role {
        Role::Side => {
            Effect { cpu: 62.0, lines: const { &[line("INFO", 8.0, "round {n} begins again from lamp {n}")] }, ..WELL }
        }
        Role::Orders | Role::Lookup => Effect { latency: 9.0, waiting: 0.55, ..WELL },
        Role::Edge => Effect {
            errors: 0.03,
            latency: 9.0,
            waiting: 0.5,
            lines: const { &[line("WARN", 3.0, "GET /pages/{n} 200 {slow}ms trace={id} slow")] },
            ..WELL
        },
        // On another node.
        Role::Store | Role::Queue => WELL,
    }
}

pub(super) fn expired_certificate(role: Role) -> Effect {
    match role {
        Role::Queue => Effect {
            traffic: 0.03,
            lines: const {
                &[line(
                    "WARN",
                    6.0,
                    "TLS handshake error from 10.{byte}.{byte}.{byte}:{n}: remote error: tls: expired certificate",
                )]
            },
            ..WELL
        },
        Role::Orders => Effect {
            errors: 0.44,
            lines: const {
                &[line(
                    "ERROR",
                    6.0,
                    "cannot announce order {n}: dial tcp {queue}:5672: tls: failed to verify certificate: x509: \
                     certificate has expired or is not yet valid: current time {now} is after {onset}",
                )]
            },
            ..WELL
        },
        Role::Edge => Effect {
            errors: 0.5,
            lines: const { &[line("ERROR", 8.0, "POST /orders 503 {ms}ms upstream {orders} answered 503 trace={id}")] },
            ..WELL
        },
        Role::Side => Effect {
            lines: const { &[line("WARN", 1.0, "no round possible: {queue}:5672: invalid peer certificate: Expired")] },
            ..WELL
        },
        Role::Lookup | Role::Store => WELL,
    }
}

pub(super) fn wrong_scale(role: Role) -> Effect {
    match role {
        Role::Lookup => Effect { traffic: 0.0, up: false, ..WELL },
        Role::Edge => Effect {
            errors: 0.52,
            lines: const { &[line("ERROR", 8.0, "GET /pages/{n} 503 {ms}ms no healthy upstream for {lookup} trace={id}")] },
            ..WELL
        },
        Role::Store => Effect { traffic: 0.5, ..WELL },
        _ => WELL,
    }
}
