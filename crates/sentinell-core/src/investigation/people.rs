//! What people say: checked against the state, then turned into facts.

use super::{Command, Event, Investigation, Phase, Resolution};
use crate::approval::Role;
use crate::ids::{ActionHash, ActionId, Actor};
use crate::time::Timestamp;

/// Why a command cannot be taken. The kind decides the answer's status code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not fit where the incident stands (409).
    #[error("{0}")]
    Conflict(String),
    /// The time for it is over (410).
    #[error("{0}")]
    Gone(String),
    /// This person may not (403).
    #[error("{0}")]
    Forbidden(String),
    /// It names something that does not exist (404).
    #[error("{0}")]
    Unknown(String),
}

impl Investigation {
    /// Checks a person's command and says what it means.
    ///
    /// # Errors
    /// [`Refusal`], in words for that person.
    pub fn decide(&self, command: Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::Approve { action, hash, by, role, comment } => {
                self.check_open(&action, now)?;
                self.check_hash(&action, &hash)?;
                self.check_person(&action, &by, role)?;
                Ok(vec![Event::ApprovalGranted { action, hash, by, comment, role }])
            }
            Command::Reject { action, by, comment } => {
                self.check_open(&action, now)?;
                Ok(vec![Event::ApprovalRejected { action, by, comment }])
            }
            Command::Hint { by, text, suspect, exclude } => {
                self.refuse_if_over("a hint")?;
                Ok(vec![Event::HintGiven { by, text, suspect, exclude }])
            }
            Command::Note { by, text } => Ok(vec![Event::NoteAdded { by, text }]),
            Command::Cancel { by, why } => {
                self.refuse_during_deed()?;
                self.refuse_if_over("cancelling")?;
                Ok(vec![Event::Escalated { why: format!("cancelled by {by}: {why}") }])
            }
            Command::Retry { by, why } => match self.phase {
                Phase::Escalated { .. } | Phase::DeadLetter { .. } | Phase::Resolved { .. } | Phase::Dismissed => {
                    Ok(vec![Event::Retried { by, why }])
                }
                Phase::InDoubt { .. } => Ok(vec![Event::Retried { by, why }]),
                _ => Err(Refusal::Conflict(format!("it is {}; nothing to retry", self.phase.word()))),
            },
            Command::Resolve { by, why } => {
                self.refuse_during_deed()?;
                self.refuse_if_over("resolving")?;
                Ok(vec![Event::Resolved { resolution: Resolution::Person, by, why }])
            }
            Command::Dismiss { by, why } => {
                self.refuse_during_deed()?;
                self.refuse_if_over("dismissing")?;
                Ok(vec![Event::Dismissed { by, why }])
            }
            Command::Merge { into, by } => {
                self.refuse_during_deed()?;
                if into == self.id {
                    return Err(Refusal::Conflict("an incident cannot be merged into itself".into()));
                }
                Ok(vec![Event::MergedInto { into, by }])
            }
            Command::Split { fingerprints, into, by } => {
                let known = fingerprints.iter().all(|fingerprint| self.alerts.contains_key(fingerprint));
                if !known || fingerprints.is_empty() {
                    return Err(Refusal::Unknown("name alerts of this incident, by fingerprint".into()));
                }
                if fingerprints.len() >= self.alerts.len() {
                    return Err(Refusal::Conflict("at least one alert must stay".into()));
                }
                Ok(vec![Event::SplitOff { fingerprints, into, by }])
            }
        }
    }

    fn check_open(&self, action: &ActionId, now: Timestamp) -> Result<(), Refusal> {
        let Some(record) = self.action(action) else {
            return Err(Refusal::Unknown(format!("this incident has no action {action}")));
        };
        match &self.phase {
            Phase::AwaitingApproval { action: waiting, .. } if waiting == action => {
                // What the journal has seen pass stays past, whatever a clock that was set back says.
                if record.action.expires_at <= now.max(self.updated_at) {
                    let at = record.action.expires_at;
                    return Err(Refusal::Gone(format!(
                        "the time to approve {action} ended at {at}; retry the incident"
                    )));
                }
                Ok(())
            }
            _ if record.state == super::ActionState::Expired => {
                Err(Refusal::Gone(format!("the time to approve {action} is over; retry the incident")))
            }
            phase => Err(Refusal::Conflict(format!(
                "{action} is not waiting for approval: the incident is {}",
                phase.word()
            ))),
        }
    }

    fn check_hash(&self, action: &ActionId, hash: &ActionHash) -> Result<(), Refusal> {
        match self.action(action) {
            Some(record) if record.hash == *hash => Ok(()),
            _ => Err(Refusal::Conflict(format!(
                "the hash is not that of {action} as it stands now; read the action again and approve what you see"
            ))),
        }
    }

    fn check_person(&self, action: &ActionId, by: &Actor, role: Role) -> Result<(), Refusal> {
        let Some(record) = self.action(action) else {
            return Err(Refusal::Unknown(format!("this incident has no action {action}")));
        };
        let (needed, least) = record.needed();
        if role < least {
            let word = serde_json::to_value(least).unwrap_or_default();
            let word = word.as_str().unwrap_or_default();
            return Err(Refusal::Forbidden(format!("{action} needs the approval of somebody with the role {word}")));
        }
        if record.has_approved(by) {
            return Err(Refusal::Conflict(format!(
                "{by} has approved {action} already; it needs {needed} different people"
            )));
        }
        Ok(())
    }

    fn refuse_during_deed(&self) -> Result<(), Refusal> {
        match &self.phase {
            Phase::Acting { action, deadline, .. } => {
                Err(Refusal::Conflict(format!("{action} is being done; its outcome is known by {deadline}")))
            }
            _ => Ok(()),
        }
    }

    fn refuse_if_over(&self, what: &str) -> Result<(), Refusal> {
        match self.phase {
            Phase::Resolved { .. } | Phase::Dismissed => {
                Err(Refusal::Conflict(format!("it is {}; retry it before {what}", self.phase.word())))
            }
            _ => Ok(()),
        }
    }
}
