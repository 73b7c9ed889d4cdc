//! The house rules as numbered versions; the newest one holds.

use super::db::{db, on};
use super::error::{Result, StoreError};
use super::{By, Store, audit, from_db};
use sentinell_core::ids::Actor;
use sentinell_core::policy::{Budget, Policy};
use sentinell_core::time::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One version of the policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyVersion {
    /// From 1 without gaps; 0 is the built-in default.
    pub version: u64,
    /// What it says.
    pub policy: Policy,
    /// Who set it.
    pub by: Actor,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// A budget, and when it was read.
pub(super) type Remembered = Arc<Mutex<Option<(Instant, Budget)>>>;

/// How long a budget is good for: so late does a new incident learn of a change by another process.
const REMEMBERED: Duration = Duration::from_secs(1);

impl Store {
    /// What a new incident may spend. A change by another process is heard of within a second.
    ///
    /// # Errors
    /// If the policy cannot be read.
    pub async fn budget(&self) -> Result<Budget> {
        let known = *self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, budget)) = known
            && at.elapsed() < REMEMBERED
        {
            return Ok(budget);
        }
        let budget = self.policy().await?.1.budget;
        *self.budget.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), budget));
        Ok(budget)
    }

    /// The policy that holds now and its version; the default as version 0 if nobody set one.
    ///
    /// # Errors
    /// If it cannot be read: judge nothing then.
    pub async fn policy(&self) -> Result<(u64, Policy)> {
        let newest = self.policies(1).await?.pop();
        Ok(newest.map_or_else(|| (0, Policy::default()), |newest| (newest.version, newest.policy)))
    }

    /// The newest `limit` versions, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn policies(&self, limit: u32) -> Result<Vec<PolicyVersion>> {
        let sql = "SELECT version, body, by_whom, why, at FROM policies ORDER BY version DESC LIMIT $1";
        let rows: Vec<(i64, String, String, String, i64)> = db!(self.db, pool => {
            sqlx::query_as(sql).bind(i64::from(limit)).fetch_all(pool).await?
        });
        let read = |(version, body, by, why, at): (i64, String, String, String, i64)| {
            let policy = serde_json::from_str(&body)
                .map_err(|error| StoreError::Defect(format!("version {version} of the policy: {error}")))?;
            Ok(PolicyVersion { version: from_db(version), policy, by: Actor(by), why, at: Timestamp(at) })
        };
        rows.into_iter().map(read).collect()
    }

    /// Makes `policy` the newest version and answers its number.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn set_policy(&self, policy: Policy, by: &Actor, why: &str, at: Timestamp) -> Result<u64> {
        let (body, told) = (serde_json::to_string(&policy)?, serde_json::to_value(&policy)?);
        let (actor, why) = (by.clone(), why.to_owned());
        let sql = "INSERT INTO policies (version, body, by_whom, why, at) \
                   VALUES ((SELECT COALESCE(MAX(version), 0) + 1 FROM policies), $1, $2, $3, $4) RETURNING version";
        let set = self
            .writer
            .write(move |conn| {
                Box::pin(async move {
                    let version: i64 = on!(conn, c => {
                        sqlx::query_scalar(sql).bind(body).bind(&actor.0).bind(&why).bind(at.0).fetch_one(c).await?
                    });
                    let told = json!({"version": version, "policy": told, "why": why});
                    audit::note(conn, &By { actor, at }, "policy_set", told).await?;
                    Ok(from_db(version))
                })
            })
            .await?;
        *self.budget.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(set)
    }
}
