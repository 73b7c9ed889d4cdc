//! Incidents as lists show them: one row each, kept by the transaction that grows the journal.

use super::bulk::slices;
use super::db::{Conn, db, on};
use super::error::{Result, StoreError};
use super::{Store, from_db, read_word, to_db, word};
use sentinell_core::ids::{Fingerprint, IncidentId};
use sentinell_core::incident::Incident;
use sentinell_core::investigation::{Investigation, Phase};
use sentinell_core::signal::{Severity, Signal};
use sentinell_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::QueryBuilder;

/// The most that one page holds.
const PAGE: u32 = 1000;
/// How much of an incident's text can be searched, in characters.
const SEARCHED: usize = 4000;
/// The longest text that is searched for, in characters.
const NEEDLE: usize = 200;

/// Which incidents to list; nothing set: all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// queued, processing or resolved.
    pub status: Option<String>,
    /// The contract's word.
    pub phase: Option<String>,
    /// How bad.
    pub severity: Option<Severity>,
    /// Of one registered repository.
    pub repo_id: Option<String>,
    /// Words that title, text or labels contain, in any case.
    pub q: Option<String>,
    /// Opened then or later.
    pub since: Option<Timestamp>,
    /// Opened before then.
    pub until: Option<Timestamp>,
}

/// One alert and how often it came.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertRow {
    /// Which one.
    pub fingerprint: Fingerprint,
    /// Whether its sender still says that it is happening.
    pub firing: bool,
    /// The gravest seen.
    pub severity: Severity,
    /// Signals since its incident opened.
    pub count: u64,
    /// When the first of them came.
    pub first_seen: Timestamp,
    /// When the newest of them came.
    pub last_seen: Timestamp,
}

impl Store {
    /// One incident.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>> {
        let sql = "SELECT view FROM incidents WHERE id = $1";
        let view: Option<String> = db!(self.db, pool => {
            sqlx::query_scalar(sql).bind(id.as_str()).fetch_optional(pool).await?
        });
        Ok(view.map(|view| serde_json::from_str(&view)).transpose()?)
    }

    /// At most `limit` (1 to 1,000) incidents, newest first, after `cursor`; and the cursor of the next page, if there is
    /// one.
    ///
    /// # Errors
    /// [`StoreError::BadCursor`] for a cursor that was not given out here.
    pub async fn incidents(
        &self,
        filter: Filter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Incident>, Option<String>)> {
        let (views, next) = self.incident_views(filter, cursor, limit).await?;
        let read = |view: &String| Ok(serde_json::from_str(view)?);
        Ok((views.iter().map(read).collect::<Result<_>>()?, next))
    }

    /// The same, each as the JSON object that it is stored as: the contract's.
    ///
    /// # Errors
    /// [`StoreError::BadCursor`] for a cursor that was not given out here.
    pub async fn incident_views(
        &self,
        filter: Filter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<String>, Option<String>)> {
        let after = cursor.map(Cursor::parse).transpose()?;
        let limit = limit.clamp(1, PAGE);
        let texts = [&filter.status, &filter.phase, &filter.repo_id, &filter.q];
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            return Ok((vec![], None)); // Nothing stored holds a NUL, and a server refuses to compare with one.
        }
        let mut rows: Vec<(i64, String, String)> = db!(self.db, pool => {
            let mut query = QueryBuilder::new("SELECT created_at, id, view FROM incidents WHERE 1 = 1");
            let equal = [
                (" AND status = ", &filter.status),
                (" AND phase = ", &filter.phase),
                (" AND severity = ", &filter.severity.map(|severity| word(&severity))),
                (" AND repo_id = ", &filter.repo_id),
            ];
            for (column, value) in equal {
                if let Some(value) = value {
                    query.push(column).push_bind(value.clone());
                }
            }
            if let Some(since) = filter.since {
                query.push(" AND created_at >= ").push_bind(since.0);
            }
            if let Some(until) = filter.until {
                query.push(" AND created_at < ").push_bind(until.0);
            }
            if let Some(words) = &filter.q {
                query.push(" AND haystack LIKE ").push_bind(pattern(words)).push(" ESCAPE '!'");
            }
            if let Some(Cursor { created_at, id }) = after {
                query.push(" AND (created_at, id) < (").push_bind(created_at).push(", ").push_bind(id).push(")");
            }
            query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(i64::from(limit) + 1);
            query.build_query_as().fetch_all(pool).await?
        });
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(|(created_at, id, _)| Cursor::write(*created_at, id));
        Ok((rows.into_iter().map(|(_, _, view)| view).collect(), next))
    }

    /// The alerts whose newest incident this is.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn alerts_of(&self, incident: &IncidentId) -> Result<Vec<AlertRow>> {
        let sql = "SELECT fingerprint, firing, severity, count, first_seen, last_seen FROM alerts \
                   WHERE incident = $1 ORDER BY first_seen, fingerprint LIMIT 1000";
        let rows: Vec<(String, bool, String, i64, i64, i64)> = db!(self.db, pool => {
            sqlx::query_as(sql).bind(incident.as_str()).fetch_all(pool).await?
        });
        let read =
            |(fingerprint, firing, severity, count, first_seen, last_seen): (String, bool, String, i64, i64, i64)| {
                Ok(AlertRow {
                    fingerprint: Fingerprint(fingerprint),
                    firing,
                    severity: read_word(&severity)?,
                    count: from_db(count),
                    first_seen: Timestamp(first_seen),
                    last_seen: Timestamp(last_seen),
                })
            };
        rows.into_iter().map(read).collect()
    }

    /// The first `limit` signals of an incident, in the order they came.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn signals_of(&self, incident: &IncidentId, limit: u32) -> Result<Vec<Signal>> {
        let sql = "SELECT body FROM signals WHERE incident = $1 ORDER BY n LIMIT $2";
        let rows: Vec<String> = db!(self.db, pool => {
            sqlx::query_scalar(sql).bind(incident.as_str()).bind(i64::from(limit)).fetch_all(pool).await?
        });
        rows.iter().map(|body| Ok(serde_json::from_str(body)?)).collect()
    }
}

/// A place in the list, newest first: opaque to clients, checked when it comes back.
struct Cursor {
    created_at: i64,
    id: String,
}

impl Cursor {
    fn write(created_at: i64, id: &str) -> String {
        super::chain::hex(format!("1:{created_at}:{id}").as_bytes())
    }

    fn parse(text: &str) -> Result<Self> {
        let parse = || {
            if text.len() > 1024 || text.len() % 2 == 1 || !text.is_ascii() {
                return None;
            }
            let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
            let bytes: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect::<Option<_>>()?;
            let text = String::from_utf8(bytes).ok()?;
            let (created_at, id) = text.strip_prefix("1:")?.split_once(':')?;
            Some(Self { created_at: created_at.parse().ok()?, id: id.to_owned() })
        };
        parse().ok_or(StoreError::BadCursor)
    }
}

/// A LIKE pattern that finds `words` literally.
fn pattern(words: &str) -> String {
    let mut pattern = String::from("%");
    for letter in words.to_lowercase().chars().take(NEEDLE) {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern + "%"
}

fn haystack(signal: &Signal) -> String {
    let labels = signal.labels.values().map(String::as_str);
    let words = [signal.title.as_str(), signal.text.as_str()].into_iter().chain(labels);
    let text: String = words.flat_map(|word| word.chars().chain(std::iter::once('\n'))).take(SEARCHED).collect();
    text.to_lowercase().replace('\0', " ")
}

/// Columns of the row that change as the journal grows.
pub(super) struct Changing {
    status: &'static str,
    phase: &'static str,
    severity: String,
    resolution: Option<String>,
    first_hypothesis_at: Option<i64>,
    deed_open: bool,
    view: String,
}

impl Changing {
    pub(super) fn of(case: &Investigation) -> Result<(Self, Incident)> {
        let incident = Incident::of(case);
        let changing = Self {
            status: case.phase.status(),
            phase: case.phase.word(),
            severity: word(&incident.severity),
            resolution: incident.resolution.as_ref().map(word),
            first_hypothesis_at: case.first_hypothesis_at.map(|at| at.0),
            deed_open: matches!(case.phase, Phase::Acting { .. } | Phase::InDoubt { .. }),
            view: serde_json::to_string(&incident)?,
        };
        Ok((changing, incident))
    }
}

/// The row of an incident that is about to be opened.
pub(super) struct NewIncident {
    case: Investigation,
    /// Hash of its first entry.
    pub(super) head: String,
    row: Changing,
}

impl NewIncident {
    /// The row of `case`, and what it will show.
    pub(super) fn of(case: Investigation, head: String) -> Result<(Self, Incident)> {
        let (row, incident) = Changing::of(&case)?;
        Ok((Self { case, head, row }, incident))
    }

    pub(super) fn id(&self) -> &IncidentId {
        &self.case.id
    }
}

/// Writes the rows of new incidents.
pub(super) async fn insert(conn: &mut Conn, rows: &[&NewIncident]) -> Result<()> {
    let sql = "INSERT INTO incidents (id, created_at, updated_at, signal_type, status, phase, severity, resolution, \
               repo_id, fingerprint, seq, head, first_hypothesis_at, deed_open, haystack, view) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    for slice in slices(rows) {
        let text = conn.repeated(sql, slice.len());
        on!(conn, c => {
            let mut query = sqlx::query(text);
            for NewIncident { case, head, row } in slice {
                query = query.bind(case.id.as_str()).bind(case.opened_at.0).bind(case.updated_at.0);
                query = query.bind(word(&case.signal.signal_type)).bind(row.status).bind(row.phase);
                query = query.bind(row.severity.as_str()).bind(row.resolution.as_deref());
                query = query.bind(case.signal.repo_id.as_deref()).bind(case.fingerprint.as_str()).bind(to_db(case.seq));
                query = query.bind(head.as_str()).bind(row.first_hypothesis_at).bind(row.deed_open);
                query = query.bind(haystack(&case.signal)).bind(row.view.as_str());
            }
            query.execute(c).await?.rows_affected()
        });
    }
    Ok(())
}

/// Brings the rows of grown journals up to date: each with the hash of its newest entry.
pub(super) async fn update(conn: &mut Conn, rows: &[(&Investigation, &Changing, &str)]) -> Result<()> {
    let sql = "WITH grown (id, updated_at, status, phase, severity, resolution, seq, head, first_hypothesis_at, \
               deed_open, view) AS (VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)) UPDATE incidents SET \
               updated_at = CAST(grown.updated_at AS BIGINT), status = grown.status, phase = grown.phase, \
               severity = grown.severity, resolution = grown.resolution, seq = CAST(grown.seq AS BIGINT), \
               head = grown.head, first_hypothesis_at = CAST(grown.first_hypothesis_at AS BIGINT), \
               deed_open = CAST(grown.deed_open AS BOOLEAN), view = grown.view FROM grown WHERE incidents.id = grown.id";
    for slice in slices(rows) {
        let text = conn.repeated(sql, slice.len());
        on!(conn, c => {
            let mut query = sqlx::query(text);
            for (case, row, head) in slice {
                query = query.bind(case.id.as_str()).bind(case.updated_at.0).bind(row.status).bind(row.phase);
                query = query.bind(row.severity.as_str()).bind(row.resolution.as_deref()).bind(to_db(case.seq));
                query = query.bind(*head).bind(row.first_hypothesis_at).bind(row.deed_open);
                query = query.bind(row.view.as_str());
            }
            query.execute(c).await?.rows_affected()
        });
    }
    Ok(())
}
