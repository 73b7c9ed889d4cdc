//! The gate over a real store: limits, the kill switch and approvals where several processes race.

mod races;
mod rules;
