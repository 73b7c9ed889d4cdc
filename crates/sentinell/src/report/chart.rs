//! Small charts out of block characters.

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A line of at most `width` blocks over `(unix_ms, value)` points in order of time; several points in one column show
/// their maximum. Empty for fewer than two finite values.
pub fn sparkline(points: &[(i64, f64)], width: usize) -> String {
    let mut points: Vec<(i64, f64)> = points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
    points.sort_by_key(|(at, _)| *at);
    if points.len() < 2 || width == 0 {
        return String::new();
    }
    let columns = width.min(points.len());
    let column = |c: usize| &points[c * points.len() / columns..((c + 1) * points.len() / columns).max(1)];
    let heights: Vec<f64> = (0..columns).map(|c| column(c).iter().map(|(_, v)| *v).fold(f64::MIN, f64::max)).collect();
    let (low, high) = heights.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
    let span = high - low;
    let level = |value: f64| {
        let share = if span > 0.0 && span.is_finite() { (value - low) / span } else { 0.0 };
        LEVELS[((share * 7.0).round().clamp(0.0, 7.0)) as usize]
    };
    heights.into_iter().map(level).collect()
}

/// A bar of `width` columns, filled to `share` (0 to 1).
pub fn bar(share: f64, width: usize) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let filled = ((share * width as f64).round() as usize).min(width);
    "█".repeat(filled) + &"░".repeat(width - filled)
}

/// `12,345`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The values a chart spans, short: `0.2 … 98`.
pub fn range(points: &[(i64, f64)]) -> String {
    let finite = points.iter().map(|(_, v)| *v).filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    if low > high { String::new() } else { format!("{} … {}", short(low), short(high)) }
}

fn short(value: f64) -> String {
    let size = value.abs();
    match size {
        s if s >= 1e9 => format!("{:.1}G", value / 1e9),
        s if s >= 1e6 => format!("{:.1}M", value / 1e6),
        s if s >= 1e4 => format!("{:.1}k", value / 1e3),
        s if s >= 10.0 || s == s.trunc() => format!("{value:.0}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_looks_like_a_step() {
        let step: Vec<(i64, f64)> = (0..20).map(|i| (i, if i < 10 { 1.0 } else { 9.0 })).collect();
        assert_eq!(sparkline(&step, 10), "▁▁▁▁▁█████");
        assert_eq!(sparkline(&[(0, 1.0), (1, 1.0)], 10), "▁▁");
        assert_eq!(sparkline(&[(0, f64::NAN), (1, 1.0)], 10), "");
        assert_eq!(range(&step), "1 … 9");
    }

    #[test]
    fn numbers_and_bars_stay_within_their_columns() {
        assert_eq!([thousands(7), thousands(12_345), thousands(1_000_000)], ["7", "12,345", "1,000,000"]);
        assert_eq!([bar(0.5, 4), bar(7.0, 4), bar(f64::NAN, 2)], ["██░░", "████", "░░"]);
    }
}
