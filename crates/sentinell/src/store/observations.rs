//! Raw data behind evidence, under an address that the journal names.

use super::bulk::slices;
use super::chain::hex;
use super::db::{Conn, Sql, db, on};
use super::error::Result;
use super::{Store, to_db};
use sentinell_core::ids::{IncidentId, QueryId};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// The most that is kept of one observation, in bytes of JSON.
const BOUND: usize = 4 * 1024 * 1024;
/// How much of a longer one is kept, in characters.
const HEAD: usize = 64 * 1024;

/// One kept observation.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptObservation {
    /// Its address.
    pub address: String,
    /// The read that brought it.
    pub query: QueryId,
    /// The data, or `{"too_large": bytes, "head": text}`.
    pub body: Value,
}

impl Store {
    /// What is kept under an address.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn observation(&self, address: &str) -> Result<Option<Value>> {
        let sql = "SELECT body FROM observations WHERE address = $1";
        let body: Option<String> = db!(self.db, pool => {
            sqlx::query_scalar(sql).bind(address).fetch_optional(pool).await?
        });
        Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
    }

    /// The first `limit` observations of an incident, in the order they were kept.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn observations_of(&self, incident: &IncidentId, limit: u32) -> Result<Vec<KeptObservation>> {
        let sql = "SELECT address, query, body FROM observations WHERE incident = $1 ORDER BY n LIMIT $2";
        let rows: Vec<(String, String, String)> = db!(self.db, pool => {
            sqlx::query_as(sql).bind(incident.as_str()).bind(i64::from(limit)).fetch_all(pool).await?
        });
        let read = |(address, query, body): (String, String, String)| {
            Ok(KeptObservation { address, query: QueryId(query), body: serde_json::from_str(&body)? })
        };
        rows.into_iter().map(read).collect()
    }
}

/// Raw data on its way to its row.
#[derive(Debug)]
pub struct Raw {
    /// Where it will be found. The same data of the same read has the same address.
    pub address: String,
    /// How long it is as JSON, in bytes, whatever of it is kept.
    pub bytes: usize,
    incident: IncidentId,
    query: QueryId,
    body: String,
}

impl Raw {
    /// What a read brought. More than 4 MiB is kept as its size and its beginning.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn of(incident: &IncidentId, query: &QueryId, data: &impl Serialize) -> Result<Self> {
        let mut body = serde_json::to_string(data)?;
        let bytes = body.len();
        if bytes > BOUND {
            let head: String = body.chars().take(HEAD).collect();
            body = json!({ "too_large": bytes, "head": head }).to_string();
        }
        let digest = Sha256::new().chain_update(incident.as_str()).chain_update([0]).chain_update(query.as_str());
        let mut address = hex(&digest.chain_update([0]).chain_update(&body).finalize());
        address.truncate(32);
        Ok(Self { address, bytes, incident: incident.clone(), query: query.clone(), body })
    }
}

const NEXT: Sql = Sql {
    sqlite: "SELECT i.id, (SELECT MAX(o.n) + 1 FROM observations o WHERE o.incident = i.id) FROM incidents i \
             WHERE i.id IN (SELECT value FROM json_each($1))",
    postgres: "SELECT i.id, (SELECT MAX(o.n) + 1 FROM observations o WHERE o.incident = i.id) FROM incidents i \
               WHERE i.id IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
};

/// Keeps what the journals of a group are drawn from, all together.
pub(super) async fn keep(conn: &mut Conn, raws: &[&Raw]) -> Result<()> {
    if raws.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = raws.iter().map(|raw| raw.incident.as_str()).collect();
    let (sql, list) = (conn.text(&NEXT), serde_json::to_string(&ids)?);
    let next: Vec<(String, Option<i64>)> = on!(conn, c => sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    let mut next: HashMap<String, i64> = next.into_iter().map(|(id, n)| (id, n.unwrap_or_default())).collect();
    let mut number = |raw: &Raw| {
        let next = next.entry(raw.incident.0.clone()).or_default();
        std::mem::replace(next, *next + 1)
    };
    let numbered: Vec<(i64, &Raw)> = raws.iter().map(|raw| (number(raw), *raw)).collect();
    let sql = "INSERT INTO observations (address, n, incident, query, bytes, body) VALUES ($1, $2, $3, $4, $5, $6) \
               ON CONFLICT (address) DO NOTHING";
    for slice in slices(&numbered) {
        let text = conn.repeated(sql, slice.len());
        on!(conn, c => {
            let mut query = sqlx::query(text);
            for (n, raw) in slice {
                query = query.bind(raw.address.as_str()).bind(*n).bind(raw.incident.as_str()).bind(raw.query.as_str());
                query = query.bind(to_db(raw.body.len() as u64)).bind(raw.body.as_str());
            }
            query.execute(c).await?.rows_affected()
        });
    }
    Ok(())
}
