//! Notices on their way out: one row for each destination that wants one, written by the transaction that grows the
//! journal, delivered under a lease by whichever worker comes first, at least once.

use super::db::{Conn, Sql, db, on, run};
use super::error::{Result, StoreError};
use super::{Store, from_db, to_db};
use sentinell_core::ids::IncidentId;
use sentinell_core::notice::{Delivery, Notice, Wanted};
use sentinell_core::time::Timestamp;
use serde::Serialize;

/// How long a delivered notice is remembered, milliseconds: a week. Dead ones stay until somebody decides.
const REMEMBERED: i64 = 7 * 24 * 60 * 60 * 1000;
/// Rows that one sweep forgets at most.
const SWEPT: i64 = 500;
/// Characters of what a receiver said that are kept.
const SAID: usize = 500;

/// Where notices go, and which.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// Which notices it wants.
    pub wanted: Wanted,
}

/// The right to deliver one notice to one destination for a while.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The row.
    pub n: u64,
    /// What to tell.
    pub notice: Notice,
    /// Which attempt this is, from 1.
    pub attempts: u32,
    /// Since when it waits.
    pub made_at: Timestamp,
    token: String,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It arrived.
    Arrived,
    /// It did not; what follows, and how long its destination wants nothing at all.
    Failed {
        /// What was said or seen.
        why: String,
        /// Whether nobody was there, rather than somebody who refused.
        away: bool,
        /// What becomes of this notice.
        then: Delivery,
        /// Nothing is sent to the destination before then.
        hold: Option<Timestamp>,
    },
    /// The destination wants nothing any more: it is closed until a person opens it again.
    Closed {
        /// What it said.
        why: String,
    },
}

/// One row of the outbox, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number; rows made later have greater ones.
    pub n: u64,
    /// The notice's id, by which a receiver recognises it.
    pub notice: String,
    /// Where it goes.
    pub destination: String,
    /// Which incident it is about.
    pub incident: IncidentId,
    /// What it is about (`escalated`).
    pub kind: String,
    /// waiting, sent or dead.
    pub state: String,
    /// Attempts so far.
    pub attempts: u64,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it is tried next, while it waits.
    pub due_at: Timestamp,
    /// When it arrived or was given up.
    pub ended_at: Option<Timestamp>,
    /// What the last attempt brought.
    pub said: Option<String>,
}

/// The outbox of one destination, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OutboxCount {
    /// Which destination.
    pub destination: String,
    /// Notices that wait.
    pub waiting: u64,
    /// Notices that were given up.
    pub dead: u64,
    /// When the oldest waiting one was made.
    pub oldest: Option<Timestamp>,
    /// When the destination said that it wants nothing any more.
    pub closed_at: Option<Timestamp>,
}

/// A letter not yet in the box: made outside the writer.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    destination: String,
    notice: String,
    kind: &'static str,
    body: String,
}

/// One envelope for each destination that wants the notice.
pub(super) fn envelopes(
    destinations: &[Destination],
    notice: impl FnOnce() -> Option<Notice>,
) -> Result<Vec<Envelope>> {
    if destinations.is_empty() {
        return Ok(vec![]);
    }
    let Some(notice) = notice() else { return Ok(vec![]) };
    let mut made = Vec::new();
    for destination in destinations.iter().filter(|destination| destination.wanted.wants(&notice)) {
        let body = serde_json::to_string(&notice)?;
        let (destination, id) = (destination.name.clone(), notice.id.clone());
        made.push(Envelope { destination, notice: id, kind: notice.kind.word(), body });
    }
    Ok(made)
}

/// Puts envelopes into the box, in the transaction that writes what they tell of.
pub(super) async fn post(conn: &mut Conn, incident: &IncidentId, at: Timestamp, letters: &[Envelope]) -> Result<()> {
    let sql = "INSERT INTO outbox (notice, destination, incident, kind, state, made_at, due_at, body) \
               VALUES ($1, $2, $3, $4, 'waiting', $5, $5, $6)";
    for letter in letters {
        run!(conn, sql, &letter.notice, &letter.destination, incident.as_str(), letter.kind, at.0, &letter.body);
    }
    Ok(())
}

/// Whether anything could be taken. Only the first waiting notice of an incident goes, so that a receiver learns of the
/// end after the beginning; another incident's does not wait for it.
const DUE: &str = "SELECT 1 FROM outbox o WHERE o.destination = $1 AND o.state = 'waiting' AND o.due_at <= $2 \
     AND (o.lease_until IS NULL OR o.lease_until <= $2) \
     AND NOT EXISTS (SELECT 1 FROM destinations d WHERE d.name = o.destination \
                     AND (d.closed_at IS NOT NULL OR d.held_until > $2)) \
     AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.destination = o.destination AND e.incident = o.incident \
                     AND e.state = 'waiting' AND e.n < o.n) LIMIT 1";

const TAKE: Sql = Sql {
    sqlite: "UPDATE outbox SET token = $3, lease_until = $4, attempts = attempts + 1 WHERE n = (\
             SELECT o.n FROM outbox o WHERE o.destination = $1 AND o.state = 'waiting' AND o.due_at <= $2 \
             AND (o.lease_until IS NULL OR o.lease_until <= $2) \
             AND NOT EXISTS (SELECT 1 FROM destinations d WHERE d.name = o.destination \
                             AND (d.closed_at IS NOT NULL OR d.held_until > $2)) \
             AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.destination = o.destination AND e.incident = o.incident \
                             AND e.state = 'waiting' AND e.n < o.n) \
             ORDER BY o.due_at, o.n LIMIT 1) RETURNING n, body, attempts, made_at",
    postgres: "UPDATE outbox SET token = $3, lease_until = $4, attempts = attempts + 1 WHERE n = (\
               SELECT o.n FROM outbox o WHERE o.destination = $1 AND o.state = 'waiting' AND o.due_at <= $2 \
               AND (o.lease_until IS NULL OR o.lease_until <= $2) \
               AND NOT EXISTS (SELECT 1 FROM destinations d WHERE d.name = o.destination \
                               AND (d.closed_at IS NOT NULL OR d.held_until > $2)) \
               AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.destination = o.destination \
                               AND e.incident = o.incident AND e.state = 'waiting' AND e.n < o.n) \
               ORDER BY o.due_at, o.n LIMIT 1 FOR UPDATE OF o SKIP LOCKED) RETURNING n, body, attempts, made_at",
};

impl Store {
    /// Takes the notice that this destination waits for longest, for `lease_ms` milliseconds. None if nothing is due, or
    /// the destination wants nothing now.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub async fn take_letter(&self, destination: &str, now: Timestamp, lease_ms: u64) -> Result<Option<Letter>> {
        // Looking first keeps an idle worker from writing.
        let due: Option<i32> = db!(self.db, pool => {
            sqlx::query_scalar(DUE).bind(destination).bind(now.0).fetch_optional(pool).await?
        });
        if due.is_none() {
            return Ok(None);
        }
        let destination = destination.to_owned();
        self.aside(move |conn| Box::pin(take(conn, destination, now, lease_ms))).await
    }

    /// Writes down how an attempt ended. Too late (another worker has it now) changes nothing of the notice.
    ///
    /// # Errors
    /// If the database cannot be written: the notice is then sent once more when its lease has lapsed.
    pub async fn end_letter(&self, letter: &Letter, destination: &str, ended: Attempt, now: Timestamp) -> Result<()> {
        let (letter, destination) = (letter.clone(), destination.to_owned());
        self.writer.write(move |conn| Box::pin(end(conn, letter, destination, ended, now))).await
    }

    /// Gives up what has waited since before `oldest`, whatever it waits for (a closed destination, one that is not
    /// configured any more), and forgets what was delivered a week ago. Answers how many were given up.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn sweep_outbox(&self, oldest: Timestamp, now: Timestamp) -> Result<u64> {
        self.aside(move |conn| {
            Box::pin(async move {
                let sql = "UPDATE outbox SET state = 'dead', ended_at = $1, said = COALESCE(said, 'never tried') \
                           WHERE state = 'waiting' AND made_at < $2 AND (lease_until IS NULL OR lease_until <= $1)";
                let dead = run!(conn, sql, now.0, oldest.0);
                let sql = "DELETE FROM outbox WHERE n IN (SELECT n FROM outbox \
                           WHERE state = 'sent' AND ended_at < $1 ORDER BY n LIMIT $2)";
                run!(conn, sql, now.0 - REMEMBERED, SWEPT);
                Ok(dead)
            })
        })
        .await
    }

    /// At most `limit` rows in this state (none: in any), newest first, before row `before`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn outbox(&self, state: Option<&str>, before: Option<u64>, limit: u32) -> Result<Vec<OutboxRow>> {
        let sql = "SELECT n, notice, destination, incident, kind, state, attempts, made_at, due_at, ended_at, said \
                   FROM outbox WHERE n < $1 AND (state = $2 OR $2 = '') ORDER BY n DESC LIMIT $3";
        let before = before.map_or(i64::MAX, to_db);
        let rows: Vec<Row> = db!(self.db, pool => {
            sqlx::query_as(sql).bind(before).bind(state.unwrap_or("")).bind(i64::from(limit)).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(row).collect())
    }

    /// Sends a dead notice once more, with as many attempts as a new one, and opens its destination if that was closed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown row, [`StoreError::Conflict`] for one that is not dead.
    pub async fn retry_letter(&self, n: u64, now: Timestamp) -> Result<OutboxRow> {
        self.writer.write(move |conn| Box::pin(retry(conn, to_db(n), now))).await
    }

    /// Counts what waits and what was given up, by destination.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn outbox_counts(&self) -> Result<Vec<OutboxCount>> {
        let sql = "SELECT destination, CAST(SUM(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END) AS BIGINT), \
                   CAST(SUM(CASE WHEN state = 'dead' THEN 1 ELSE 0 END) AS BIGINT), \
                   MIN(CASE WHEN state = 'waiting' THEN made_at END) \
                   FROM outbox WHERE state <> 'sent' GROUP BY destination ORDER BY destination LIMIT 1000";
        let rows: Vec<(String, i64, i64, Option<i64>)> =
            db!(self.db, pool => sqlx::query_as(sql).fetch_all(pool).await?);
        let sql = "SELECT name, closed_at FROM destinations WHERE closed_at IS NOT NULL ORDER BY name LIMIT 1000";
        let closed: Vec<(String, i64)> = db!(self.db, pool => sqlx::query_as(sql).fetch_all(pool).await?);
        let mut counts: Vec<OutboxCount> = rows
            .into_iter()
            .map(|(destination, waiting, dead, oldest)| OutboxCount {
                destination,
                waiting: from_db(waiting),
                dead: from_db(dead),
                oldest: oldest.map(Timestamp),
                closed_at: None,
            })
            .collect();
        for (name, at) in closed {
            match counts.iter_mut().find(|count| count.destination == name) {
                Some(count) => count.closed_at = Some(Timestamp(at)),
                None => {
                    counts.push(OutboxCount { destination: name, closed_at: Some(Timestamp(at)), ..Default::default() })
                }
            }
        }
        Ok(counts)
    }
}

type Row = (i64, String, String, String, String, String, i64, i64, i64, Option<i64>, Option<String>);

fn row((n, notice, destination, incident, kind, state, attempts, made_at, due_at, ended_at, said): Row) -> OutboxRow {
    OutboxRow {
        n: from_db(n),
        notice,
        destination,
        incident: IncidentId(incident),
        kind,
        state,
        attempts: from_db(attempts),
        made_at: Timestamp(made_at),
        due_at: Timestamp(due_at),
        ended_at: ended_at.map(Timestamp),
        said,
    }
}

async fn take(conn: &mut Conn, destination: String, now: Timestamp, lease_ms: u64) -> Result<Option<Letter>> {
    let token = uuid::Uuid::now_v7().to_string();
    let until = now.plus_millis(to_db(lease_ms));
    let sql = conn.text(&TAKE);
    let taken: Option<(i64, String, i64, i64)> = on!(conn, c => {
        sqlx::query_as(sql).bind(&destination).bind(now.0).bind(&token).bind(until.0).fetch_optional(c).await?
    });
    let Some((n, body, attempts, made_at)) = taken else { return Ok(None) };
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    let notice = serde_json::from_str(&body)?;
    Ok(Some(Letter { n: from_db(n), notice, attempts, made_at: Timestamp(made_at), token }))
}

async fn end(conn: &mut Conn, letter: Letter, destination: String, ended: Attempt, now: Timestamp) -> Result<()> {
    let (state, due, said) = match &ended {
        Attempt::Arrived => ("sent", now, "arrived".to_owned()),
        Attempt::Failed { why, then: Delivery::Again(at), .. } => ("waiting", *at, short(why)),
        Attempt::Failed { why, then: Delivery::Dead, .. } | Attempt::Closed { why } => ("dead", now, short(why)),
    };
    let (over, away) = ((state != "waiting").then_some(now.0), matches!(ended, Attempt::Failed { away: true, .. }));
    let sql = "UPDATE outbox SET state = $1, due_at = $2, ended_at = $3, said = $4, away = $5, token = NULL, \
               lease_until = NULL WHERE n = $6 AND token = $7";
    run!(conn, sql, state, due.0, over, &said, away, to_db(letter.n), &letter.token);
    match ended {
        // It is there again: what met nobody does not have to wait any longer. A pause it asked for stays.
        Attempt::Arrived => {
            let sql = "UPDATE outbox SET due_at = $1 \
                       WHERE destination = $2 AND state = 'waiting' AND due_at > $1 AND away";
            run!(conn, sql, now.0, &destination);
        }
        Attempt::Failed { hold: Some(until), .. } => {
            let sql = "INSERT INTO destinations (name, held_until, why) VALUES ($1, $2, $3) \
                       ON CONFLICT (name) DO UPDATE SET why = excluded.why, held_until = \
                       CASE WHEN destinations.held_until > excluded.held_until THEN destinations.held_until \
                       ELSE excluded.held_until END";
            run!(conn, sql, &destination, until.0, &said);
        }
        Attempt::Failed { hold: None, .. } => {}
        Attempt::Closed { .. } => {
            let sql = "INSERT INTO destinations (name, closed_at, why) VALUES ($1, $2, $3) \
                       ON CONFLICT (name) DO UPDATE SET closed_at = excluded.closed_at, why = excluded.why";
            run!(conn, sql, &destination, now.0, &said);
        }
    }
    Ok(())
}

async fn retry(conn: &mut Conn, n: i64, now: Timestamp) -> Result<OutboxRow> {
    // Its age counts from now on: a person has looked at it.
    let sql = "UPDATE outbox SET state = 'waiting', due_at = $1, made_at = $1, attempts = 0, ended_at = NULL \
               WHERE n = $2 AND state = 'dead'";
    let met = run!(conn, sql, now.0, n);
    let sql = "SELECT n, notice, destination, incident, kind, state, attempts, made_at, due_at, ended_at, said \
               FROM outbox WHERE n = $1";
    let found: Option<Row> = on!(conn, c => sqlx::query_as(sql).bind(n).fetch_optional(c).await?);
    let found = row(found.ok_or_else(|| StoreError::NotFound(format!("notice {n} in the outbox")))?);
    if met == 0 {
        return Err(StoreError::Conflict(format!("notice {n} is not dead but {}", found.state)));
    }
    run!(conn, "DELETE FROM destinations WHERE name = $1", &found.destination);
    Ok(found)
}

fn short(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(SAID).collect()
}
