//! Tokens of machines and people. A secret is shown once, when it is made; only its hash is stored.

use super::AppState;
use super::extract::{Id, Json, Page, Query};
use super::idempotency::ShownOnce;
use super::paging::page;
use super::problem::ApiError;
use super::signals::text_of;
use crate::auth::{Administering, secret, word};
use crate::store::{NewToken as Kept, Token, Whose};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use sentinell_core::approval::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewToken {
    /// Whose it is: the actor of what it does.
    #[schema(min_length = 1, max_length = 100, pattern = r"^[A-Za-z0-9][A-Za-z0-9 ._@+-]*$")]
    name: String,
    /// What it may do.
    role: RoleWord,
}

/// A role; each may do everything the ones before it may.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Role)]
pub enum RoleWord {
    /// Posts signals, no more.
    Sender,
    /// Reads.
    Viewer,
    /// Posts signals, hints, notes; cancels and retries.
    Responder,
    /// Approves and rejects.
    Operator,
    /// Changes policy, tokens and configuration.
    Admin,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Sender => Self::Sender,
            RoleWord::Viewer => Self::Viewer,
            RoleWord::Responder => Self::Responder,
            RoleWord::Operator => Self::Operator,
            RoleWord::Admin => Self::Admin,
        }
    }
}

/// A token without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    /// Ours.
    id: String,
    /// Whose it is.
    name: String,
    /// What it may do.
    role: &'static str,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last used, to the minute.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    /// When it was taken back.
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            role: word(token.role),
            created_at: token.created_at.to_string(),
            last_used_at: token.last_used_at.map(|at| at.to_string()),
            revoked_at: token.revoked_at.map(|at| at.to_string()),
        }
    }
}

/// A new token with its secret, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct MintedToken {
    /// The token.
    #[serde(flatten)]
    view: TokenView,
    /// Its secret: `Authorization: Bearer <token>`.
    token: String,
}

/// Tokens, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tokens {
    /// One page.
    tokens: Vec<TokenView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// Makes a token.
#[utoipa::path(post, path = "/api/tokens", tag = "access", request_body = NewToken,
    responses((status = 201, description = "Made; its secret is shown this once", body = MintedToken)))]
pub async fn create(
    State(app): State<AppState>,
    Administering(principal): Administering,
    Json(body, _): Json<NewToken>,
) -> Result<impl IntoResponse, ApiError> {
    text_of("/name", &body.name, 100)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || " ._@+-".contains(c);
    if !body.name.chars().all(plain) || !body.name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(ApiError::invalid(
            "/name",
            "letters, digits, spaces and `._@+-`, beginning with a letter or digit",
        ));
    }
    let token = secret::mint("sen_")?;
    let (id, now) = app.new_id("tok_");
    let kept = Kept { id, name: body.name, role: body.role.into(), hash: secret::hash(&token) };
    let made = app.store.create_token(kept, principal.at(now)).await?;
    tracing::info!(actor = %principal.actor, token = made.id, role = word(made.role), "made a token");
    let answer = MintedToken { view: made.into(), token };
    Ok((StatusCode::CREATED, axum::Extension(ShownOnce), axum::Json(answer)))
}

/// Lists tokens, without their secrets.
#[utoipa::path(get, path = "/api/tokens", tag = "access", params(Page), responses((status = 200, body = Tokens)))]
pub async fn list(
    State(app): State<AppState>,
    _: Administering,
    Query(wanted): Query<Page>,
) -> Result<axum::Json<Tokens>, ApiError> {
    let (tokens, next_cursor) = page(app.store.tokens().await?, &wanted, |token| &token.id)?;
    Ok(axum::Json(Tokens { tokens: tokens.into_iter().map(Into::into).collect(), next_cursor }))
}

/// Takes a token back; it works no more.
#[utoipa::path(delete, path = "/api/tokens/{id}", tag = "access", params(("id" = String, Path)),
    responses((status = 204, description = "Taken back")))]
pub async fn revoke(
    State(app): State<AppState>,
    Administering(principal): Administering,
    Id(id): Id,
) -> Result<StatusCode, ApiError> {
    app.store.revoke_token(&id, principal.at(app.clock.now())).await?;
    app.access_changed();
    tracing::info!(actor = %principal.actor, token = id, "took a token back");
    Ok(StatusCode::NO_CONTENT)
}
