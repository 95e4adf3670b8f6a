//! Litestream's control socket: HTTP over a Unix socket (Litestream's `server.go`). `POST /sync` with `wait` answers once
//! the store has everything that was committed before the call.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::UnixStream;

use crate::clock::{Clock as _, SystemClock};
use crate::domain::causes::chain;
use crate::secret::without_known;

/// No answer of Litestream's is larger.
const LARGEST: usize = 1024 * 1024;
/// How much longer than it was given it may take to say that it was too long.
const GRACE: Duration = Duration::from_secs(2);
/// Older ones could not always restore what they had replicated.
const OLDEST: (u64, u64, u64) = (0, 5, 17);

/// Why the replica has not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Nobody listens at the socket.
    #[error("Litestream cannot be reached at {}: {why}", socket.display())]
    Unreachable {
        /// `ledger.replica.socket`.
        socket: PathBuf,
        /// What happened.
        why: String,
    },
    /// It did not answer in time.
    #[error("Litestream has not answered within {} s", limit.as_secs())]
    Silent {
        /// `ledger.replica.timeout`.
        limit: Duration,
    },
    /// It does not know how to confirm, or cannot be relied on.
    #[error("Litestream {0} is too old: install 0.5.17 or a newer one")]
    TooOld(String),
    /// It replicates other files.
    #[error("Litestream does not replicate {}: {instead}", ledger.display())]
    OtherLedger {
        /// The ledger.
        ledger: PathBuf,
        /// What it replicates.
        instead: String,
    },
    /// It has been copying a file that was the ledger, and would go on to say that all is well.
    #[error(
        "Litestream was started before {} was put in place, and copies the file that was there: restart Litestream",
        ledger.display()
    )]
    OtherFile {
        /// The ledger.
        ledger: PathBuf,
    },
    /// It says no, in its own words.
    #[error("Litestream could not copy to the store: {0}")]
    Failed(String),
}

/// Litestream, as it runs beside the daemon. Keeps no connection.
#[derive(Debug)]
pub struct Litestream {
    socket: PathBuf,
    ledger: PathBuf,
    limit: Duration,
    /// The ledger's path as Litestream has it, where that is not ours.
    known_as: OnceLock<String>,
    /// Its version was found good enough, and it has answered ever since.
    is_fit: AtomicBool,
}

/// The answer to `/info`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    version: String,
    pid: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct List {
    databases: Vec<Listed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listed {
    path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
}

/// An answer's status and body.
struct Reply {
    status: StatusCode,
    body: Bytes,
}

impl Reply {
    fn read<T: Default + for<'a> Deserialize<'a>>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Whether it is a JSON object, as all that Litestream itself answers.
    fn is_json(&self) -> bool {
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&self.body).is_ok()
    }

    fn words(&self) -> String {
        match self.read::<Refusal>().error {
            words if words.is_empty() => format!("it answered {}", self.status),
            words => without_known(&words),
        }
    }
}

impl Litestream {
    /// The one at `socket`, which replicates `ledger`. A call may take `limit`.
    #[must_use]
    pub fn new(socket: PathBuf, ledger: &Path, limit: Duration) -> Self {
        let ledger = std::path::absolute(ledger).unwrap_or_else(|_| ledger.to_owned());
        Self { socket, ledger, limit, known_as: OnceLock::new(), is_fit: AtomicBool::new(false) }
    }

    /// Completes once the store has everything that was committed before this call.
    ///
    /// # Errors
    /// [`SyncError`]: it is not known what the store has.
    pub async fn sync(&self) -> Result<(), SyncError> {
        if !self.is_fit.load(Ordering::Relaxed) {
            self.refuse_unfit().await?;
            self.is_fit.store(true, Ordering::Relaxed);
        }
        let path =
            self.known_as.get().map_or_else(|| self.ledger.to_string_lossy().into_owned(), Clone::clone);
        let mut reply = self.ask_to_sync(&path).await?;
        if reply.status == StatusCode::NOT_FOUND && !reply.is_json() {
            return Err(SyncError::TooOld("without /sync".to_owned()));
        }
        if reply.status == StatusCode::NOT_FOUND {
            let other = self.other_name().await?;
            reply = self.ask_to_sync(&other).await?;
            // Set already: to the same path.
            let _ = self.known_as.set(other);
        }
        if reply.status != StatusCode::OK {
            return Err(SyncError::Failed(reply.words()));
        }
        // The numbers that it states may differ by what was written while it copied; what was there before is in the store.
        if !reply.is_json() {
            return Err(SyncError::Failed("its answer is none to this question".to_owned()));
        }
        Ok(())
    }

    /// The process that listens at the socket; `None` where it does not say.
    ///
    /// # Errors
    /// [`SyncError`]: nobody answers there.
    pub async fn pid(&self) -> Result<Option<u32>, SyncError> {
        Ok(self.call(Method::GET, "/info", None).await?.read::<Info>().pid)
    }

    /// The ledger, by the path that Litestream has for it.
    #[must_use]
    pub fn ledger(&self) -> &Path {
        self.known_as.get().map_or(&self.ledger, Path::new)
    }

    async fn ask_to_sync(&self, path: &str) -> Result<Reply, SyncError> {
        let seconds = self.limit.as_secs().max(1);
        let body = json!({ "path": path, "wait": true, "timeout": seconds });
        self.call(Method::POST, "/sync", Some(body.to_string())).await
    }

    /// Refuses one of an old version, and one that has opened another file where the ledger is.
    async fn refuse_unfit(&self) -> Result<(), SyncError> {
        let reply = self.call(Method::GET, "/info", None).await?;
        let Info { version, pid } = reply.read();
        match parsed(&version) {
            Some(known) if known < OLDEST => return Err(SyncError::TooOld(version)),
            Some(_) => {}
            None => tracing::warn!("Litestream does not say its version; 0.5.17 or newer is needed"),
        }
        match pid.and_then(|pid| has_open(pid, &self.ledger)) {
            Some(false) => Err(SyncError::OtherFile { ledger: self.ledger.clone() }),
            // Whoever may not look at that process believes it.
            Some(true) | None => Ok(()),
        }
    }

    /// What it calls the ledger, where it has it by another path: behind a link, say.
    async fn other_name(&self) -> Result<String, SyncError> {
        let list = self.call(Method::GET, "/list", None).await?.read::<List>();
        let real = std::fs::canonicalize(&self.ledger).ok();
        let is_ours = |listed: &&Listed| real.is_some() && std::fs::canonicalize(&listed.path).ok() == real;
        if let Some(listed) = list.databases.iter().find(is_ours) {
            return Ok(listed.path.clone());
        }
        let paths: Vec<_> = list.databases.into_iter().map(|listed| listed.path).collect();
        let instead = match paths.as_slice() {
            [] => "it replicates nothing".to_owned(),
            paths => format!("it replicates {}; name the ledger in its `dbs`", paths.join(", ")),
        };
        Err(SyncError::OtherLedger { ledger: self.ledger.clone(), instead })
    }

    async fn call(&self, method: Method, path: &str, body: Option<String>) -> Result<Reply, SyncError> {
        tokio::select! {
            reply = self.exchange(method, path, body) => reply.map_err(|why| {
                // Another one may be started in its place.
                self.is_fit.store(false, Ordering::Relaxed);
                SyncError::Unreachable { socket: self.socket.clone(), why }
            }),
            // It does not always keep to the limit that it is given.
            () = SystemClock::new().sleep(self.limit.saturating_add(GRACE)) => {
                Err(SyncError::Silent { limit: self.limit })
            }
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<String>) -> Result<Reply, String> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| chain(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| chain(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "litestream")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| chain(&error))?;
        let answer = async {
            let (head, body) =
                sender.send_request(request).await.map_err(|error| chain(&error))?.into_parts();
            let whole = Limited::new(body, LARGEST).collect().await.map_err(|error| error.to_string())?;
            Ok(Reply { status: head.status, body: whole.to_bytes() })
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            reply = &mut answer => reply,
            ended = connection => match ended {
                // What came last may still be on its way to the reader.
                Ok(()) => answer.await,
                Err(error) => Err(chain(&error)),
            },
        }
    }
}

/// Whether the process has the file at `path` open, by the file and not by its name; `None` where that cannot be seen, or
/// it has opened no file of that name yet.
fn has_open(pid: u32, path: &Path) -> Option<bool> {
    let ledger = std::fs::metadata(path).ok()?;
    let real = std::fs::canonicalize(path).ok()?;
    let mut found = None;
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten() {
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        let name = target.to_string_lossy();
        if Path::new(name.trim_end_matches(" (deleted)")) != real {
            continue;
        }
        let is_it = std::fs::metadata(entry.path())
            .is_ok_and(|open| (open.dev(), open.ino()) == (ledger.dev(), ledger.ino()));
        found = Some(found.unwrap_or(false) || is_it);
    }
    found
}

/// `v0.5.17` or `0.5.17-beta` as numbers.
fn parsed(version: &str) -> Option<(u64, u64, u64)> {
    let plain = version.trim().trim_start_matches('v');
    let plain = plain.split(['-', '+', ' ']).next()?;
    let mut parts = plain.split('.').map(str::parse::<u64>);
    let (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) = (parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    Some((major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(parsed("0.5.17"), Some((0, 5, 17)));
        assert_eq!(parsed("v0.5.9-rc1"), Some((0, 5, 9)));
        assert!(parsed("v0.5.9") < Some(OLDEST) && parsed("0.6.0") > Some(OLDEST));
        for strange in ["", "(development build)", "0.5", "main"] {
            assert_eq!(parsed(strange), None, "{strange:?}");
        }
    }
}
