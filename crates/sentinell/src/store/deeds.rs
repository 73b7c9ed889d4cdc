//! What was done lately, for the limits of the policy: counted where the intents are appended, so that no two workers go
//! over a limit together, and none forgets by a restart.

use super::db::{Conn, db, on, run};
use super::error::{Result, StoreError};
use super::{Store, from_db};
use sentinell_core::ids::{ActionId, IncidentId};
use sentinell_core::investigation::{Event, Investigation};
use sentinell_core::policy::question::place;
use sentinell_core::policy::{Gate, PastDeed, Policy};
use sentinell_core::ports::Applied;
use sentinell_core::time::Timestamp;

/// How long deeds are remembered, seconds; limits look back an hour.
const KEPT: i64 = 30 * 86_400;
/// How far back the limits look, seconds.
const HOUR: i64 = 3600;
/// Deeds that are read at most. A house with more of them within an hour is over every limit that makes sense.
const MOST: i64 = 10_000;

/// The house rules and what they count, as they were read for one judgement.
#[derive(Debug, Clone, Default)]
pub struct House {
    /// The rules.
    pub policy: Policy,
    /// Deeds of the last hour, and those under way.
    pub deeds: Vec<PastDeed>,
    basis: Basis,
}

/// What a judgement rests on; an intent is only appended while it still holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Basis {
    version: u64,
    newest: u64,
}

impl House {
    /// As the gate takes it.
    pub fn gate(&self) -> Gate<'_> {
        Gate { policy: &self.policy, deeds: &self.deeds }
    }

    /// What a judgement by it rests on.
    pub fn basis(&self) -> Basis {
        self.basis
    }
}

impl Basis {
    /// What holds now, inside the writer.
    pub(super) async fn read(conn: &mut Conn) -> Result<Self> {
        let sql =
            "SELECT (SELECT COALESCE(MAX(version), 0) FROM policies), (SELECT COALESCE(MAX(position), 0) FROM deeds)";
        let (version, newest): (i64, i64) = on!(conn, c => sqlx::query_as(sql).fetch_one(c).await?);
        Ok(Self { version: from_db(version), newest: from_db(newest) })
    }

    /// Why a judgement that rests on this does not hold any more, if it does not.
    pub(super) fn refusal(self, now: Self) -> Option<StoreError> {
        (self != now).then_some(StoreError::Moved)
    }

    /// Whoever judged before this deed has to judge again.
    pub(super) fn moved(&mut self) {
        self.newest = u64::MAX;
    }
}

/// What an entry says about deeds.
pub(super) enum Deed {
    /// One is begun.
    Begun { action: ActionId, until: Timestamp, kind: String, service: String, environment: String, objects: u32 },
    /// It has ended, or was never begun.
    Ended(ActionId),
}

impl Deed {
    /// What `event` says, in an investigation that knows its action.
    pub(super) fn of(case: &Investigation, event: &Event) -> Option<Self> {
        match event {
            Event::ActionStarted { action, deadline, .. } => {
                let about = &case.action(action)?.action;
                Some(Self::Begun {
                    action: action.clone(),
                    until: *deadline,
                    kind: about.kind.clone(),
                    service: place(&about.target).1.to_owned(),
                    environment: about.plan.environment.clone(),
                    objects: about.plan.blast_radius.objects,
                })
            }
            Event::ActionFinished { action, .. } => Some(Self::Ended(action.clone())),
            Event::Reconciled { action, applied: Applied::Yes | Applied::No, .. } => Some(Self::Ended(action.clone())),
            _ => None,
        }
    }

    pub(super) fn is_begun(&self) -> bool {
        matches!(self, Self::Begun { .. })
    }

    /// Writes it down beside the entry at `position`.
    pub(super) async fn keep(
        &self,
        conn: &mut Conn,
        position: i64,
        incident: &IncidentId,
        at: Timestamp,
    ) -> Result<()> {
        match self {
            Self::Begun { action, until, kind, service, environment, objects } => {
                run!(conn, "DELETE FROM deeds WHERE at < $1", at.plus_seconds(-KEPT).0);
                let sql = "INSERT INTO deeds (position, incident, action, at, until, kind, service, environment, objects) \
                           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
                let (incident, action) = (incident.as_str(), action.as_str());
                let (kind, service, environment) = (kind.as_str(), service.as_str(), environment.as_str());
                run!(
                    conn,
                    sql,
                    position,
                    incident,
                    action,
                    at.0,
                    until.0,
                    kind,
                    service,
                    environment,
                    i64::from(*objects)
                );
            }
            Self::Ended(action) => {
                let sql = "UPDATE deeds SET until = $1 WHERE incident = $2 AND action = $3 AND until > $1";
                run!(conn, sql, at.0, incident.as_str(), action.as_str());
            }
        }
        Ok(())
    }
}

impl Store {
    /// The house rules in force and what they count at `now`.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn house(&self, now: Timestamp) -> Result<House> {
        // The newest of them last: whatever comes in between is met when the intent is appended.
        let sql = "SELECT COALESCE(MAX(position), 0) FROM deeds";
        let newest: i64 = db!(self.db, pool => sqlx::query_scalar(sql).fetch_one(pool).await?);
        let sql = "SELECT at, until, kind, service, objects FROM deeds WHERE at > $1 OR until > $2 \
                   ORDER BY position DESC LIMIT $3";
        let (since, at) = (now.plus_seconds(-HOUR).0, now.0);
        let rows: Vec<(i64, i64, String, String, i64)> = db!(self.db, pool => {
            sqlx::query_as(sql).bind(since).bind(at).bind(MOST).fetch_all(pool).await?
        });
        let deed = |(at, until, kind, service, objects): (i64, i64, String, String, i64)| {
            let objects = u32::try_from(objects).unwrap_or(u32::MAX);
            PastDeed { at: Timestamp(at), until: Timestamp(until), kind, service, objects }
        };
        let (version, policy) = self.policy().await?;
        let basis = Basis { version, newest: from_db(newest) };
        Ok(House { policy, deeds: rows.into_iter().map(deed).collect(), basis })
    }
}
