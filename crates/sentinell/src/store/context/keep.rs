//! Records on their way to their rows, and away again.

use super::super::bulk::slices;
use super::super::db::{Conn, Sql, on, run};
use super::super::error::Result;
use super::Marked;
use super::words::{self, WORDS};
use std::collections::{BTreeMap, BTreeSet};

/// Characters kept of a title, a text, other fields, and what is known besides.
const TITLE: usize = 400;
const TEXT: usize = 6_000;
const FIELD: usize = 400;
const FACTS: usize = 8_000;
/// What a place in time is shifted by to make room for what happened in the same millisecond.
pub(super) const SHIFT: u32 = 16;

/// A record made ready for its rows outside the writer.
pub(super) struct Draft {
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
    model: String,
    words: Vec<u8>,
    vector: Vec<u8>,
    tokens: String,
}

/// The place of the first moment of a millisecond.
pub(super) fn place(at: i64) -> i64 {
    // Within what a signed number holds after the shift: the years 1970 to 6000 and some.
    at.clamp(0, 1 << 46) << SHIFT
}

fn bounded(text: &str, most: usize) -> String {
    text.chars().filter(|letter| *letter != '\0').take(most).collect()
}

/// Makes records ready; of those with the same id the last one stays.
pub(super) fn drafts(records: Vec<Marked>) -> Result<Vec<Draft>> {
    let mut drafts = BTreeMap::new();
    for Marked { record, model, vector } in records {
        let title = bounded(&record.title, TITLE);
        let text = bounded(&record.text, TEXT);
        let found = words::words(&format!("{title}\n{text}"), WORDS);
        let kind = super::super::word(&record.kind);
        let mut tokens: Vec<String> = found.iter().map(|word| words::token(word.hash)).collect();
        let mut tags = vec![words::tag('k', &kind)];
        tags.extend(record.service.as_deref().map(|service| words::tag('s', service)));
        tags.extend(record.repo_id.as_deref().map(|repo| words::tag('r', repo)));
        for tag in tags {
            tokens.extend(found.iter().map(|word| words::within(&tag, word.hash)));
            tokens.push(tag);
        }
        let fingerprint = record.facts.get("fingerprint").and_then(|fingerprint| fingerprint.as_str());
        tokens.extend(fingerprint.map(|fingerprint| words::tag('f', fingerprint)));
        let mut hashes: Vec<u32> = found.iter().map(|word| word.hash).collect();
        hashes.sort_unstable();
        let facts = serde_json::to_string(&record.facts)?;
        let draft = Draft {
            kind,
            at: record.at.0,
            taken_at: record.taken_at.0,
            repo_id: record.repo_id.map(|text| bounded(&text, FIELD)),
            service: record.service.map(|text| bounded(&text, FIELD)),
            incident: record.incident.map(|id| id.0),
            title,
            text,
            reference: record.reference.map(|text| bounded(&text, FIELD)),
            // Bounded by leaving it out: half of it would be no JSON any more.
            facts: if facts.len() > FACTS { "{}".to_owned() } else { facts.replace("\\u0000", "") },
            model: if vector.is_empty() { String::new() } else { model },
            words: hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect(),
            vector: small(&vector),
            tokens: tokens.join(" "),
            id: record.id.clone(),
        };
        drafts.insert(record.id, draft);
    }
    Ok(drafts.into_values().collect())
}

/// A vector with one signed byte a dimension.
pub(super) fn small(vector: &[f32]) -> Vec<u8> {
    let most = vector.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    if !(most.is_finite() && most > 0.0) {
        return vec![];
    }
    vector.iter().map(|x| ((x / most * 127.0).round() as i8).cast_unsigned()).collect()
}

const KNOWN: Sql = Sql {
    sqlite: "SELECT id, n FROM context_records WHERE id IN (SELECT value FROM json_each($1))",
    postgres: "SELECT id, n FROM context_records WHERE id IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
};
const TAKEN: Sql = Sql {
    sqlite: "SELECT n FROM context_records WHERE n IN (SELECT value FROM json_each($1))",
    postgres: "SELECT n FROM context_records WHERE n IN \
               (SELECT CAST(e AS BIGINT) FROM jsonb_array_elements_text(CAST($1 AS JSONB)) e)",
};
const INDEX: Sql = Sql {
    sqlite: "INSERT INTO context_words (rowid, words) VALUES ($1, $2)",
    postgres: "INSERT INTO context_words (n, words) VALUES ($1, $2)",
};
const UNINDEX: Sql =
    Sql { sqlite: "DELETE FROM context_words WHERE rowid = $1", postgres: "DELETE FROM context_words WHERE n = $1" };

/// Writes records, in the place of those with the same id.
pub(super) async fn keep(conn: &mut Conn, drafts: Vec<Draft>) -> Result<()> {
    let ids: Vec<&str> = drafts.iter().map(|draft| draft.id.as_str()).collect();
    let (sql, list) = (conn.text(&KNOWN), serde_json::to_string(&ids)?);
    let known: Vec<(String, i64)> = on!(conn, c => sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    forget(conn, &known.iter().map(|(_, n)| *n).collect::<Vec<_>>()).await?;
    let placed = places(conn, &drafts).await?;
    let first = numbers(conn, drafts.len() as i64).await?;
    let rows: Vec<Row<'_>> = placed.into_iter().zip(first..).zip(&drafts).collect();
    write(conn, &rows).await
}

/// A place, the number of the change, and what goes there.
type Row<'a> = ((i64, i64), &'a Draft);

/// So many numbers that nobody had; the first of them.
async fn numbers(conn: &mut Conn, many: i64) -> Result<i64> {
    let sql = "INSERT INTO context_cursors (source, position) VALUES ('changed', $1) \
               ON CONFLICT (source) DO UPDATE SET position = context_cursors.position + excluded.position RETURNING position";
    let last: i64 = on!(conn, c => sqlx::query_scalar(sql).bind(many).fetch_one(c).await?);
    Ok(last - many + 1)
}

/// A free place for each, at its time.
async fn places(conn: &mut Conn, drafts: &[Draft]) -> Result<Vec<i64>> {
    let within = (1_i64 << SHIFT) - 1;
    let mut wanted: Vec<i64> =
        drafts.iter().map(|draft| place(draft.at) + (i64::from(words::hash(&draft.id)) & within)).collect();
    loop {
        let (sql, list) = (conn.text(&TAKEN), serde_json::to_string(&wanted)?);
        let taken: Vec<i64> = on!(conn, c => sqlx::query_scalar(sql).bind(list).fetch_all(c).await?);
        let mut taken: BTreeSet<i64> = taken.into_iter().collect();
        let mut moved = false;
        for n in &mut wanted {
            while !taken.insert(*n) {
                *n += 1;
                moved = true;
            }
        }
        if !moved {
            return Ok(wanted);
        }
    }
}

async fn write(conn: &mut Conn, rows: &[Row<'_>]) -> Result<()> {
    let records = "INSERT INTO context_records (n, id, kind, at, taken_at, repo_id, service, incident, title, text, reference, \
                   facts, changed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    let marks = "INSERT INTO context_marks (n, model, words, vector) VALUES ($1, $2, $3, $4)";
    let index = conn.text(&INDEX);
    for slice in slices(rows) {
        let text = conn.repeated(records, slice.len());
        on!(conn, c => {
            let mut query = sqlx::query(text);
            for ((n, changed), draft) in slice {
                query = query.bind(*n).bind(&draft.id).bind(&draft.kind).bind(draft.at).bind(draft.taken_at);
                query = query.bind(&draft.repo_id).bind(&draft.service).bind(&draft.incident).bind(&draft.title);
                query = query.bind(&draft.text).bind(&draft.reference).bind(&draft.facts).bind(*changed);
            }
            query.execute(c).await?.rows_affected()
        });
        let text = conn.repeated(marks, slice.len());
        on!(conn, c => {
            let mut query = sqlx::query(text);
            for ((n, _), draft) in slice {
                query = query.bind(*n).bind(&draft.model).bind(&draft.words).bind(&draft.vector);
            }
            query.execute(c).await?.rows_affected()
        });
        let text = conn.repeated(index, slice.len());
        on!(conn, c => {
            let mut query = sqlx::query(text);
            for ((n, _), draft) in slice {
                query = query.bind(*n).bind(&draft.tokens);
            }
            query.execute(c).await?.rows_affected()
        });
    }
    Ok(())
}

/// Takes records away, by their places.
pub(super) async fn forget(conn: &mut Conn, places: &[i64]) -> Result<()> {
    let unindex = conn.text(&UNINDEX);
    // Only where somebody keeps them elsewhere too.
    let gone = "INSERT INTO context_gone (id, kind) SELECT id, kind FROM context_records WHERE n = $1 AND EXISTS \
                (SELECT 1 FROM context_cursors WHERE source LIKE 'mirror %') ON CONFLICT (id) DO NOTHING";
    for n in places {
        run!(conn, gone, *n);
        run!(conn, unindex, *n);
        run!(conn, "DELETE FROM context_marks WHERE n = $1", *n);
        run!(conn, "DELETE FROM context_records WHERE n = $1", *n);
    }
    Ok(())
}
