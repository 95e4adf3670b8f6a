//! How a message becomes a file: whole or not at all, and the same file when it is written again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `directory/<id>.eml` and gives back its path. Blocking.
pub(super) fn write(directory: &Path, id: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let name = file_name(id);
    let path = directory.join(format!("{name}.eml"));
    let draft = directory.join(format!(".{name}.tmp"));
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&draft, &path)?;
    // The name itself is durable once the folder is.
    File::open(directory)?.sync_all()?;
    Ok(path)
}

/// Tries whether a message could be written; leaves nothing, not even the folder. Blocking.
pub(super) fn check(directory: &Path) -> io::Result<()> {
    // A folder that is missing is made with the first message.
    let mut above = directory.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    let folder = above.find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let probe = folder.join(format!(".depositd-check-{}.tmp", std::process::id()));
    File::create(&probe)?.write_all(b"depositd")?;
    fs::remove_file(&probe)
}

/// The message id as a file's name: nothing of it can leave the folder or hide the file.
fn file_name(id: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '+' | '=');
    let name: String = id.chars().map(|c| if keep(c) { c } else { '_' }).take(200).collect();
    name.trim_start_matches('.').to_owned()
}
