//! Tables with a row an instant and a column a series, as most metric sets come.

use anyhow::{Context, Result};

/// A column: its heads from top to bottom, and its cells that are numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) heads: Vec<String>,
    /// `(unix_ms, value)`.
    pub(crate) points: Vec<(i64, f64)>,
}

/// A row of a matrix: its name, and its cells by column.
pub(crate) type Row = (String, Vec<(String, f64)>);

/// A whole table. The first column holds Unix seconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wide {
    /// Unix milliseconds, a row each.
    pub(crate) times: Vec<i64>,
    pub(crate) columns: Vec<Column>,
}

impl Wide {
    /// Reads CSV with `heads` rows of heads. Rows without a time and cells without a number are left out.
    pub(crate) fn read(table: &[u8], heads: usize) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(table);
        let mut wide = Self { times: Vec::new(), columns: Vec::new() };
        for (row, record) in reader.records().enumerate() {
            let record = record.with_context(|| format!("row {}", row + 1))?;
            if row < heads {
                wide.columns.resize_with(record.len().saturating_sub(1).max(wide.columns.len()), || Column {
                    heads: Vec::new(),
                    points: Vec::new(),
                });
                for (column, head) in wide.columns.iter_mut().zip(record.iter().skip(1)) {
                    column.heads.push(head.trim().to_owned());
                }
                continue;
            }
            let Some(at_ms) = record.get(0).and_then(seconds) else { continue };
            wide.times.push(at_ms);
            for (column, cell) in wide.columns.iter_mut().zip(record.iter().skip(1)) {
                if let Ok(value) = cell.trim().parse() {
                    column.points.push((at_ms, value));
                }
            }
        }
        Ok(wide)
    }

    /// Reads a matrix: every row's name with its cells by column.
    pub(crate) fn read_matrix(table: &[u8]) -> Result<Vec<Row>> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(table);
        let heads = reader.headers()?.clone();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record?;
            let cells = heads.iter().zip(record.iter()).skip(1);
            let numbers = cells.filter_map(|(head, cell)| Some((head.to_owned(), cell.trim().parse().ok()?)));
            rows.push((record.get(0).unwrap_or("").to_owned(), numbers.collect()));
        }
        Ok(rows)
    }
}

/// Unix seconds, whole or not, as milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "within what Unix time can be")]
pub(crate) fn seconds(cell: &str) -> Option<i64> {
    let value: f64 = cell.trim().parse().ok()?;
    (value.abs() < 1e11).then(|| (value * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_in_several_rows_and_empty_cells_are_read() {
        let table = b"who,till,mill\nwhat,latency,requests\nunix,,\n10.0,0.5,\n11.0,,3\n";
        let wide = Wide::read(table, 2).unwrap();
        assert_eq!(wide.times, [10_000, 11_000]);
        assert_eq!(
            wide.columns[0],
            Column { heads: vec!["till".into(), "latency".into()], points: vec![(10_000, 0.5)] }
        );
        assert_eq!(wide.columns[1].points, [(11_000, 3.0)]);
    }
}
