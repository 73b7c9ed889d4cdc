//! Where the journal is kept.

use std::fmt;

/// The URL of a database. Printed, it does not show a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Database(String);

impl Database {
    /// Wraps it.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL, for the one place that opens it.
    pub fn url(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only a server's URL holds a password: between the name and the host, or as a parameter.
        let Some((scheme, rest)) = self.0.split_once("://").filter(|(scheme, _)| *scheme != "sqlite") else {
            return f.write_str(&self.0);
        };
        let address = rest.split('?').next().unwrap_or_default();
        // A password may hold an @ that was not written as %40.
        match address.rsplit_once('@') {
            None => write!(f, "{scheme}://{address}"),
            Some((who, host)) => write!(f, "{scheme}://{}@{host}", who.split(':').next().unwrap_or_default()),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        for (url, shown) in [
            ("sqlite://sentinell.db", "sqlite://sentinell.db"),
            ("postgres://ann:p%40ss@db.test:5432/house", "postgres://ann@db.test:5432/house"),
            ("postgresql://ann:p@ss@db.test/house?password=pass&sslmode=require", "postgresql://ann@db.test/house"),
            ("postgres://db.test/house?password=pass", "postgres://db.test/house"),
        ] {
            assert_eq!(format!("{} {:?}", Database::new(url), Database::new(url)), format!("{shown} {shown}"));
        }
    }
}
