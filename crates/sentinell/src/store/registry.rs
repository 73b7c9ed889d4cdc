//! What people register: repositories, log sources, Slack channels. Each is kept whole as JSON beside the columns that
//! the database has to know.

use super::db::{db, on, run};
use super::error::{Result, StoreError};
use super::{By, Store, audit};
use sentinell_core::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most that a list holds.
const LISTED: i64 = 1000;

/// A registered repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Repo {
    /// Ours.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it is cloned from.
    pub repo_url: String,
    /// The branch that is deployed.
    pub default_branch: String,
    /// As it was sent: a number or a string.
    #[serde(default)]
    pub github_app_installation_id: Option<Value>,
    /// One line.
    #[serde(default)]
    pub description: Option<String>,
    /// Given back as it came.
    #[serde(default)]
    pub metadata: Value,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A registered source of logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogSource {
    /// Ours.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The repository whose incidents it is asked about.
    #[serde(default)]
    pub repo_id: Option<String>,
    /// loki, cloudwatch, elasticsearch, file or custom.
    pub source_type: String,
    /// Where it answers.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// How one signs in.
    #[serde(default)]
    pub auth_mode: Option<String>,
    /// Given back as it came.
    #[serde(default)]
    pub metadata: Value,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A registered Slack channel; `(team_id, channel_id)` is unique.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlackChannel {
    /// Ours.
    pub id: String,
    /// Slack's team.
    pub team_id: String,
    /// Slack's channel.
    pub channel_id: String,
    /// Its name.
    #[serde(default)]
    pub channel_name: Option<String>,
    /// The repository its messages are about.
    #[serde(default)]
    pub repo_id: Option<String>,
    /// One line.
    #[serde(default)]
    pub description: Option<String>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Store {
    /// Registers a repository, or replaces the one with this id.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn put_repo(&self, repo: &Repo, by: By) -> Result<()> {
        let (id, created, updated) = (repo.id.clone(), repo.created_at.0, repo.updated_at.0);
        let (body, told) = (serde_json::to_string(repo)?, serde_json::to_value(repo)?);
        let sql = "INSERT INTO repos (id, created_at, updated_at, body) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, body = excluded.body";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    run!(conn, sql, id, created, updated, body);
                    audit::note(conn, &by, "repository_set", told).await
                })
            })
            .await
    }

    /// One repository.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn repo(&self, id: &str) -> Result<Option<Repo>> {
        let sql = "SELECT body FROM repos WHERE id = $1";
        read(db!(self.db, pool => sqlx::query_scalar(sql).bind(id).fetch_optional(pool).await?))
    }

    /// The newest 1,000 repositories, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn repos(&self) -> Result<Vec<Repo>> {
        let sql = "SELECT body FROM repos ORDER BY created_at DESC, id DESC LIMIT $1";
        read_all(db!(self.db, pool => sqlx::query_scalar(sql).bind(LISTED).fetch_all(pool).await?))
    }

    /// Registers a log source, or replaces the one with this id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown `repo_id`.
    pub async fn put_log_source(&self, source: &LogSource, by: By) -> Result<()> {
        let (id, repo_id, told) = (source.id.clone(), source.repo_id.clone(), serde_json::to_value(source)?);
        let (created, updated, body) = (source.created_at.0, source.updated_at.0, serde_json::to_string(source)?);
        let sql = "INSERT INTO log_sources (id, repo_id, created_at, updated_at, body) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (id) DO UPDATE SET repo_id = excluded.repo_id, updated_at = excluded.updated_at, \
                   body = excluded.body";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    run!(conn, sql, id, repo_id, created, updated, body);
                    audit::note(conn, &by, "log_source_set", told).await
                })
            })
            .await
    }

    /// One log source.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn log_source(&self, id: &str) -> Result<Option<LogSource>> {
        let sql = "SELECT body FROM log_sources WHERE id = $1";
        read(db!(self.db, pool => sqlx::query_scalar(sql).bind(id).fetch_optional(pool).await?))
    }

    /// The newest 1,000 log sources, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn log_sources(&self) -> Result<Vec<LogSource>> {
        let sql = "SELECT body FROM log_sources ORDER BY created_at DESC, id DESC LIMIT $1";
        read_all(db!(self.db, pool => sqlx::query_scalar(sql).bind(LISTED).fetch_all(pool).await?))
    }

    /// The log sources of one repository, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn log_sources_of(&self, repo_id: &str) -> Result<Vec<LogSource>> {
        let sql = "SELECT body FROM log_sources WHERE repo_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2";
        read_all(db!(self.db, pool => sqlx::query_scalar(sql).bind(repo_id).bind(LISTED).fetch_all(pool).await?))
    }

    /// Registers a channel. If `(team_id, channel_id)` is known already, that one keeps its `id` and `created_at` and
    /// takes over the rest; answers what is stored now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown `repo_id`.
    pub async fn put_slack_channel(&self, channel: &SlackChannel, by: By) -> Result<SlackChannel> {
        let mut channel = channel.clone();
        let known = "SELECT body FROM slack_channels WHERE team_id = $1 AND channel_id = $2";
        let sql = "INSERT INTO slack_channels (id, team_id, channel_id, repo_id, created_at, updated_at, body) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (team_id, channel_id) DO UPDATE SET \
                   repo_id = excluded.repo_id, updated_at = excluded.updated_at, body = excluded.body";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    let found: Option<String> = on!(conn, c => {
                        sqlx::query_scalar(known).bind(&channel.team_id).bind(&channel.channel_id).fetch_optional(c).await?
                    });
                    if let Some(old) = read::<SlackChannel>(found)? {
                        (channel.id, channel.created_at) = (old.id, old.created_at);
                    }
                    let (created, updated) = (channel.created_at.0, channel.updated_at.0);
                    let (body, SlackChannel { id, team_id, channel_id, repo_id, .. }) =
                        (serde_json::to_string(&channel)?, &channel);
                    run!(conn, sql, id, team_id, channel_id, repo_id, created, updated, body);
                    audit::note(conn, &by, "slack_channel_set", serde_json::to_value(&channel)?).await?;
                    Ok(channel)
                })
            })
            .await
    }

    /// The channel that Slack names so.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn slack_channel(&self, team_id: &str, channel_id: &str) -> Result<Option<SlackChannel>> {
        let sql = "SELECT body FROM slack_channels WHERE team_id = $1 AND channel_id = $2";
        read(db!(self.db, pool => sqlx::query_scalar(sql).bind(team_id).bind(channel_id).fetch_optional(pool).await?))
    }

    /// The newest 1,000 channels, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn slack_channels(&self) -> Result<Vec<SlackChannel>> {
        let sql = "SELECT body FROM slack_channels ORDER BY created_at DESC, id DESC LIMIT $1";
        read_all(db!(self.db, pool => sqlx::query_scalar(sql).bind(LISTED).fetch_all(pool).await?))
    }

    /// Takes a repository off the list.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none, [`StoreError::Conflict`] if sources or channels still name it.
    pub async fn delete_repo(&self, id: &str, by: By) -> Result<()> {
        self.delete("DELETE FROM repos WHERE id = $1", "repository_deleted", id, by).await.map_err(
            |error| match error {
                StoreError::NotFound(why) if !why.starts_with("nothing") => StoreError::Conflict(
                    "log sources or channels still name this repository; delete those first".into(),
                ),
                error => error,
            },
        )
    }

    /// Takes a log source off the list.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn delete_log_source(&self, id: &str, by: By) -> Result<()> {
        self.delete("DELETE FROM log_sources WHERE id = $1", "log_source_deleted", id, by).await
    }

    /// Takes a channel off the list.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn delete_slack_channel(&self, id: &str, by: By) -> Result<()> {
        self.delete("DELETE FROM slack_channels WHERE id = $1", "slack_channel_deleted", id, by).await
    }

    async fn delete(&self, sql: &'static str, kind: &'static str, id: &str, by: By) -> Result<()> {
        let id = id.to_owned();
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    match run!(conn, sql, &id) {
                        0 => Err(StoreError::NotFound(format!("nothing has the id {id}"))),
                        _ => audit::note(conn, &by, kind, json!({ "id": id })).await,
                    }
                })
            })
            .await
    }
}

fn read<T: DeserializeOwned>(body: Option<String>) -> Result<Option<T>> {
    Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
}

fn read_all<T: DeserializeOwned>(bodies: Vec<String>) -> Result<Vec<T>> {
    bodies.iter().map(|body| Ok(serde_json::from_str(body)?)).collect()
}
