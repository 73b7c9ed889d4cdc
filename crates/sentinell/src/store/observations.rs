//! Raw data behind evidence, under an address that the journal names.

use super::chain::hex;
use super::db::{db, run};
use super::error::Result;
use super::{Store, to_db};
use sentinell_core::ids::{IncidentId, QueryId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

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
    /// Keeps raw data and answers its address. The same data of the same read has the same address. More than 4 MiB is
    /// kept as its size and its beginning.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn keep_observation(&self, incident: &IncidentId, query: &QueryId, json: &Value) -> Result<String> {
        let mut body = serde_json::to_string(json)?;
        if body.len() > BOUND {
            let head: String = body.chars().take(HEAD).collect();
            body = json!({ "too_large": body.len(), "head": head }).to_string();
        }
        let digest = Sha256::new().chain_update(incident.as_str()).chain_update([0]).chain_update(query.as_str());
        let mut address = hex(&digest.chain_update([0]).chain_update(&body).finalize());
        address.truncate(32);
        let (incident, query, kept) = (incident.clone(), query.clone(), address.clone());
        let sql = "INSERT INTO observations (address, n, incident, query, bytes, body) \
                   VALUES ($1, (SELECT COUNT(*) FROM observations WHERE incident = $2), $2, $3, $4, $5) \
                   ON CONFLICT (address) DO NOTHING";
        self.writer
            .write_bare(move |conn| {
                Box::pin(async move {
                    let bytes = to_db(body.len() as u64);
                    run!(conn, sql, kept, incident.as_str(), query.as_str(), bytes, body);
                    Ok(())
                })
            })
            .await?;
        Ok(address)
    }

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
