//! When a server wants to be asked again.

use reqwest::header::HeaderMap;
use std::time::{Duration, SystemTime};

/// A wait that a server asks for is believed up to a week.
const LONGEST: u64 = 7 * 24 * 3_600_000;

/// When the server wants to be asked again, milliseconds from now. A date is compared with the server's own `Date`, so
/// that a clock that is wrong, theirs or ours, does not matter.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<u64> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    let millis = match text("retry-after-ms").and_then(number) {
        Some(millis) => millis,
        None => match text("retry-after")? {
            seconds if number(seconds).is_some() => number(seconds)? * 1000.0,
            date => {
                let date = httpdate::parse_http_date(date).ok()?;
                let theirs = text("date").and_then(|date| httpdate::parse_http_date(date).ok());
                date.duration_since(theirs.unwrap_or(now)).unwrap_or(Duration::ZERO).as_secs_f64() * 1000.0
            }
        },
    };
    // A float too large for the integer becomes its largest value.
    Some((millis.ceil() as u64).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(pairs: &[(&'static str, &str)]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        retry_after(&headers, httpdate::parse_http_date("Sun, 22 Nov 2026 12:00:00 GMT").unwrap())
    }

    #[test]
    fn a_server_says_in_many_ways_when_to_come_back() {
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&[("retry-after", "7")]), Some(7000));
        assert_eq!(wait(&[("retry-after", " 0.5 ")]), Some(500));
        assert_eq!(wait(&[("retry-after", "60"), ("retry-after-ms", "250")]), Some(250));
        assert_eq!(wait(&[("retry-after", "Sun, 22 Nov 2026 12:01:30 GMT")]), Some(90_000));
        assert_eq!(wait(&[("retry-after", "Sun, 22 Nov 2026 11:00:00 GMT")]), Some(0));
        let wrong_clock = [("retry-after", "Sun, 22 Nov 2026 13:00:05 GMT"), ("date", "Sun, 22 Nov 2026 13:00:00 GMT")];
        assert_eq!(wait(&wrong_clock), Some(5000));
        assert_eq!(wait(&[("retry-after", "1e300")]), Some(LONGEST));
        for nonsense in ["soon", "-1", "NaN", "inf", "", "Sun, 99 Nov 2026"] {
            assert_eq!(wait(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
    }
}
