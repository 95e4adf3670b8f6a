//! The schema `depositd`: whether it is ours, how it is brought up to date, and who may read it.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::fleet::error::{Error, FleetResult};

/// The schema's whole history, forward only; an earlier one is never edited.
const MIGRATIONS: &[(i32, &str)] = &[(1, include_str!("../sql/0001_books.sql"))];

/// Brings the schema up to date, and lets accountants read its views.
pub(super) async fn prepare(connection: &mut PgConnection, program: &str, now: &str) -> FleetResult<()> {
    let version = version(connection).await?;
    for (number, sql) in MIGRATIONS.iter().filter(|(number, _)| *number > version) {
        migrate(connection, *number, sql, program, now).await?;
    }
    let may_write: bool =
        sqlx::query_scalar("SELECT has_table_privilege('depositd.event', 'INSERT, SELECT')")
            .fetch_one(&mut *connection)
            .await
            .map_err(Error::database("asked who may write"))?;
    if !may_write {
        return Err(Error::Unusable(
            "the database user may not write into the tables of the schema depositd: follow as the user who owns it"
                .to_owned(),
        ));
    }
    admit_accountants(connection).await
}

/// The version of the schema; 0 where there is none yet.
///
/// # Errors
/// [`Error::Unusable`] where it is not ours, or a newer program's.
pub(super) async fn version(connection: &mut PgConnection) -> FleetResult<i32> {
    let (marked, relations): (bool, i64) = sqlx::query_as(
        "SELECT to_regclass('depositd.fleet_schema') IS NOT NULL,
                (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('depositd'))",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(Error::database("looked at"))?;
    if !marked && relations > 0 {
        return Err(Error::Unusable(
            "the schema depositd of this database is another program's: it has tables, and none of them says that a \
             follower made it. Name another database, or give that schema another name; nothing was changed"
                .to_owned(),
        ));
    }
    if !marked {
        return Ok(0);
    }
    let version: i32 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM depositd.fleet_schema")
        .fetch_one(connection)
        .await
        .map_err(Error::database("asked for the version of its schema"))?;
    let newest = MIGRATIONS.last().map_or(0, |(number, _)| *number);
    if version > newest {
        return Err(Error::Unusable(format!(
            "the schema depositd was made by a newer depositd (its version is {version}, this program knows {newest}); \
             install that version or a newer one"
        )));
    }
    Ok(version)
}

async fn migrate(
    connection: &mut PgConnection,
    number: i32,
    sql: &'static str,
    program: &str,
    now: &str,
) -> FleetResult<()> {
    let failed = || Error::database("given its schema");
    let mut change = connection.begin().await.map_err(failed())?;
    if number == 1 {
        // A schema that is there and empty was made for us by whoever may make one.
        let first = "DO $$ BEGIN
                         IF to_regnamespace('depositd') IS NULL THEN CREATE SCHEMA depositd; END IF;
                     END $$;
                     CREATE TABLE depositd.fleet_schema (
                         version    integer PRIMARY KEY,
                         applied_at text NOT NULL,
                         program    text NOT NULL
                     )";
        sqlx::raw_sql(first).execute(&mut *change).await.map_err(failed())?;
    }
    let within = format!("SET LOCAL search_path = depositd, pg_catalog;\n{sql}");
    sqlx::raw_sql(AssertSqlSafe(within)).execute(&mut *change).await.map_err(failed())?;
    sqlx::query("INSERT INTO depositd.fleet_schema (version, applied_at, program) VALUES ($1, $2, $3)")
        .bind(number)
        .bind(now)
        .bind(program)
        .execute(&mut *change)
        .await
        .map_err(failed())?;
    change.commit().await.map_err(failed())
}

/// The role of those who may read the views, and nothing else. Where it is missing and may not be made, that is told, and
/// the follower goes on.
async fn admit_accountants(connection: &mut PgConnection) -> FleetResult<()> {
    const IS_THERE: &str = "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'depositd_accountant')";
    let failed = || Error::database("made readable for accountants");
    let mut is_there: bool =
        sqlx::query_scalar(IS_THERE).fetch_one(&mut *connection).await.map_err(failed())?;
    if !is_there {
        // Refused, or made by somebody else in this moment: asked again below.
        let _ = sqlx::raw_sql("CREATE ROLE depositd_accountant NOLOGIN").execute(&mut *connection).await;
        is_there = sqlx::query_scalar(IS_THERE).fetch_one(&mut *connection).await.map_err(failed())?;
    }
    if !is_there {
        tracing::warn!(
            "there is no role depositd_accountant, and this database user may not make one: have an administrator run \
             CREATE ROLE depositd_accountant NOLOGIN; the next start lets it read the views"
        );
        return Ok(());
    }
    let grant = "DO $$ DECLARE one regclass; BEGIN
                     GRANT USAGE ON SCHEMA depositd TO depositd_accountant;
                     FOR one IN SELECT oid FROM pg_class
                                WHERE relnamespace = to_regnamespace('depositd') AND relkind = 'v'
                                      AND NOT has_table_privilege('depositd_accountant', oid, 'SELECT')
                     LOOP EXECUTE 'GRANT SELECT ON ' || one || ' TO depositd_accountant'; END LOOP;
                 END $$";
    sqlx::raw_sql(grant).execute(connection).await.map_err(failed())?;
    Ok(())
}
