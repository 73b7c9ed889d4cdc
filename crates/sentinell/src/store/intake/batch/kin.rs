//! The incidents that new alerts may belong to: those of the same service, machine or rule, and of services that call theirs
//! or are called by it.

use super::super::super::bulk::slices;
use super::super::super::db::{Conn, Sql, on};
use super::super::super::error::Result;
use super::super::super::topology::Beside;
use super::super::Accept;
use super::View;
use sentinell_core::ids::IncidentId;
use sentinell_core::incident::Incident;
use sentinell_core::signal::{Signal, SignalState};
use sentinell_core::time::Timestamp;
use sentinell_core::topology::{Spot, Topology};
use sentinell_core::triage::{KIN_MILLIS, KinIncident, kin};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Alerts of one kin that the investigation is told of; those after them are counted.
const TOLD: i64 = 20;

/// The newest incident of one thing that alerts have in common.
struct Newest {
    incident: IncidentId,
    /// The phase of that incident.
    phase: String,
    opened_at: Timestamp,
    /// When this thing began to ring in it.
    began_at: Timestamp,
    last_at: Timestamp,
    gathered: i64,
    /// Whether it belongs there by a call only: nobody is gathered by a call of its own.
    by_call: bool,
    /// The service's name, where the thing is one.
    service: Option<String>,
    /// Incidents that people split it off from, apart by spaces.
    parted: String,
}

impl Newest {
    fn is_over(&self) -> bool {
        matches!(self.phase.as_str(), "resolved" | "dismissed")
    }

    /// Whether nobody works on it any more, or a person has taken over.
    fn is_at_rest(&self) -> bool {
        self.is_over() || matches!(self.phase.as_str(), "escalated" | "dead_letter")
    }
}

/// What is known of the kin of a group of signals, and what of it has changed.
#[derive(Default)]
pub(super) struct Kinships {
    newest: HashMap<String, Newest>,
    /// The keys of services by their names.
    services: HashMap<String, BTreeSet<String>>,
    views: HashMap<IncidentId, View>,
    changed: BTreeSet<String>,
    topology: Option<Arc<Topology>>,
    within: i64,
}

/// Things with these keys, and services with these names that rang lately; a server is kept from walking over all that rang.
const NEWEST: Sql = Sql {
    sqlite: "SELECT k.key, k.incident, k.opened_at, k.began_at, k.last_at, k.gathered, k.by_call, k.service, k.parted, \
             i.phase, i.view FROM kin k JOIN incidents i ON i.id = k.incident \
             WHERE k.key IN (SELECT value FROM json_each($1)) \
             UNION ALL SELECT * FROM (SELECT k.key, k.incident, k.opened_at, k.began_at, k.last_at, k.gathered, \
             k.by_call, k.service, k.parted, i.phase, i.view FROM kin k JOIN incidents i ON i.id = k.incident \
             WHERE k.service IN (SELECT value FROM json_each($2)) AND k.last_at >= $3 \
             ORDER BY k.last_at DESC LIMIT 200) AS beside",
    postgres: "SELECT k.key, k.incident, k.opened_at, k.began_at, k.last_at, k.gathered, k.by_call, k.service, k.parted, \
               i.phase, i.view FROM kin k JOIN incidents i ON i.id = k.incident \
               WHERE k.key IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB))) \
               UNION ALL SELECT * FROM (SELECT k.key, k.incident, k.opened_at, k.began_at, k.last_at, k.gathered, \
               k.by_call, k.service, k.parted, i.phase, i.view FROM kin k JOIN incidents i ON i.id = k.incident \
               WHERE k.service IN (SELECT jsonb_array_elements_text(CAST($2 AS JSONB))) AND k.last_at >= $3 \
               ORDER BY k.last_at + 0 DESC LIMIT 200) AS beside",
};

/// Key and incident; when it opened, when this began and when the last fired; how many, whether by a call, the service and
/// what it was split off from; then phase and view of the incident.
type NewestRow = (String, String, i64, i64, i64, i64, bool, Option<String>, String, String, String);

/// What a signal may have in common with others, each with the service's name where it is one.
fn things(signal: &Signal) -> impl Iterator<Item = (String, Option<String>)> {
    let spot = Spot::of(signal).map(|spot| (spot.key(), spot.name));
    let service = move |key: &String| spot.as_ref().filter(|(own, _)| own == key).map(|(_, name)| name.clone());
    // No database keeps a text with a NUL, nor looks for one.
    let keys = kin(signal).into_iter().map(|kin| kin.key).filter(|key| !key.contains('\0'));
    keys.map(move |key| (service(&key), key)).map(|(service, key)| (key, service))
}

impl Kinships {
    /// Reads what is known of the kin of these signals, and of the services that call theirs or are called by them.
    pub(super) async fn read<'a>(
        conn: &mut Conn,
        beside: &Beside,
        accepts: impl Iterator<Item = &'a Accept> + Clone,
    ) -> Result<Self> {
        let topology = beside.read(conn, accepts.clone()).await?;
        let firing = accepts.map(|accept| &accept.signal).filter(|signal| signal.state == SignalState::Firing);
        let (mut keys, mut spots, mut since) = (BTreeSet::new(), BTreeMap::new(), i64::MAX);
        for signal in firing {
            since = since.min(signal.received_at.0);
            for (key, service) in things(signal) {
                if let Some(spot) = service.and_then(|name| Spot::read(&key, &name)) {
                    spots.insert(key.clone(), spot);
                }
                keys.insert(key);
            }
        }
        let mut known = Self { topology, within: beside.dependencies.within(), ..Self::default() };
        if keys.is_empty() {
            return Ok(known);
        }
        let names = known.topology.iter().flat_map(|topology| {
            spots.values().flat_map(|spot| topology.beside(spot)).map(|neighbour| neighbour.name().to_owned())
        });
        let names: BTreeSet<String> = names.collect();
        let (sql, keys, names) = (conn.text(&NEWEST), serde_json::to_string(&keys)?, serde_json::to_string(&names)?);
        let since = since.saturating_sub(known.within);
        let rows: Vec<NewestRow> =
            on!(conn, c => sqlx::query_as(sql).bind(keys).bind(names).bind(since).fetch_all(c).await?);
        for (key, incident, opened_at, began_at, last_at, gathered, by_call, service, parted, phase, view) in rows {
            let incident = IncidentId(incident);
            known.views.insert(incident.clone(), View::Stored(view));
            let (opened_at, began_at, last_at) = (Timestamp(opened_at), Timestamp(began_at), Timestamp(last_at));
            let newest = Newest { incident, phase, opened_at, began_at, last_at, gathered, by_call, service, parted };
            known.put(key, newest);
        }
        Ok(known)
    }

    fn put(&mut self, key: String, newest: Newest) {
        if let Some(name) = &newest.service {
            self.services.entry(name.clone()).or_default().insert(key.clone());
        }
        self.newest.insert(key, newest);
    }

    /// The incidents that a signal may belong to, closest first.
    pub(super) fn of(&self, signal: &Signal) -> Vec<KinIncident> {
        let incident = |kin: sentinell_core::triage::Kin| {
            let newest = self.newest.get(&kin.key)?;
            Some(KinIncident { why: kin.why, ..Self::shown(newest, newest.is_over(), KIN_MILLIS) })
        };
        let kin = kin(signal).into_iter().filter_map(incident);
        kin.chain(self.beside(signal).into_iter().map(|(_, kin)| kin)).collect()
    }

    fn shown(newest: &Newest, over: bool, within: i64) -> KinIncident {
        let Newest { incident, opened_at, last_at, .. } = newest;
        let (incident, opened_at, last_at) = (incident.clone(), *opened_at, *last_at);
        KinIncident { incident, over, opened_at, last_at, within, why: String::new() }
    }

    /// The incidents of what a signal's service calls and of who calls it, each with the key that leads there.
    fn beside(&self, signal: &Signal) -> Vec<(String, KinIncident)> {
        let (Some(topology), Some(spot)) = (&self.topology, Spot::of(signal)) else { return vec![] };
        if kin(signal).is_empty() {
            return vec![];
        }
        let parted = self.newest.get(&spot.key()).map_or("", |newest| newest.parted.as_str());
        let mut found = vec![];
        for neighbour in topology.beside(&spot) {
            for key in self.services.get(neighbour.name()).into_iter().flatten() {
                let Some(newest) = self.newest.get(key).filter(|newest| !newest.by_call) else { continue };
                let there = Spot::read(key, neighbour.name()).is_some_and(|there| neighbour.stands_at(&there, &spot));
                if !there || parted.split(' ').any(|id| id == newest.incident.as_str()) {
                    continue;
                }
                let why = neighbour.why(&spot.name, newest.began_at);
                let kin = KinIncident { why, ..Self::shown(newest, newest.is_at_rest(), self.within) };
                found.push((key.clone(), kin));
            }
        }
        found
    }

    /// A signal opened this incident.
    pub(super) fn opened(&mut self, signal: &Signal, incident: &Incident) {
        let at = signal.received_at;
        for (key, service) in things(signal) {
            let parted = self.newest.remove(&key).map(|newest| newest.parted).unwrap_or_default();
            let newest = Newest {
                incident: incident.id.clone(),
                phase: incident.phase.clone(),
                opened_at: at,
                began_at: at,
                last_at: at,
                gathered: 0,
                by_call: false,
                service,
                parted,
            };
            self.put(key.clone(), newest);
            self.changed.insert(key);
        }
        self.show(incident.clone());
    }

    /// A signal was gathered into this incident; whether the investigation should be told.
    pub(super) fn gathered(&mut self, signal: &Signal, incident: &IncidentId) -> bool {
        let (at, mut most, mut since, mut by_call) = (signal.received_at, 0, signal.received_at, true);
        let mut phase = String::new();
        let things: Vec<(String, Option<String>)> = things(signal).collect();
        let own = |newest: &&Newest| newest.incident == *incident;
        for newest in things.iter().filter_map(|(key, _)| self.newest.get(key)).filter(own) {
            (most, since, by_call) = (most.max(newest.gathered), newest.opened_at, by_call && newest.by_call);
            phase.clone_from(&newest.phase);
        }
        if phase.is_empty() {
            // It is gathered by a call: counted where that leads, so that the bound holds for all who call.
            for (key, _) in self.beside(signal).into_iter().filter(|(_, kin)| kin.incident == *incident) {
                let Some(newest) = self.newest.get_mut(&key) else { continue };
                (most, since) = (most.max(newest.gathered), newest.opened_at);
                phase.clone_from(&newest.phase);
                newest.gathered += 1;
                self.changed.insert(key);
            }
        }
        for (key, service) in things {
            // What it has in common with others is from now on theirs too, unless that belongs to another open incident.
            let known = self.newest.get(&key).filter(|newest| !newest.is_over());
            if known.is_none() {
                let parted = self.newest.remove(&key).map(|newest| newest.parted).unwrap_or_default();
                let (incident, phase) = (incident.clone(), phase.clone());
                let newest = Newest {
                    incident,
                    phase,
                    opened_at: since,
                    began_at: at,
                    last_at: at,
                    gathered: most,
                    by_call,
                    service,
                    parted,
                };
                self.put(key.clone(), newest);
            }
            if let Some(newest) = self.newest.get_mut(&key).filter(|newest| newest.incident == *incident) {
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
            newest.phase.clone_from(&incident.phase);
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
        let sql = "INSERT INTO kin (key, incident, opened_at, began_at, last_at, gathered, by_call, service) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                   ON CONFLICT (key) DO UPDATE SET incident = excluded.incident, opened_at = excluded.opened_at, \
                   began_at = excluded.began_at, last_at = excluded.last_at, gathered = excluded.gathered, \
                   by_call = excluded.by_call, service = excluded.service";
        for slice in slices(&rows) {
            let text = conn.repeated(sql, slice.len());
            on!(conn, c => {
                let mut query = sqlx::query(text);
                for (key, newest) in slice {
                    query = query.bind(key.as_str()).bind(newest.incident.as_str()).bind(newest.opened_at.0);
                    query = query.bind(newest.began_at.0).bind(newest.last_at.0).bind(newest.gathered);
                    query = query.bind(newest.by_call).bind(newest.service.as_deref());
                }
                query.execute(c).await?.rows_affected()
            });
        }
        Ok(())
    }
}
