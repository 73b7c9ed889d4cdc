//! When a notice is tried again, and when no more.

use crate::ports::NotifyError;
use crate::time::Timestamp;

/// The first pause after a failure, milliseconds; each following one is three times as long.
const FIRST: u64 = 5_000;
/// The longest pause: six hours.
const LONGEST: u64 = 6 * 60 * 60 * 1000;
/// What a receiver may ask for at most: a day.
const LONGEST_ASKED: u64 = 24 * 60 * 60 * 1000;
/// Attempts, and how long after the notice (three days): whichever comes first ends it.
const ATTEMPTS: u32 = 20;
const PATIENCE: i64 = 72 * 60 * 60 * 1000;
/// Attempts at a receiver that refuses. Most refusals are mistakes that stay, some are a deployment under way.
const REFUSALS: u32 = 5;

/// What becomes of a notice after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is tried again then.
    Again(Timestamp),
    /// It is given up, kept and shown.
    Dead,
}

/// What follows from the failure of attempt number `attempts` (from 1) at a notice made at `made`. `chance` is any number,
/// evenly spread: receivers that failed together are not tried again together.
pub fn after_failure(error: &NotifyError, attempts: u32, made: Timestamp, now: Timestamp, chance: u32) -> Delivery {
    let pause = pause_millis(attempts, chance);
    let (pause, tries) = match error {
        NotifyError::Retry { after_millis, .. } => (pause.max(after_millis.unwrap_or(0).min(LONGEST_ASKED)), ATTEMPTS),
        NotifyError::Refused(_) => (pause, REFUSALS),
        NotifyError::Gone(_) => return Delivery::Dead,
    };
    let again = now.plus_millis(i64::try_from(pause).unwrap_or(i64::MAX));
    if attempts >= tries || again.millis_since(made) > PATIENCE { Delivery::Dead } else { Delivery::Again(again) }
}

/// The pause after attempt number `attempts` (from 1), milliseconds: exponential, a fifth more or less.
pub fn pause_millis(attempts: u32, chance: u32) -> u64 {
    let exact = FIRST.saturating_mul(3_u64.saturating_pow(attempts.saturating_sub(1))).min(LONGEST);
    let fifth = exact / 5;
    exact - fifth + 2 * fifth * u64::from(chance) / u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(after_millis: Option<u64>) -> NotifyError {
        NotifyError::Retry { why: "busy".into(), after_millis }
    }

    #[test]
    fn pauses_grow_and_spread_and_what_the_receiver_asks_for_is_kept() {
        assert_eq!([1, 2, 3].map(|n| pause_millis(n, u32::MAX / 2) / 1000), [4, 14, 44]);
        assert_eq!((pause_millis(1, 0), pause_millis(1, u32::MAX)), (4_000, 6_000));
        assert!(pause_millis(u32::MAX, u32::MAX) <= LONGEST / 5 * 6);
        let now = Timestamp(1_000_000);
        let asked = after_failure(&retry(Some(60_000)), 1, now, now, 0);
        assert_eq!(asked, Delivery::Again(now.plus_millis(60_000)));
        let greedy = after_failure(&retry(Some(u64::MAX)), 1, now, now, 0);
        assert_eq!(greedy, Delivery::Again(now.plus_millis(24 * 60 * 60 * 1000)));
    }

    #[test]
    fn every_failure_comes_to_an_end() {
        let made = Timestamp(0);
        let tries = |error: &NotifyError| {
            let (mut now, mut attempts) = (made, 1);
            while let Delivery::Again(at) = after_failure(error, attempts, made, now, 7) {
                (now, attempts) = (at, attempts + 1);
            }
            (attempts, now)
        };
        let (attempts, last) = tries(&retry(None));
        assert!(
            (10..=20).contains(&attempts) && last.0 > 48 * 60 * 60 * 1000 && last.0 <= PATIENCE,
            "{attempts} {last}"
        );
        assert_eq!(tries(&NotifyError::Refused("404".into())).0, 5);
        assert_eq!(tries(&NotifyError::Gone("410".into())).0, 1);
    }
}
