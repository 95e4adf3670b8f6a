//! The systemd unit that runs the daemon with this configuration: as whom, with which credentials, in which folders.
//!
//! The unit's files are read as systemd.unit(5), systemd.service(5) and systemd.exec(5) describe them, as far as they
//! matter here.

use std::fs;
use std::path::{Path, PathBuf};

use super::unit_file::Settings;

/// Where systemd looks for units, the first before the others; `SYSTEMD_UNIT_PATH` replaces them.
const UNIT_FOLDERS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// Where systemd looks for credentials that are named without a path.
const CREDENTIAL_FOLDERS: [&str; 4] =
    ["/etc/credstore", "/run/credstore", "/usr/local/lib/credstore", "/usr/lib/credstore"];
/// The configuration of a unit that names none.
const USUAL_FILE: &str = "/etc/depositd/daemon.toml";

/// The settings by which systemd makes folders for the daemon before it starts, and where these are.
const MADE: [(&str, &str); 4] = [
    ("StateDirectory", "/var/lib"),
    ("RuntimeDirectory", "/run"),
    ("CacheDirectory", "/var/cache"),
    ("LogsDirectory", "/var/log"),
];

/// What a unit says of the daemon that it runs.
#[derive(Debug)]
pub(in crate::cli) struct Unit {
    /// Such as `depositd.service`, `depositd@shop.service`.
    pub(in crate::cli) name: String,
    instance: String,
    settings: Settings,
}

/// What becomes of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Passed {
    /// It is read from this file.
    From(PathBuf),
    /// The daemon reads this file itself, where it is there (deploy/many-accounts.conf).
    Read(PathBuf),
    /// Only systemd can read it: it is encrypted, or written in the unit.
    Sealed,
    /// The unit does not pass it.
    Not,
}

impl Unit {
    /// The unit whose daemon reads this configuration.
    pub(in crate::cli) fn find(config: &Path) -> Option<Self> {
        let folders = unit_folders();
        let named = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        let mut names: Vec<String> = named.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| name.ends_with(".service"));
        names.sort_unstable();
        names.dedup();
        names.into_iter().find_map(|name| Self::read(&folders, &name, config))
    }

    fn read(folders: &[PathBuf], name: &str, config: &Path) -> Option<Self> {
        let settings = Settings::read(folders, name, name)?;
        let file = configuration(&settings)?;
        let (stem, instance) = name.strip_suffix(".service")?.split_once('@').unwrap_or((name, ""));
        if !name.contains("@.") {
            let unit = Self { name: name.to_owned(), instance: instance.to_owned(), settings };
            return is_same(Path::new(&unit.expand(&file)), config).then_some(unit);
        }
        let config = config.to_str()?;
        let (before, after) = file.split_once("%i").or_else(|| file.split_once("%I"))?;
        let instance = config.strip_prefix(before)?.strip_suffix(after)?;
        if instance.is_empty() || instance.contains('/') {
            return None;
        }
        let own = format!("{stem}@{instance}.service");
        let settings = Settings::read(folders, name, &own)?;
        Some(Self { name: own, instance: instance.to_owned(), settings })
    }

    /// What stands behind the `@` of a template's unit; `None` for one that is no instance.
    pub(in crate::cli) fn instance(&self) -> Option<&str> {
        Some(self.instance.as_str()).filter(|instance| !instance.is_empty())
    }

    /// The user that the daemon runs as.
    pub(super) fn user(&self) -> String {
        self.settings.last("User").map_or_else(|| "root".to_owned(), |user| self.expand(user))
    }

    /// Where the credential of this name comes from.
    pub(in crate::cli) fn credential(&self, name: &str) -> Passed {
        let of = |setting: &str| {
            self.settings.all(setting).iter().map(|text| self.expand(text)).collect::<Vec<_>>()
        };
        for setting in of("SetCredential").into_iter().chain(of("SetCredentialEncrypted")) {
            if setting.split_once(':').is_some_and(|(id, _)| id == name) {
                return Passed::Sealed;
            }
        }
        for setting in of("LoadCredentialEncrypted") {
            if setting.split(':').next() == Some(name) {
                return Passed::Sealed;
            }
        }
        for setting in of("LoadCredential") {
            let (id, place) = setting.split_once(':').unwrap_or((&setting, &setting));
            if id == name {
                let place = Path::new(place);
                let found = if place.is_absolute() { Some(place.to_owned()) } else { stored(place) };
                // Named and not there: the start fails, and the error says on which file.
                return Passed::From(found.unwrap_or_else(|| Path::new("/etc/credstore").join(place)));
            }
        }
        let fits = |glob: &String| {
            glob == name || glob.strip_suffix('*').is_some_and(|begin| name.starts_with(begin))
        };
        match of("ImportCredential").iter().any(fits).then(|| stored(Path::new(name))).flatten() {
            Some(file) => Passed::From(file),
            None => self.own_credentials().map_or(Passed::Not, |folder| Passed::Read(folder.join(name))),
        }
    }

    /// The folder that a drop-in names as that of the credentials, where systemd passes none.
    fn own_credentials(&self) -> Option<PathBuf> {
        let words = self.settings.words("Environment");
        let named =
            words.iter().find_map(|word| word.trim_matches('"').strip_prefix("CREDENTIALS_DIRECTORY="));
        named.map(|folder| PathBuf::from(self.expand(folder)))
    }

    /// The first folder that systemd makes for the daemon below `base`: its state in `/var/lib`, its socket in `/run`.
    pub(in crate::cli) fn made_below(&self, base: &str) -> Option<PathBuf> {
        let (setting, base) = MADE.iter().find(|(_, known)| *known == base)?;
        let name = self.settings.words(setting).into_iter().next()?;
        Some(Path::new(base).join(self.expand(name)))
    }

    /// Where drop-ins of the machine's owner for it belong.
    pub(in crate::cli) fn drop_ins(&self) -> Option<PathBuf> {
        unit_folders().first().map(|folder| folder.join(format!("{}.d", self.name)))
    }

    /// True for a place in a folder that systemd makes for the daemon before it starts.
    pub(in crate::cli) fn makes(&self, place: &Path) -> bool {
        MADE.iter().any(|(setting, base)| {
            let names = self.settings.words(setting);
            names.iter().any(|name| place.starts_with(Path::new(base).join(self.expand(name))))
        })
    }

    /// True where the unit lets the daemon write to this place at all.
    pub(in crate::cli) fn lets_write(&self, place: &Path) -> bool {
        let shut = match self.settings.last("ProtectSystem").map(String::as_str) {
            Some("strict") => true,
            Some("full") => ["/usr", "/boot", "/efi", "/etc"].iter().any(|below| place.starts_with(below)),
            Some("yes" | "true" | "1" | "on") => {
                ["/usr", "/boot", "/efi"].iter().any(|below| place.starts_with(below))
            }
            _ => false,
        };
        let home = self
            .settings
            .last("ProtectHome")
            .is_some_and(|word| !["no", "false", "0", "off"].contains(&word.as_str()));
        let hidden = home && ["/home", "/root", "/run/user"].iter().any(|below| place.starts_with(below));
        let opened = self.settings.words("ReadWritePaths");
        let opened =
            opened.iter().any(|path| place.starts_with(self.expand(path.trim_start_matches(['-', '+']))));
        let private = self.settings.last("PrivateTmp");
        // A folder of the machine's is not in the one that the daemon gets.
        let apart = private.is_some_and(|word| !["no", "false", "0", "off"].contains(&word.as_str()))
            && ["/tmp", "/var/tmp"].iter().any(|below| place.starts_with(below));
        !apart && (opened || self.makes(place) || !(shut || hidden))
    }

    /// The specifiers of systemd.unit(5) that stand in paths and names.
    fn expand(&self, text: &str) -> String {
        let stem = self.name.strip_suffix(".service").unwrap_or(&self.name);
        let mut expanded = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                expanded.push(letter);
                continue;
            }
            expanded.push_str(match letters.next() {
                Some('i' | 'I') => &self.instance,
                Some('n') => &self.name,
                Some('N') => stem,
                Some('p') => stem.split('@').next().unwrap_or_default(),
                Some('S') => "/var/lib",
                Some('t') => "/run",
                Some('C') => "/var/cache",
                Some('L') => "/var/log",
                Some('E') => "/etc",
                _ => "%",
            });
        }
        expanded
    }
}

/// The file of a credential that no unit is known to pass, where it usually is: beside the configuration, or in one of
/// systemd's own folders.
pub(super) fn usual_place(config: Option<&Path>, name: &str) -> Option<PathBuf> {
    let beside = config.and_then(|file| {
        let folder = file.parent()?.join("credentials");
        let own = folder.join(file.file_stem()?).join(name);
        [own, folder.join(name)].into_iter().find(|place| place.symlink_metadata().is_ok())
    });
    beside.or_else(|| stored(Path::new(name)))
}

fn stored(name: &Path) -> Option<PathBuf> {
    CREDENTIAL_FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|file| file.exists())
}

fn unit_folders() -> Vec<PathBuf> {
    let usual = || UNIT_FOLDERS.iter().map(PathBuf::from);
    match std::env::var("SYSTEMD_UNIT_PATH").ok().filter(|path| !path.is_empty()) {
        None => usual().collect(),
        Some(path) => {
            let own = path.split(':').filter(|folder| !folder.is_empty()).map(PathBuf::from);
            // An empty part at its end stands for the usual ones.
            if path.ends_with(':') { own.chain(usual()).collect() } else { own.collect() }
        }
    }
}

/// The configuration that the unit's daemon reads, not expanded; `None` where it runs something else.
fn configuration(settings: &Settings) -> Option<String> {
    let start = settings.last("ExecStart")?;
    let mut words = start.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    let program = words.next()?.trim_start_matches(['@', '-', ':', '+', '!']);
    if Path::new(program).file_name()? != "depositd" || !words.clone().any(|word| word == "run") {
        return None;
    }
    while let Some(word) = words.next() {
        if word == "--config" {
            return words.next().map(str::to_owned);
        }
        if let Some(file) = word.strip_prefix("--config=") {
            return Some(file.to_owned());
        }
    }
    let variables = settings.words("Environment");
    let named = variables.iter().find_map(|word| word.trim_matches('"').strip_prefix("DEPOSITD_CONFIG="));
    Some(named.unwrap_or(USUAL_FILE).to_owned())
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
