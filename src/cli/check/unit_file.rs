//! How a unit's files are read: the unit itself, and over it the drop-ins, setting by setting.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// No unit's file is longer.
const LONGEST: u64 = 256 * 1024;

/// The settings of `[Service]`, each with all its values in their order.
#[derive(Debug, Default)]
pub(super) struct Settings(BTreeMap<String, Vec<String>>);

impl Settings {
    /// The settings of the unit in the file `name`, with the drop-ins of that name and of `own`, which differs from it
    /// for an instance of a template. `None` where there is no such file.
    pub(super) fn read(folders: &[PathBuf], name: &str, own: &str) -> Option<Self> {
        let mut settings = Self::default();
        settings.add(&folders.iter().find_map(|folder| text(&folder.join(name)))?);
        // By their names, whichever folder they lie in; of the same name the first folder's holds.
        let mut more: BTreeMap<String, PathBuf> = BTreeMap::new();
        for unit in if name == own { vec![own] } else { vec![own, name] } {
            for folder in folders {
                for entry in fs::read_dir(folder.join(format!("{unit}.d"))).into_iter().flatten().flatten() {
                    let file = entry.file_name().to_string_lossy().into_owned();
                    if file.ends_with(".conf") {
                        more.entry(file).or_insert_with(|| entry.path());
                    }
                }
            }
        }
        for path in more.values() {
            settings.add(&text(path).unwrap_or_default());
        }
        Some(settings)
    }

    /// All values of a setting.
    pub(super) fn all(&self, setting: &str) -> &[String] {
        self.0.get(setting).map_or(&[], Vec::as_slice)
    }

    /// The last value of a setting, which holds where there can be one only.
    pub(super) fn last(&self, setting: &str) -> Option<&String> {
        self.all(setting).last()
    }

    /// The words of all values of a setting.
    pub(super) fn words(&self, setting: &str) -> Vec<&str> {
        self.all(setting).iter().flat_map(|value| value.split_whitespace()).collect()
    }

    fn add(&mut self, text: &str) {
        let mut in_service = false;
        for line in text.replace("\\\n", " ").lines().map(str::trim) {
            if line.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with('[') {
                in_service = line == "[Service]";
            } else if let Some((setting, value)) = line.split_once('=').filter(|_| in_service) {
                let values = self.0.entry(setting.trim().to_owned()).or_default();
                // An empty value takes back what was said before.
                match value.trim() {
                    "" => values.clear(),
                    value => values.push(value.to_owned()),
                }
            }
        }
    }
}

fn text(path: &std::path::Path) -> Option<String> {
    let found = fs::metadata(path).ok()?;
    let fits = found.is_file() && found.len() <= LONGEST;
    fits.then(|| fs::read_to_string(path).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_ins_add_and_take_back() {
        let (above, below) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folders = [above.path().to_owned(), below.path().to_owned()];
        let write = |at: usize, name: &str, text: &str| {
            let path = folders[at].join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            1,
            "d@.service",
            "[Unit]\nUser=no\n[Service]\n# User=no\nUser=one\nExecStart=a \\\n b\nX=1\nX=2\n",
        );
        write(1, "d@.service.d/10.conf", "[Service]\nX=\nX=3 4\n");
        write(0, "d@shop.service.d/20.conf", "[Service]\nUser=two\n");
        write(0, "d@other.service.d/20.conf", "[Service]\nUser=three\n");
        let settings = Settings::read(&folders, "d@.service", "d@shop.service").unwrap();
        assert_eq!(settings.last("User").map(String::as_str), Some("two"));
        assert_eq!(settings.words("X"), ["3", "4"]);
        assert_eq!(settings.words("ExecStart"), ["a", "b"]);
        assert!(Settings::read(&folders, "e.service", "e.service").is_none());
    }
}
