//! Every statement of the store, read off its sources and prepared on both databases.

use super::Options;
use super::db::{Conn, Target};
use super::place::Place;
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};
use std::fs;
use std::path::{Path, PathBuf};

/// A statement and where it may be run.
struct Found {
    sql: String,
    file: String,
    sqlite: bool,
    postgres: bool,
}

const VERBS: [&str; 6] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ", "SAVEPOINT "];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// String literals of a source, each with the text of its line before it.
fn literals(source: &str) -> Vec<(String, String)> {
    let (mut found, mut line) = (vec![], String::new());
    let mut letters = source.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\n' => line.clear(),
            '/' if letters.peek() == Some(&'/') => {
                letters.by_ref().find(|letter| *letter == '\n');
                line.clear();
            }
            '\'' => {
                // A letter ('"', '\'') or a lifetime.
                let next = letters.next();
                if next == Some('\\') {
                    letters.next();
                }
                if letters.peek() == Some(&'\'') {
                    letters.next();
                }
            }
            '"' => {
                let mut text = String::new();
                while let Some(letter) = letters.next().filter(|letter| *letter != '"') {
                    match letter {
                        '\\' => match letters.next() {
                            Some('\n') => while letters.next_if(|letter| letter.is_whitespace()).is_some() {},
                            Some(escaped) => text.push(escaped),
                            None => {}
                        },
                        other => text.push(other),
                    }
                }
                found.push((std::mem::take(&mut line), text));
            }
            other => line.push(other),
        }
    }
    found
}

fn statements() -> Vec<Found> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut files = vec![];
    sources(&root, &mut files);
    let mut found = vec![];
    for path in files {
        let file = path.strip_prefix(&root).unwrap().display().to_string();
        let source = fs::read_to_string(&path).unwrap();
        // Tests tamper with SQLite files in its own words.
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        if ["tests.rs", "pace.rs", "statements.rs"].iter().any(|tests| file.ends_with(tests)) {
            continue;
        }
        for (before, sql) in literals(source) {
            if VERBS.iter().any(|verb| sql.starts_with(verb)) && !sql.contains('{') {
                let of_servers = ["db/postgres.rs", "db/months.rs", "context/near.rs"];
                let sqlite = !before.contains("postgres:") && !of_servers.contains(&file.as_str());
                let postgres = !before.contains("sqlite:") && file != "db/sqlite.rs";
                found.push(Found { sql, file: file.clone(), sqlite, postgres });
            }
        }
    }
    found
}

async fn prepare_all(place: &Place) {
    super::Store::open(place.url(), Options::default()).await.unwrap().close().await;
    let mut conn = Target::parse(place.url(), &Options::default()).unwrap().writer().await.unwrap();
    let statements = statements();
    for Found { sql, file, sqlite, postgres } in &statements {
        let sql = AssertSqlSafe(sql.clone()).into_sql_str();
        let prepared = match &mut conn {
            Conn::Sqlite(conn) if *sqlite => conn.prepare(sql.clone()).await.map(drop),
            Conn::Postgres(conn) if *postgres => conn.prepare(sql.clone()).await.map(drop),
            _ => continue,
        };
        // A savepoint is no statement that a server prepares.
        if let Err(error) = prepared {
            panic!("{file}: {error}\n{}", sql.as_str());
        }
    }
    let in_one_file = statements.iter().filter(|found| found.file == "journal.rs").count();
    assert!(statements.len() >= 70 && in_one_file >= 8, "only {} statements were found", statements.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_is_prepared_on_both_databases() {
    prepare_all(&Place::file()).await;
    // The same again where this run is about SQLite only.
    prepare_all(&Place::new().await).await;
}
