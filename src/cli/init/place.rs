//! Where everything goes: the configuration, the secrets, the ledger, the socket; beside each other in a person's own
//! folder, or where the installed unit wants them.

use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::files::is_there;
use crate::cli::check::{Account, Passed, Unit, Want};
use crate::cli::exit::{CommandFailure, ExitStatus};
use crate::sandbox::scenario::quoted;

/// What the units of the package read, and what every command finds by itself.
const USUAL_FILE: &str = "/etc/depositd/daemon.toml";
const USUAL_NAME: &str = "daemon.toml";

/// Where everything goes.
#[derive(Debug)]
pub(super) struct Place {
    /// The configuration.
    pub(super) file: PathBuf,
    unit: Option<Unit>,
}

/// Where a secret goes, and how the daemon gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SecretPlace {
    /// The unit has it already, where only systemd can read it.
    Sealed,
    /// A file that the unit passes to the daemon.
    Passed(PathBuf),
    /// A file that the unit passes once it has a drop-in.
    DropIn {
        /// The secret.
        secret: PathBuf,
        /// The drop-in.
        file: PathBuf,
    },
    /// A file beside the configuration, which names it.
    Beside(PathBuf),
}

impl SecretPlace {
    /// The file of the secret, where it is one.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::Sealed => None,
            Self::Passed(file) | Self::DropIn { secret: file, .. } | Self::Beside(file) => Some(file),
        }
    }
}

impl Place {
    /// What `--dir` or `--config` says; else, as root, what the installed unit reads. Nothing may be there already, and
    /// whoever asks must be able to write there.
    pub(super) fn find(dir: Option<&Path>, config: Option<&Path>) -> Result<Self, CommandFailure> {
        let variable = std::env::var_os("DEPOSITD_CONFIG").filter(|value| !value.is_empty());
        let named = match (dir, config) {
            (Some(_), Some(_)) => {
                return Err(CommandFailure::usage("expected either --dir or --config; both are given"));
            }
            (Some(dir), None) => Some(dir.join(USUAL_NAME)),
            (None, Some(file)) => Some(file.to_owned()),
            (None, None) => variable.map(PathBuf::from),
        };
        let place = match named {
            Some(file) => {
                let file = std::path::absolute(file)?;
                Self { unit: Unit::find(&file), file }
            }
            None if geteuid().is_root() => {
                let unit = Unit::find(Path::new(USUAL_FILE)).ok_or_else(no_unit)?;
                Self { file: USUAL_FILE.into(), unit: Some(unit) }
            }
            None => {
                return Err(CommandFailure::usage(
                    "where to? Name a folder, such as --dir ~/depositd; as root, the installed unit's is taken",
                ));
            }
        };
        place.refuse_taken()?;
        place.refuse_foreign()?;
        Ok(place)
    }

    fn refuse_taken(&self) -> Result<(), CommandFailure> {
        if !is_there(&self.file) {
            return Ok(());
        }
        let file = self.file.display();
        Err(CommandFailure::new(
            ExitStatus::Failed,
            format_args!(
                "{file} is there already, and is never changed: edit it, and try it with `depositd --config {file} check`; \
                 or move it away; or name another folder with --dir"
            ),
        ))
    }

    fn refuse_foreign(&self) -> Result<(), CommandFailure> {
        let there = self.folder().ancestors().find(|folder| is_there(folder)).unwrap_or(Path::new("/"));
        Account::own().may(there, Want::Write).map_err(|why| {
            CommandFailure::new(
                ExitStatus::Failed,
                format_args!("{why}: as root it can be done, or in a folder of your own: --dir ~/depositd"),
            )
        })
    }

    /// The configuration's folder.
    pub(super) fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    /// The account's name, where it is one of several: an instance of the template.
    pub(super) fn instance(&self) -> Option<&str> {
        self.unit.as_ref()?.instance()
    }

    /// The name of the unit that runs the daemon from here.
    pub(super) fn unit_name(&self) -> Option<&str> {
        self.unit.as_ref().map(|unit| unit.name.as_str())
    }

    /// Where the secret goes that is called `credential`.
    pub(super) fn secret(&self, credential: &str) -> SecretPlace {
        let Some(unit) = &self.unit else { return SecretPlace::Beside(self.folder().join(credential)) };
        match (unit.credential(credential), unit.drop_ins()) {
            (Passed::Sealed, _) => SecretPlace::Sealed,
            (Passed::From(file) | Passed::Read(file), _) => SecretPlace::Passed(file),
            (Passed::Not, Some(drop_ins)) => SecretPlace::DropIn {
                secret: self.credentials(unit).join(credential),
                file: drop_ins.join(format!("{credential}.conf")),
            },
            (Passed::Not, None) => SecretPlace::Beside(self.folder().join(credential)),
        }
    }

    /// The folder of the secrets, where the daemon itself reads them: its group must be let in.
    pub(super) fn read_by_daemon(&self) -> Option<PathBuf> {
        match self.unit.as_ref()?.credential("upstream-api-key") {
            Passed::Read(file) => file.parent().map(Path::to_path_buf),
            _ => None,
        }
    }

    /// The folder of the unit's other credentials.
    fn credentials(&self, unit: &Unit) -> PathBuf {
        match unit.credential("upstream-api-key") {
            Passed::From(file) | Passed::Read(file) => file.parent().map(Path::to_path_buf),
            _ => None,
        }
        .unwrap_or_else(|| self.folder().join("credentials"))
    }

    /// Where what the daemon keeps goes, as the configuration names it: `name` in the unit's state folder, or beside the
    /// configuration.
    pub(super) fn state(&self, name: &str) -> String {
        self.below("/var/lib", name)
    }

    /// Where the API listens.
    pub(super) fn socket(&self) -> String {
        format!("unix:{}", self.below("/run", "depositd.sock"))
    }

    fn below(&self, base: &str, name: &str) -> String {
        let made = self.unit.as_ref().and_then(|unit| unit.made_below(base));
        made.map_or_else(|| name.to_owned(), |folder| folder.join(name).display().to_string())
    }

    /// Why the ledger cannot be kept at `path`.
    pub(super) fn refuse_ledger(&self, path: &Path) -> Result<(), String> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        if let Some(unit) = self.unit.as_ref().filter(|unit| !unit.lets_write(path)) {
            let usual = self.state("ledger.db");
            return Err(format!(
                "{} lets the daemon write nothing there; expected a file such as {usual}",
                unit.name
            ));
        }
        let is_made = folder == self.folder() || self.unit.as_ref().is_some_and(|unit| unit.makes(path));
        if path.is_dir() {
            return Err(format!("expected a file, found the folder {}", path.display()));
        }
        if is_made || folder.is_dir() {
            return Ok(());
        }
        Err(format!("expected a file in a folder that is there; there is no {}", folder.display()))
    }

    /// What to type before a command that goes by this configuration.
    pub(super) fn command(&self) -> String {
        if self.file == Path::new(USUAL_FILE) {
            return "depositd".to_owned();
        }
        format!("depositd --config {}", quoted(&self.file.display().to_string()))
    }
}

fn no_unit() -> CommandFailure {
    CommandFailure::new(
        ExitStatus::Failed,
        format_args!(
            "no systemd unit runs depositd with {USUAL_FILE}: install the package, or the units of deploy/ \
             (deploy/README.md); or name a folder with --dir"
        ),
    )
}
