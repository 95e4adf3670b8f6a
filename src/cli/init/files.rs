//! How a file is made: whole or not at all, and never in the place of another.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use crate::cli::exit::{CommandFailure, ExitStatus};

/// Makes `path` with these bytes and this mode. It gets its name only when it is on the disk.
pub(super) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CommandFailure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        File::open(folder)?.sync_all()
    };
    written().map_err(|error| failed(path, &error))
}

/// Makes a folder and those above it, where they are missing.
pub(super) fn folder(path: &Path, mode: u32) -> Result<(), CommandFailure> {
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(|error| failed(path, &error))
}

/// True where something has this name, be it a link that leads nowhere.
pub(super) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn failed(path: &Path, error: &io::Error) -> CommandFailure {
    let words = format!(
        "{}: {error}; what was written before it is whole, and the next try takes it",
        path.display()
    );
    CommandFailure::new(ExitStatus::Failed, words)
}
