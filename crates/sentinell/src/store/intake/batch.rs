//! What a group of signals writes, collected and then written in a few statements, whatever their number.

mod kin;

use super::super::bulk::slices;
use super::super::chain::hex;
use super::super::db::{Conn, Sql, on};
use super::super::error::Result;
use super::super::incidents::{self, NewIncident};
use super::super::journal::{self, Draft, Line};
use super::super::outbox::Destination;
use super::super::topology::Beside;
use super::super::{queue, read_word, word};
use super::{Accept, Receipt, decision};
use kin::Kinships;
use sentinell_core::ids::{Fingerprint, IncidentId};
use sentinell_core::incident::Incident;
use sentinell_core::investigation::{Event, Investigation};
use sentinell_core::notice::Notice;
use sentinell_core::signal::{Severity, Signal};
use sentinell_core::time::Timestamp;
use sentinell_core::triage::{KinIncident, KnownAlert};
use std::collections::HashMap;

/// An alert, and the incident it belongs to.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) alert: KnownAlert,
    view: View,
}

/// What an incident shows: as it is stored, and read when first needed.
#[derive(Clone)]
enum View {
    Stored(String),
    Read(Box<Incident>),
}

impl Known {
    /// The incident as it stands.
    pub(super) fn incident(&mut self) -> Result<Incident> {
        self.view.read()
    }
}

impl View {
    fn read(&mut self) -> Result<Incident> {
        if let Self::Stored(view) = self {
            *self = Self::Read(serde_json::from_str(view)?);
        }
        match self {
            Self::Read(incident) => Ok(incident.as_ref().clone()),
            Self::Stored(view) => Ok(serde_json::from_str(view)?),
        }
    }
}

/// What the same delivery was answered before.
enum Answered {
    Stored(String),
    /// By an earlier one of this group.
    Now(Box<Receipt>),
}

/// A signal's row.
struct SignalRow {
    signal: Signal,
    fingerprint: Fingerprint,
    raw_sha256: [u8; 32],
    body: String,
    incident: Option<IncidentId>,
    decision: &'static str,
    answer: Option<String>,
}

/// What was counted on one alert.
struct Counted {
    /// Of a new incident; otherwise on top of what was counted before.
    fresh: bool,
    incident: IncidentId,
    severity: Severity,
    count: i64,
    first: i64,
    last: i64,
}

/// One group of signals: what is known beforehand, and what is to be written.
#[derive(Default)]
pub(super) struct Batch {
    known: HashMap<Fingerprint, Known>,
    kin: Kinships,
    answered: HashMap<(String, String), Answered>,
    signals: Vec<SignalRow>,
    opened: Vec<(NewIncident, Draft, Timestamp)>,
    counted: HashMap<Fingerprint, Counted>,
}

const KNOWN: Sql = Sql {
    sqlite: "SELECT a.fingerprint, a.incident, a.firing, a.severity, i.status, i.resolution, i.updated_at, i.view \
             FROM alerts a JOIN incidents i ON i.id = a.incident \
             WHERE a.fingerprint IN (SELECT value FROM json_each($1))",
    postgres: "SELECT a.fingerprint, a.incident, a.firing, a.severity, i.status, i.resolution, i.updated_at, i.view \
               FROM alerts a JOIN incidents i ON i.id = a.incident \
               WHERE a.fingerprint IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
};

const ANSWERED: Sql = Sql {
    sqlite: "SELECT d.source, d.delivery_id, s.answer FROM json_each($1) j \
             JOIN deliveries d ON d.source = j.value ->> 0 AND d.delivery_id = j.value ->> 1 \
             JOIN signals s ON s.n = d.n AND s.received_at = d.received_at WHERE s.answer IS NOT NULL",
    postgres: "SELECT d.source, d.delivery_id, s.answer FROM jsonb_array_elements(CAST($1 AS JSONB)) AS j(value) \
               JOIN deliveries d ON d.source = j.value ->> 0 AND d.delivery_id = j.value ->> 1 \
               JOIN signals s ON s.n = d.n AND s.received_at = d.received_at WHERE s.answer IS NOT NULL",
};

/// Fingerprint, incident, firing and severity of an alert; then status, resolution, time of the last change and view of
/// its incident.
type KnownRow = (String, String, bool, String, String, Option<String>, i64, String);

impl Batch {
    /// Reads everything that taking these signals in has to know.
    pub(super) async fn read<'a>(
        conn: &mut Conn,
        beside: &Beside,
        accepts: impl Iterator<Item = &'a Accept> + Clone,
    ) -> Result<Self> {
        let mut batch = Self::default();
        batch.read_known(conn, accepts.clone().map(|accept| &accept.fingerprint)).await?;
        batch.kin = Kinships::read(conn, beside, accepts.clone()).await?;
        let deliveries: Vec<_> = accepts
            .filter_map(|accept| Some((&accept.signal.source, accept.signal.delivery_id.as_ref()?)))
            // No database keeps a text with a NUL, nor looks for one.
            .filter(|(source, delivery)| !source.contains('\0') && !delivery.contains('\0'))
            .collect();
        if !deliveries.is_empty() {
            let (sql, list) = (conn.text(&ANSWERED), serde_json::to_string(&deliveries)?);
            let rows: Vec<(String, String, String)> =
                on!(conn, c => sqlx::query_as(sql).bind(list).fetch_all(c).await?);
            let answered = rows.into_iter().map(|(source, id, answer)| ((source, id), Answered::Stored(answer)));
            batch.answered = answered.collect();
        }
        Ok(batch)
    }

    async fn read_known(&mut self, conn: &mut Conn, these: impl Iterator<Item = &Fingerprint>) -> Result<()> {
        let mut these: Vec<&Fingerprint> = these.collect();
        these.sort_unstable();
        these.dedup();
        let (sql, list) = (conn.text(&KNOWN), serde_json::to_string(&these)?);
        let rows: Vec<KnownRow> = on!(conn, c => sqlx::query_as(sql).bind(list).fetch_all(c).await?);
        for (fingerprint, incident, firing, severity, status, resolution, updated, view) in rows {
            let alert = KnownAlert {
                incident: IncidentId(incident),
                over: status == "resolved",
                self_recovered: resolution.as_deref() == Some("self_recovered"),
                updated_at: Timestamp(updated),
                severity: read_word(&severity)?,
                firing,
            };
            self.known.insert(Fingerprint(fingerprint), Known { alert, view: View::Stored(view) });
        }
        Ok(())
    }

    /// Reads again what is known after an investigation was told something: of these signals and those read before.
    pub(super) async fn refresh(&mut self, conn: &mut Conn, fingerprint: &Fingerprint) -> Result<()> {
        let mut these: Vec<Fingerprint> = self.known.drain().map(|(fingerprint, _)| fingerprint).collect();
        these.push(fingerprint.clone());
        self.read_known(conn, these.iter()).await
    }

    /// What is known about an alert.
    pub(super) fn known(&mut self, fingerprint: &Fingerprint) -> Option<&mut Known> {
        self.known.get_mut(fingerprint)
    }

    /// The incidents of a signal's kin, closest first; an alert whose incident is open needs none.
    pub(super) fn kin(&self, accept: &Accept) -> Vec<KinIncident> {
        match self.known.get(&accept.fingerprint) {
            Some(known) if !known.alert.over => vec![],
            _ => self.kin.of(&accept.signal),
        }
    }

    /// Notes that a signal was gathered into an incident of its kin; the incident, where it suffices to count the alert.
    pub(super) fn gather(&mut self, accept: &Accept, incident: &IncidentId) -> Result<Option<Incident>> {
        let Accept { signal, fingerprint, .. } = accept;
        let tell = self.kin.gathered(signal, incident);
        let Some(shown) = self.kin.incident(incident)?.filter(|_| !tell) else { return Ok(None) };
        let at = signal.received_at;
        let alert = KnownAlert {
            incident: incident.clone(),
            over: false,
            self_recovered: false,
            updated_at: at,
            severity: signal.severity,
            firing: true,
        };
        self.known.insert(fingerprint.clone(), Known { alert, view: View::Read(Box::new(shown.clone())) });
        let (incident, severity) = (incident.clone(), signal.severity);
        let counted = Counted { fresh: true, incident, severity, count: 1, first: at.0, last: at.0 };
        self.counted.insert(fingerprint.clone(), counted);
        Ok(Some(shown))
    }

    /// Remembers what an incident that was told something shows now.
    pub(super) fn show(&mut self, incident: &Incident) {
        self.kin.show(incident.clone());
    }

    /// What the same delivery was answered the first time.
    pub(super) fn answered(&self, signal: &Signal) -> Result<Option<Receipt>> {
        let Some(delivery) = &signal.delivery_id else { return Ok(None) };
        let first: Receipt = match self.answered.get(&(signal.source.clone(), delivery.clone())) {
            None => return Ok(None),
            Some(Answered::Stored(answer)) => serde_json::from_str(answer)?,
            Some(Answered::Now(receipt)) => receipt.as_ref().clone(),
        };
        Ok(Some(Receipt { duplicate: true, ..first }))
    }

    /// Opens an incident of this signal.
    pub(super) fn open(&mut self, accept: &Accept, told: &[Destination]) -> Result<Incident> {
        let Accept { signal, fingerprint, budget, new_incident: id, .. } = accept;
        let at = signal.received_at;
        let event =
            Event::Opened { signal: Box::new(signal.clone()), fingerprint: fingerprint.clone(), budget: *budget };
        let case = Investigation::open(id.clone(), at, &event)?;
        let draft = Draft::new(id, 1, at, event)?.told(told, || Some(Notice::opened(&case)))?;
        let due = case.wake_at(at).unwrap_or(at);
        let (new, incident) = NewIncident::of(case, draft.hash_after(""))?;
        self.opened.push((new, draft, due));
        let alert = KnownAlert {
            incident: id.clone(),
            over: false,
            self_recovered: false,
            updated_at: at,
            severity: signal.severity,
            firing: true,
        };
        self.known.insert(fingerprint.clone(), Known { alert, view: View::Read(Box::new(incident.clone())) });
        let counted =
            Counted { fresh: true, incident: id.clone(), severity: signal.severity, count: 1, first: at.0, last: at.0 };
        self.counted.insert(fingerprint.clone(), counted);
        self.kin.opened(signal, &incident);
        Ok(incident)
    }

    /// Counts a repeated signal on its alert.
    pub(super) fn count(&mut self, accept: &Accept, incident: &IncidentId) {
        let at = accept.signal.received_at.0;
        let severity = self.known.get(&accept.fingerprint).map_or(accept.signal.severity, |known| known.alert.severity);
        let counted = self.counted.entry(accept.fingerprint.clone()).or_insert_with(|| Counted {
            fresh: false,
            incident: incident.clone(),
            severity,
            count: 0,
            first: at,
            last: at,
        });
        counted.count += 1;
        counted.last = at;
    }

    /// Keeps the signal itself, with what it was answered.
    pub(super) fn keep(&mut self, accept: Accept, body: String, receipt: &Receipt) -> Result<()> {
        let Accept { signal, fingerprint, raw_sha256, .. } = accept;
        let mut answer = None;
        if let Some(delivery) = &signal.delivery_id {
            answer = Some(serde_json::to_string(receipt)?);
            self.answered.insert((signal.source.clone(), delivery.clone()), Answered::Now(Box::new(receipt.clone())));
        }
        let (incident, decision) =
            (receipt.incident.as_ref().map(|incident| incident.id.clone()), decision(&receipt.triage));
        self.signals.push(SignalRow { signal, fingerprint, raw_sha256, body, incident, decision, answer });
        Ok(())
    }

    /// Writes what was collected.
    pub(super) async fn flush(&mut self, conn: &mut Conn) -> Result<()> {
        let opened = std::mem::take(&mut self.opened);
        if !opened.is_empty() {
            let new: Vec<&NewIncident> = opened.iter().map(|(new, _, _)| new).collect();
            incidents::insert(conn, &new).await?;
            let lines: Vec<Line<'_>> = opened
                .iter()
                .map(|(new, draft, _)| Line { incident: new.id(), draft, hash: new.head.clone() })
                .collect();
            journal::write_lines(conn, &lines).await?;
            let due: Vec<(&IncidentId, Timestamp)> = opened.iter().map(|(new, _, due)| (new.id(), *due)).collect();
            queue::wake(conn, &due).await?;
        }
        let (fresh, again): (Vec<_>, Vec<_>) = self.counted.drain().partition(|(_, counted)| counted.fresh);
        let sql = "INSERT INTO alerts (fingerprint, incident, firing, severity, count, first_seen, last_seen) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (fingerprint) DO UPDATE SET \
                   incident = excluded.incident, firing = excluded.firing, severity = excluded.severity, \
                   count = excluded.count, first_seen = excluded.first_seen, last_seen = excluded.last_seen";
        write_counted(conn, sql, &fresh).await?;
        let sql = "INSERT INTO alerts (fingerprint, incident, firing, severity, count, first_seen, last_seen) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (fingerprint) DO UPDATE SET \
                   firing = excluded.firing, severity = excluded.severity, count = alerts.count + excluded.count, \
                   last_seen = excluded.last_seen";
        write_counted(conn, sql, &again).await?;
        self.kin.flush(conn).await?;
        let signals = std::mem::take(&mut self.signals);
        write_signals(conn, &signals).await
    }
}

async fn write_counted(conn: &mut Conn, sql: &str, rows: &[(Fingerprint, Counted)]) -> Result<()> {
    for slice in slices(rows) {
        let text = conn.repeated(sql, slice.len());
        on!(conn, c => {
            let mut query = sqlx::query(text);
            for (fingerprint, counted) in slice {
                query = query.bind(fingerprint.as_str()).bind(counted.incident.as_str()).bind(true);
                query = query.bind(word(&counted.severity)).bind(counted.count).bind(counted.first).bind(counted.last);
            }
            query.execute(c).await?.rows_affected()
        });
    }
    Ok(())
}

async fn write_signals(conn: &mut Conn, rows: &[SignalRow]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = "SELECT COALESCE(MAX(n), 0) FROM signals";
    let last: i64 = on!(conn, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    let rows: Vec<(i64, &SignalRow)> = (last + 1..).zip(rows).collect();
    let sql = "INSERT INTO signals (n, id, source, delivery_id, fingerprint, incident, decision, raw_sha256, \
               received_at, body, answer) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    for slice in slices(&rows) {
        let text = conn.repeated(sql, slice.len());
        on!(conn, c => {
            let mut query = sqlx::query(text);
            for (n, row) in slice {
                query = query.bind(*n).bind(row.signal.id.as_str()).bind(row.signal.source.as_str());
                query = query.bind(row.signal.delivery_id.as_deref()).bind(row.fingerprint.as_str());
                query = query.bind(row.incident.as_ref().map(IncidentId::as_str)).bind(row.decision);
                query = query.bind(hex(&row.raw_sha256)).bind(row.signal.received_at.0);
                query = query.bind(row.body.as_str()).bind(row.answer.as_deref());
            }
            query.execute(c).await?.rows_affected()
        });
    }
    write_deliveries(conn, &rows).await
}

async fn write_deliveries(conn: &mut Conn, rows: &[(i64, &SignalRow)]) -> Result<()> {
    let rows: Vec<(&str, &str, i64, i64)> = rows
        .iter()
        .filter_map(|(n, row)| {
            let signal = &row.signal;
            Some((signal.source.as_str(), signal.delivery_id.as_deref()?, *n, signal.received_at.0))
        })
        .collect();
    // One left over from a signal that is no longer kept gives way.
    let sql = "INSERT INTO deliveries (source, delivery_id, n, received_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (source, delivery_id) DO UPDATE SET n = excluded.n, received_at = excluded.received_at";
    for slice in slices(&rows) {
        let text = conn.repeated(sql, slice.len());
        on!(conn, c => {
            let mut query = sqlx::query(text);
            for (source, delivery, n, at) in slice {
                query = query.bind(*source).bind(*delivery).bind(*n).bind(*at);
            }
            query.execute(c).await?.rows_affected()
        });
    }
    Ok(())
}
