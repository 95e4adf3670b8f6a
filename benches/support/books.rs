//! A large ledger of settled deposits, made by SQL.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

/// Settled deposits in twelve months, on five pairs, each with two postings and so many events.
pub async fn fill(path: &Path, deposits: u32, events: u32) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .foreign_keys(false)
        .pragma("cache_size", "-262144");
    let mut file = options.connect().await.unwrap();
    // Guards against people; this is a program that fills.
    for trigger in ["event_in_order", "event_balances", "event_not_in_closed_month"] {
        execute(&mut file, &format!("DROP TRIGGER {trigger}")).await;
    }
    for sql in include_str!("../books.sql").split(";\n").filter(|sql| !sql.trim().is_empty()) {
        execute(&mut file, &sql.replace(":deposits", &deposits.to_string())).await;
    }
    let migration = include_str!("../../migrations/0002_books.sql");
    for table in ["month_total", "account_month"] {
        let begin = format!("INSERT INTO {table} (");
        let statement = migration.split(&begin).nth(1).unwrap().split(";\n").next().unwrap();
        // Months are kept by method too, since a later migration.
        let statement = if table == "month_total" {
            statement.replacen("month,", "method, month,", 1).replacen(
                "SELECT month,",
                "SELECT 'wallet', month,",
                1,
            )
        } else {
            statement.to_owned()
        };
        execute(&mut file, &format!("{begin}{statement}")).await;
    }
    for nth in 2..=events {
        let more = format!(
            "INSERT INTO event (seq, deposit_id, version, at, name, from_state, to_state, facts, mail_to, hash) \
             SELECT row_id + {deposits} * ({nth} - 1), id, {nth}, settled_at, 'expiry_moved', 'settled', 'settled', facts, '[]', \
             printf('%064d', row_id + {deposits} * ({nth} - 1)) FROM deposit"
        );
        execute(&mut file, &more).await;
    }
    file.close().await.unwrap();
}

async fn execute(file: &mut SqliteConnection, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(file).await.unwrap();
}
