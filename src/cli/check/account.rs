//! Who the daemon runs as, and what that user may read and write, by owners and modes.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{getegid, geteuid, getgroups};

/// What somebody wants of a file or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Want {
    /// To read it.
    Read,
    /// To write it; to make files in it, where it is a folder.
    Write,
}

/// A user of this machine.
#[derive(Debug)]
pub(in crate::cli) struct Account {
    name: String,
    uid: u32,
    groups: Vec<u32>,
    /// The one who runs this program: the system itself can be asked.
    is_own: bool,
}

impl Account {
    /// Whoever runs this program.
    pub(in crate::cli) fn own() -> Self {
        let uid = geteuid().as_raw();
        let more = getgroups().unwrap_or_default();
        let groups = more.into_iter().chain([getegid()]).map(rustix::process::Gid::as_raw).collect();
        Self { name: user_name(uid), uid, groups, is_own: true }
    }

    /// The user of this name or number, if there is one.
    pub(super) fn named(name: &str) -> Option<Self> {
        let user = match name.parse() {
            Ok(uid) => uzers::get_user_by_uid(uid)?,
            Err(_) => uzers::get_user_by_name(name)?,
        };
        if user.uid() == geteuid().as_raw() {
            return Some(Self::own());
        }
        let groups = uzers::get_user_groups(user.name(), user.primary_group_id()).unwrap_or_default();
        let groups = groups.iter().map(uzers::Group::gid).collect();
        let name = user.name().to_string_lossy().into_owned();
        Some(Self { name, uid: user.uid(), groups, is_own: false })
    }

    /// True for the user who may do nearly everything.
    pub(in crate::cli) fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// What it is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether this user may; else why not, in words.
    pub(in crate::cli) fn may(&self, path: &Path, want: Want) -> Result<(), String> {
        let found = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let verb = if want == Want::Read { "read" } else { "write" };
        if self.is_own {
            let bits = match want {
                Want::Read => Access::READ_OK,
                Want::Write if found.is_dir() => Access::WRITE_OK | Access::EXEC_OK,
                Want::Write => Access::WRITE_OK,
            };
            return accessat(CWD, path, bits, AtFlags::EACCESS).map_err(|error| {
                let why = std::io::Error::from(error);
                format!("{} may not {verb} {} ({}): {why}", self.name, path.display(), owner(&found))
            });
        }
        let folders = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        for folder in folders {
            let met = fs::metadata(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            if !self.is_root() && self.bits(&met) & 1 == 0 {
                return Err(format!("{} may not enter {} ({})", self.name, folder.display(), owner(&met)));
            }
        }
        let needed = match want {
            Want::Read => 4,
            Want::Write if found.is_dir() => 3,
            Want::Write => 2,
        };
        if self.is_root() || self.bits(&found) & needed == needed {
            return Ok(());
        }
        Err(format!("{} may not {verb} {} ({})", self.name, path.display(), owner(&found)))
    }

    /// The three bits of the mode that hold for this user.
    fn bits(&self, found: &Metadata) -> u32 {
        let shift = match found {
            _ if found.uid() == self.uid => 6,
            _ if self.groups.contains(&found.gid()) => 3,
            _ => 0,
        };
        found.mode() >> shift & 7
    }
}

fn owner(found: &Metadata) -> String {
    format!("{}:{}, mode {:04o}", user_name(found.uid()), group_name(found.gid()), found.mode() & 0o7777)
}

fn user_name(uid: u32) -> String {
    uzers::get_user_by_uid(uid)
        .map_or_else(|| uid.to_string(), |user| user.name().to_string_lossy().into_owned())
}

fn group_name(gid: u32) -> String {
    uzers::get_group_by_gid(gid)
        .map_or_else(|| gid.to_string(), |group| group.name().to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn owners_and_modes_say_who_may() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        fs::write(&file, "").unwrap();
        let mode = |path: &Path, mode: u32| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let own = Account::own();
        assert_eq!(own.may(&file, Want::Read), Ok(()));
        assert!(own.may(&folder.path().join("none"), Want::Read).unwrap_err().contains("No such file"));
        let stranger =
            Account { name: "somebody".to_owned(), uid: 4_000_000, groups: vec![4_000_000], is_own: false };
        mode(folder.path(), 0o755);
        for (bits, may_read, may_write) in [(0o600, false, false), (0o604, true, false), (0o606, true, true)]
        {
            mode(&file, bits);
            assert_eq!(stranger.may(&file, Want::Read).is_ok(), may_read, "{bits:o}");
            assert_eq!(stranger.may(&file, Want::Write).is_ok(), may_write, "{bits:o}");
        }
        assert!(stranger.may(folder.path(), Want::Write).unwrap_err().contains("mode 0755"));
        mode(folder.path(), 0o750);
        let told = stranger.may(&file, Want::Read).unwrap_err();
        assert!(told.starts_with("somebody may not enter"), "{told}");
        assert_eq!(Account::named("root").unwrap().may(&file, Want::Write), Ok(()));
        assert!(Account::named("no-such-user-here").is_none());
    }
}
