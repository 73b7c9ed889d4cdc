//! Who may come in: tokens, browser sessions and single-use stream tickets. Only hashes of secrets are ever kept.

use super::db::{db, on, run};
use super::error::{Result, StoreError};
use super::{By, Store, audit, read_word, word};
use sentinell_core::approval::{Principal, Role};
use sentinell_core::ids::Actor;
use sentinell_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How stale `last_used_at` may be, milliseconds: not every request is worth a write.
const USED_GRAIN: i64 = 60_000;

/// A token to keep.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Ours.
    pub id: String,
    /// Whose it is; the actor of what it does.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the secret, lower-case hex.
    pub hash: String,
}

/// A token as it may be shown: without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Ours.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

/// A browser's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the cookie, lower-case hex.
    pub hash: String,
    /// Who.
    pub principal: Principal,
    /// The token it was opened with; the session ends when that is revoked.
    pub token_id: Option<String>,
    /// What forms have to repeat.
    pub csrf: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What somebody showed to come in: what has to go on being true while they stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Nothing that can be taken back while this process runs: the operator's own token, or an open loopback.
    Lasting,
    /// The token with this hash.
    Token(String),
    /// The browser session with this hash.
    Session(String),
}

/// Somebody, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub principal: Principal,
    /// By what.
    pub proof: Proof,
}

type TicketRow = (String, String, i64, Option<String>, Option<String>);

fn holder((actor, role, _, token, session): TicketRow) -> Result<Holder> {
    let principal = Principal { actor: Actor(actor), role: read_word(&role)? };
    let proof = match (token, session) {
        (Some(hash), _) => Proof::Token(hash),
        (None, Some(hash)) => Proof::Session(hash),
        (None, None) => Proof::Lasting,
    };
    Ok(Holder { principal, proof })
}

type TokenRow = (String, String, String, i64, Option<i64>, Option<i64>);

fn token((id, name, role, created_at, last_used_at, revoked_at): TokenRow) -> Result<Token> {
    Ok(Token {
        id,
        name,
        role: read_word(&role)?,
        created_at: Timestamp(created_at),
        last_used_at: last_used_at.map(Timestamp),
        revoked_at: revoked_at.map(Timestamp),
    })
}

impl Store {
    /// Keeps a new token.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if its hash or id is there already.
    pub async fn create_token(&self, new: NewToken, by: By) -> Result<Token> {
        let sql = "INSERT INTO tokens (id, name, role, hash, created_at) VALUES ($1, $2, $3, $4, $5)";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    let at = by.at;
                    run!(conn, sql, &new.id, &new.name, word(&new.role), &new.hash, at.0);
                    let NewToken { id, name, role, .. } = new;
                    audit::note(conn, &by, "token_made", json!({"id": id, "name": name, "role": role})).await?;
                    Ok(Token { id, name, role, created_at: at, last_used_at: None, revoked_at: None })
                })
            })
            .await
    }

    /// The token with this hash, revoked or not.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn token_by_hash(&self, hash: &str) -> Result<Option<Token>> {
        let sql = "SELECT id, name, role, created_at, last_used_at, revoked_at FROM tokens WHERE hash = $1";
        let row: Option<TokenRow> = db!(self.db, pool => sqlx::query_as(sql).bind(hash).fetch_optional(pool).await?);
        row.map(token).transpose()
    }

    /// All tokens, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        let sql = "SELECT id, name, role, created_at, last_used_at, revoked_at FROM tokens \
                   ORDER BY created_at DESC, id DESC LIMIT 1000";
        let rows: Vec<TokenRow> = db!(self.db, pool => sqlx::query_as(sql).fetch_all(pool).await?);
        rows.into_iter().map(token).collect()
    }

    /// Notes that a token was used; writes at most once a minute.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn token_used(&self, used: &Token, at: Timestamp) -> Result<()> {
        if used.last_used_at.is_some_and(|last| at.millis_since(last) < USED_GRAIN) {
            return Ok(());
        }
        self.stamp("UPDATE tokens SET last_used_at = $1 WHERE id = $2", &used.id, at).await.map(|_| ())
    }

    /// Takes a token back, and with it every session opened with it. Taking it back twice is no error.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such token.
    pub async fn revoke_token(&self, id: &str, by: By) -> Result<()> {
        let revoke = "UPDATE tokens SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2";
        let sql = "DELETE FROM sessions WHERE expires_at <= $1 OR token_id = $2";
        let id = id.to_owned();
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    if run!(conn, revoke, by.at.0, &id) == 0 {
                        return Err(StoreError::NotFound(format!("token {id}")));
                    }
                    run!(conn, sql, by.at.0, &id);
                    audit::note(conn, &by, "token_revoked", json!({ "id": id })).await
                })
            })
            .await
    }

    /// Keeps a session; forgets those that have ended.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn create_session(&self, session: Session, at: Timestamp) -> Result<()> {
        let sql =
            "INSERT INTO sessions (hash, actor, role, token_id, csrf, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    run!(conn, "DELETE FROM sessions WHERE expires_at <= $1", at.0);
                    let Session { hash, principal, token_id, csrf, expires_at } = session;
                    let Principal { actor, role } = principal;
                    run!(conn, sql, hash, &actor.0, word(&role), &token_id, csrf, expires_at.0);
                    let body = json!({"role": role, "token": token_id, "until": expires_at});
                    audit::note(conn, &By { actor, at }, "signed_in", body).await
                })
            })
            .await
    }

    /// The session with this hash, if it has not ended.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn session(&self, hash: &str, now: Timestamp) -> Result<Option<Session>> {
        let sql = "SELECT s.hash, s.actor, s.role, s.token_id, s.csrf, s.expires_at FROM sessions s \
                   LEFT JOIN tokens t ON t.id = s.token_id \
                   WHERE s.hash = $1 AND s.expires_at > $2 AND t.revoked_at IS NULL";
        let row: Option<(String, String, String, Option<String>, String, i64)> = db!(self.db, pool => {
            sqlx::query_as(sql).bind(hash).bind(now.0).fetch_optional(pool).await?
        });
        let Some((hash, actor, role, token_id, csrf, expires_at)) = row else { return Ok(None) };
        let principal = Principal { actor: Actor(actor), role: read_word(&role)? };
        Ok(Some(Session { hash, principal, token_id, csrf, expires_at: Timestamp(expires_at) }))
    }

    /// Whether what somebody came in by still holds.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn holds(&self, proof: &Proof, now: Timestamp) -> Result<bool> {
        Ok(match proof {
            Proof::Lasting => true,
            Proof::Token(hash) => self.token_by_hash(hash).await?.is_some_and(|token| token.revoked_at.is_none()),
            Proof::Session(hash) => self.session(hash, now).await?.is_some(),
        })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn end_session(&self, hash: &str, now: Timestamp) -> Result<()> {
        let (hash, sql) = (hash.to_owned(), "DELETE FROM sessions WHERE hash = $1 RETURNING actor");
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    run!(conn, "DELETE FROM sessions WHERE expires_at <= $1", now.0);
                    let actor: Option<String> =
                        on!(conn, c => sqlx::query_scalar(sql).bind(hash).fetch_optional(c).await?);
                    let Some(actor) = actor else { return Ok(()) };
                    audit::note(conn, &By { actor: Actor(actor), at: now }, "signed_out", json!({})).await
                })
            })
            .await
    }

    /// Keeps a stream ticket; `hash` is SHA-256 of its secret in lower-case hex.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn create_ticket(&self, hash: &str, holder: &Holder, now: Timestamp, expires: Timestamp) -> Result<()> {
        let (hash, Holder { principal, proof }) = (hash.to_owned(), holder.clone());
        let (token, session) = match proof {
            Proof::Lasting => (None, None),
            Proof::Token(hash) => (Some(hash), None),
            Proof::Session(hash) => (None, Some(hash)),
        };
        let sql = "INSERT INTO tickets (hash, actor, role, expires_at, by_token, by_session) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    run!(conn, "DELETE FROM tickets WHERE expires_at <= $1", now.0);
                    run!(conn, sql, hash, principal.actor.0, word(&principal.role), expires.0, token, session);
                    Ok(())
                })
            })
            .await
    }

    /// Takes a ticket: it works once, and only before it expires.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn take_ticket(&self, hash: &str, now: Timestamp) -> Result<Option<Holder>> {
        let hash = hash.to_owned();
        let sql = "DELETE FROM tickets WHERE hash = $1 RETURNING actor, role, expires_at, by_token, by_session";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    let row: Option<TicketRow> =
                        on!(conn, c => sqlx::query_as(sql).bind(hash).fetch_optional(c).await?);
                    row.filter(|row| row.2 > now.0).map(holder).transpose()
                })
            })
            .await
    }

    /// Runs a statement whose `$1` is a time and `$2` an id; answers how many rows it met.
    async fn stamp(&self, sql: &'static str, id: &str, at: Timestamp) -> Result<u64> {
        let id = id.to_owned();
        self.writer.write(move |conn| Box::pin(async move { Ok(run!(conn, sql, at.0, id)) })).await
    }
}
