//! Moving an installation: everything in one database into another one that is empty.
//!
//! Tables and columns are read off the databases, so that no table can be forgotten. The memory (`context_*`) stays behind:
//! it is made again out of the rest.

#[cfg(test)]
mod tests;

use super::db::{Conn, Sql, Target, on};
use super::error::{Result, StoreError};
use super::{Filter, Options, Store, from_db};
use serde::Serialize;
use sqlx::{AssertSqlSafe, QueryBuilder, Row};
use std::collections::{BTreeMap, BTreeSet};

/// Rows moved at once: the first time, and at most.
const FIRST: usize = 16;
const MOST: usize = 500;
/// A batch of more bytes than this makes the next one smaller.
const HEAVY: usize = 4 * 1024 * 1024;

/// What was moved and found whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// Journals whose hash chain was recomputed.
    pub journals: u64,
    /// Their entries.
    pub entries: u64,
}

/// A table on its way: its name, rows done and rows in all.
pub type Told<'a> = &'a (dyn Fn(&str, u64, u64) + Send + Sync);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Text,
    Flag,
}

/// A column: its name, what it holds, and its place in the primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    kind: Kind,
    key: Option<i64>,
}

#[derive(Debug, Clone)]
enum Cell {
    Int(Option<i64>),
    Text(Option<String>),
    Flag(Option<bool>),
}

type Tables = BTreeMap<String, Vec<Column>>;

const COLUMNS: Sql = Sql {
    sqlite: "SELECT m.name, c.name, lower(c.type), NULLIF(c.pk, 0) FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations' AND m.name NOT LIKE 'context_%' \
             ORDER BY m.name, c.name",
    postgres: "SELECT t.relname::text, a.attname::text, format_type(a.atttypid, NULL), \
               array_position(i.indkey::int2[], a.attnum)::bigint \
               FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped \
               LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary \
               WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind IN ('r', 'p') \
               AND NOT t.relispartition AND t.relname <> '_sqlx_migrations' AND t.relname NOT LIKE 'context_%' \
               ORDER BY t.relname::text COLLATE \"C\", a.attname::text COLLATE \"C\"",
};
/// Which table refers to which.
const REFERENCES: Sql = Sql {
    sqlite: "SELECT m.name, r.\"table\" FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) r WHERE m.type = 'table'",
    postgres: "SELECT t.relname::text, r.relname::text FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid \
               JOIN pg_class r ON r.oid = c.confrelid \
               WHERE c.contype = 'f' AND t.relnamespace = current_schema()::regnamespace AND NOT t.relispartition",
};

/// Moves everything in the database that `from` names into the empty one that `to` names, in one transaction, and then
/// proves that every row and every journal arrived whole. Both are brought up to date first. What processes write to
/// `from` meanwhile does not come along.
///
/// # Errors
/// [`StoreError::Conflict`] for a target that is not empty; [`StoreError::Unavailable`] if one of them cannot be opened;
/// [`StoreError::Defect`] if something did not arrive as it was.
pub async fn copy(from: &str, to: &str, told: Told<'_>) -> Result<Moved> {
    let (from, target) = (Target::parse(from, &Options::default())?, Target::parse(to, &Options::default())?);
    if !from.is_there() {
        return Err(StoreError::NotFound("the database file to copy from".into()));
    }
    from.prepare().await?;
    target.prepare().await?;
    let mut source = from.writer().await?;
    source.patiently().await?;
    source.begin_reading().await?;
    let mut into = target.writer().await?;
    into.patiently().await?;
    into.begin().await?;
    let tables = columns(&mut source).await?;
    let theirs = columns(&mut into).await?;
    if !tables.keys().eq(theirs.keys()) {
        return Err(StoreError::Defect("the two databases do not have the same tables".into()));
    }
    for (table, columns) in &tables {
        // Keys may differ: on a server that of the signals holds their time.
        let shape = |columns: &[Column]| columns.iter().map(|column| (column.name.clone(), column.kind)).collect();
        let (ours, theirs): (Vec<_>, Vec<_>) = (shape(columns), shape(&theirs[table]));
        if ours != theirs {
            return Err(StoreError::Defect(format!("table {table} has {ours:?} here and {theirs:?} there")));
        }
    }
    for table in tables.keys() {
        if count(&mut into, table).await? > 0 {
            return Err(StoreError::Conflict(format!(
                "the database to copy to is not empty (table {table}); name a new one"
            )));
        }
    }
    let mut rows = BTreeMap::new();
    for table in order(&mut source, &tables).await? {
        let moved = pour(&mut source, &mut into, &table, &tables[&table], told).await?;
        rows.insert(table, moved);
    }
    for (table, moved) in &rows {
        let arrived = count(&mut into, table).await?;
        if arrived != *moved {
            return Err(StoreError::Defect(format!("table {table}: {moved} rows were read and {arrived} arrived")));
        }
    }
    into.count_on().await?;
    into.commit(None).await?;
    into.close().await;
    source.close().await;
    prove(to, rows).await
}

/// Recomputes every hash chain where it arrived.
async fn prove(to: &str, rows: BTreeMap<String, u64>) -> Result<Moved> {
    let store = Store::open(to, Options::default()).await?;
    let (mut journals, mut entries, mut cursor) = (0, 0, None::<String>);
    loop {
        let (page, next) = store.incidents(Filter::default(), cursor.as_deref(), 1000).await?;
        for incident in page {
            let report = store.verify_chain(&incident.id).await?;
            if let Some(seq) = report.broken_at {
                let id = &incident.id;
                return Err(StoreError::Defect(format!("the journal of {id} does not hold from entry {seq} on")));
            }
            journals += 1;
            entries += report.entries;
        }
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    let newest = store.last_position().await?;
    store.close().await;
    if rows.get("entries").is_some_and(|moved| *moved != entries) || newest < entries {
        return Err(StoreError::Defect(format!(
            "the journals hold {entries} entries, and position {newest} is the last"
        )));
    }
    Ok(Moved { rows, journals, entries })
}

async fn columns(conn: &mut Conn) -> Result<Tables> {
    let sql = conn.text(&COLUMNS);
    let found: Vec<(String, String, String, Option<i64>)> = on!(conn, c => sqlx::query_as(sql).fetch_all(c).await?);
    let mut tables = Tables::new();
    for (table, name, kind, key) in found {
        let kind = match kind.as_str() {
            "bigint" | "integer" => Kind::Int,
            "text" => Kind::Text,
            "boolean" => Kind::Flag,
            other => return Err(StoreError::Defect(format!("{table}.{name} is {other}, which cannot be copied"))),
        };
        tables.entry(table).or_default().push(Column { name, kind, key });
    }
    Ok(tables)
}

/// The tables, each after those that it refers to.
async fn order(conn: &mut Conn, tables: &Tables) -> Result<Vec<String>> {
    let sql = conn.text(&REFERENCES);
    let found: Vec<(String, String)> = on!(conn, c => sqlx::query_as(sql).fetch_all(c).await?);
    let (mut ordered, mut open): (Vec<String>, BTreeSet<&String>) = (vec![], tables.keys().collect());
    while !open.is_empty() {
        let waits = |table: &String| {
            found.iter().any(|(from, to)| from == table && to != table && open.contains(to) && tables.contains_key(to))
        };
        let ready: Vec<String> = open.iter().filter(|table| !waits(table)).map(|table| (*table).clone()).collect();
        if ready.is_empty() {
            return Err(StoreError::Defect("tables refer to each other in a circle".into()));
        }
        open.retain(|table| !ready.contains(table));
        ordered.extend(ready);
    }
    Ok(ordered)
}

async fn count(conn: &mut Conn, table: &str) -> Result<u64> {
    // Names come from the database's own list of tables.
    let sql = format!("SELECT COUNT(*) FROM \"{table}\"");
    let rows: i64 = on!(conn, c => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(c).await?);
    Ok(from_db(rows))
}

/// Moves one table in batches along its primary key; how many rows it has.
async fn pour(source: &mut Conn, into: &mut Conn, table: &str, columns: &[Column], told: Told<'_>) -> Result<u64> {
    let all = count(source, table).await?;
    let (mut done, mut limit, mut after) = (0, FIRST, None);
    told(table, 0, all);
    loop {
        let rows = page(source, table, columns, after.as_deref(), limit).await?;
        let Some(last) = rows.last() else { return Ok(done) };
        after = Some(last.clone());
        let bytes: usize = rows.iter().flatten().map(weight).sum();
        done += rows.len() as u64;
        put(into, table, columns, rows).await?;
        told(table, done, all);
        limit = if bytes > HEAVY { (limit / 4).max(1) } else { (limit * 2).min(MOST) };
    }
}

fn weight(cell: &Cell) -> usize {
    match cell {
        Cell::Text(Some(text)) => text.len(),
        _ => 8,
    }
}

fn names<'a>(columns: impl Iterator<Item = &'a Column>) -> String {
    columns.map(|column| format!("\"{}\"", column.name)).collect::<Vec<_>>().join(", ")
}

/// Binds a value, whatever it is.
macro_rules! bind {
    ($list:expr, $cell:expr) => {
        match $cell {
            Cell::Int(value) => $list.push_bind(value),
            Cell::Text(value) => $list.push_bind(value),
            Cell::Flag(value) => $list.push_bind(value),
        }
    };
}

async fn page(
    conn: &mut Conn,
    table: &str,
    columns: &[Column],
    after: Option<&[Cell]>,
    limit: usize,
) -> Result<Vec<Vec<Cell>>> {
    let mut key: Vec<usize> = (0..columns.len()).filter(|at| columns[*at].key.is_some()).collect();
    key.sort_by_key(|at| columns[*at].key);
    let key_names = names(key.iter().map(|at| &columns[*at]));
    let select = format!("SELECT {} FROM \"{table}\"", names(columns.iter()));
    Ok(on!(conn, c => {
        let mut query = QueryBuilder::new(&select);
        if let Some(after) = after {
            query.push(" WHERE (").push(&key_names).push(") > (");
            let mut list = query.separated(", ");
            for at in &key {
                bind!(list, after[*at].clone());
            }
            query.push(")");
        }
        query.push(" ORDER BY ").push(&key_names).push(" LIMIT ").push_bind(limit as i64);
        let rows = query.build().fetch_all(c).await?;
        let cell = |row: &_, at: usize, kind| Ok(match kind {
            Kind::Int => Cell::Int(Row::try_get(row, at)?),
            Kind::Text => Cell::Text(Row::try_get(row, at)?),
            Kind::Flag => Cell::Flag(Row::try_get(row, at)?),
        });
        let read = rows.iter().map(|row| columns.iter().enumerate().map(|(at, column)| cell(row, at, column.kind)).collect());
        read.collect::<Result<Vec<Vec<Cell>>>>()?
    }))
}

async fn put(conn: &mut Conn, table: &str, columns: &[Column], rows: Vec<Vec<Cell>>) -> Result<()> {
    let insert = format!("INSERT INTO \"{table}\" ({}) ", names(columns.iter()));
    on!(conn, c => {
        let mut query = QueryBuilder::new(&insert);
        query.push_values(rows, |mut list, row| {
            for cell in row {
                bind!(list, cell);
            }
        });
        query.build().execute(c).await?.rows_affected()
    });
    Ok(())
}
