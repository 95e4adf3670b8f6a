//! Where the configuration file is looked for, and in which order.

use std::path::{Path, PathBuf, absolute};

use super::error::Error;
use super::layers::Surroundings;
use super::suspects::suspect_path;

/// Where it is looked for, as errors say it.
pub(crate) const PLACES: &str =
    "looked for --config FILE, $DEPOSITD_CONFIG, ./daemon.toml, /etc/depositd/daemon.toml";
const VARIABLE: &str = "DEPOSITD_CONFIG";

/// The file to read, absolute: the one asked for, which must be there, else the first that is.
pub(crate) fn locate_in(around: &Surroundings, explicit: Option<&Path>) -> Result<Option<PathBuf>, Error> {
    let asked = match (explicit, around.variable(VARIABLE).filter(|value| !value.is_empty())) {
        (Some(path), _) => Some(("--config", path)),
        (None, Some(path)) => Some((VARIABLE, Path::new(path))),
        (None, None) => None,
    };
    if let Some((by, path)) = asked {
        let path = around.folder.join(path);
        suspect_path(&path);
        return match path.metadata() {
            Ok(found) if found.is_dir() => {
                Err(Error::of(&shown(&path), format!("expected a configuration file ({by}), found a folder")))
            }
            Ok(_) => Ok(Some(absolute(&path).unwrap_or(path))),
            Err(error) => {
                Err(Error::of(&shown(&path), format!("cannot read the configuration ({by}): {error}")))
            }
        };
    }
    for path in [around.folder.join("daemon.toml"), around.fallback.clone()] {
        match path.try_exists() {
            Ok(true) => return Ok(Some(path)),
            Ok(false) => {}
            // It may be there and differ from what comes next: guessing on would be worse.
            Err(error) => {
                return Err(Error::of(&shown(&path), format!("cannot read the configuration: {error}")));
            }
        }
    }
    Ok(None)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
