//! What people say about what belongs together: an incident is made part of another, or some of its alerts become one of
//! their own. Journals, alerts and wake-ups change in one transaction, so that the next signal finds its place.

use super::commands::CommandError;
use super::db::{Conn, on, run};
use super::error::{Result, StoreError};
use super::incidents::{self, NewIncident};
use super::journal::{self, Draft, Head, Line};
use super::outbox::Destination;
use super::{Store, queue};
use sentinell_core::ids::{Actor, Fingerprint, IncidentId, SignalId};
use sentinell_core::investigation::{Command, Event, Investigation, Phase, Refusal};
use sentinell_core::notice::Notice;
use sentinell_core::signal::Signal;
use sentinell_core::time::Timestamp;
use sentinell_core::triage::kin;
use std::collections::BTreeSet;

/// Alerts of either side whose kin is looked up when an incident is split.
const PARTED: usize = 100;

/// An incident that is made of some alerts of another.
#[derive(Debug, Clone)]
pub struct SplitOff {
    /// The other one.
    pub from: IncidentId,
    /// Which alerts.
    pub fingerprints: Vec<Fingerprint>,
    /// The id of the new one.
    pub into: IncidentId,
    /// Who says so.
    pub by: Actor,
}

/// What a transaction of people's words comes to; a refusal leaves nothing behind.
type Said<T> = std::result::Result<T, CommandError>;

impl Store {
    /// Makes `from` a part of `into`: its alerts belong there from now on, and it is dismissed. Answers the other one.
    ///
    /// # Errors
    /// See [`CommandError`]: one of them is not there, is over, or has a deed under way.
    pub async fn merge(&self, from: IncidentId, into: IncidentId, by: Actor, at: Timestamp) -> Said<Investigation> {
        let told = self.destinations.clone();
        let work = self
            .writer
            .write(move |conn| Box::pin(async move { judged(merge(conn, &from, &into, &by, at, &told).await) }));
        work.await?
    }

    /// Opens an incident of some alerts of another. Answers the new one.
    ///
    /// # Errors
    /// See [`CommandError`]: there is no such incident, it has no such alerts, or none would stay.
    pub async fn split(&self, split: SplitOff, at: Timestamp) -> Said<Investigation> {
        let told = self.destinations.clone();
        let work = self.writer.write(move |conn| Box::pin(async move { judged(divide(conn, split, at, &told).await) }));
        work.await?
    }
}

/// A refusal is an answer; only what the database says undoes a transaction. Nothing is written before the last refusal.
fn judged<T>(done: Said<T>) -> Result<Said<T>> {
    match done {
        Err(CommandError::Store(error)) => Err(error),
        judged => Ok(judged),
    }
}

async fn load(conn: &mut Conn, id: &IncidentId) -> Said<Investigation> {
    match journal::load_in(conn, id).await {
        Err(StoreError::NotFound(_)) => Err(CommandError::NotFound),
        read => Ok(read?),
    }
}

fn refuse(why: String) -> CommandError {
    CommandError::Refused(Refusal::Conflict(why))
}

fn still_open(case: &Investigation) -> Said<()> {
    match case.phase {
        Phase::Resolved { .. } | Phase::Dismissed => Err(refuse(format!("{} is over; nothing belongs to it", case.id))),
        _ => Ok(()),
    }
}

async fn merge(
    conn: &mut Conn,
    from: &IncidentId,
    into: &IncidentId,
    by: &Actor,
    at: Timestamp,
    told: &[Destination],
) -> Said<Investigation> {
    let (part, whole) = (load(conn, from).await?, load(conn, into).await?);
    let left = part.decide(Command::Merge { into: into.clone(), by: by.clone() }, at).map_err(CommandError::Refused)?;
    still_open(&part)?;
    still_open(&whole)?;
    let why = format!("{from} is a part of this, says {by}");
    let joined = part.alerts.iter().filter(|(fingerprint, _)| !whole.alerts.contains_key(*fingerprint));
    let joined = joined.map(|(fingerprint, alert)| Event::AlertJoined {
        signal: part.signal.id.clone(),
        fingerprint: fingerprint.clone(),
        title: alert.title.clone(),
        severity: alert.severity,
        why: why.clone(),
    });
    let joined: Vec<Event> = joined.collect();
    grow(conn, &part, left, at, told).await?;
    let whole = grow(conn, &whole, joined, at, told).await?;
    move_all(conn, from, into).await?;
    Ok(whole)
}

/// All alerts of one incident belong to another from now on, and so does what comes of their kin.
async fn move_all(conn: &mut Conn, from: &IncidentId, into: &IncidentId) -> Result<()> {
    let sql = "UPDATE alerts SET incident = $1 WHERE incident = $2";
    run!(conn, sql, into.as_str(), from.as_str());
    let sql = "UPDATE kin SET incident = $1, by_call = FALSE WHERE incident = $2";
    run!(conn, sql, into.as_str(), from.as_str());
    Ok(())
}

async fn divide(conn: &mut Conn, split: SplitOff, at: Timestamp, told: &[Destination]) -> Said<Investigation> {
    let SplitOff { from, fingerprints, into, by } = split;
    let case = load(conn, &from).await?;
    let command = Command::Split { fingerprints: fingerprints.clone(), into: into.clone(), by: by.clone() };
    let left = case.decide(command, at).map_err(CommandError::Refused)?;
    still_open(&case)?;
    let Some(first) = fingerprints.first() else { return Err(refuse("name alerts".into())) };
    let Some(signal) = newest_signal(conn, first, &from).await? else {
        return Err(refuse(format!("no signal of the alert {first} is kept any more")));
    };
    let why = format!("split off {from} by {by}");
    let others = fingerprints.iter().skip(1).filter_map(|fingerprint| {
        let alert = case.alerts.get(fingerprint)?;
        Some(Event::AlertJoined {
            signal: signal.id.clone(),
            fingerprint: fingerprint.clone(),
            title: alert.title.clone(),
            severity: alert.severity,
            why: why.clone(),
        })
    });
    let others: Vec<Event> = others.collect();
    grow(conn, &case, left, at, told).await?;
    let signal = Signal { id: SignalId(format!("{}-split", signal.id)), received_at: at, ..signal };
    let opened = open(conn, &into, signal, first, &case, at, told).await?;
    let opened = grow(conn, &opened, others, at, told).await?;
    move_some(conn, &fingerprints, &from, &into).await?;
    part(conn, &case, &fingerprints, &into, at).await?;
    Ok(opened)
}

async fn move_some(conn: &mut Conn, fingerprints: &[Fingerprint], from: &IncidentId, into: &IncidentId) -> Result<()> {
    let sql = "UPDATE alerts SET incident = $1 WHERE fingerprint = $2 AND incident = $3";
    for fingerprint in fingerprints {
        run!(conn, sql, into.as_str(), fingerprint.as_str(), from.as_str());
    }
    Ok(())
}

/// What people part stays apart: what only the alerts that go had in common with others belongs to the new incident, and no
/// call between services gathers either side into the other's incident again.
async fn part(
    conn: &mut Conn,
    case: &Investigation,
    going: &[Fingerprint],
    into: &IncidentId,
    at: Timestamp,
) -> Result<()> {
    let staying = case.alerts.keys().filter(|fingerprint| !going.contains(fingerprint));
    let staying = in_common(conn, staying, &case.id).await?;
    let going = in_common(conn, going.iter(), &case.id).await?;
    let sql = "UPDATE kin SET incident = $1, opened_at = $2, began_at = $2, gathered = 0, by_call = FALSE \
               WHERE key = $3 AND incident = $4";
    for key in going.difference(&staying) {
        run!(conn, sql, into.as_str(), at.0, key.as_str(), case.id.as_str());
    }
    let sql = "UPDATE kin SET parted = CASE WHEN LENGTH(parted) > 1000 THEN $1 ELSE parted || ' ' || $1 END \
               WHERE key = $2";
    for key in &going {
        run!(conn, sql, case.id.as_str(), key.as_str());
    }
    for key in &staying {
        run!(conn, sql, into.as_str(), key.as_str());
    }
    Ok(())
}

/// What some alerts of an incident may have in common with others: the keys of their kin.
async fn in_common(
    conn: &mut Conn,
    alerts: impl Iterator<Item = &Fingerprint>,
    incident: &IncidentId,
) -> Result<BTreeSet<String>> {
    let mut keys = BTreeSet::new();
    for fingerprint in alerts.take(PARTED) {
        let Some(signal) = newest_signal(conn, fingerprint, incident).await? else { continue };
        // No database keeps a text with a NUL.
        keys.extend(kin(&signal).into_iter().map(|kin| kin.key).filter(|key| !key.contains('\0')));
    }
    Ok(keys)
}

/// Lets a journal grow, its row and its wake-up with it.
async fn grow(
    conn: &mut Conn,
    case: &Investigation,
    events: Vec<Event>,
    at: Timestamp,
    told: &[Destination],
) -> Result<Investigation> {
    if events.is_empty() {
        return Ok(case.clone());
    }
    let head = Head::read(conn, &case.id).await?;
    let (after, drafts) = journal::draft(case, events, at, told)?;
    journal::grow(conn, &head, case.seq, &after, &drafts).await?;
    Ok(after)
}

/// Opens an incident with the budget that the other one was given.
async fn open(
    conn: &mut Conn,
    id: &IncidentId,
    signal: Signal,
    fingerprint: &Fingerprint,
    other: &Investigation,
    at: Timestamp,
    told: &[Destination],
) -> Result<Investigation> {
    let event = Event::Opened { signal: Box::new(signal), fingerprint: fingerprint.clone(), budget: other.budget };
    let case = Investigation::open(id.clone(), at, &event)?;
    let draft = Draft::new(id, 1, at, event)?.told(told, || Some(Notice::opened(&case)))?;
    let due = case.wake_at(at).unwrap_or(at);
    let (new, _) = NewIncident::of(case.clone(), draft.hash_after(""))?;
    incidents::insert(conn, &[&new]).await?;
    journal::write_lines(conn, &[Line { incident: id, draft: &draft, hash: new.head.clone() }]).await?;
    queue::wake(conn, &[(id, due)]).await?;
    Ok(case)
}

async fn newest_signal(conn: &mut Conn, fingerprint: &Fingerprint, incident: &IncidentId) -> Result<Option<Signal>> {
    let sql = "SELECT body FROM signals WHERE incident = $1 AND fingerprint = $2 ORDER BY n DESC LIMIT 1";
    let body: Option<String> = on!(conn, c => {
        sqlx::query_scalar(sql).bind(incident.as_str()).bind(fingerprint.as_str()).fetch_optional(c).await?
    });
    Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
}
