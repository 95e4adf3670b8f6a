//! A PostgreSQL server of a test's own: in a folder that is gone afterwards, at a Unix socket, as a user that is not root.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use depositd::clock::SharedClock;
use depositd::fleet::{FleetSettings, FollowedLedger};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{ConnectOptions as _, Row as _};
use tempfile::TempDir;

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// Debian's package makes this user.
const USER: &str = "postgres";

pub(crate) struct Server {
    folder: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with("-c fsync=off")
    }

    /// With settings of its own.
    pub(crate) fn with(settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("fleet").tempdir_in("/tmp").unwrap();
        let shown = folder.path().display().to_string();
        run(Command::new("chmod").arg("0755").arg(folder.path()));
        run(Command::new("mkdir").arg(folder.path().join("server")));
        run(Command::new("chown").args(["-R", USER]).arg(folder.path().join("server")));
        let server = Self { folder };
        run(&mut server
            .as_user("initdb", &["-D", "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]));
        if settings.contains("ssl=on") {
            server.make_certificate();
        }
        let options = format!("-c listen_addresses= -c unix_socket_directories={shown}/server {settings}");
        run(&mut server.as_user("pg_ctl", &["-D", "data", "-w", "-l", "log", "-o", &options, "start"]));
        server
    }

    /// A certificate of its own authority, for 127.0.0.1.
    fn make_certificate(&self) {
        let data = self.folder.path().join("server/data");
        let mut made = Command::new("openssl");
        made.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]);
        made.args([
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ]);
        made.args(["-keyout", "server.key", "-out", "server.crt"]);
        run(made.current_dir(&data));
        std::fs::copy(data.join("server.crt"), self.folder.path().join("ca.pem")).unwrap();
        run(Command::new("chown").arg(USER).args(["server.key", "server.crt"]).current_dir(&data));
        run(Command::new("chmod").args(["0600", "server.key"]).current_dir(&data));
    }

    /// The certificate that the server shows.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// One of the server's programs, in its folder, as its user.
    fn as_user(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups", &format!("{PROGRAMS}/{program}")]);
        command.args(args).current_dir(self.folder.path().join("server")).env_clear();
        command
    }

    /// As after a crash of the machine, and up again.
    pub(crate) fn crash_and_return(&self) {
        run(&mut self.as_user("pg_ctl", &["-D", "data", "-w", "-m", "immediate", "stop"]));
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={}/server",
            self.folder.path().display()
        );
        run(&mut self.as_user("pg_ctl", &["-D", "data", "-w", "-l", "log", "-o", &options, "start"]));
    }

    /// Where a database of this server is, for a user.
    pub(crate) fn url(&self, user: &str, database: &str) -> String {
        let mut socket = String::new();
        for byte in self.folder.path().join("server").to_str().unwrap().bytes() {
            if byte == b'/' {
                socket.push_str("%2F");
            } else {
                write!(socket, "{}", char::from(byte)).unwrap();
            }
        }
        format!("postgres://{user}:hunter2-s3cr3t@{socket}/{database}")
    }

    pub(crate) async fn connect(&self, user: &str, database: &str) -> PgConnection {
        self.url(user, database).parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
    }

    /// A fresh database.
    pub(crate) async fn database(&self, name: &str) -> PgConnection {
        let mut server = self.connect(USER, "postgres").await;
        execute(&mut server, &format!("CREATE DATABASE {name}")).await;
        self.connect(USER, name).await
    }

    /// What a follower of these ledgers is told.
    pub(crate) fn settings(&self, database: &str, ledgers: &[(&str, PathBuf)]) -> FleetSettings {
        let ledgers = ledgers.iter();
        FleetSettings {
            database_url: self.url(USER, database).into(),
            called: "a test's follower".to_owned(),
            ledgers: ledgers
                .map(|(name, path)| FollowedLedger { name: (*name).to_owned(), path: path.clone() })
                .collect(),
        }
    }

    /// What the program is told in `folder`, and the command itself.
    pub(crate) fn depositd(&self, database: &str, ledgers: &[(&str, PathBuf)], args: &[&str]) -> Command {
        self.depositd_as(USER, database, ledgers, args)
    }

    pub(crate) fn depositd_as(
        &self,
        user: &str,
        database: &str,
        ledgers: &[(&str, PathBuf)],
        args: &[&str],
    ) -> Command {
        let url = self.folder.path().join(format!("url-{user}-{database}"));
        std::fs::write(&url, self.url(user, database)).unwrap();
        run(Command::new("chmod").arg("0600").arg(&url));
        let mut text = format!("[fleet]\ninterval = \"50ms\"\ndatabase_url_file = \"{}\"\n", url.display());
        for (name, path) in ledgers {
            write!(text, "[[fleet.ledgers]]\nname = \"{name}\"\npath = \"{}\"\n", path.display()).unwrap();
        }
        let config = self.folder.path().join(format!("{database}.toml"));
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_depositd"));
        command.args(["--config", config.to_str().unwrap()]).args(args).env_clear();
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.as_user("pg_ctl", &["-D", "data", "-m", "immediate", "stop"]).output();
    }
}

pub(crate) fn clock() -> SharedClock {
    std::sync::Arc::new(depositd::clock::SystemClock::new())
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) async fn execute(database: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(database).await.unwrap();
}

/// One value, as text.
pub(crate) async fn ask(database: &mut PgConnection, sql: &str) -> String {
    sqlx::query_scalar::<_, Option<String>>(sqlx::AssertSqlSafe(format!("SELECT ({sql})::text")))
        .fetch_one(database)
        .await
        .unwrap()
        .unwrap_or_else(|| "NULL".to_owned())
}

/// Every row of a question whose columns are texts.
pub(crate) async fn rows(database: &mut PgConnection, sql: &str) -> Vec<Vec<Option<String>>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(database).await.unwrap();
    rows.iter().map(|row: &PgRow| (0..row.len()).map(|at| row.get(at)).collect()).collect()
}

/// Exit status, standard output, standard error; and that no secret is in either.
pub(crate) fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!out.contains("hunter2") && !err.contains("hunter2"), "{out}\n{err}");
    (output.status.code().unwrap_or(-1), out, err)
}
