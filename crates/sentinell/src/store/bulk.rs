//! Many rows in one statement. A statement costs far more than a row of it: the way to the database's thread or server and
//! back is paid once.

use super::db::Conn;
use sqlx::AssertSqlSafe;

/// The most rows of one statement: parameters are limited, 32,766 on SQLite.
const MOST: usize = 64;

impl Conn {
    /// The statement with its one row of values (`VALUES ($1, …, $N)`) repeated `rows` times, with parameters of its own
    /// each, to be bound in order. SQLite finds a parameter with a number by walking over all of them, and gets none.
    pub(super) fn repeated(&self, sql: &str, rows: usize) -> AssertSqlSafe<String> {
        AssertSqlSafe(repeated(sql, rows, matches!(self, Self::Postgres(_))))
    }
}

fn repeated(sql: &str, rows: usize, numbered: bool) -> String {
    let Some((start, end)) = row_of(sql) else { return sql.to_owned() };
    let (row, parameters) = (&sql[start..end], sql[start..end].matches('$').count());
    let mut text = String::with_capacity(sql.len() + rows * (row.len() + 2 * parameters));
    text.push_str(&sql[..start]);
    for at in 0..rows {
        text.push_str(if at == 0 { "(" } else { ", (" });
        for parameter in 1..=parameters {
            text.push_str(if parameter == 1 { "" } else { ", " });
            match numbered {
                true => text.extend(["$", &(at * parameters + parameter).to_string()]),
                false => text.push('?'),
            }
        }
        text.push(')');
    }
    text.push_str(&sql[end..]);
    text
}

/// Where the row of values stands, parentheses included.
fn row_of(sql: &str) -> Option<(usize, usize)> {
    let start = sql.find("VALUES (")? + "VALUES ".len();
    Some((start, start + sql[start..].find(')')? + 1))
}

/// The rows in slices of 64, 32, … 1: few lengths, so that the statements of all of them stay prepared.
pub(super) fn slices<T>(mut rest: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = (1_usize << rest.len().checked_ilog2()?).min(MOST);
        let (slice, after) = rest.split_at(size);
        rest = after;
        Some(slice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_parameters_of_its_own() {
        let sql = "INSERT INTO lamps (id, lit) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET lit = excluded.lit";
        assert_eq!(repeated(sql, 1, true), sql);
        assert_eq!(
            repeated(sql, 2, false),
            "INSERT INTO lamps (id, lit) VALUES (?, ?), (?, ?) ON CONFLICT (id) DO UPDATE SET lit = excluded.lit"
        );
        assert_eq!(
            repeated(sql, 3, true),
            "INSERT INTO lamps (id, lit) VALUES ($1, $2), ($3, $4), ($5, $6) ON CONFLICT (id) DO UPDATE SET lit = excluded.lit"
        );
    }

    #[test]
    fn slices_keep_every_row_in_order_and_come_in_few_lengths() {
        let rows: Vec<usize> = (0..203).collect();
        let lengths: Vec<usize> = slices(&rows).map(<[usize]>::len).collect();
        assert_eq!(lengths, [64, 64, 64, 8, 2, 1]);
        assert_eq!(slices(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        assert_eq!(slices::<u8>(&[]).count(), 0);
    }
}
