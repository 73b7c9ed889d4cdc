//! Recorded time series: CSV with a time column first.

use super::{gap, subject};
use crate::text::clip;
use sentinell_core::evidence::{Gap, Telemetry};
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;

/// Columns of one file.
const MAX_COLUMNS: usize = 2000;
/// Rows of one file; the newest are kept.
const MAX_ROWS: usize = 50_000;

/// One series per column. Without labels a column belongs to the service that the file is named after.
pub(super) fn read(text: &str, path: &str, file: &str, namespace: Option<&str>) -> (Vec<Telemetry>, Vec<Gap>) {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let header = fields(lines.next().unwrap_or_default());
    if header.len() < 2 {
        return (vec![], vec![gap(path, "expected a header such as `time,cpu,requests{service=\"cart\"}`")]);
    }
    let mut gaps = vec![];
    if header.len() > MAX_COLUMNS + 1 {
        gaps.push(gap(path, &format!("{} columns; only the first {MAX_COLUMNS} were read", header.len() - 1)));
    }
    let columns = header.len().min(MAX_COLUMNS + 1);
    let mut points: Vec<Vec<(i64, f64)>> = vec![vec![]; columns];
    let rows: Vec<&str> = lines.collect();
    if rows.len() > MAX_ROWS {
        gaps.push(gap(path, &format!("{} rows; only the newest {MAX_ROWS} were read", rows.len())));
    }
    let mut odd = 0;
    for row in &rows[rows.len().saturating_sub(MAX_ROWS)..] {
        let cells = fields(row);
        let Some(at) = cells.first().and_then(|cell| time(cell)) else {
            odd += 1;
            continue;
        };
        for (cell, points) in cells.iter().zip(&mut points).skip(1) {
            let value: Option<f64> = cell.trim().parse().ok();
            points.extend(value.filter(|value| value.is_finite()).map(|value| (at, value)));
        }
    }
    if odd > 0 {
        gaps.push(gap(path, &format!("{odd} rows do not begin with a time")));
    }
    let series = header.into_iter().zip(points).skip(1).filter(|(_, points)| !points.is_empty());
    let series = series.map(|(column, mut points)| {
        points.sort_by_key(|(at, _)| *at);
        let (name, labels) = column_name(&column);
        Telemetry::Metric { subject: owner(&labels, file, namespace), name, labels, source: path.to_owned(), points }
    });
    (series.collect(), gaps)
}

/// RFC 3339, `2026-11-22 14:00:00` (UTC), Unix seconds or Unix milliseconds.
fn time(cell: &str) -> Option<i64> {
    let cell = cell.trim();
    if let Ok(number) = cell.parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates; the range is checked below")]
        let millis = if number.abs() < 1e11 { (number * 1000.0).round() } else { number.round() } as i64;
        return (millis > 0 && number.is_finite()).then_some(millis);
    }
    crate::text::leading_time(cell).map(|at: Timestamp| at.0)
}

fn owner(labels: &BTreeMap<String, String>, file: &str, namespace: Option<&str>) -> String {
    let named = |names: &[&str]| names.iter().find_map(|name| labels.get(*name)).filter(|name| !name.is_empty());
    let namespace = named(&["namespace"]).map(String::as_str).or(namespace);
    let within = |kind: &str, name: &str| match namespace {
        Some(namespace) => format!("{kind}/{namespace}/{name}"),
        None => format!("{kind}/{name}"),
    };
    if let Some(service) = named(&["service", "app", "deployment", "job"]) {
        return within("service", service);
    }
    if let Some(pod) = named(&["pod"]) {
        return within("pod", pod);
    }
    match named(&["node", "host", "instance"]) {
        Some(host) => format!("host/{host}"),
        None => subject(file, namespace),
    }
}

/// `requests{service="cart",code="500"}` → its name and labels; anything else is a name.
fn column_name(column: &str) -> (String, BTreeMap<String, String>) {
    let column = column.trim();
    let Some((name, rest)) = column.strip_suffix('}').and_then(|text| text.split_once('{')) else {
        return (clip(column, 300), BTreeMap::new());
    };
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    while let Some((label, after)) = rest.split_once("=\"") {
        let Some((value, after)) = after.split_once('"') else { break };
        labels.insert(clip(label.trim().trim_start_matches(',').trim(), 100), clip(value, 300));
        rest = after;
        if labels.len() >= 40 {
            break;
        }
    }
    (clip(name.trim(), 300), labels)
}

/// The fields of one CSV line; quotes hold commas, a doubled quote is a quote.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (vec![], String::new(), false);
    // Labels may stand unquoted as well: commas between braces do not part columns.
    let mut depth = 0_u32;
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if depth == 0 && quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if depth == 0 && (quoted || field.trim().is_empty()) => quoted = !quoted,
            '{' if !quoted => {
                depth += 1;
                field.push(c);
            }
            '}' if !quoted => {
                depth = depth.saturating_sub(1);
                field.push(c);
            }
            ',' if !quoted && depth == 0 => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_series_of_the_service_that_their_labels_or_the_file_name() {
        let text = "time,cpu,\"requests{service=\"\"web\"\",code=\"\"500\"\"}\",lag{pod=\"web-1\",x=\"a,b\"}\n\
                    1700000000,0.5,3,1\n2023-11-14T22:13:25Z,0.7,,2\nnever,1,1,1\n1700000010000,NaN,5,x\n";
        let (series, gaps) = read(text, "metrics/cart.csv", "cart", Some("shop"));
        let short: Vec<(String, String, usize)> = series
            .iter()
            .filter_map(|one| match one {
                Telemetry::Metric { subject, name, points, .. } => Some((subject.clone(), name.clone(), points.len())),
                _ => None,
            })
            .collect();
        let expected =
            [("service/shop/cart", "cpu", 2), ("service/shop/web", "requests", 2), ("pod/shop/web-1", "lag", 2)];
        assert_eq!(short, expected.map(|(subject, name, count)| (subject.to_owned(), name.to_owned(), count)));
        assert_eq!(gaps.len(), 1);
        assert!(gaps[0].why.contains("1 rows"));
    }
}
