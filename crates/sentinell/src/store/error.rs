//! What can go wrong with the store. A variant exists where somebody branches.

use sentinell_core::investigation::Illegal;
use sqlx::postgres::PgDatabaseError;

/// Why the store did not do it. Cloneable: one failed commit answers a whole group.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Too much is queued, or another process holds the database: come back later (503 with `Retry-After`).
    #[error("the store is busy; try again in a moment")]
    Busy,
    /// The disk or the database does not take it now. Nothing was written; later writes may succeed (503).
    #[error("the store cannot write or read now: {0}")]
    Unavailable(String),
    /// Somebody appended first, or a unique name is taken.
    #[error("somebody else was first: {0}")]
    Conflict(String),
    /// The policy changed or a deed was begun since this was judged: judge again.
    #[error("the policy or what is counted changed since; judge again")]
    Moved,
    /// The lease is held by somebody else now: let go.
    #[error("the lease on this incident was lost")]
    LeaseLost,
    /// The event does not fit the state it met.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// The cursor was not made by this store.
    #[error("the cursor is not one that this server gave out; leave it out to start at the newest")]
    BadCursor,
    /// It names something that does not exist.
    #[error("no such thing: {0}")]
    NotFound(String),
    /// It holds text that the database cannot keep or compare: a NUL character.
    #[error("the text holds a NUL character, which cannot be stored")]
    Unstorable,
    /// Something stored cannot be read back, or the database refuses a statement: a defect, not a passing trouble (500).
    #[error("a defect in the store or its data: {0}")]
    Defect(String),
}

/// What the store answers.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl StoreError {
    /// The same trouble, met after a write that nothing guards: the whole group has to go.
    pub(super) fn spoiled(self) -> Self {
        match self {
            Self::Busy | Self::Unavailable(_) => self,
            other => Self::Unavailable(other.to_string()),
        }
    }

    /// Whether it is for want of room on the disk.
    pub fn is_full(&self) -> bool {
        let full = ["disk is full", "No space left on device", "53100"];
        matches!(self, Self::Unavailable(cause) if full.iter().any(|words| cause.contains(words)))
    }

    /// Whether the write connection is in doubt, so that the whole group must be rolled back.
    pub(super) fn spoils_group(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                Self::Defect(error.to_string())
            }
            sqlx::Error::Database(database) if database.is_unique_violation() => Self::Conflict(database.to_string()),
            sqlx::Error::Database(database) if database.is_foreign_key_violation() => {
                Self::NotFound("it refers to something that is not stored".into())
            }
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                match database.try_downcast_ref::<PgDatabaseError>() {
                    Some(_) => Self::of_server(&code, &error),
                    None => Self::of_file(&code, &error),
                }
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl StoreError {
    /// The low byte of an SQLite code is its family: 5 busy, 6 locked; 1 a wrong statement, 18 too big, 19 a constraint,
    /// 20 a wrong type: these are about one command. The rest is about the disk.
    fn of_file(code: &str, error: &sqlx::Error) -> Self {
        match code.parse::<i64>() {
            Ok(code) if matches!(code & 0xff, 5 | 6) => Self::Busy,
            Ok(code) if matches!(code & 0xff, 1 | 18 | 19 | 20) => Self::Defect(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }

    /// The first two characters of an SQLSTATE are its class: 22 and 23 are about the data of one command, 42 and 54
    /// about its text. The rest is about the server: no room, going down, out of reach, a time limit.
    fn of_server(code: &str, error: &sqlx::Error) -> Self {
        match (code, code.get(..2)) {
            // No lock in time, a conflict of transactions, a deadlock.
            ("55P03" | "40001" | "40P01", _) => Self::Busy,
            // Text with a NUL character.
            ("22021" | "22P05", _) => Self::Unstorable,
            (_, Some("22" | "23" | "42" | "54" | "0A")) => Self::Defect(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Defect(error.to_string())
    }
}
