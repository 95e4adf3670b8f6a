//! What can go wrong with the database. What is wrong with a ledger is no error: it is in the report.

use crate::domain::causes;

/// Why nothing can be followed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be used as it is; a person has to see to it.
    #[error("{0}")]
    Unusable(String),
    /// The server cannot be reached, or something failed there.
    #[error("the database could not be {doing}")]
    Database {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: sqlx::Error,
    },
    /// Nothing came back for a long time.
    #[error("the database did not answer within {0} seconds")]
    Silent(u64),
}

impl Error {
    /// What failed, as an error of this module. What a user may not do is said with whose leave is needed.
    pub(super) fn database(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| match code(&source).as_deref() {
            // insufficient_privilege
            Some("42501") => Self::Unusable(format!(
                "the database user may not do what is needed ({}): it must own the schema depositd, or be allowed to make \
                 it (GRANT CREATE ON DATABASE ..); docs/fleet.md, \"Set up PostgreSQL\"",
                causes::chain(&source)
            )),
            _ => Self::Database { doing, source },
        }
    }

    /// True where it may work a moment later: the connection was lost, or the server is starting or stopping.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unusable(_) => false,
            Self::Silent(_) => true,
            Self::Database { source, .. } => match source {
                sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
                other => code(other).is_some_and(|code| {
                    // Connection exceptions, too many connections, a shutdown, a deadlock, a lock or a time that ran out.
                    ["08", "40", "53", "55", "57"].iter().any(|class| code.starts_with(class))
                }),
            },
        }
    }

    /// The error and its causes on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        causes::chain(self)
    }
}

fn code(source: &sqlx::Error) -> Option<String> {
    Some(source.as_database_error()?.code()?.into_owned())
}

/// What the calls of this module return.
pub type FleetResult<T> = std::result::Result<T, Error>;
