//! Silences that people make, and windows of maintenance that the configuration names.

use super::db::{Conn, Sql, db, on, run};
use super::error::{Result, StoreError};
use super::{Accept, By, Store, audit};
use sentinell_core::signal::SignalState;
use sentinell_core::silence::{Matchers, Silence, may_be_silenced};
use sentinell_core::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Silences that may hold or be to come at the same time.
pub const MOST_SILENCES: i64 = 500;

/// A time of maintenance that comes round, or comes once.
#[derive(Debug, Clone)]
pub struct Window {
    /// Its name: signals say that it silenced them.
    pub name: String,
    /// What it is about.
    pub matchers: Matchers,
    /// The days that it begins on (0 is Monday); of once: ignored.
    pub days: [bool; 7],
    /// When it begins, minutes after midnight UTC, and how long it takes; or the two moments of one that comes once.
    pub when: When,
}

/// When a window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Between two moments.
    Once(Timestamp, Timestamp),
    /// On its days: the minute after midnight UTC that it begins in, and its minutes.
    Weekly(u32, u32),
}

const DAY_MINUTES: i64 = 24 * 60;

impl Window {
    /// Whether it is open.
    pub fn is_open(&self, at: Timestamp) -> bool {
        match self.when {
            When::Once(from, until) => from <= at && at < until,
            When::Weekly(begins, minutes) => {
                let now = at.0.div_euclid(60_000);
                // One that began on a day before may last until now.
                let back = i64::from(minutes) / DAY_MINUTES + 1;
                (0..=back.min(7)).any(|back| {
                    let day = now.div_euclid(DAY_MINUTES) - back;
                    let begun = day * DAY_MINUTES + i64::from(begins);
                    // 1970 began on a Thursday.
                    let weekday = usize::try_from((day + 3).rem_euclid(7)).unwrap_or(0);
                    self.days[weekday] && begun <= now && now < begun + i64::from(minutes)
                })
            }
        }
    }
}

/// What is not to be woken by: the configuration's windows, and the silences that were read last, ready to be compared with.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    windows: Vec<Window>,
    ready: Mutex<HashMap<String, Arc<Matchers>>>,
}

/// The silences that may hold for one group of signals.
#[derive(Debug, Default)]
pub(super) struct Hush {
    quiet: Option<Arc<Quiet>>,
    silences: Vec<(Silence, Arc<Matchers>)>,
}

impl Quiet {
    pub(super) fn new(windows: Vec<Window>) -> Self {
        Self { windows, ready: Mutex::default() }
    }

    fn ready(&self, silence: &Silence) -> Option<Arc<Matchers>> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = ready.get(&silence.id) {
            return Some(known.clone());
        }
        // Those that are over are never asked for again.
        if ready.len() > 2 * usize::try_from(MOST_SILENCES).unwrap_or(0) {
            ready.clear();
        }
        let matchers = Arc::new(Matchers::new(&silence.matchers).ok()?);
        ready.insert(silence.id.clone(), matchers.clone());
        Some(matchers)
    }
}

const HOLDING: &str = "SELECT body FROM silences WHERE starts_at <= $1 AND ends_at > $2";

impl Hush {
    /// Reads what may hold while these signals came in.
    pub(super) async fn read<'a>(
        conn: &mut Conn,
        quiet: Option<Arc<Quiet>>,
        accepts: impl Iterator<Item = &'a Accept> + Clone,
    ) -> Result<Self> {
        let times = || accepts.clone().map(|accept| accept.signal.received_at.0);
        let (first, last) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
        let may = accepts.clone().any(|accept| may_be_silenced(&accept.signal));
        let (Some(quiet), true) = (quiet, may) else { return Ok(Self::default()) };
        let bodies: Vec<String> =
            on!(conn, c => sqlx::query_scalar(HOLDING).bind(last).bind(first).fetch_all(c).await?);
        let mut silences = vec![];
        for body in bodies {
            let silence: Silence = serde_json::from_str(&body)?;
            if let Some(matchers) = quiet.ready(&silence) {
                silences.push((silence, matchers));
            }
        }
        Ok(Self { quiet: Some(quiet), silences })
    }

    /// What silences a signal, if anything does.
    pub(super) fn by(&self, accept: &Accept) -> Option<String> {
        let (signal, quiet) = (&accept.signal, self.quiet.as_ref()?);
        if signal.state != SignalState::Firing || !may_be_silenced(signal) {
            return None;
        }
        let at = signal.received_at;
        let silence = self.silences.iter().find(|(silence, matchers)| silence.holds_at(at) && matchers.meet(signal));
        let window = || quiet.windows.iter().find(|window| window.is_open(at) && window.matchers.meet(signal));
        silence.map(|(silence, _)| silence.id.clone()).or_else(|| window().map(|window| window.name.clone()))
    }
}

impl Store {
    /// Keeps a new silence.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if there are too many.
    pub async fn put_silence(&self, silence: &Silence, by: By) -> Result<()> {
        let count = "SELECT COUNT(*) FROM silences WHERE ends_at > $1";
        let sql = "INSERT INTO silences (id, created_at, starts_at, ends_at, body) VALUES ($1, $2, $3, $4, $5)";
        let (silence, body, told) = (silence.clone(), serde_json::to_string(silence)?, serde_json::to_value(silence)?);
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    let held: i64 =
                        on!(conn, c => sqlx::query_scalar(count).bind(silence.created_at.0).fetch_one(c).await?);
                    if held >= MOST_SILENCES {
                        return Err(StoreError::Conflict(format!("there are {held} silences already; end some")));
                    }
                    let Silence { id, created_at, starts_at, ends_at, .. } = silence;
                    run!(conn, sql, id, created_at.0, starts_at.0, ends_at.0, body);
                    audit::note(conn, &by, "silence_made", told).await
                })
            })
            .await
    }

    /// The newest silences, those that hold or are to come at `only_after`, or all.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn silences(&self, only_after: Option<Timestamp>) -> Result<Vec<Silence>> {
        let sql = "SELECT body FROM silences WHERE ends_at > $1 ORDER BY created_at DESC, id DESC LIMIT 1000";
        let after = only_after.map_or(i64::MIN, |at| at.0);
        let bodies: Vec<String> = db!(self.db, pool => sqlx::query_scalar(sql).bind(after).fetch_all(pool).await?);
        bodies.iter().map(|body| Ok(serde_json::from_str(body)?)).collect()
    }

    /// Ends a silence now; one that is over stays as it was. The silence, or none if there is no such one.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn end_silence(&self, id: &str, by: By) -> Result<Option<Silence>> {
        const READ: Sql = Sql {
            sqlite: "SELECT body FROM silences WHERE id = $1",
            postgres: "SELECT body FROM silences WHERE id = $1 FOR UPDATE",
        };
        let sql = "UPDATE silences SET starts_at = $1, ends_at = $2, body = $3 WHERE id = $4";
        let (id, now) = (id.to_owned(), by.at);
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    let read = conn.text(&READ);
                    let body: Option<String> =
                        on!(conn, c => sqlx::query_scalar(read).bind(&id).fetch_optional(c).await?);
                    let Some(body) = body else { return Ok(None) };
                    let mut silence: Silence = serde_json::from_str(&body)?;
                    if silence.ends_at > now {
                        silence.ends_at = now;
                        silence.starts_at = silence.starts_at.min(now);
                        let (from, until, body) = (silence.starts_at.0, now.0, serde_json::to_string(&silence)?);
                        run!(conn, sql, from, until, body, &id);
                        audit::note(conn, &by, "silence_ended", serde_json::json!({ "id": id })).await?;
                    }
                    Ok(Some(silence))
                })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentinell_core::silence::Matcher;

    #[test]
    fn a_window_comes_round_and_may_last_over_midnight() {
        let matchers =
            Matchers::new(&[Matcher { name: "a".into(), op: Default::default(), value: "b".into() }]).unwrap();
        let mut days = [false; 7];
        days[5] = true;
        // Saturdays at 23:00, two hours.
        let window = Window { name: "w".into(), matchers, days, when: When::Weekly(23 * 60, 120) };
        let open = |text: &str| window.is_open(Timestamp::parse(text).unwrap());
        // 2026-11-21 is a Saturday.
        assert!(open("2026-11-21T23:00:00Z") && open("2026-11-22T00:59:59Z"));
        assert!(!open("2026-11-21T22:59:59Z") && !open("2026-11-22T01:00:00Z") && !open("2026-11-22T23:30:00Z"));
        let once = Window { when: When::Once(Timestamp(5), Timestamp(7)), ..window };
        assert!(once.is_open(Timestamp(5)) && !once.is_open(Timestamp(7)) && !once.is_open(Timestamp(4)));
    }
}
