//! Slack channels and the repositories they are about.

use super::AppState;
use super::extract::{Id, Json, Page, Query};
use super::paging::page;
use super::problem::ApiError;
use super::signals::{at_most, text_of};
use crate::auth::{Administering, Reading};
use crate::store::{SlackChannel, Whose};
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A channel to register; (team, channel) is unique, and posting it again updates it.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewChannel {
    /// Slack's team.
    #[schema(min_length = 1, max_length = 200)]
    team_id: String,
    /// Slack's channel.
    #[schema(min_length = 1, max_length = 200)]
    channel_id: String,
    /// Its name.
    #[schema(max_length = 200)]
    channel_name: Option<String>,
    /// The registered repository that its messages are about.
    repo_id: Option<String>,
    /// One line.
    #[schema(max_length = 10000)]
    description: Option<String>,
}

/// What to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChannelPatch {
    /// Its name.
    #[schema(max_length = 200)]
    channel_name: Option<String>,
    /// A registered repository.
    repo_id: Option<String>,
    /// One line.
    #[schema(max_length = 10000)]
    description: Option<String>,
}

/// A registered channel.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SlackChannel)]
pub struct ChannelView {
    /// Ours.
    id: String,
    /// Slack's team.
    team_id: String,
    /// Slack's channel.
    channel_id: String,
    /// Its name.
    channel_name: Option<String>,
    /// The registered repository that its messages are about.
    repo_id: Option<String>,
    /// One line.
    description: Option<String>,
    /// When it was registered.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<SlackChannel> for ChannelView {
    fn from(channel: SlackChannel) -> Self {
        Self {
            id: channel.id,
            team_id: channel.team_id,
            channel_id: channel.channel_id,
            channel_name: channel.channel_name,
            repo_id: channel.repo_id,
            description: channel.description,
            created_at: channel.created_at.to_string(),
            updated_at: channel.updated_at.to_string(),
        }
    }
}

/// Registered channels, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Channels {
    /// One page.
    channels: Vec<ChannelView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
}

/// Registers a channel, or updates the one that Slack names so.
#[utoipa::path(post, path = "/api/slack/channels", tag = "registry", request_body = NewChannel,
    responses((status = 201, description = "Registered", body = ChannelView)))]
pub async fn create(
    State(app): State<AppState>,
    Administering(principal): Administering,
    Json(body, _): Json<NewChannel>,
) -> Result<(StatusCode, axum::Json<ChannelView>), ApiError> {
    described(body.channel_name.as_deref(), body.description.as_deref())?;
    text_of("/team_id", &body.team_id, 200)?;
    text_of("/channel_id", &body.channel_id, 200)?;
    app.known_repo(body.repo_id.as_deref()).await?;
    let (id, now) = app.new_id("chan_");
    let channel = SlackChannel {
        id,
        team_id: body.team_id,
        channel_id: body.channel_id,
        channel_name: body.channel_name,
        repo_id: body.repo_id,
        description: body.description,
        created_at: now,
        updated_at: now,
    };
    Ok((StatusCode::CREATED, axum::Json(app.store.put_slack_channel(&channel, principal.at(now)).await?.into())))
}

fn described(name: Option<&str>, description: Option<&str>) -> Result<(), ApiError> {
    at_most("/channel_name", name, 200)?;
    at_most("/description", description, 10_000)
}

/// Lists registered channels.
#[utoipa::path(get, path = "/api/slack/channels", tag = "registry", params(Page),
    responses((status = 200, body = Channels)))]
pub async fn list(
    State(app): State<AppState>,
    _: Reading,
    Query(wanted): Query<Page>,
) -> Result<axum::Json<Channels>, ApiError> {
    let (channels, next_cursor) = page(app.store.slack_channels().await?, &wanted, |channel| &channel.id)?;
    Ok(axum::Json(Channels { channels: channels.into_iter().map(Into::into).collect(), next_cursor }))
}

async fn find(app: &AppState, id: &str) -> Result<SlackChannel, ApiError> {
    let channels = app.store.slack_channels().await?;
    channels.into_iter().find(|channel| channel.id == id).ok_or_else(|| ApiError::not_found("channel"))
}

/// One registered channel.
#[utoipa::path(get, path = "/api/slack/channels/{id}", tag = "registry", params(("id" = String, Path)),
    responses((status = 200, body = ChannelView)))]
pub async fn read(State(app): State<AppState>, _: Reading, Id(id): Id) -> Result<axum::Json<ChannelView>, ApiError> {
    Ok(axum::Json(find(&app, &id).await?.into()))
}

/// Changes a registered channel.
#[utoipa::path(patch, path = "/api/slack/channels/{id}", tag = "registry", params(("id" = String, Path)),
    request_body = ChannelPatch, responses((status = 200, body = ChannelView)))]
pub async fn change(
    State(app): State<AppState>,
    Administering(principal): Administering,
    Id(id): Id,
    Json(patch, _): Json<ChannelPatch>,
) -> Result<axum::Json<ChannelView>, ApiError> {
    described(patch.channel_name.as_deref(), patch.description.as_deref())?;
    let old = find(&app, &id).await?;
    app.known_repo(patch.repo_id.as_deref()).await?;
    let channel = SlackChannel {
        channel_name: patch.channel_name.or(old.channel_name),
        repo_id: patch.repo_id.or(old.repo_id),
        description: patch.description.or(old.description),
        updated_at: app.clock.now(),
        ..old
    };
    let by = principal.at(channel.updated_at);
    Ok(axum::Json(app.store.put_slack_channel(&channel, by).await?.into()))
}

/// Forgets a registered channel.
#[utoipa::path(delete, path = "/api/slack/channels/{id}", tag = "registry", params(("id" = String, Path)),
    responses((status = 204, description = "Forgotten")))]
pub async fn remove(
    State(app): State<AppState>,
    Administering(principal): Administering,
    Id(id): Id,
) -> Result<StatusCode, ApiError> {
    app.store.delete_slack_channel(&id, principal.at(app.clock.now())).await?;
    Ok(StatusCode::NO_CONTENT)
}
