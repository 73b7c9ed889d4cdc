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
    /// Tokens read.
    input_tokens: u64,
    /// Tokens written.
    output_tokens: u64,
    /// Millionths of a US dollar.
    micro_usd: u64,
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
        total.turns = total.turns.saturating_add(spent.turns);
        total.input_tokens = total.input_tokens.saturating_add(spent.input_tokens);
        total.output_tokens = total.output_tokens.saturating_add(spent.output_tokens);
        total.micro_usd = total.micro_usd.saturating_add(spent.micro_usd);
        let cost = Total {
            turns: spent.turns,
            input_tokens: spent.input_tokens,
            output_tokens: spent.output_tokens,
            micro_usd: spent.micro_usd,
        };
        shown.push(DayView { day: spent.day, reasoner: spent.reasoner, cost });
    }
    Ok(Json(Usage { days: shown, total }))
}
