//! The auditor: reads the database with a connection of its own, in one snapshot, and says where journal, incident row,
//! wake-up, alert, signals and spending do not agree. Run after every transaction it finds every half state.

use sentinell_core::ids::{Fingerprint, IncidentId};
use sentinell_core::incident::Incident;
use sentinell_core::investigation::{Entry, Event, Investigation, Phase};
use sentinell_core::time::Timestamp;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, PgConnection, SqliteConnection};
use std::collections::BTreeMap;

/// One incident as its journal tells it.
pub struct Kept {
    pub case: Investigation,
    pub entries: Vec<Entry>,
    /// Hash of its newest entry.
    head: String,
}

/// A connection of the auditor's own.
enum Line {
    File(SqliteConnection),
    Server(PgConnection),
}

/// The same query on either: `ask!(self, c => sqlx::query_as(sql).fetch_all(c))`.
macro_rules! ask {
    ($books:expr, $conn:ident => $query:expr) => {
        match &mut $books.conn {
            Line::File($conn) => $query.await.unwrap(),
            Line::Server($conn) => $query.await.unwrap(),
        }
    };
}

/// Everything read so far. A snapshot costs what is new, not what is there.
pub struct Books {
    conn: Line,
    position: i64,
    turns: i64,
    pub cases: BTreeMap<IncidentId, Kept>,
    /// When the next incident can be claimed.
    pub next_due: Option<Timestamp>,
    /// Signals on disk by delivery id: the incident that each belongs to, and what triage said.
    pub signals: BTreeMap<String, (Option<IncidentId>, String)>,
}

/// id, seq, head, phase, status, severity, resolution, updated_at, first_hypothesis_at, deed_open, view.
type IncidentRow = (String, i64, String, String, String, String, Option<String>, i64, Option<i64>, bool, String);

/// incident, due_at, lease_until, holder.
type WakeupRow = (String, Option<i64>, Option<i64>, Option<String>);

/// What does not agree, in words.
type Audit = Result<(), String>;

macro_rules! agree {
    ($holds:expr, $($words:tt)+) => { if !$holds { return Err(format!($($words)+)); } };
}

impl Books {
    pub async fn open(url: &str) -> Self {
        let conn = if url.starts_with("sqlite:") {
            let options: SqliteConnectOptions = url.parse().unwrap();
            Line::File(options.pragma("query_only", "ON").disable_statement_logging().connect().await.unwrap())
        } else {
            let options: PgConnectOptions = url.parse().unwrap();
            Line::Server(options.disable_statement_logging().connect().await.unwrap())
        };
        let (cases, signals) = (BTreeMap::new(), BTreeMap::new());
        Self { conn, position: 0, turns: 0, cases, next_due: None, signals }
    }

    /// The incident that opened first.
    pub fn first(&self) -> Option<&Kept> {
        self.cases.values().min_by_key(|kept| (kept.case.opened_at, kept.case.id.clone()))
    }

    /// Reads what is new and holds everything against everything, in one snapshot.
    pub async fn check(&mut self) -> Audit {
        match &mut self.conn {
            Line::File(c) => {
                sqlx::query("BEGIN").execute(c).await.unwrap();
            }
            Line::Server(c) => {
                sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(c).await.unwrap();
            }
        }
        let agreed = self.check_snapshot().await;
        match &mut self.conn {
            Line::File(c) => {
                sqlx::query("COMMIT").execute(c).await.unwrap();
            }
            Line::Server(c) => {
                sqlx::query("COMMIT").execute(c).await.unwrap();
            }
        }
        agreed
    }

    async fn check_snapshot(&mut self) -> Audit {
        self.read_journal().await?;
        self.check_rows().await?;
        self.check_wakeups().await?;
        self.check_alerts().await?;
        let sql = "SELECT CAST(COALESCE(SUM(turns), 0) AS BIGINT) FROM spending";
        let spent: i64 = ask!(self, c => sqlx::query_scalar(sql).fetch_one(c));
        agree!(spent == self.turns, "{spent} turns are booked, the journals have {}", self.turns);
        Ok(())
    }

    async fn read_journal(&mut self) -> Audit {
        let sql = "SELECT position, incident, seq, at, event, hash FROM entries WHERE position > $1 ORDER BY position";
        let rows: Vec<(i64, String, i64, i64, String, String)> =
            ask!(self, c => sqlx::query_as(sql).bind(self.position).fetch_all(c));
        for (position, incident, seq, at, event, hash) in rows {
            agree!(position == self.position + 1, "position {position} follows {}", self.position);
            self.position = position;
            let event: Event = serde_json::from_str(&event).map_err(|error| format!("entry {position}: {error}"))?;
            self.turns += i64::from(matches!(event, Event::TurnTaken { .. }));
            if let Event::EvidenceGathered { raw, .. } = &event {
                let sql = "SELECT COUNT(*) FROM observations WHERE address = $1";
                let kept: i64 = ask!(self, c => sqlx::query_scalar(sql).bind(raw).fetch_one(c));
                agree!(kept == 1, "entry {position} names the observation {raw}, which is not there");
            }
            let (id, at) = (IncidentId(incident), Timestamp(at));
            let entry = Entry { incident: id.clone(), seq: seq.unsigned_abs(), at, event };
            self.fold(entry, hash).map_err(|why| format!("entry {position} of {id}: {why}"))?;
        }
        Ok(())
    }

    fn fold(&mut self, entry: Entry, hash: String) -> Audit {
        let id = entry.incident.clone();
        if let Some(kept) = self.cases.get_mut(&id) {
            agree!(entry.seq == kept.case.seq + 1, "seq {} follows {}", entry.seq, kept.case.seq);
            kept.case.fold(entry.at, &entry.event).map_err(|error| error.to_string())?;
            kept.entries.push(entry);
            kept.head = hash;
            return Ok(());
        }
        let case = Investigation::open(id.clone(), entry.at, &entry.event).map_err(|error| error.to_string())?;
        self.cases.insert(id, Kept { case, entries: vec![entry], head: hash });
        Ok(())
    }

    /// The incident's row says what the journal says.
    async fn check_rows(&mut self) -> Audit {
        let sql = "SELECT id, seq, head, phase, status, severity, resolution, updated_at, first_hypothesis_at, deed_open, \
                   view FROM incidents";
        let rows: Vec<IncidentRow> = ask!(self, c => sqlx::query_as(sql).fetch_all(c));
        agree!(rows.len() == self.cases.len(), "{} incidents have {} journals", rows.len(), self.cases.len());
        for (id, seq, head, phase, status, severity, resolution, updated_at, first_at, deed_open, view) in rows {
            let id = IncidentId(id);
            let Some(kept) = self.cases.get(&id) else { return Err(format!("{id} has no journal")) };
            let case = &kept.case;
            let incident = Incident::of(case);
            let told: [Value; 9] = [
                case.seq.into(),
                kept.head.clone().into(),
                case.phase.word().into(),
                case.phase.status().into(),
                serde_json::to_value(incident.severity).unwrap(),
                serde_json::to_value(incident.resolution).unwrap(),
                case.updated_at.0.into(),
                case.first_hypothesis_at.map(|at| at.0).into(),
                matches!(case.phase, Phase::InDoubt { .. }).into(),
            ];
            let acting = matches!(case.phase, Phase::Acting { .. });
            let row: [Value; 9] = [
                seq.into(),
                head.into(),
                phase.into(),
                status.into(),
                severity.into(),
                resolution.into(),
                updated_at.into(),
                first_at.into(),
                (deed_open && !acting).into(),
            ];
            agree!(told == row, "the row of {id} says {row:?}, its journal {told:?}");
            let view: Value = serde_json::from_str(&view).unwrap();
            let incident = serde_json::to_value(incident).unwrap();
            agree!(view == incident, "{id} is shown as {view}, its journal says {incident}");
        }
        Ok(())
    }

    /// A wake-up is where the journal says that something comes next, and when.
    async fn check_wakeups(&mut self) -> Audit {
        let sql = "SELECT incident, due_at, lease_until, holder FROM wakeups";
        let rows: Vec<WakeupRow> = ask!(self, c => sqlx::query_as(sql).fetch_all(c));
        let claimable = rows.iter().filter_map(|(_, due, lease, _)| Some((*due)?.max(lease.unwrap_or(i64::MIN))));
        self.next_due = claimable.min().map(Timestamp);
        let found: BTreeMap<IncidentId, (Option<i64>, Option<String>)> =
            rows.into_iter().map(|(incident, due, _, holder)| (IncidentId(incident), (due, holder))).collect();
        for (id, kept) in &self.cases {
            let expected = kept.case.wake_at(kept.case.updated_at).map(|at| at.0);
            match found.get(id) {
                Some((due, holder)) => {
                    agree!(*due == expected, "{id} is woken at {due:?}, its journal says {expected:?}");
                    agree!(due.is_some() || holder.is_some(), "{id} keeps a wake-up for nothing");
                }
                None => agree!(expected.is_none(), "{id} is never woken, its journal says {expected:?}"),
            }
        }
        agree!(found.keys().all(|id| self.cases.contains_key(id)), "a wake-up for no incident");
        Ok(())
    }

    /// Every signal is in exactly one incident's alert, or was ignored for a reason, and the alert counts it.
    async fn check_alerts(&mut self) -> Audit {
        let sql = "SELECT delivery_id, fingerprint, incident, decision FROM signals";
        let signals: Vec<(Option<String>, String, Option<String>, String)> =
            ask!(self, c => sqlx::query_as(sql).fetch_all(c));
        let mut counted: BTreeMap<(String, String), i64> = BTreeMap::new();
        self.signals.clear();
        for (delivery, fingerprint, incident, decision) in signals {
            agree!(
                incident.is_some() != (decision == "ignore"),
                "a signal is `{decision}` and belongs to {incident:?}"
            );
            if let Some(delivery) = delivery {
                self.signals.insert(delivery, (incident.clone().map(IncidentId), decision));
            }
            if let Some(incident) = incident {
                agree!(
                    self.cases.contains_key(&IncidentId(incident.clone())),
                    "a signal belongs to {incident}, which is not there"
                );
                *counted.entry((fingerprint, incident)).or_default() += 1;
            }
        }
        let sql = "SELECT fingerprint, incident, firing, count FROM alerts";
        let alerts: Vec<(String, String, bool, i64)> = ask!(self, c => sqlx::query_as(sql).fetch_all(c));
        for (fingerprint, incident, firing, count) in &alerts {
            let told = counted.get(&(fingerprint.clone(), incident.clone())).copied().unwrap_or(0);
            agree!(told == *count, "alert {fingerprint} counts {count} signals, {told} are there");
            let kept = self.cases.get(&IncidentId(incident.clone())).ok_or("an alert of no incident")?;
            if let Some(alert) = kept.case.alerts.get(&Fingerprint(fingerprint.clone())) {
                agree!(alert.firing == *firing, "alert {fingerprint} fires: {firing}, its journal: {}", alert.firing);
            }
        }
        for (id, kept) in &self.cases {
            for fingerprint in kept.case.alerts.keys() {
                let known = alerts.iter().any(|(known, ..)| known == fingerprint.as_str());
                agree!(known, "{id} has the alert {fingerprint}, which no row knows");
            }
        }
        Ok(())
    }
}
