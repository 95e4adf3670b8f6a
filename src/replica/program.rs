//! Litestream's program, run beside the one that replicates: it restores, and says what the store holds. Its
//! configuration is the one that the running Litestream has, unless another is named.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use crate::clock::{Clock as _, SystemClock};
use crate::secret::without_known;

/// What stands for the generation in the configuration's paths.
const GENERATION: &str = "DEPOSITD_GENERATION";
/// How long a question to the store may take, and a restore.
const QUESTION: Duration = Duration::from_secs(10);
const RESTORE: Duration = Duration::from_hours(1);
/// What is kept of what the program says; a long list has more.
const LARGEST: u64 = 256 * 1024;

/// Why the program did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It cannot be run.
    #[error("{} cannot be run: {source}; install Litestream, or name it in ledger.replica.program", program.display())]
    NotRun {
        /// What was tried.
        program: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// It took too long.
    #[error("Litestream was still busy after {} s, and was stopped", limit.as_secs())]
    TooLong {
        /// How long it had.
        limit: Duration,
    },
    /// It failed, in its own words.
    #[error("Litestream says: {0}")]
    Failed(String),
}

/// How the program is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    program: PathBuf,
    /// Without one, Litestream's usual place.
    config: Option<PathBuf>,
    /// The ledger, by the path that the configuration has.
    ledger: PathBuf,
}

/// What a restore has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// How long it took.
    pub took: Duration,
    /// How large the file is.
    pub bytes: u64,
}

impl Program {
    /// The program at `program` with its configuration at `config`; what is not named is taken from the running process
    /// `pid`, where that can be seen.
    #[must_use]
    pub fn find(program: Option<PathBuf>, config: Option<PathBuf>, ledger: &Path, pid: Option<u32>) -> Self {
        let running = pid.map(|pid| PathBuf::from(format!("/proc/{pid}")));
        let running = running.as_deref();
        let same_program = || std::fs::read_link(running?.join("exe")).ok().filter(|path| path.is_file());
        Self {
            program: program.or_else(same_program).unwrap_or_else(|| PathBuf::from("litestream")),
            config: config.or_else(|| config_of(running?)),
            ledger: std::path::absolute(ledger).unwrap_or_else(|_| ledger.to_owned()),
        }
    }

    /// Restores the newest state of `generation` to the file `to`, which must not be there yet.
    ///
    /// # Errors
    /// [`ProgramError`]; there is no file then.
    pub async fn restore(&self, generation: u64, to: &Path) -> Result<Restored, ProgramError> {
        let clock = SystemClock::new();
        let begun = clock.monotonic();
        let args = [OsString::from("-o"), to.into(), self.ledger.clone().into()];
        self.run("restore", generation, &args, RESTORE).await?;
        let bytes = std::fs::metadata(to).map(|meta| meta.len());
        let bytes = bytes.map_err(|error| ProgramError::Failed(format!("no file was restored: {error}")))?;
        Ok(Restored { took: clock.monotonic().saturating_sub(begun), bytes })
    }

    /// Whether the store holds anything of `generation`; `None` where the configuration does not tell generations apart.
    ///
    /// # Errors
    /// [`ProgramError`]; it is not known then.
    pub async fn holds(&self, generation: u64) -> Result<Option<bool>, ProgramError> {
        if !self.tells_generations_apart()? {
            return Ok(None);
        }
        let args = ["-json", "-level", "all"].map(OsString::from);
        let args: Vec<OsString> = args.into_iter().chain([self.ledger.clone().into()]).collect();
        // The list of a year is long: its first entry says enough.
        let said = self.run("ltx", generation, &args, QUESTION).await?;
        Ok(Some(said.contains("\"max_txid\"")))
    }

    /// Whether each generation has a place of its own in the store. Where nothing names the configuration, and Litestream
    /// has none at its usual place, it is as if it had not.
    ///
    /// # Errors
    /// [`ProgramError::Failed`] where the configuration that is named cannot be read.
    pub fn tells_generations_apart(&self) -> Result<bool, ProgramError> {
        let named = self.config.clone().or_else(|| std::env::var_os("LITESTREAM_CONFIG").map(PathBuf::from));
        let config = named.clone().unwrap_or_else(|| PathBuf::from("/etc/litestream.yml"));
        match std::fs::read_to_string(&config) {
            Ok(text) => Ok(text.lines().any(|line| {
                let written = line.split('#').next().unwrap_or_default();
                written.contains(GENERATION)
            })),
            Err(_) if named.is_none() => Ok(false),
            Err(error) => Err(ProgramError::Failed(format!("{} cannot be read: {error}", config.display()))),
        }
    }

    async fn run(
        &self,
        verb: &str,
        generation: u64,
        args: &[OsString],
        limit: Duration,
    ) -> Result<String, ProgramError> {
        let mut command = Command::new(&self.program);
        command.arg(verb);
        if let Some(config) = &self.config {
            command.arg("-config").arg(config);
        }
        // Nothing of our own configuration is Litestream's business, and with a bundle of authorities it does not start.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DEPOSITD_") || name == "AWS_CA_BUNDLE" {
                command.env_remove(name);
            }
        }
        command.env(GENERATION, generation.to_string()).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut running = command
            .spawn()
            .map_err(|source| ProgramError::NotRun { program: self.program.clone(), source })?;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (stdout, stderr) = (running.stdout.take(), running.stderr.take());
        let ended = async {
            let reading = async {
                if let Some(stdout) = stdout {
                    read_all(stdout, &mut out).await?;
                }
                Ok::<_, std::io::Error>(())
            };
            let also = async {
                if let Some(stderr) = stderr {
                    read_all(stderr, &mut err).await?;
                }
                Ok::<_, std::io::Error>(())
            };
            tokio::try_join!(reading, also)?;
            running.wait().await
        };
        let status = tokio::select! {
            status = ended => status.map_err(|error| ProgramError::Failed(error.to_string()))?,
            () = SystemClock::new().sleep(limit) => return Err(ProgramError::TooLong { limit }),
        };
        let out = String::from_utf8_lossy(&out).into_owned();
        if status.success() {
            return Ok(out);
        }
        let err = String::from_utf8_lossy(&err).into_owned();
        let last = |text: &str| text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned);
        let words = last(&err).or_else(|| last(&out)).unwrap_or_else(|| format!("it ended with {status}"));
        Err(ProgramError::Failed(without_known(&words)))
    }
}

/// Reads to the end, and keeps the beginning.
async fn read_all(mut from: impl AsyncRead + Unpin, kept: &mut Vec<u8>) -> std::io::Result<()> {
    (&mut from).take(LARGEST).read_to_end(kept).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await.map(|_| ())
}

/// The configuration with which the process in `/proc` was started.
fn config_of(process: &Path) -> Option<PathBuf> {
    let line = std::fs::read(process.join("cmdline")).ok()?;
    let words: Vec<String> =
        line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let config = named_config(&words)?;
    if config.is_absolute() {
        return Some(config);
    }
    Some(std::fs::read_link(process.join("cwd")).ok()?.join(config))
}

/// `-config FILE`, `--config FILE` or `-config=FILE` among a command's words.
fn named_config(words: &[String]) -> Option<PathBuf> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let flag = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or_default();
        if flag == "config" {
            return words.next().filter(|path| !path.is_empty()).map(PathBuf::from);
        }
        if let Some(path) = flag.strip_prefix("config=") {
            return Some(PathBuf::from(path));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_a_running_litestream_is_read_off_its_command() {
        for (line, expected) in [
            ("litestream replicate -config /etc/l.yml", Some("/etc/l.yml")),
            ("litestream replicate --config l.yml -x", Some("l.yml")),
            ("litestream replicate -config=/a/b.yml", Some("/a/b.yml")),
            ("litestream replicate /var/lib/a.db s3://bucket/a", None),
            ("litestream replicate -config", None),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(named_config(&words), expected.map(PathBuf::from), "{line}");
        }
    }
}
