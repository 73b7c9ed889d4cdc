//! Taking a signal in: signal, triage, incident, journal entry and wake-up are one transaction, and the answer comes
//! after its commit.

use super::chain::hex;
use super::db::{Conn, on, run};
use super::error::{Result, StoreError};
use super::journal::{self, Draft, Head};
use super::outbox::Destination;
use super::writer::savepoint;
use super::{Store, incidents, queue, read_word, word};
use sentinell_core::ids::{Fingerprint, IncidentId};
use sentinell_core::incident::Incident;
use sentinell_core::investigation::{Event, Input, Investigation};
use sentinell_core::notice::Notice;
use sentinell_core::policy::{Budget, Policy};
use sentinell_core::signal::{Severity, Signal, SignalState};
use sentinell_core::time::Timestamp;
use sentinell_core::triage::{KnownAlert, Triage, triage};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where notices go, shared with the writer.
type Told = Arc<[Destination]>;

/// A signal on its way in: authenticated, bounded and redacted.
#[derive(Debug, Clone)]
pub struct Accept {
    /// The signal.
    pub signal: Signal,
    /// What makes it the same alert when it comes again.
    pub fingerprint: Fingerprint,
    /// SHA-256 of the bytes as they came in.
    pub raw_sha256: [u8; 32],
    /// What a new incident may spend.
    pub budget: Budget,
    /// The id of the incident, should it open one.
    pub new_incident: IncidentId,
}

/// What became of a signal; it is on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The incident it opened or belongs to, as it stood then; none if it was over before it began.
    pub incident: Option<Incident>,
    /// Where it was put.
    pub triage: Triage,
    /// Whether this delivery had been taken before; then all of the above is what the first one was answered.
    #[serde(default)]
    pub duplicate: bool,
}

impl Store {
    /// Takes a signal in. The same `(source, delivery_id)` again changes nothing and answers as the first time.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if too many are waiting,
    /// [`StoreError::Unavailable`] if the disk does not take it: nothing was kept.
    pub async fn accept(&self, accept: Accept) -> Result<Receipt> {
        let body = serde_json::to_string(&accept.signal)?;
        let told = Arc::clone(&self.destinations);
        self.writer.try_write(move |conn| Box::pin(take_in(conn, accept, body, told))).await
    }
}

async fn take_in(conn: &mut Conn, accept: Accept, body: String, told: Told) -> Result<Receipt> {
    let Found { answered, known } = look_up(conn, &accept).await?;
    if let Some(answer) = answered {
        let first: Receipt = serde_json::from_str(&answer)?;
        return Ok(Receipt { duplicate: true, ..first });
    }
    let triage = triage(&accept.signal, known.as_ref().map(|known| &known.alert));
    match &triage {
        // Nothing here can fail for a reason of this signal alone, so it needs no savepoint: this is the busy path.
        Triage::Ignore | Triage::Open | Triage::Repeat { .. } => {
            let shown = known.as_ref().filter(|_| matches!(triage, Triage::Repeat { .. }));
            let shown: Option<Incident> = shown.map(|known| serde_json::from_str(&known.view)).transpose()?;
            put(conn, accept, body, triage, (known, shown), told).await.map_err(StoreError::spoiled)
        }
        Triage::Join { .. } | Triage::Reopen { .. } | Triage::Resolve { .. } => {
            savepoint(conn, move |conn| Box::pin(put(conn, accept, body, triage, (known, None), told))).await
        }
    }
}

async fn put(
    conn: &mut Conn,
    accept: Accept,
    body: String,
    triage: Triage,
    (known, shown): (Option<Known>, Option<Incident>),
    told: Told,
) -> Result<Receipt> {
    let incident = match &triage {
        Triage::Ignore | Triage::Repeat { .. } => shown,
        Triage::Open => Some(open(conn, &accept, &told).await?),
        Triage::Join { incident, why } => Some(tell(conn, incident, &accept, Said::Joined(why), &told).await?),
        Triage::Reopen { incident } => Some(tell(conn, incident, &accept, Said::Returned, &told).await?),
        Triage::Resolve { incident } => Some(tell(conn, incident, &accept, Said::Over, &told).await?),
    };
    if let Some(incident) = &incident {
        count(conn, &accept, incident, known.as_ref(), matches!(triage, Triage::Open)).await?;
    }
    let receipt = Receipt { incident, triage, duplicate: false };
    keep(conn, &accept, &receipt, body).await?;
    Ok(receipt)
}

/// What is there already when a signal comes in.
struct Found {
    /// What the same delivery was answered before.
    answered: Option<String>,
    known: Option<Known>,
}

/// Its alert, and the incident that alert belongs to.
struct Known {
    alert: KnownAlert,
    view: String,
}

/// Answer of the same delivery; then incident, firing and severity of the alert; then status, resolution, time of the
/// last change and view of its incident.
type FoundRow = (
    Option<String>,
    Option<String>,
    Option<bool>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
);

/// Everything that taking a signal in has to know, in one read.
async fn look_up(conn: &mut Conn, accept: &Accept) -> Result<Found> {
    let sql = "SELECT s.answer, a.incident, a.firing, a.severity, i.status, i.resolution, i.updated_at, i.view \
               FROM (SELECT 1) one LEFT JOIN deliveries d ON d.source = $1 AND d.delivery_id = $2 \
               LEFT JOIN signals s ON s.n = d.n AND s.received_at = d.received_at \
               LEFT JOIN alerts a ON a.fingerprint = $3 LEFT JOIN incidents i ON i.id = a.incident";
    let (source, delivery, fingerprint) = (&accept.signal.source, &accept.signal.delivery_id, &accept.fingerprint);
    let row: FoundRow = on!(conn, c => {
        sqlx::query_as(sql).bind(source).bind(delivery).bind(fingerprint.as_str()).fetch_one(c).await?
    });
    let (answered, Some(incident), Some(firing), Some(severity), Some(status), resolution, Some(updated), Some(view)) =
        row
    else {
        return Ok(Found { answered: row.0, known: None });
    };
    let alert = KnownAlert {
        incident: IncidentId(incident),
        over: status == "resolved",
        self_recovered: resolution.as_deref() == Some("self_recovered"),
        updated_at: Timestamp(updated),
        severity: read_word(&severity)?,
        firing,
    };
    Ok(Found { answered, known: Some(Known { alert, view }) })
}

async fn open(conn: &mut Conn, accept: &Accept, told: &[Destination]) -> Result<Incident> {
    let Accept { signal, fingerprint, budget, new_incident: id, .. } = accept;
    let at = signal.received_at;
    let event = Event::Opened { signal: Box::new(signal.clone()), fingerprint: fingerprint.clone(), budget: *budget };
    let case = Investigation::open(id.clone(), at, &event)?;
    let draft = Draft::new(id, 1, at, event)?.told(told, || Some(Notice::opened(&case)))?;
    let incident = incidents::insert(conn, &case, fingerprint, &draft.hash_after("")).await?;
    journal::write_entries(conn, id, "", std::slice::from_ref(&draft)).await?;
    queue::set(conn, id, case.wake_at(at), at).await?;
    Ok(incident)
}

/// What a signal tells an investigation that is already there.
enum Said<'a> {
    Joined(&'a str),
    Returned,
    Over,
}

async fn tell(
    conn: &mut Conn,
    id: &IncidentId,
    accept: &Accept,
    said: Said<'_>,
    told: &[Destination],
) -> Result<Incident> {
    let (signal, fingerprint) = (Box::new(accept.signal.clone()), accept.fingerprint.clone());
    let at = accept.signal.received_at;
    let input = match said {
        Said::Joined(why) => Input::AlertJoined { signal, fingerprint, why: why.to_owned() },
        Said::Returned => Input::AlertReturned { signal, fingerprint },
        Said::Over => Input::AlertResolved { fingerprint },
    };
    let case = journal::load_in(conn, id).await?;
    let head = Head::read(conn, id).await?;
    // No input of a sender is judged by the policy.
    let events = case.interpret(input, &Policy::default(), at);
    if events.is_empty() {
        return Ok(Incident::of(&case, head.fingerprint));
    }
    let (after, drafts) = journal::draft(&case, events, at, told)?;
    journal::grow(conn, &head, case.seq, &after, &drafts).await?;
    Ok(Incident::of(&after, head.fingerprint))
}

/// Counts the signal on its alert.
async fn count(
    conn: &mut Conn,
    accept: &Accept,
    incident: &Incident,
    known: Option<&Known>,
    fresh: bool,
) -> Result<()> {
    let (signal, at) = (&accept.signal, accept.signal.received_at.0);
    let firing = signal.state == SignalState::Firing;
    let gravest: Severity = match known {
        Some(known) if !fresh => known.alert.severity.max(signal.severity),
        _ => signal.severity,
    };
    if !fresh {
        let sql = "UPDATE alerts SET firing = $1, severity = $2, count = count + 1, last_seen = $3 \
                   WHERE fingerprint = $4";
        run!(conn, sql, firing, word(&gravest), at, accept.fingerprint.as_str());
        return Ok(());
    }
    let sql = "INSERT INTO alerts (fingerprint, incident, firing, severity, count, first_seen, last_seen) \
               VALUES ($1, $2, $3, $4, 1, $5, $5) ON CONFLICT (fingerprint) DO UPDATE SET \
               incident = excluded.incident, firing = excluded.firing, severity = excluded.severity, count = 1, \
               first_seen = excluded.first_seen, last_seen = excluded.last_seen";
    run!(conn, sql, accept.fingerprint.as_str(), incident.id.as_str(), firing, word(&gravest), at,);
    Ok(())
}

async fn keep(conn: &mut Conn, accept: &Accept, receipt: &Receipt, body: String) -> Result<()> {
    let signal = &accept.signal;
    let answer = signal.delivery_id.as_ref().map(|_| serde_json::to_string(receipt)).transpose()?;
    let sql = "INSERT INTO signals (n, id, source, delivery_id, fingerprint, incident, decision, raw_sha256, \
               received_at, body, answer) \
               VALUES ((SELECT COALESCE(MAX(n), 0) + 1 FROM signals), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    run!(
        conn,
        sql,
        signal.id.as_str(),
        &signal.source,
        &signal.delivery_id,
        accept.fingerprint.as_str(),
        receipt.incident.as_ref().map(|incident| incident.id.as_str()),
        decision(&receipt.triage),
        hex(&accept.raw_sha256),
        signal.received_at.0,
        body,
        answer,
    );
    if let Some(delivery) = &signal.delivery_id {
        // One left over from a signal that is no longer kept gives way.
        let sql = "INSERT INTO deliveries (source, delivery_id, n, received_at) \
                   VALUES ($1, $2, (SELECT MAX(n) FROM signals), $3) ON CONFLICT (source, delivery_id) \
                   DO UPDATE SET n = excluded.n, received_at = excluded.received_at";
        run!(conn, sql, &signal.source, delivery, signal.received_at.0);
    }
    Ok(())
}

fn decision(triage: &Triage) -> &'static str {
    match triage {
        Triage::Open => "open",
        Triage::Repeat { .. } => "repeat",
        Triage::Join { .. } => "join",
        Triage::Reopen { .. } => "reopen",
        Triage::Resolve { .. } => "resolve",
        Triage::Ignore => "ignore",
    }
}
