//! Taking a signal in: signal, triage, incident, journal entry and wake-up are one transaction, and the answer comes
//! after its commit.

mod batch;

use super::db::{Conn, run};
use super::error::{Result, StoreError};
use super::journal::{self, Head};
use super::outbox::Destination;
use super::silences::{Hush, Quiet};
use super::topology::Beside;
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
    /// What is not to be woken by.
    quiet: Arc<Quiet>,
    /// Who calls whom.
    beside: Arc<Beside>,
}

impl Store {
    /// Takes a signal in. The same `(source, delivery_id)` again changes nothing and answers as the first time.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if too many are waiting,
    /// [`StoreError::Unavailable`] if the disk does not take it: nothing was kept.
    pub async fn accept(&self, accept: Accept) -> Result<Receipt> {
        let body = serde_json::to_string(&accept.signal)?;
        let (told, quiet, beside) = (Arc::clone(&self.destinations), Arc::clone(&self.quiet), Arc::clone(&self.beside));
        self.writer.take_in(Arrival { accept, body, told, quiet, beside }).await
    }
}

/// Takes in a whole group, one after the other as far as anybody can tell, in a few statements. A refusal of one does not
/// concern the others.
///
/// # Errors
/// What spoils the whole group.
pub(super) async fn take_all(conn: &mut Conn, arrivals: Vec<Arrival>) -> Result<Vec<Result<Receipt>>> {
    let Some(beside) = arrivals.first().map(|arrival| Arc::clone(&arrival.beside)) else { return Ok(vec![]) };
    let mut batch = Batch::read(conn, &beside, arrivals.iter().map(|arrival| &arrival.accept)).await?;
    let quiet = arrivals.first().map(|arrival| Arc::clone(&arrival.quiet));
    let hush = Hush::read(conn, quiet, arrivals.iter().map(|arrival| &arrival.accept)).await?;
    let mut receipts = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        let taken = take_in(conn, &mut batch, &hush, arrival).await;
        match taken {
            Err(error) if error.spoils_group() => return Err(error),
            taken => receipts.push(taken),
        }
    }
    batch.flush(conn).await.map_err(StoreError::spoiled)?;
    Ok(receipts)
}

async fn take_in(conn: &mut Conn, batch: &mut Batch, hush: &Hush, arrival: Arrival) -> Result<Receipt> {
    let Arrival { accept, body, told, .. } = arrival;
    if let Some(first) = batch.answered(&accept.signal)? {
        return Ok(first);
    }
    let kin = batch.kin(&accept);
    let triage = triage(&accept.signal, batch.known(&accept.fingerprint).map(|known| &known.alert), &kin);
    let triage = triage.under(hush.by(&accept));
    let incident = match &triage {
        Triage::Ignore | Triage::Silenced { .. } => None,
        Triage::Open => Some(batch.open(&accept, &told)?),
        Triage::Gather { incident, why } => Some(match batch.gather(&accept, incident)? {
            Some(shown) => shown,
            None => say(conn, batch, incident, &accept, Said::Joined(why.clone()), told).await?,
        }),
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
    let same = batch.known(&accept.fingerprint).filter(|known| known.alert.incident == *incident);
    let gravest = same.map(|known| known.alert.severity);
    let shown = savepoint(conn, move |conn| {
        Box::pin(async move {
            let incident = tell(conn, &id, &told, said, &destinations).await?;
            count(conn, &id, &told, gravest).await?;
            Ok(incident)
        })
    })
    .await?;
    batch.refresh(conn, &accept.fingerprint).await.map_err(StoreError::spoiled)?;
    batch.show(&shown);
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
        return Ok(Incident::of(&case));
    }
    let (after, drafts) = journal::draft(&case, events, at, told)?;
    journal::grow(conn, &head, case.seq, &after, &drafts).await?;
    Ok(Incident::of(&after))
}

/// Counts on its alert a signal that told an investigation something.
async fn count(conn: &mut Conn, incident: &IncidentId, accept: &Accept, known: Option<Severity>) -> Result<()> {
    let (signal, at) = (&accept.signal, accept.signal.received_at.0);
    let firing = signal.state == SignalState::Firing;
    let gravest = known.map_or(signal.severity, |known| known.max(signal.severity));
    let sql = "INSERT INTO alerts (fingerprint, incident, firing, severity, count, first_seen, last_seen) \
               VALUES ($1, $2, $3, $4, 1, $5, $6) ON CONFLICT (fingerprint) DO UPDATE SET \
               incident = excluded.incident, firing = excluded.firing, severity = excluded.severity, \
               count = CASE WHEN alerts.incident = excluded.incident THEN alerts.count + 1 ELSE 1 END, first_seen = \
               CASE WHEN alerts.incident = excluded.incident THEN alerts.first_seen ELSE excluded.first_seen END, \
               last_seen = excluded.last_seen";
    run!(conn, sql, accept.fingerprint.as_str(), incident.as_str(), firing, word(&gravest), at, at);
    Ok(())
}

fn decision(triage: &Triage) -> &'static str {
    match triage {
        Triage::Open => "open",
        Triage::Gather { .. } => "gather",
        Triage::Repeat { .. } => "repeat",
        Triage::Join { .. } => "join",
        Triage::Reopen { .. } => "reopen",
        Triage::Resolve { .. } => "resolve",
        Triage::Ignore => "ignore",
        Triage::Silenced { .. } => "silenced",
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
        let at_harbour = |rule: &str, n| {
            let mut accept = firing(rule, n, 1000 + n as i64);
            accept.signal.labels.insert("service".into(), "harbour".into());
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
            at_harbour("gull", 10),
            at_harbour("tern", 11),
            at_harbour("tern", 12),
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
    async fn a_storm_of_one_outage_is_one_incident_that_is_told_of_a_few() {
        let house = House::new().await;
        let alert = |n: usize| {
            let mut accept = firing(&format!("instance-{n}"), n, 1000 + n as i64);
            accept.signal.labels = [("alertname".to_owned(), "Unreachable".to_owned())].into();
            accept
        };
        let all = join_all((0..300).map(|n| house.store.accept(alert(n)))).await;
        let incidents: std::collections::BTreeSet<_> =
            all.into_iter().map(|receipt| receipt.unwrap().incident.unwrap().id).collect();
        assert_eq!(incidents.len(), 1);
        let id = incidents.first().unwrap();
        assert_eq!(house.store.signals(None, 1000).await.unwrap().len(), 300);
        assert_eq!(house.store.alerts_of(id).await.unwrap().len(), 300);
        let told = house.store.entries_after(0, None, 1000).await.unwrap().len();
        assert!((10..=30).contains(&told), "the investigation was told {told} things");
        assert_eq!(house.store.verify_chain(id).await.unwrap().broken_at, None);
        // The same again is counted; half an hour later it is another outage.
        let mut again = alert(299);
        again.signal.id = "once-more".into();
        let again = house.store.accept(again).await.unwrap();
        assert_eq!(again.incident.unwrap().id, *id);
        let mut later = alert(300);
        later.signal.received_at = sentinell_core::time::Timestamp(1_800_000);
        assert_ne!(house.store.accept(later).await.unwrap().incident.unwrap().id, *id);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_group_of_signals_ends_as_if_each_had_come_alone() {
        let (alone, together) = (House::new().await, House::new().await);
        assert_eq!(told(&alone, true).await, told(&together, false).await);
    }
}
