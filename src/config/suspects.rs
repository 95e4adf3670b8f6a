//! What stands where a path, a host or an argument belongs and could be a secret: no message repeats it.

use std::path::Path;

use crate::secret::{is_plain, suspect};

/// Names of files and hosts are made of longer words than values are.
const LONGEST_NAME: usize = 16;
/// A folder, and a file with an ending, may be numbered: `node01`, `ledger2.db`.
const MOST_DIGITS: usize = 3;
/// What is typed: currencies, networks, states.
const LONGEST_ARGUMENT: usize = 10;

/// Notices a path: what is there is no secret, and of the rest what follows from the first name that is not plain.
pub(crate) fn suspect_path(path: &Path) {
    hidden_parts(path).iter().for_each(|part| suspect(part));
}

/// Notices the name of a host.
pub(crate) fn suspect_host(name: &str) {
    if !is_host(name) {
        suspect(name);
    }
}

/// Notices what was typed where a word, a number, an address or a time belongs.
pub(crate) fn suspect_argument(text: &str) {
    if !is_argument(text) {
        suspect(text);
    }
}

/// What is not told of a path: all that follows from the first such name, and each such name, since a folder on the way
/// is told of by itself, too.
fn hidden_parts(path: &Path) -> Vec<String> {
    let there = path.ancestors().find(|part| part.symlink_metadata().is_ok()).unwrap_or(Path::new(""));
    let Ok(missing) = path.strip_prefix(there) else { return Vec::new() };
    let mut rest = missing.components();
    while let Some(next) = rest.clone().next() {
        let all = rest.as_path().to_string_lossy().into_owned();
        rest.next();
        let is_folder = !rest.as_path().as_os_str().is_empty();
        let name = next.as_os_str().to_string_lossy().into_owned();
        let is_told = is_file_name(&name) || (is_folder && is_numbered(&name));
        if !is_told {
            let more = rest.map(|name| name.as_os_str().to_string_lossy().into_owned());
            return [all, name].into_iter().chain(more.filter(|name| !is_file_name(name))).collect();
        }
    }
    Vec::new()
}

/// One with a point or a colon, or an ordinary word.
fn is_host(name: &str) -> bool {
    name.contains(['.', ':']) || is_numbered(name)
}

fn is_argument(text: &str) -> bool {
    let is_number = text.chars().all(|c| c.is_ascii_digit() || ".,+-_eE ".contains(c));
    let is_address =
        text.rsplit_once('@').is_some_and(|(_, domain)| domain.contains('.') && !domain.contains(' '));
    is_number || is_address || is_plain(&text.to_lowercase(), LONGEST_ARGUMENT)
}

/// Words, or words with a number and an ending behind them: `token`, `ledger2.db`.
fn is_file_name(text: &str) -> bool {
    let ends = |(name, ending): (&str, &str)| {
        (1..=5).contains(&ending.len()) && is_plain(ending, 5) && is_numbered(name)
    };
    is_plain(text, LONGEST_NAME) || text.rsplit_once('.').is_some_and(ends)
}

/// Words with a short number behind them, or without: `node01`.
fn is_numbered(text: &str) -> bool {
    let word = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = text.len().saturating_sub(word.len());
    is_plain(text, LONGEST_NAME)
        || (digits <= MOST_DIGITS && !word.is_empty() && is_plain(word, LONGEST_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_and_what_could_be_a_secret_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let hidden = |name: &str| hidden_parts(&folder.path().join(name));
        for name in [
            "key",
            "upstream-api-key",
            "ledger2.db",
            "backups/node01/copy.db",
            "ledger-2026-11-22.db",
            "a/b/c",
        ] {
            assert_eq!(hidden(name), Vec::<String>::new(), "{name}");
        }
        for (name, parts) in [
            ("Mk3y9/+&=%x", &["Mk3y9/+&=%x", "Mk3y9", "+&=%x"][..]),
            ("hunter2-s3cr3t", &["hunter2-s3cr3t", "hunter2-s3cr3t"]),
            ("sub/7f3a9c1e55", &["7f3a9c1e55", "7f3a9c1e55"]),
            ("sk_live_abc123", &["sk_live_abc123", "sk_live_abc123"]),
            ("hunter2", &["hunter2", "hunter2"]),
            ("s3cret/ledger.db", &["s3cret/ledger.db", "s3cret"]),
        ] {
            assert_eq!(hidden(name), parts, "{name}");
        }
        std::fs::write(folder.path().join("k3y9z-q7"), "").unwrap();
        assert_eq!(hidden("k3y9z-q7"), Vec::<String>::new(), "what is there is the name of a file");
    }

    #[test]
    fn hosts_and_arguments_are_looked_at_as_well() {
        for name in ["smtp.example.com", "::1", "localhost", "mailhost1"] {
            assert!(is_host(name), "{name}");
        }
        assert!(!is_host("zq7Kk3y9host"));
        for plain in
            ["12.3456789", "bob77@example.com", "POLYGON", "Avalanche", "2026-05-30", "USDT", "final", "-5"]
        {
            assert!(is_argument(plain), "{plain}");
        }
        for text in ["zebra27", "Zq7argument!", "hunter2-s3cr3t", "p@ss word", "sk_live_abc123"] {
            assert!(!is_argument(text), "{text}");
        }
    }
}
