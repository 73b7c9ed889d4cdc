//! Searching the memory: time, service, repository and kind narrow first; words and meaning rank what is left, and their
//! ranks are merged (reciprocal rank fusion).
//!
//! Work is bounded whatever is asked of however many records. A word brings its newest [`LIST`] records, which for a rare
//! word are all of them; common words bring those that have several of them together. Meaning ranks these candidates and the
//! newest [`WINDOW`] records within the narrowed part: the rest is not looked at by meaning.

use super::super::db::{Db, Sql, db};
use super::super::error::Result;
use super::super::{Store, read_word};
use super::keep::{place, small};
use super::rank::{Mark, common, cosine, estimated, fuse, reach};
use super::words::{self, Word};
use super::{Kind, Record};
use sentinell_core::ids::IncidentId;
use sentinell_core::time::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// Words of a question that are looked up.
const ASKED: usize = 96;
/// Records that one word brings at most.
pub(super) const LIST: usize = 300;
/// Newest records that are looked at by meaning whatever their words are.
const WINDOW: usize = 400;
/// Candidates by words that are ranked.
const RANKED: usize = 800;
/// What the ranking by meaning is worth beside that by words: as much for a short question, which may not hit upon the words;
/// a quarter for the telling of a failure, whose own words say more (chosen on recorded failures, see docs/memory.md).
const SHORT: usize = 6;
const OF_SHORT: f64 = 1.0;
const OF_LONG: f64 = 0.25;

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct Recall {
    /// Words, in any text.
    pub words: String,
    /// A model and what it makes of the question.
    pub vector: Option<(String, Vec<f32>)>,
    /// Only these kinds; empty: all.
    pub kinds: Vec<Kind>,
    /// Only this repository.
    pub repo_id: Option<String>,
    /// Only this service.
    pub service: Option<String>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Records of the same alert come first.
    pub fingerprint: Option<String>,
    /// Not what was made of this incident.
    pub except: Option<IncidentId>,
    /// Ids that a store of vectors elsewhere says are near, with their cosines.
    pub told: Vec<(String, f64)>,
    /// How many at most.
    pub limit: usize,
}

/// A record that was found, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The record.
    pub record: Record,
    /// The merged score; greater is better, and it says nothing by itself.
    pub score: f64,
    /// Words that it has in common with the question.
    pub words: Vec<String>,
    /// The cosine of the two meanings, if they could be compared.
    pub meaning: Option<f64>,
    /// Whether it is of the same alert.
    pub same_alert: bool,
}

const PLACED: Sql = Sql {
    sqlite: "SELECT group_concat(rowid) FROM (SELECT rowid FROM context_words \
             WHERE context_words MATCH $1 AND rowid >= $2 AND rowid < $3 ORDER BY rowid DESC LIMIT $4)",
    postgres: "SELECT string_agg(CAST(n AS TEXT), ',') FROM (SELECT n FROM context_words \
               WHERE lexemes @@ CAST($1 AS TSQUERY) AND n >= $2 AND n < $3 ORDER BY n DESC LIMIT $4) found",
};
const NEWEST: Sql = Sql {
    sqlite: "SELECT group_concat(n) FROM (SELECT n FROM context_marks WHERE n >= $1 AND n < $2 ORDER BY n DESC LIMIT $3)",
    postgres: "SELECT string_agg(CAST(n AS TEXT), ',') FROM \
               (SELECT n FROM context_marks WHERE n >= $1 AND n < $2 ORDER BY n DESC LIMIT $3) found",
};
const MARKS: Sql = Sql {
    sqlite: "SELECT n, model, words, vector FROM context_marks WHERE n IN (SELECT value FROM json_each($1))",
    postgres: "SELECT n, model, words, vector FROM context_marks WHERE n IN \
               (SELECT CAST(e AS BIGINT) FROM jsonb_array_elements_text(CAST($1 AS JSONB)) e)",
};
const RECORDS: Sql = Sql {
    sqlite: "SELECT n, id, kind, at, taken_at, repo_id, service, incident, title, text, reference, facts \
             FROM context_records WHERE n IN (SELECT value FROM json_each($1))",
    postgres: "SELECT n, id, kind, at, taken_at, repo_id, service, incident, title, text, reference, facts \
               FROM context_records WHERE n IN \
               (SELECT CAST(e AS BIGINT) FROM jsonb_array_elements_text(CAST($1 AS JSONB)) e)",
};

const NAMED: Sql = Sql {
    sqlite: "SELECT n, id, kind, service, repo_id FROM context_records WHERE id IN (SELECT value FROM json_each($1))",
    postgres: "SELECT n, id, kind, service, repo_id FROM context_records WHERE id IN \
               (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
};

/// What narrows a record.
#[derive(sqlx::FromRow)]
struct Named {
    n: i64,
    id: String,
    kind: String,
    service: Option<String>,
    repo_id: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) n: i64,
    id: String,
    kind: String,
    at: i64,
    taken_at: i64,
    repo_id: Option<String>,
    service: Option<String>,
    incident: Option<String>,
    title: String,
    text: String,
    reference: Option<String>,
    facts: String,
}

/// What narrows a search: tokens of the index, and a stretch of places.
struct Narrow {
    tags: Vec<Vec<String>>,
    from: i64,
    to: i64,
}

impl Narrow {
    fn of(recall: &Recall) -> Self {
        let one = |letter, text: &Option<String>| text.as_deref().map(|text| vec![words::tag(letter, text)]);
        let kinds: Vec<String> = recall.kinds.iter().map(|kind| words::tag('k', &super::super::word(kind))).collect();
        let kinds = (!kinds.is_empty()).then_some(kinds);
        Self {
            tags: one('s', &recall.service).into_iter().chain(one('r', &recall.repo_id)).chain(kinds).collect(),
            from: recall.since.map_or(0, |at| place(at.0)),
            to: recall.until.map_or(i64::MAX, |at| place(at.0)),
        }
    }

    /// The question to the index: records that have all of `words` within the narrowed part, or `token` and all of the tags.
    /// Tokens are made of letters and digits by us.
    fn asks(&self, db: &Db, words: &[u32], token: Option<String>) -> String {
        let (and, or) = match db {
            Db::Sqlite(_) => (" AND ", " OR "),
            Db::Postgres(_) => (" & ", " | "),
        };
        if words.is_empty() {
            let tags = self.tags.iter().map(|any| format!("({})", any.join(or)));
            return tags.chain(token).collect::<Vec<_>>().join(and);
        }
        let one = |word: &u32| match self.tags.len() {
            0 => words::token(*word),
            _ => {
                let within = |any: &Vec<String>| any.iter().map(|tag| words::within(tag, *word)).collect::<Vec<_>>();
                self.tags.iter().map(|any| format!("({})", within(any).join(or))).collect::<Vec<_>>().join(and)
            }
        };
        words.iter().map(one).collect::<Vec<_>>().join(and)
    }
}

impl Store {
    /// What the memory has of this, the best first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn recall(&self, recall: &Recall) -> Result<Vec<Found>> {
        let narrow = Narrow::of(recall);
        let asked = words::words(&recall.words, ASKED);
        let (worth, mut places) = self.by_words(&narrow, &asked).await?;
        let same = self.by_alert(&narrow, recall).await?;
        places.extend(same.iter().copied());
        if recall.vector.is_some() || asked.is_empty() {
            places.extend(self.placed(&narrow, &[], WINDOW).await?);
        }
        places.extend(self.near(recall, narrow.from, narrow.to).await?);
        let told = self.told(&narrow, recall).await?;
        places.extend(told.keys().copied());
        places.sort_unstable();
        places.dedup();
        let mut marks = self.marks(&places, &asked, &worth, recall).await?;
        for mark in &mut marks {
            mark.same_alert = same.contains(&mark.n);
            mark.meaning = mark.meaning.or_else(|| told.get(&mark.n).copied());
        }
        let newest = asked.is_empty() && recall.vector.is_none();
        let ranked = fuse(marks, if asked.len() <= SHORT { OF_SHORT } else { OF_LONG }, newest);
        self.found(ranked, &asked, recall).await
    }

    /// What each word is worth, and the candidates that words bring.
    async fn by_words(&self, narrow: &Narrow, asked: &[Word]) -> Result<(Vec<f64>, Vec<i64>)> {
        let mut lists = vec![];
        for word in asked {
            lists.push(self.placed(narrow, &[word.hash], LIST).await?);
        }
        let bounds = self.bounds(narrow).await?;
        let spread: Vec<f64> = lists.iter().map(|list| estimated(list, bounds)).collect();
        let most = spread.iter().fold(1_000.0_f64, |most, df| most.max(*df * 2.0));
        let worth: Vec<f64> = spread.iter().map(|df| ((most - df + 0.5) / (df + 0.5)).ln_1p()).collect();
        let mut first: HashMap<i64, f64> = HashMap::new();
        for (list, worth) in lists.iter().zip(&worth) {
            for n in list {
                *first.entry(*n).or_default() += worth;
            }
        }
        // Of words that are everywhere, the records that have several of them are those worth a look.
        let mut common: Vec<usize> = (0..lists.len()).filter(|at| lists[*at].len() == LIST).collect();
        common.sort_by(|a, b| worth[*b].total_cmp(&worth[*a]));
        for together in [3, 2] {
            if common.len() >= together {
                let some: Vec<u32> = common[..together].iter().map(|at| asked[*at].hash).collect();
                let sum: f64 = common[..together].iter().map(|at| worth[*at]).sum();
                let from = common[..together].iter().map(|at| reach(&lists[*at])).max().unwrap_or(0);
                let newer = Narrow { tags: narrow.tags.clone(), from: from.max(narrow.from), to: narrow.to };
                for n in self.placed(&newer, &some, LIST).await? {
                    let known = first.entry(n).or_default();
                    *known = known.max(sum);
                }
            }
        }
        let mut places: Vec<(i64, f64)> = first.into_iter().collect();
        places.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
        Ok((worth, places.into_iter().take(RANKED).map(|(n, _)| n).collect()))
    }

    async fn by_alert(&self, narrow: &Narrow, recall: &Recall) -> Result<Vec<i64>> {
        match &recall.fingerprint {
            Some(fingerprint) => {
                self.places(narrow, narrow.asks(&self.db, &[], Some(words::tag('f', fingerprint))), 50).await
            }
            None => Ok(vec![]),
        }
    }

    /// The places of what is told to be near, as far as it is within the narrowed part: what is told may be out of date.
    async fn told(&self, narrow: &Narrow, recall: &Recall) -> Result<BTreeMap<i64, f64>> {
        if recall.told.is_empty() {
            return Ok(BTreeMap::new());
        }
        let near: BTreeMap<&str, f64> = recall.told.iter().map(|(id, near)| (id.as_str(), *near)).collect();
        let ids: Vec<&&str> = near.keys().collect();
        let (sql, list) = (self.text(&NAMED), serde_json::to_string(&ids)?);
        let rows: Vec<Named> = db!(self.db, pool => sqlx::query_as(sql).bind(&list).fetch_all(pool).await?);
        let kinds: Vec<String> = recall.kinds.iter().map(super::super::word).collect();
        let within = |row: &Named| {
            (kinds.is_empty() || kinds.contains(&row.kind))
                && (recall.service.is_none() || recall.service == row.service)
                && (recall.repo_id.is_none() || recall.repo_id == row.repo_id)
                && (narrow.from..narrow.to).contains(&row.n)
        };
        Ok(rows.into_iter().filter(within).filter_map(|row| Some((row.n, *near.get(row.id.as_str())?))).collect())
    }

    /// The newest places within the narrowed part that have all of these words.
    async fn placed(&self, narrow: &Narrow, words: &[u32], limit: usize) -> Result<Vec<i64>> {
        self.places(narrow, narrow.asks(&self.db, words, None), limit).await
    }

    async fn places(&self, narrow: &Narrow, asks: String, limit: usize) -> Result<Vec<i64>> {
        let limit = limit as i64;
        // In one row: a row costs more than the number in it.
        let list: Option<String> = if asks.is_empty() {
            let sql = self.text(&NEWEST);
            db!(self.db, pool => {
                sqlx::query_scalar(sql).bind(narrow.from).bind(narrow.to).bind(limit).fetch_one(pool).await?
            })
        } else {
            let sql = self.text(&PLACED);
            db!(self.db, pool => {
                let query = sqlx::query_scalar(sql).bind(&asks).bind(narrow.from).bind(narrow.to).bind(limit);
                query.fetch_one(pool).await?
            })
        };
        let mut places: Vec<i64> =
            list.iter().flat_map(|list| list.split(',')).filter_map(|n| n.parse().ok()).collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        Ok(places)
    }

    pub(super) fn text(&self, sql: &Sql) -> &'static str {
        match &self.db {
            Db::Sqlite(_) => sql.sqlite,
            Db::Postgres(_) => sql.postgres,
        }
    }

    /// The first and the last place that a search within this part may meet.
    async fn bounds(&self, narrow: &Narrow) -> Result<(i64, i64)> {
        let sql =
            "SELECT COALESCE((SELECT MIN(n) FROM context_marks), 0), COALESCE((SELECT MAX(n) FROM context_marks), 0)";
        let (first, last): (i64, i64) = db!(self.db, pool => sqlx::query_as(sql).fetch_one(pool).await?);
        Ok((first.max(narrow.from), last.min(narrow.to)))
    }

    async fn marks(&self, places: &[i64], asked: &[Word], worth: &[f64], recall: &Recall) -> Result<Vec<Mark>> {
        let (sql, list) = (self.text(&MARKS), serde_json::to_string(places)?);
        let rows: Vec<(i64, String, Vec<u8>, Vec<u8>)> =
            db!(self.db, pool => sqlx::query_as(sql).bind(&list).fetch_all(pool).await?);
        let query = recall.vector.as_ref().map(|(model, vector)| (model, small(vector)));
        let lengths: f64 = rows.iter().map(|row| row.2.len() as f64 / 4.0).sum();
        let usual = (lengths / rows.len().max(1) as f64).max(1.0);
        let mark = |(n, model, words, vector): (i64, String, Vec<u8>, Vec<u8>)| {
            let has = common(&words, asked);
            let long = 0.25 + 0.75 * (words.len() as f64 / 4.0) / usual;
            let by_words = has.iter().map(|at| worth[*at] * 2.2 / (1.0 + 1.2 * long)).sum();
            let near = query.as_ref().filter(|(ours, _)| **ours == model);
            let meaning = near.and_then(|(_, query)| cosine(query, &vector));
            Mark { n, by_words, words: has, meaning, same_alert: false }
        };
        Ok(rows.into_iter().map(mark).collect())
    }

    async fn found(&self, ranked: Vec<(f64, Mark)>, asked: &[Word], recall: &Recall) -> Result<Vec<Found>> {
        // A few more than wanted: some may be of the incident that is asked for.
        let ranked: Vec<(f64, Mark)> = ranked.into_iter().take(recall.limit * 2 + 20).collect();
        let places: Vec<i64> = ranked.iter().map(|(_, mark)| mark.n).collect();
        let (sql, list) = (self.text(&RECORDS), serde_json::to_string(&places)?);
        let rows: Vec<Row> = db!(self.db, pool => sqlx::query_as(sql).bind(&list).fetch_all(pool).await?);
        let mut rows: BTreeMap<i64, Row> = rows.into_iter().map(|row| (row.n, row)).collect();
        let mut found = vec![];
        for (score, mark) in ranked {
            let Some(row) = rows.remove(&mark.n) else { continue };
            if recall.except.is_some() && row.incident.as_deref() == recall.except.as_ref().map(IncidentId::as_str) {
                continue;
            }
            let words = mark.words.iter().map(|at| asked[*at].text.clone()).collect();
            let (meaning, same_alert) = (mark.meaning, mark.same_alert);
            found.push(Found { record: record(row)?, score, words, meaning, same_alert });
            if found.len() == recall.limit {
                break;
            }
        }
        Ok(found)
    }
}

pub(super) fn record(row: Row) -> Result<Record> {
    Ok(Record {
        kind: read_word::<Kind>(&row.kind)?,
        id: row.id,
        at: Timestamp(row.at),
        taken_at: Timestamp(row.taken_at),
        repo_id: row.repo_id,
        service: row.service,
        incident: row.incident.map(IncidentId),
        title: row.title,
        text: row.text,
        reference: row.reference,
        facts: serde_json::from_str(&row.facts)?,
    })
}
