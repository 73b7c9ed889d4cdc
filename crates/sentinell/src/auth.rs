//! Who is asking, and whether they may.
//!
//! Machines send a token in the Authorization header; browsers have a session cookie, and a CSRF header for whatever
//! changes something. Where the operator leaves reading open on loopback, a caller without either may read and post
//! signals, and nothing else. The actor of every deed is the principal found here, never a field of a body.

pub mod guard;
pub mod secret;
pub mod session;
pub mod signature;
pub mod sns;
mod standing;

use crate::api::AppState;
use crate::api::problem::ApiError;
use crate::store::{Holder, Proof};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use sentinell_core::approval::{Principal, Role};
use sentinell_core::ids::Actor;

/// The longest token or cookie that is looked at, bytes.
const SECRET_LIMIT: usize = 512;

/// Who a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Somebody who has proved who they are, and by what.
    Known(Holder),
    /// Nobody in particular, on a loopback that the operator left open.
    Local,
    /// Nobody.
    Nobody,
}

impl Caller {
    /// The name that stands for this caller where answers are kept per principal.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(holder) => holder.principal.actor.as_str(),
            Self::Local => "(local)",
            Self::Nobody => "(nobody)",
        }
    }

    /// Demands a role that an open loopback has, too.
    ///
    /// # Errors
    /// 401 or 403.
    pub fn require_open(&self, role: Role) -> Result<(), ApiError> {
        match self {
            Self::Local => Ok(()),
            _ => self.require(role).map(|_| ()),
        }
    }

    /// Demands a principal with at least this role.
    ///
    /// # Errors
    /// 401 or 403.
    pub fn require(&self, role: Role) -> Result<Principal, ApiError> {
        match self {
            Self::Known(Holder { principal, .. }) if principal.role >= role => Ok(principal.clone()),
            Self::Known(Holder { principal, .. }) => {
                let (actor, has, needs) = (&principal.actor, word(principal.role), word(role));
                Err(ApiError::forbidden(format!("{actor} has the role {has}; this needs {needs}")))
            }
            Self::Local | Self::Nobody => {
                let needs = word(role);
                Err(ApiError::unauthorized(format!(
                    "this needs a principal with the role {needs}: send `Authorization: Bearer <token>`, or sign in \
                     with the link that `sentinell serve` printed"
                )))
            }
        }
    }
}

/// A role in the words of tokens.
pub fn word(role: Role) -> &'static str {
    match role {
        Role::Sender => "sender",
        Role::Viewer => "viewer",
        Role::Responder => "responder",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

/// What [`identify`] found out; extractors turn it into an answer where the endpoint cares.
#[derive(Clone)]
struct Identity(Result<Caller, ApiError>);

/// Finds out who is asking and leaves it with the request. A wrong token is an error even where none is needed.
pub async fn identify(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let safe = guard::is_safe(request.method());
    let found = caller(&app, request.headers(), safe).await;
    request.extensions_mut().insert(Identity(found));
    next.run(request).await
}

async fn caller(app: &AppState, headers: &HeaderMap, safe: bool) -> Result<Caller, ApiError> {
    if headers.contains_key(header::AUTHORIZATION) {
        let given = bearer(headers);
        let given = given.ok_or_else(|| ApiError::unauthorized("the Authorization header is not `Bearer <token>`"))?;
        return by_token(app, &given).await.map(Caller::Known);
    }
    if let Some(cookie) = session::cookie(headers)
        && let Some(holder) = session::holder(app, cookie, headers, safe).await?
    {
        return Ok(Caller::Known(holder));
    }
    Ok(if app.is_open() && !is_forwarded(headers) { Caller::Local } else { Caller::Nobody })
}

/// A proxy in front of an open loopback would open it to its own clients.
fn is_forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}

/// The token of the Authorization header.
fn bearer(headers: &HeaderMap) -> Option<String> {
    headers.get(header::AUTHORIZATION)?.to_str().ok().and_then(token_of)
}

/// `Bearer <token>`, or `Basic` with the token as the password, for senders that know nothing else.
fn token_of(header: &str) -> Option<String> {
    let (scheme, rest) = header.split_once(' ')?;
    let token = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => rest.trim().to_owned(),
        "basic" => String::from_utf8(unbase64(rest.trim())?).ok()?.split_once(':')?.1.to_owned(),
        _ => return None,
    };
    (1..=SECRET_LIMIT).contains(&token.len()).then_some(token)
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut out, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in text.trim_end_matches('=').bytes().take(2 * SECRET_LIMIT) {
        bits = (bits << 6) | u32::from(value(byte)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(out)
}

async fn by_token(app: &AppState, token: &str) -> Result<Holder, ApiError> {
    let hash = secret::hash(token);
    if let Some(known) = app.config.operators.iter().find(|known| secret::same(&known.token_sha256, &hash)) {
        let principal = Principal { actor: Actor(known.name.clone()), role: Role::Admin };
        return Ok(Holder { principal, proof: Proof::Lasting });
    }
    let found = app.store.token_by_hash(&hash).await?.filter(|token| token.revoked_at.is_none());
    let token = found.ok_or_else(|| ApiError::unauthorized("that token is not known or has been revoked"))?;
    if let Err(error) = app.store.token_used(&token, app.clock.now()).await {
        // Whether a token was used lately is nice to know, and no reason to turn its owner away.
        tracing::debug!(%error, "the use of a token was not noted");
    }
    Ok(Holder { principal: Principal { actor: Actor(token.name), role: token.role }, proof: Proof::Token(hash) })
}

async fn found(parts: &Parts) -> Result<Caller, ApiError> {
    match parts.extensions.get::<Identity>() {
        Some(identity) => identity.0.clone(),
        None => Ok(Caller::Nobody),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        found(parts).await
    }
}

macro_rules! open { ($($(#[$doc:meta])* $name:ident => $role:ident),* $(,)?) => { $(
    $(#[$doc])*
    #[derive(Debug, Clone)]
    pub struct $name(pub Caller);

    impl<S: Send + Sync> FromRequestParts<S> for $name {
        type Rejection = ApiError;

        async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
            let caller = found(parts).await?;
            caller.require_open(Role::$role)?;
            Ok(Self(caller))
        }
    }
)* } }

macro_rules! closed { ($($(#[$doc:meta])* $name:ident => $role:ident),* $(,)?) => { $(
    $(#[$doc])*
    #[derive(Debug, Clone)]
    pub struct $name(pub Principal);

    impl<S: Send + Sync> FromRequestParts<S> for $name {
        type Rejection = ApiError;

        async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
            found(parts).await?.require(Role::$role).map(Self)
        }
    }
)* } }

open! {
    /// May post signals: a sender, or anybody on an open loopback.
    Posting => Sender,
    /// May read: a viewer, or anybody on an open loopback.
    Reading => Viewer,
}

closed! {
    /// May steer: hints, notes, cancelling, retrying.
    Responding => Responder,
    /// May approve and reject.
    Operating => Operator,
    /// May change policy, tokens and configuration.
    Administering => Admin,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_from_both_kinds_of_headers() {
        assert_eq!(token_of("Bearer abc"), Some("abc".into()));
        assert_eq!(token_of("bearer  abc "), Some("abc".into()));
        // alertmanager:secret:with colon
        assert_eq!(token_of("Basic YWxlcnRtYW5hZ2VyOnNlY3JldDp3aXRoIGNvbG9u"), Some("secret:with colon".into()));
        for wrong in ["", "Bearer", "Bearer ", "Basic ???", "Basic YWJj", "Digest abc"] {
            assert_eq!(token_of(wrong), None, "{wrong}");
        }
    }
}
