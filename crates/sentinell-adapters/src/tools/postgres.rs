//! A PostgreSQL: who is connected and waits for what, who blocks whom, how long transactions run, how far replicas are
//! behind, how large it is. A fixed set of questions in a read-only session; SQL of a model or a signal is never run.

mod sql;

use super::database::{DatabaseSettings, Reading, first_look, meant};
use crate::text::one_line;
use sentinell_core::evidence::{Gap, Observation, Query};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the whole look may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The tool `postgres`.
pub struct Postgres {
    databases: Vec<DatabaseSettings>,
    clock: Arc<dyn Clock>,
    describe: String,
}

impl Postgres {
    /// An eye on these databases and no others.
    ///
    /// # Errors
    /// The first URL that makes no sense; it is not repeated.
    pub fn new(databases: Vec<DatabaseSettings>, clock: Arc<dyn Clock>) -> Result<Self, String> {
        for one in &databases {
            let known = ["postgres://", "postgresql://"].iter().any(|scheme| one.url.starts_with(scheme));
            if !known || PgConnectOptions::from_str(&one.url).is_err() {
                return Err(format!(
                    "postgres `{}`: url must look like postgres://user:password@host/database",
                    one.name
                ));
            }
        }
        let names: Vec<&str> = databases.iter().map(|one| one.name.as_str()).collect();
        let describe = format!(
            "reads the state of a PostgreSQL now: connections by state and wait event, who blocks whom, longest transactions, \
             replication lag, deadlocks, sizes; args: database (one of: {})",
            names.join(", ")
        );
        Ok(Self { databases, clock, describe })
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        let database = meant(&self.databases, query)?;
        let mut reading = Reading::new(database, "postgres", self.clock.now());
        let options =
            PgConnectOptions::from_str(&database.url).map_err(|_| ToolError::BadQuery("no such address".into()))?;
        let options = options.application_name("sentinell").disable_statement_logging();
        // The server itself refuses to write, to wait for locks and to work for long.
        let options = options.options([
            ("default_transaction_read_only", "on"),
            ("statement_timeout", "4000"),
            ("lock_timeout", "500"),
            ("idle_in_transaction_session_timeout", "10000"),
        ]);
        let connected = timeout(CONNECT, PgConnection::connect_with(&options)).await;
        let mut connection = match connected {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return not_connected(&error, reading),
            Err(_) => {
                reading.figure("pg_up", &[("failed", "no answer")], 0.0);
                reading.line(None, "error", &format!("no answer within {} s", CONNECT.as_secs()));
                return Ok(reading.finish());
            }
        };
        reading.figure("pg_up", &[], 1.0);
        let gaps = timeout(PATIENCE, sql::ask(&mut connection, &mut reading)).await;
        let _ = timeout(Duration::from_secs(1), connection.close()).await;
        let gaps = gaps.unwrap_or_else(|_| {
            let why = format!("it did not answer within {} s", PATIENCE.as_secs());
            vec![Gap { what: format!("more of the state of {}", database.name), why }]
        });
        Ok(Observation { gaps, ..reading.finish() })
    }
}

/// A server that turns us away as it turns away everybody is down for its users; one that turns away only us is not.
fn not_connected(error: &sqlx::Error, mut reading: Reading<'_>) -> Result<Observation, ToolError> {
    let said = said(error);
    let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
    match (code.as_deref(), error) {
        (Some(code), _) if code.starts_with("28") || code == "42501" || code == "3D000" => Err(ToolError::Denied(said)),
        (Some(_), _) | (None, sqlx::Error::Io(_)) => {
            reading.figure("pg_up", &[("failed", &said)], 0.0);
            reading.line(None, "fatal", &said);
            Ok(reading.finish())
        }
        (None, _) => Err(ToolError::Retry(said)),
    }
}

/// The server's own words, or what the library says; neither holds the password.
fn said(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(error) => format!("FATAL: {}", one_line(error.message(), 300)),
        None => one_line(&error.to_string(), 300),
    }
}

impl Tool for Postgres {
    fn name(&self) -> &str {
        "postgres"
    }

    fn describe(&self) -> &str {
        &self.describe
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        first_look(self.name(), &self.databases, case)
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            let mut found = vec![];
            for database in &self.databases {
                let seen = self.look(&database.question(self.name())).await;
                found.push(database.checked(seen)?);
            }
            Ok(Some(found.join("; ")))
        })
    }
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.databases).finish()
    }
}
