//! The database: how it is reached, and the lock that one follower at a time holds.

mod heads;
mod schema;
mod url;
mod writing;

use std::time::Duration;

use futures_util::future::{Either, select};
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

pub(super) use heads::StoredLedger;
pub(super) use writing::{NotWritten, Whose};

use crate::clock::SharedClock;
use crate::fleet::FleetSettings;
use crate::fleet::error::{Error, FleetResult};

/// The oldest server that the schema is for.
const OLDEST: i32 = 150_000;
/// The word "depositd" as a number: what the lock is called.
const LOCK: i64 = 0x6465_706f_7369_7464;
/// No connection is waited for longer.
const CONNECT: Duration = Duration::from_secs(10);
/// No batch takes longer: a server that is silent for so long is taken for lost.
const LONGEST_WRITE: Duration = Duration::from_mins(5);

/// A connection to the database.
#[derive(Debug)]
pub(super) struct BooksStore {
    connection: PgConnection,
    clock: SharedClock,
}

impl BooksStore {
    /// Reaches the database, and refuses a server that is too old.
    pub(super) async fn connect(settings: &FleetSettings, clock: &SharedClock) -> FleetResult<Self> {
        let options = url::options(settings)?;
        let connected = within(clock, CONNECT, options.connect()).await?;
        let mut connection = connected.map_err(Error::database("reached"))?;
        let version: String = sqlx::query_scalar("SHOW server_version_num")
            .fetch_one(&mut connection)
            .await
            .map_err(Error::database("asked for its version"))?;
        if version.parse::<i32>().unwrap_or(0) < OLDEST {
            return Err(Error::Unusable(format!(
                "the server is PostgreSQL {}, and 15 or newer is needed",
                version.parse::<i32>().unwrap_or(0).checked_div(10_000).unwrap_or(0)
            )));
        }
        Ok(Self { connection, clock: clock.clone() })
    }

    /// Becomes the one follower of this database, until the connection ends; and brings the schema up to date.
    pub(super) async fn take(&mut self, program: &str) -> FleetResult<()> {
        let is_taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut self.connection)
            .await
            .map_err(Error::database("locked"))?;
        if !is_taken {
            return Err(Error::Unusable(format!(
                "another follower is at work on this database: {}; one database has one follower",
                self.holder().await?
            )));
        }
        let now = self.now();
        schema::prepare(&mut self.connection, program, &now).await
    }

    /// Whether a follower has ever made its tables here.
    pub(super) async fn is_ours(&mut self) -> FleetResult<bool> {
        schema::version(&mut self.connection).await.map(|version| version > 0)
    }

    /// Who holds the lock, in words; `None` where nobody does.
    pub(super) async fn follower(&mut self) -> FleetResult<Option<String>> {
        let (high, low) = (LOCK.checked_shr(32).unwrap_or(0), LOCK & 0xffff_ffff);
        let row = sqlx::query(
            "SELECT a.pid, coalesce(a.application_name, '') AS called, coalesce(a.usename::text, '') AS login,
                    coalesce(host(a.client_addr), '') AS address
             FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = $1::bigint::oid
                   AND l.objid = $2::bigint::oid
                   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .bind(high)
        .bind(low)
        .fetch_optional(&mut self.connection)
        .await
        .map_err(Error::database("asked who follows"))?;
        let Some(row) = row else { return Ok(None) };
        let text = |column: &str| row.try_get::<String, _>(column).unwrap_or_default();
        let from = match text("address").as_str() {
            "" => "the server's own machine".to_owned(),
            address => address.to_owned(),
        };
        Ok(Some(format!(
            "{:?}, logged in as {:?} from {from}, server process {}",
            text("called"),
            text("login"),
            row.try_get::<i32, _>("pid").unwrap_or_default()
        )))
    }

    async fn holder(&mut self) -> FleetResult<String> {
        Ok(self.follower().await?.unwrap_or_else(|| "it has just gone".to_owned()))
    }

    fn now(&self) -> String {
        self.clock.now().to_string()
    }

    /// Ends the connection in order.
    pub(super) async fn close(self) {
        // What is not closed in order is closed by the server.
        let _ = within(&self.clock, CONNECT, self.connection.close()).await;
    }
}

/// What `future` comes to, unless it takes longer than `span`.
async fn within<T>(clock: &SharedClock, span: Duration, future: impl Future<Output = T>) -> FleetResult<T> {
    match select(Box::pin(future), clock.sleep(span)).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right(_) => Err(Error::Silent(span.as_secs())),
    }
}
