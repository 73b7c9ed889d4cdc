//! What the reasoners cost.

use super::AppState;
use super::extract::Query;
use super::problem::ApiError;
use crate::auth::Reading;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How many days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Days {
    /// Days with any use, newest first (default 30).
    #[param(minimum = 1, maximum = 366, default = 30)]
    days: Option<u32>,
}

/// What the reasoners cost.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    /// Newest day first.
    days: Vec<DayView>,
    /// Over the days shown.
    total: Total,
}

/// One reasoner on one day (UTC).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageDay)]
pub struct DayView {
    /// The day (`2026-11-22`).
    day: String,
    /// `deterministic`, or a model's name.
    reasoner: String,
    /// What it took.
    #[serde(flatten)]
    cost: Total,
}

/// Turns, tokens and money.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = UsageTotal)]
pub struct Total {
    /// Turns taken.
    turns: u64,
    /// Tokens read, those from and into a provider's cache not counted.
    input_tokens: u64,
    /// Tokens written.
    output_tokens: u64,
    /// Tokens read from a provider's cache.
    cache_read_tokens: u64,
    /// Tokens that a provider put into its cache.
    cache_written_tokens: u64,
    /// Millionths of a US dollar.
    micro_usd: u64,
}

impl Total {
    fn add(&mut self, other: &Self) {
        let sum = |a: &mut u64, b: u64| *a = a.saturating_add(b);
        sum(&mut self.turns, other.turns);
        sum(&mut self.input_tokens, other.input_tokens);
        sum(&mut self.output_tokens, other.output_tokens);
        sum(&mut self.cache_read_tokens, other.cache_read_tokens);
        sum(&mut self.cache_written_tokens, other.cache_written_tokens);
        sum(&mut self.micro_usd, other.micro_usd);
    }
}

/// What the reasoners cost, by day.
#[utoipa::path(get, path = "/api/usage", tag = "operations", params(Days), responses((status = 200, body = Usage)))]
pub async fn usage(
    State(app): State<AppState>,
    _: Reading,
    Query(wanted): Query<Days>,
) -> Result<Json<Usage>, ApiError> {
    let days = match wanted.days.unwrap_or(30) {
        days @ 1..=366 => days,
        _ => return Err(ApiError::bad_request("`days` is 1 to 366")),
    };
    let (mut total, mut shown) = (Total::default(), vec![]);
    for spent in app.store.spent(days).await? {
        let cost = Total {
            turns: spent.turns,
            input_tokens: spent.input_tokens,
            output_tokens: spent.output_tokens,
            cache_read_tokens: spent.cache_read_tokens,
            cache_written_tokens: spent.cache_written_tokens,
            micro_usd: spent.micro_usd,
        };
        total.add(&cost);
        shown.push(DayView { day: spent.day, reasoner: spent.reasoner, cost });
    }
    Ok(Json(Usage { days: shown, total }))
}
