//! Quantities (`250m`, `1536Mi`) and ages (`5m24s`) as Kubernetes writes them.

/// Thousandths of a unit: `250m` is 250, `2` is 2000. None if it is not a quantity.
pub fn milli(text: &str) -> Option<u64> {
    let (number, factor) = split(text.trim())?;
    to_u64(number * factor * 1000.0)
}

/// Whole units, rounded down: `1536Mi` is 1610612736, `1k` is 1000. None if it is not a quantity.
pub fn whole(text: &str) -> Option<u64> {
    let (number, factor) = split(text.trim())?;
    to_u64(number * factor)
}

/// Seconds of an age like `2d3h`, `5m24s` or `90s`. None if it is not an age.
pub fn age(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut digits = String::new();
    let mut units = 0;
    for c in text.trim().chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'y' => 31_536_000,
            _ => return None,
        };
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(unit)?)?;
        digits.clear();
        units += 1;
    }
    (units > 0 && digits.is_empty()).then_some(total)
}

fn split(text: &str) -> Option<(f64, f64)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let factor = match &text[end..] {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        "Pi" => 1_125_899_906_842_624.0,
        _ => return None,
    };
    Some((number, factor))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded just before; a float cast saturates anyway"
)]
fn to_u64(value: f64) -> Option<u64> {
    (value.is_finite() && (0.0..1.8e19).contains(&value)).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_and_ages_are_read_as_kubernetes_writes_them() {
        assert_eq!(milli("250m"), Some(250));
        assert_eq!(milli("2"), Some(2000));
        assert_eq!(milli("0.5"), Some(500));
        assert_eq!(whole("1Gi"), Some(1 << 30));
        assert_eq!(whole("15671344Ki"), Some(15_671_344 * 1024));
        assert_eq!(whole("lots"), None);
        assert_eq!(age("5m24s"), Some(324));
        assert_eq!(age("2d3h"), Some(2 * 86_400 + 3 * 3600));
        assert_eq!(age("<none>"), None);
        assert_eq!(age("99999999999999999999d"), None);
    }
}
