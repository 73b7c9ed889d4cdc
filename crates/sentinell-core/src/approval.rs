//! Permission as a thing one holds.

use crate::ids::{ActionHash, Actor};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a principal may do; each role may do everything the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A machine that may only post signals.
    Sender,
    /// Reads.
    Viewer,
    /// Posts signals, hints, notes; cancels and retries.
    Responder,
    /// Approves and rejects.
    Operator,
    /// Changes policy, tokens and configuration.
    Admin,
}

/// Who is asking, as authentication found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The name that the journal will keep.
    pub actor: Actor,
    /// What they may do.
    pub role: Role,
}

/// One person's yes to one exact action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Given {
    /// Who.
    pub by: Actor,
    /// With which role.
    pub role: Role,
}

/// Proof that one exact action may be done now. It cannot be copied, is consumed by the deed, and only
/// [`Intent::into_warrant`](crate::investigation::Intent::into_warrant) makes one.
#[derive(Debug)]
pub struct Warrant {
    hash: ActionHash,
    deadline: Timestamp,
}

impl Warrant {
    pub(crate) fn new(hash: ActionHash, deadline: Timestamp) -> Self {
        Self { hash, deadline }
    }

    /// Gives the warrant up for the deed with this hash, immediately before the program starts.
    ///
    /// # Errors
    /// Why the deed must not start: another action, or too late.
    pub fn redeem(self, hash: &ActionHash, now: Timestamp) -> Result<Permit, String> {
        if self.hash != *hash {
            return Err("the warrant is for another action".into());
        }
        match self.deadline.millis_since(now) {
            left @ 1.. => Ok(Permit { millis_left: left.unsigned_abs() }),
            _ => Err(format!("the warrant ran out at {}", self.deadline)),
        }
    }
}

/// What a redeemed warrant leaves: how long the program may run, in milliseconds; afterwards it must be stopped.
#[derive(Debug)]
pub struct Permit {
    /// Time to the deadline.
    pub millis_left: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warrant_fits_one_action_and_not_for_ever() {
        let warrant = || Warrant::new("abc".into(), Timestamp(1000));
        assert_eq!(warrant().redeem(&"abc".into(), Timestamp(400)).map(|permit| permit.millis_left), Ok(600));
        assert!(warrant().redeem(&"abd".into(), Timestamp(400)).unwrap_err().contains("another action"));
        assert!(warrant().redeem(&"abc".into(), Timestamp(1000)).unwrap_err().contains("ran out"));
    }
}
