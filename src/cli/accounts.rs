//! The accounts of a machine: one configuration each, in one folder, named by its file.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::exit::{CommandFailure, ExitStatus};
use crate::config::{self, Config};

/// Where the installed units read their configurations.
const USUAL_FOLDER: &str = "/etc/depositd";
const VARIABLE: &str = "DEPOSITD_CONFIG_DIR";
const ENDING: &[u8] = b".toml";
/// So many accounts are gone through at most, and so many entries of the folder looked at.
const MOST: usize = 10_000;
const MOST_ENTRIES: usize = 100_000;

/// An account by its configuration.
#[derive(Debug)]
pub(super) struct ConfiguredAccount {
    /// The file's name without `.toml`: the instance of `depositd@NAME`, or `daemon`.
    pub(super) name: String,
    /// The configuration.
    pub(super) file: PathBuf,
}

impl ConfiguredAccount {
    /// What the account's daemon reads: the file, and nothing of this process's environment, which would be said of all
    /// accounts alike.
    pub(super) fn config(&self) -> Result<Config, CommandFailure> {
        let cannot = |problem: &dyn std::fmt::Display| {
            CommandFailure::usage(format_args!("{}: {problem}", self.file.display()))
        };
        let found = self
            .file
            .metadata()
            .map_err(|error| cannot(&format!("cannot read the configuration: {error}")))?;
        // A pipe would hold everything up.
        if !found.is_file() {
            return Err(cannot(&"expected a configuration file, found something else"));
        }
        config::load_file(&self.file).map_err(CommandFailure::usage)
    }
}

/// The folder of the configurations: as said, else `$DEPOSITD_CONFIG_DIR`, else that of the units.
pub(super) fn folder_of_accounts(said: Option<PathBuf>) -> PathBuf {
    let variable = || std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    said.or_else(variable).unwrap_or_else(|| PathBuf::from(USUAL_FOLDER))
}

/// The accounts whose configurations are in `folder`, by their names; there is one at least.
///
/// # Errors
/// Where the folder cannot be read, has none, or too many.
pub(super) fn accounts_in(folder: &Path) -> Result<Vec<ConfiguredAccount>, CommandFailure> {
    let shown = folder.display();
    let cannot = |error: io::Error| {
        let exit = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ExitStatus::Usage,
            _ => ExitStatus::Failed,
        };
        CommandFailure::new(exit, format_args!("cannot read the folder of configurations {shown}: {error}"))
    };
    let mut names = Vec::new();
    for (count, entry) in folder.read_dir().map_err(cannot)?.enumerate() {
        names.extend(name_of(entry.map_err(cannot)?.file_name()));
        if count >= MOST_ENTRIES || names.len() > MOST {
            return Err(CommandFailure::new(
                ExitStatus::Failed,
                format_args!(
                    "{shown} has more than {MOST} configurations, or {MOST_ENTRIES} files: keep them in several folders, and \
                     name one with --config-dir"
                ),
            ));
        }
    }
    if names.is_empty() {
        return Err(CommandFailure::usage(format_args!(
            "there is no configuration in {shown}: expected one file NAME.toml for each account; another folder is named with \
             --config-dir"
        )));
    }
    names.sort_unstable();
    Ok(names.into_iter().map(|name| account(folder, &name)).collect())
}

/// The account that a file of this name configures. Hidden files are those of editors; what has another ending, such as
/// `daemon.toml.example`, is none.
fn name_of(file: OsString) -> Option<Vec<u8>> {
    let name = file.as_bytes().strip_suffix(ENDING)?;
    (!name.is_empty() && !name.starts_with(b".")).then(|| name.to_vec())
}

fn account(folder: &Path, name: &[u8]) -> ConfiguredAccount {
    let file = OsString::from_vec([name, ENDING].concat());
    ConfiguredAccount { name: String::from_utf8_lossy(name).into_owned(), file: folder.join(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(file: &str) -> Option<String> {
        name_of(file.into()).map(|name| String::from_utf8(name).unwrap())
    }

    #[test]
    fn an_account_is_called_as_its_file() {
        for (file, expected) in [
            ("daemon.toml", Some("daemon")),
            ("shop.eu.toml", Some("shop.eu")),
            ("a b;$(c).toml", Some("a b;$(c)")),
            (".toml", None),
            (".shop.toml", None),
            (".#shop.toml", None),
            ("shop.toml~", None),
            ("#shop.toml#", None),
            ("daemon.toml.example", None),
            ("shop.TOML", None),
            ("litestream.yml", None),
        ] {
            assert_eq!(named(file).as_deref(), expected, "{file}");
        }
    }

    #[test]
    fn accounts_come_in_the_order_of_their_names_and_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(accounts_in(folder.path()).unwrap_err().exit, ExitStatus::Usage, "there is none");
        assert_eq!(accounts_in(&folder.path().join("no")).unwrap_err().exit, ExitStatus::Usage);
        for name in ["b.toml", "a.toml", "daemon.toml.example"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::write(folder.path().join(OsString::from_vec(b"c\xff.toml".to_vec())), "").unwrap();
        let names: Vec<String> =
            accounts_in(folder.path()).unwrap().into_iter().map(|account| account.name).collect();
        assert_eq!(names, ["a", "b", "c\u{fffd}"]);
        for number in 0..=MOST {
            std::fs::write(folder.path().join(format!("{number}.toml")), "").unwrap();
        }
        assert_eq!(accounts_in(folder.path()).unwrap_err().exit, ExitStatus::Failed);
    }
}
