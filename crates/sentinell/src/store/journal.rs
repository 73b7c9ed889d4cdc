//! Journals: appended to with an expected place, read in order, folded into investigations.

mod growth;

use super::bulk::slices;
use super::chain;
use super::db::{Conn, db, on, run};
use super::deeds::{Basis, Deed};
use super::error::{Result, StoreError};
use super::incidents::{self, Changing};
use super::observations::Raw;
use super::outbox::{self, Destination, Envelope};
use super::queue::{self, Lease};
use super::{Store, from_db, to_db, word};
use chrono::DateTime;
use sentinell_core::ids::IncidentId;
use sentinell_core::investigation::{Entry, Event, Investigation, Usage};
use sentinell_core::notice::{Before, Notice};
use sentinell_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) use growth::{Growth, grow_all};

/// An entry in its place among all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Over all journals, in commit order, from 1 without gaps: what streams resume by.
    pub position: u64,
    /// The entry.
    #[serde(flatten)]
    pub entry: Entry,
    /// Its link of the incident's hash chain.
    pub hash: String,
}

/// An event made ready for the journal outside the writer.
pub(super) struct Draft {
    pub(super) seq: u64,
    pub(super) at: Timestamp,
    pub(super) event: Event,
    json: String,
    canonical: Vec<u8>,
    /// What it makes known outside.
    letters: Vec<Envelope>,
    /// What it says about deeds, for the limits.
    deed: Option<Deed>,
}

impl Draft {
    pub(super) fn new(incident: &IncidentId, seq: u64, at: Timestamp, event: Event) -> Result<Self> {
        let json = serde_json::to_string(&event)?;
        let canonical = chain::canonical(incident, seq, at, &event)?;
        Ok(Self { seq, at, event, json, canonical, letters: vec![], deed: None })
    }

    /// The same, with what it makes known to these destinations.
    pub(super) fn told(self, destinations: &[Destination], notice: impl FnOnce() -> Option<Notice>) -> Result<Self> {
        let letters = outbox::envelopes(destinations, notice)?;
        Ok(Self { letters, ..self })
    }

    /// The hash of this entry, had it `previous` before it.
    pub(super) fn hash_after(&self, previous: &str) -> String {
        chain::link(previous, &self.canonical)
    }
}

/// Folds `events` on a copy: the state after, and the entries to append.
pub(super) fn draft(
    case: &Investigation,
    events: Vec<Event>,
    at: Timestamp,
    destinations: &[Destination],
) -> Result<(Investigation, Vec<Draft>)> {
    let mut after = case.clone();
    let mut drafts = Vec::with_capacity(events.len());
    for event in events {
        let before = Before::of(&after);
        after.fold(at, &event)?;
        let notice = || before.notice(&after, &event);
        let letters = outbox::envelopes(destinations, notice)?;
        let deed = Deed::of(&after, &event);
        drafts.push(Draft { letters, deed, ..Draft::new(&case.id, after.seq, at, event)? });
    }
    Ok((after, drafts))
}

type Row = (i64, String, i64, i64, String, String);

fn stored((position, incident, seq, at, event, hash): Row) -> Result<Stored> {
    let unreadable = |error| StoreError::Defect(format!("entry {position} of the journal: {error}"));
    let event = serde_json::from_str(&event).map_err(unreadable)?;
    let entry = Entry { incident: IncidentId(incident), seq: from_db(seq), at: Timestamp(at), event };
    Ok(Stored { position: from_db(position), entry, hash })
}

fn fold(rows: Vec<Row>) -> Result<Option<Investigation>> {
    let entries = rows.into_iter().map(stored).collect::<Result<Vec<_>>>()?;
    if entries.is_empty() {
        return Ok(None);
    }
    Ok(Some(Investigation::replay(entries.iter().map(|stored| &stored.entry))?))
}

const WHOLE: &str = "SELECT position, incident, seq, at, event, hash FROM entries WHERE incident = $1 ORDER BY seq";
const OF_ONE: &str = "SELECT position, incident, seq, at, event, hash FROM entries \
     WHERE incident = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const AFTER: &str = "SELECT position, incident, seq, at, event, hash FROM entries \
     WHERE position > $1 ORDER BY position LIMIT $2";
const AFTER_OF_ONE: &str = "SELECT position, incident, seq, at, event, hash FROM entries \
     WHERE incident = $1 AND position > $2 ORDER BY seq LIMIT $3";

impl Store {
    /// The investigation as its journal tells it; none if there is no such incident.
    ///
    /// # Errors
    /// [`StoreError::Defect`] or [`StoreError::Illegal`] for a journal that cannot be folded.
    pub async fn load(&self, incident: &IncidentId) -> Result<Option<Investigation>> {
        fold(db!(self.db, pool => sqlx::query_as(WHOLE).bind(incident.as_str()).fetch_all(pool).await?))
    }

    /// At most `limit` entries of one journal after `after_seq`, in order.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn journal(&self, incident: &IncidentId, after_seq: u64, limit: u32) -> Result<Vec<Stored>> {
        let rows: Vec<Row> = db!(self.db, pool => {
            sqlx::query_as(OF_ONE).bind(incident.as_str()).bind(to_db(after_seq)).bind(i64::from(limit)).fetch_all(pool).await?
        });
        rows.into_iter().map(stored).collect()
    }

    /// At most `limit` entries of all journals (or of one) after `position`, in order.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn entries_after(&self, position: u64, incident: Option<&IncidentId>, limit: u32) -> Result<Vec<Stored>> {
        let after = to_db(position);
        let rows: Vec<Row> = match incident {
            None => {
                db!(self.db, pool => sqlx::query_as(AFTER).bind(after).bind(i64::from(limit)).fetch_all(pool).await?)
            }
            Some(id) => db!(self.db, pool => {
                sqlx::query_as(AFTER_OF_ONE).bind(id.as_str()).bind(after).bind(i64::from(limit)).fetch_all(pool).await?
            }),
        };
        rows.into_iter().map(stored).collect()
    }

    /// The newest position, of whatever process; 0 before the first entry.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn last_position(&self) -> Result<u64> {
        let sql = "SELECT COALESCE(MAX(position), 0) FROM entries";
        let position: i64 = db!(self.db, pool => sqlx::query_scalar(sql).fetch_one(pool).await?);
        Ok(from_db(position))
    }

    /// Appends `events` to the journal of `case`, the state they were decided on, and answers the state after them. The
    /// incident's row and its wake-up change in the same transaction; a held lease stays.
    ///
    /// # Errors
    /// [`StoreError::Illegal`] if an event does not fit; [`StoreError::Conflict`] if the journal has grown since;
    /// [`StoreError::LeaseLost`] if `lease` is given and somebody else holds the incident now.
    pub async fn append(
        &self,
        case: &Investigation,
        events: Vec<Event>,
        at: Timestamp,
        lease: Option<&Lease>,
    ) -> Result<Investigation> {
        self.append_read(case, events, vec![], at, lease).await
    }

    /// The same, and in the same transaction keeps the raw data that the events are drawn from.
    ///
    /// # Errors
    /// Those of [`Store::append`].
    pub async fn append_read(
        &self,
        case: &Investigation,
        events: Vec<Event>,
        raws: Vec<Arc<Raw>>,
        at: Timestamp,
        lease: Option<&Lease>,
    ) -> Result<Investigation> {
        self.append_on(case, events, raws, at, lease, None).await
    }

    /// Appends an intent, as long as what it was judged by still holds.
    ///
    /// # Errors
    /// Those of [`Store::append`]; [`StoreError::Moved`] if the policy changed or a deed was begun since.
    pub async fn append_intent(
        &self,
        case: &Investigation,
        intent: Event,
        at: Timestamp,
        lease: Option<&Lease>,
        basis: Basis,
    ) -> Result<Investigation> {
        self.append_on(case, vec![intent], vec![], at, lease, Some(basis)).await
    }

    async fn append_on(
        &self,
        case: &Investigation,
        events: Vec<Event>,
        raws: Vec<Arc<Raw>>,
        at: Timestamp,
        lease: Option<&Lease>,
        basis: Option<Basis>,
    ) -> Result<Investigation> {
        if events.is_empty() {
            return Ok(case.clone());
        }
        let (after, drafts) = draft(case, events, at, &self.destinations)?;
        let (row, _) = Changing::of(&after)?;
        let token = lease.map(|lease| lease.token.clone());
        self.writer.grow(Growth { expected: case.seq, token, basis, after, row, drafts, raws }).await
    }
}

/// Where a journal ends, as the incident's row knows it.
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) hash: String,
    /// Of the claim that holds the incident.
    token: Option<String>,
}

impl Head {
    /// Whether the journal has as many entries as whoever appends has seen.
    fn is_at(&self, expected: u64, id: &IncidentId) -> Result<()> {
        match self.seq {
            seq if seq == expected => Ok(()),
            seq => Err(StoreError::Conflict(format!("the journal of {id} has {seq} entries, not {expected}"))),
        }
    }

    pub(super) async fn read(conn: &mut Conn, incident: &IncidentId) -> Result<Self> {
        let mut heads = growth::heads(conn, [incident].into_iter()).await?;
        heads.remove(incident).ok_or_else(|| unknown(incident))
    }
}

fn unknown(incident: &IncidentId) -> StoreError {
    StoreError::NotFound(format!("incident {incident}"))
}

/// Appends inside the writer: entries, the incident's row, its wake-up, what was spent.
pub(super) async fn grow(
    conn: &mut Conn,
    head: &Head,
    expected: u64,
    after: &Investigation,
    drafts: &[Draft],
) -> Result<()> {
    head.is_at(expected, &after.id)?;
    let (lines, newest) = lines(&after.id, &head.hash, drafts);
    write_lines(conn, &lines).await?;
    incidents::update(conn, &[(after, &Changing::of(after)?.0, &newest)]).await?;
    let at = drafts.last().map_or(after.updated_at, |draft| draft.at);
    queue::set(conn, &[(&after.id, after.wake_at(at))], at).await
}

/// An entry on its way to its row.
pub(super) struct Line<'a> {
    pub(super) incident: &'a IncidentId,
    pub(super) draft: &'a Draft,
    /// Its link of the incident's hash chain.
    pub(super) hash: String,
}

/// The lines of `drafts` behind the entry with the hash `previous`, and the newest hash.
pub(super) fn lines<'a>(incident: &'a IncidentId, previous: &str, drafts: &'a [Draft]) -> (Vec<Line<'a>>, String) {
    let mut newest = previous.to_owned();
    let line = |draft: &'a Draft| {
        newest = draft.hash_after(&newest);
        Line { incident, draft, hash: newest.clone() }
    };
    (drafts.iter().map(line).collect(), newest)
}

/// Writes entries, in this order, behind the last one of all journals.
pub(super) async fn write_lines(conn: &mut Conn, lines: &[Line<'_>]) -> Result<()> {
    let sql = "SELECT COALESCE(MAX(position), 0) FROM entries";
    let last: i64 = on!(conn, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    let rows: Vec<(i64, &Line<'_>)> = (last + 1..).zip(lines).collect();
    let sql = "INSERT INTO entries (position, incident, seq, at, node, type, event, hash) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    for slice in slices(&rows) {
        let text = conn.repeated(sql, slice.len());
        on!(conn, c => {
            let mut query = sqlx::query(text);
            for (position, Line { incident, draft, hash }) in slice {
                query = query.bind(*position).bind(incident.as_str()).bind(to_db(draft.seq)).bind(draft.at.0);
                query = query.bind(word(&draft.event.node())).bind(tag(&draft.json));
                query = query.bind(draft.json.as_str()).bind(hash.as_str());
            }
            query.execute(c).await?.rows_affected()
        });
    }
    spend(conn, lines.iter().map(|line| line.draft)).await?;
    for (position, line) in &rows {
        if let Some(deed) = &line.draft.deed {
            deed.keep(conn, *position, line.incident, line.draft.at).await?;
        }
    }
    for line in lines {
        outbox::post(conn, line.incident, line.draft.at, &line.draft.letters).await?;
    }
    Ok(())
}

/// The event's tag: serde writes it first.
fn tag(json: &str) -> &str {
    json.strip_prefix("{\"type\":\"").and_then(|rest| rest.split('"').next()).unwrap_or("unknown")
}

/// The day of a moment in UTC (`2026-11-22`).
pub(super) fn day(at: Timestamp) -> String {
    DateTime::from_timestamp_millis(at.0).unwrap_or_default().format("%Y-%m-%d").to_string()
}

/// Adds what these entries cost to the sums of their day.
async fn spend(conn: &mut Conn, drafts: impl Iterator<Item = &Draft>) -> Result<()> {
    let mut spent: BTreeMap<(String, &str), (i64, Usage)> = BTreeMap::new();
    for draft in drafts {
        let Some((by, usage)) = draft.event.paid() else { continue };
        let (turns, sum) = spent.entry((day(draft.at), by)).or_default();
        *turns += i64::from(matches!(draft.event, Event::TurnTaken { .. }));
        *sum = sum.plus(usage);
    }
    let sql = "INSERT INTO spending (day, reasoner, turns, input_tokens, output_tokens, micro_usd, \
               cache_read_tokens, cache_written_tokens) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (day, reasoner) DO UPDATE SET \
               turns = spending.turns + excluded.turns, \
               cache_read_tokens = spending.cache_read_tokens + excluded.cache_read_tokens, \
               cache_written_tokens = spending.cache_written_tokens + excluded.cache_written_tokens, \
               input_tokens = spending.input_tokens + excluded.input_tokens, \
               output_tokens = spending.output_tokens + excluded.output_tokens, \
               micro_usd = spending.micro_usd + excluded.micro_usd";
    for ((day, by), (turns, usage)) in spent {
        let (read, written) = (to_db(usage.input_tokens), to_db(usage.output_tokens));
        let (warm, warmed) = (to_db(usage.cache_read_tokens), to_db(usage.cache_written_tokens));
        run!(conn, sql, day, by, turns, read, written, to_db(usage.micro_usd), warm, warmed);
    }
    Ok(())
}

/// The investigation as the writer's own transaction sees it.
pub(super) async fn load_in(conn: &mut Conn, incident: &IncidentId) -> Result<Investigation> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(WHOLE).bind(incident.as_str()).fetch_all(c).await?);
    fold(rows)?.ok_or_else(|| StoreError::NotFound(format!("incident {incident}")))
}
