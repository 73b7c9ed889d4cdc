//! From OpenMetrics to the text format that came before it.

/// The same numbers: a counter's name carries its `_total` in its description too, and units and the end are not named.
pub(super) fn classic(open: &str) -> String {
    let mut counter = "";
    let mut lines: Vec<String> = Vec::new();
    let mut help: Option<(&str, &str)> = None;
    for line in open.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(text)) => help = Some((name, text)),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (total, kind) = match kind {
                    "counter" => ("_total", kind),
                    // The older format has no word for it.
                    "info" => ("_info", "gauge"),
                    _ => ("", kind),
                };
                counter = if kind == "counter" { name } else { "" };
                if let Some((_, text)) = help.take().filter(|(about, _)| *about == name) {
                    lines.push(format!("# HELP {name}{total} {text}"));
                }
                lines.push(format!("# TYPE {name}{total} {kind}"));
            }
            (Some("#"), ..) => {}
            _ if !counter.is_empty() && line.starts_with(counter) && line[counter.len()..].starts_with("_created") => {}
            _ => lines.push(line.to_owned()),
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::classic;

    #[test]
    fn counters_are_described_under_the_name_that_they_have() {
        let open = "# HELP a_b Things.\n# TYPE a_b counter\na_b_total{x=\"# TYPE\"} 3\n# HELP s Time.\n# TYPE s gauge\n# UNIT s seconds\ns 0.5\n# EOF\n";
        let wanted = "# HELP a_b_total Things.\n# TYPE a_b_total counter\na_b_total{x=\"# TYPE\"} 3\n# HELP s Time.\n# TYPE s gauge\ns 0.5\n";
        assert_eq!(classic(open), wanted);
    }
}
