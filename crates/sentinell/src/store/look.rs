//! A look at a database from outside, that changes nothing.

use super::db::{Target, on};
use super::error::Result;
use super::{Options, Store};

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// Nothing yet: the first start makes it.
    Missing,
    /// There is a database whose tables are not ours, or older: the next start brings them up to date.
    Unprepared,
    /// It is as a start left it.
    Prepared {
        /// The newest change of its tables.
        version: i64,
        /// Incidents in it.
        incidents: u64,
    },
}

impl Store {
    /// Looks whether a database can be opened and what is in it, without preparing it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`](super::StoreError::Unavailable) with the reason.
    pub async fn look(url: &str) -> Result<Look> {
        let target = Target::parse(url, &Options::default())?;
        if !target.is_there() {
            return Ok(Look::Missing);
        }
        let mut conn = target.writer().await?;
        let sql = "SELECT COALESCE(MAX(version), 0), (SELECT COUNT(*) FROM incidents) FROM _sqlx_migrations";
        let read: Result<(i64, i64)> = async { Ok(on!(&mut conn, c => sqlx::query_as(sql).fetch_one(c).await?)) }.await;
        conn.close().await;
        Ok(match read {
            Ok((version, incidents)) => Look::Prepared { version, incidents: incidents.unsigned_abs() },
            Err(_) => Look::Unprepared,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::House;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_look_tells_what_is_there_and_makes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none.db");
        let url = format!("sqlite://{}", path.display());
        assert_eq!(Store::look(&url).await.unwrap(), Look::Missing);
        assert!(!path.exists());
        let house = House::new().await;
        assert!(matches!(Store::look(house.url()).await.unwrap(), Look::Prepared { version: 10.., incidents: 0 }));
        assert!(Store::look("sqlite:///no/such/folder/at.db").await.is_ok_and(|look| look == Look::Missing));
        assert!(Store::look("mysql://x").await.is_err());
    }
}
