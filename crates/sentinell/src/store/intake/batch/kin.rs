//! The incidents that new alerts may belong to: those of the same service, machine or rule.

use super::super::super::bulk::slices;
use super::super::super::db::{Conn, Sql, on};
use super::super::super::error::Result;
use super::super::Accept;
use super::View;
use sentinell_core::ids::IncidentId;
use sentinell_core::incident::Incident;
use sentinell_core::signal::{Signal, SignalState};
use sentinell_core::time::Timestamp;
use sentinell_core::triage::{KinIncident, kin};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Alerts of one kin that the investigation is told of; those after them are counted.
const TOLD: i64 = 20;

/// The newest incident of one thing that alerts have in common.
struct Newest {
    incident: IncidentId,
    over: bool,
    opened_at: Timestamp,
    last_at: Timestamp,
    gathered: i64,
}

/// What is known of the kin of a group of signals, and what of it has changed.
#[derive(Default)]
pub(super) struct Kinships {
    newest: HashMap<String, Newest>,
    views: HashMap<IncidentId, View>,
    changed: BTreeSet<String>,
}

const NEWEST: Sql = Sql {
    sqlite: "SELECT k.key, k.incident, k.opened_at, k.last_at, k.gathered, i.status, i.view FROM kin k \
             JOIN incidents i ON i.id = k.incident WHERE k.key IN (SELECT value FROM json_each($1))",
    postgres: "SELECT k.key, k.incident, k.opened_at, k.last_at, k.gathered, i.status, i.view FROM kin k \
               JOIN incidents i ON i.id = k.incident \
               WHERE k.key IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
};

/// Key and incident, when it opened, when the last fired, how many; then status and view of the incident.
type NewestRow = (String, String, i64, i64, i64, String, String);

impl Kinships {
    /// Reads what is known of the kin of these signals.
    pub(super) async fn read(conn: &mut Conn, accepts: impl Iterator<Item = &Accept>) -> Result<Self> {
        let firing = accepts.map(|accept| &accept.signal).filter(|signal| signal.state == SignalState::Firing);
        let keys: BTreeSet<String> =
            firing.flat_map(kin).map(|kin| kin.key).filter(|key| !key.contains('\0')).collect();
        let mut known = Self::default();
        if keys.is_empty() {
            return Ok(known);
        }
        let (sql, list) = (conn.text(&NEWEST), serde_json::to_string(&keys)?);
        let rows: Vec<NewestRow> = on!(conn, c => sqlx::query_as(sql).bind(list).fetch_all(c).await?);
        for (key, incident, opened_at, last_at, gathered, status, view) in rows {
            let (incident, over) = (IncidentId(incident), status == "resolved");
            known.views.insert(incident.clone(), View::Stored(view));
            let (opened_at, last_at) = (Timestamp(opened_at), Timestamp(last_at));
            known.newest.insert(key, Newest { incident, over, opened_at, last_at, gathered });
        }
        Ok(known)
    }

    /// The incidents of a signal's kin, closest first.
    pub(super) fn of(&self, signal: &Signal) -> Vec<KinIncident> {
        let incident = |kin: sentinell_core::triage::Kin| {
            let Newest { incident, over, opened_at, last_at, .. } = self.newest.get(&kin.key)?;
            let (incident, over, opened_at, last_at) = (incident.clone(), *over, *opened_at, *last_at);
            Some(KinIncident { incident, over, opened_at, last_at, why: kin.why })
        };
        kin(signal).into_iter().filter_map(incident).collect()
    }

    /// A signal opened this incident.
    pub(super) fn opened(&mut self, signal: &Signal, incident: &Incident) {
        let at = signal.received_at;
        for kin in kin(signal).into_iter().filter(|kin| !kin.key.contains('\0')) {
            let newest = Newest { incident: incident.id.clone(), over: false, opened_at: at, last_at: at, gathered: 0 };
            self.newest.insert(kin.key.clone(), newest);
            self.changed.insert(kin.key);
        }
        self.show(incident.clone());
    }

    /// A signal was gathered into this incident; whether the investigation should be told.
    pub(super) fn gathered(&mut self, signal: &Signal, incident: &IncidentId) -> bool {
        let (at, mut most, mut since) = (signal.received_at, 0, signal.received_at);
        let keys: Vec<String> = kin(signal).into_iter().map(|kin| kin.key).filter(|key| !key.contains('\0')).collect();
        for newest in keys.iter().filter_map(|key| self.newest.get(key)).filter(|newest| newest.incident == *incident) {
            (most, since) = (most.max(newest.gathered), newest.opened_at);
        }
        for key in keys {
            // What it has in common with others is from now on theirs too, unless that belongs to another open incident.
            let newest = self.newest.entry(key.clone()).or_insert_with(|| Newest {
                incident: incident.clone(),
                over: true,
                opened_at: since,
                last_at: at,
                gathered: most,
            });
            if newest.over {
                *newest =
                    Newest { incident: incident.clone(), over: false, opened_at: since, last_at: at, gathered: most };
            }
            if newest.incident == *incident {
                (newest.last_at, newest.gathered) = (at, newest.gathered + 1);
                self.changed.insert(key);
            }
        }
        most < TOLD
    }

    /// The incident as it stands.
    pub(super) fn incident(&mut self, id: &IncidentId) -> Result<Option<Incident>> {
        let Some(view) = self.views.get_mut(id) else { return Ok(None) };
        let incident = view.read()?;
        Ok(Some(incident))
    }

    /// An incident changed.
    pub(super) fn show(&mut self, incident: Incident) {
        for newest in self.newest.values_mut().filter(|newest| newest.incident == incident.id) {
            newest.over = incident.status == "resolved";
        }
        self.views.insert(incident.id.clone(), View::Read(Box::new(incident)));
    }

    /// Writes what has changed.
    pub(super) async fn flush(&mut self, conn: &mut Conn) -> Result<()> {
        let changed: BTreeMap<String, &Newest> = std::mem::take(&mut self.changed)
            .into_iter()
            .filter_map(|key| self.newest.get(&key).map(|newest| (key, newest)))
            .collect();
        let rows: Vec<(String, &Newest)> = changed.into_iter().collect();
        let sql = "INSERT INTO kin (key, incident, opened_at, last_at, gathered) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (key) DO UPDATE SET incident = excluded.incident, opened_at = excluded.opened_at, \
                   last_at = excluded.last_at, gathered = excluded.gathered";
        for slice in slices(&rows) {
            let text = conn.repeated(sql, slice.len());
            on!(conn, c => {
                let mut query = sqlx::query(text);
                for (key, newest) in slice {
                    query = query.bind(key.as_str()).bind(newest.incident.as_str()).bind(newest.opened_at.0);
                    query = query.bind(newest.last_at.0).bind(newest.gathered);
                }
                query.execute(c).await?.rows_affected()
            });
        }
        Ok(())
    }
}
