//! Taking a signal in: signal, triage, incident, journal entry and wake-up are one transaction, and the answer comes
//! after its commit.

mod batch;

use super::db::{Conn, run};
use super::error::{Result, StoreError};
use super::journal::{self, Head};
use super::outbox::Destination;
use super::writer::savepoint;
use super::{Store, word};
use batch::{Batch, Known};
use sentinell_core::ids::{Fingerprint, IncidentId};
use sentinell_core::incident::Incident;
use sentinell_core::investigation::Input;
use sentinell_core::policy::{Budget, Policy};
use sentinell_core::signal::{Severity, Signal, SignalState};
use sentinell_core::triage::{Triage, triage};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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

/// Where notices go, shared with the writer.
type Told = Arc<[Destination]>;

/// A signal on its way to the writer.
pub(super) struct Arrival {
    accept: Accept,
    /// The signal as JSON.
    body: String,
    /// Where notices go.
    told: Told,
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
        self.writer.take_in(Arrival { accept, body, told }).await
    }
}

/// Takes in a whole group, one after the other as far as anybody can tell, in a few statements. A refusal of one does not
/// concern the others.
///
/// # Errors
/// What spoils the whole group.
pub(super) async fn take_all(conn: &mut Conn, arrivals: Vec<Arrival>) -> Result<Vec<Result<Receipt>>> {
    let mut batch = Batch::read(conn, arrivals.iter().map(|arrival| &arrival.accept)).await?;
    let mut receipts = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        let taken = take_in(conn, &mut batch, arrival).await;
        match taken {
            Err(error) if error.spoils_group() => return Err(error),
            taken => receipts.push(taken),
        }
    }
    batch.flush(conn).await.map_err(StoreError::spoiled)?;
    Ok(receipts)
}

async fn take_in(conn: &mut Conn, batch: &mut Batch, Arrival { accept, body, told }: Arrival) -> Result<Receipt> {
    if let Some(first) = batch.answered(&accept.signal)? {
        return Ok(first);
    }
    let triage = triage(&accept.signal, batch.known(&accept.fingerprint).map(|known| &known.alert));
    let incident = match &triage {
        Triage::Ignore => None,
        Triage::Open => Some(batch.open(&accept, &told)?),
        Triage::Repeat { incident } => {
            let shown = batch.known(&accept.fingerprint).map(Known::incident).transpose()?;
            batch.count(&accept, incident);
            shown
        }
        Triage::Join { incident, why } => {
            Some(say(conn, batch, incident, &accept, Said::Joined(why.clone()), told).await?)
        }
        Triage::Reopen { incident } => Some(say(conn, batch, incident, &accept, Said::Returned, told).await?),
        Triage::Resolve { incident } => Some(say(conn, batch, incident, &accept, Said::Over, told).await?),
    };
    let receipt = Receipt { incident, triage, duplicate: false };
    batch.keep(accept, body, &receipt).map_err(StoreError::spoiled)?;
    Ok(receipt)
}

/// Tells an investigation something. What was collected is written first, so that it is told on top of that; and what is
/// known is read again, since the others of the group meet the incident as it is afterwards.
async fn say(
    conn: &mut Conn,
    batch: &mut Batch,
    incident: &IncidentId,
    accept: &Accept,
    said: Said,
    destinations: Told,
) -> Result<Incident> {
    batch.flush(conn).await.map_err(StoreError::spoiled)?;
    let (id, told) = (incident.clone(), accept.clone());
    let gravest = batch.known(&accept.fingerprint).map(|known| known.alert.severity);
    let shown = savepoint(conn, move |conn| {
        Box::pin(async move {
            let incident = tell(conn, &id, &told, said, &destinations).await?;
            count(conn, &told, gravest).await?;
            Ok(incident)
        })
    })
    .await?;
    batch.refresh(conn, &accept.fingerprint).await.map_err(StoreError::spoiled)?;
    Ok(shown)
}

/// What a signal tells an investigation that is already there.
enum Said {
    Joined(String),
    Returned,
    Over,
}

async fn tell(conn: &mut Conn, id: &IncidentId, accept: &Accept, said: Said, told: &[Destination]) -> Result<Incident> {
    let (signal, fingerprint) = (Box::new(accept.signal.clone()), accept.fingerprint.clone());
    let at = accept.signal.received_at;
    let input = match said {
        Said::Joined(why) => Input::AlertJoined { signal, fingerprint, why },
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

/// Counts on its alert a signal that told an investigation something.
async fn count(conn: &mut Conn, accept: &Accept, known: Option<Severity>) -> Result<()> {
    let (signal, at) = (&accept.signal, accept.signal.received_at.0);
    let firing = signal.state == SignalState::Firing;
    let gravest = known.map_or(signal.severity, |known| known.max(signal.severity));
    let sql = "UPDATE alerts SET firing = $1, severity = $2, count = count + 1, last_seen = $3 WHERE fingerprint = $4";
    run!(conn, sql, firing, word(&gravest), at, accept.fingerprint.as_str());
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

#[cfg(test)]
mod tests {
    use super::Accept;
    use crate::store::tests::{House, firing};
    use futures::future::join_all;
    use sentinell_core::signal::{Severity, SignalState};

    fn delivered(rule: &str, n: usize, delivery: &str) -> Accept {
        let mut accept = firing(rule, n, 1000 + n as i64);
        accept.signal.delivery_id = Some(delivery.into());
        accept
    }

    /// One alert's whole life, with others in between.
    fn life() -> Vec<Accept> {
        let over = |rule: &str, n| {
            let mut accept = firing(rule, n, 1000 + n as i64);
            accept.signal.state = SignalState::Resolved;
            accept
        };
        let mut worse = delivered("lamp", 4, "d-4");
        worse.signal.severity = Severity::Critical;
        vec![
            delivered("lamp", 1, "d-1"),
            delivered("lamp", 1, "d-1"),
            firing("horn", 2, 1002),
            firing("lamp", 3, 1003),
            worse,
            firing("horn", 5, 1005),
            over("lamp", 6),
            over("unheard", 7),
            firing("lamp", 8, 1008),
            delivered("lamp", 4, "d-4"),
            firing("lamp", 9, 1009),
        ]
    }

    /// What everybody was answered, and what is stored.
    async fn told(house: &House, one_by_one: bool) -> Vec<String> {
        let mut receipts = vec![];
        if one_by_one {
            for accept in life() {
                receipts.push(house.store.accept(accept).await.unwrap());
            }
        } else {
            let all = join_all(life().into_iter().map(|accept| house.store.accept(accept))).await;
            receipts.extend(all.into_iter().map(Result::unwrap));
        }
        let mut told: Vec<String> = receipts.iter().map(|receipt| format!("{receipt:?}")).collect();
        for entry in house.store.entries_after(0, None, 100).await.unwrap() {
            told.push(format!("{} {} {}", entry.position, entry.entry.event.name(), entry.hash));
        }
        for id in ["i-lamp-1-1001", "i-horn-2-1002"] {
            told.push(format!("{:?}", house.store.alerts_of(&id.into()).await.unwrap()));
        }
        let signals = house.store.signals(None, 100).await.unwrap();
        told.extend(signals.iter().map(|taken| format!("{} {} {}", taken.n, taken.signal.id, taken.decision)));
        told
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_group_of_signals_ends_as_if_each_had_come_alone() {
        let (alone, together) = (House::new().await, House::new().await);
        assert_eq!(told(&alone, true).await, told(&together, false).await);
    }
}
