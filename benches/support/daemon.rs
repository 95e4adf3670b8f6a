//! A configuration for the daemon that is measured: everything in one folder, nothing scheduled.

use std::path::{Path, PathBuf};

pub const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Writes `daemon.toml` into `folder`, with the upstream at `base_url`; gives its path.
pub fn configuration(folder: &Path, base_url: &str) -> PathBuf {
    std::fs::write(folder.join("key"), KEY).expect("a key");
    let text = format!(
        r#"[upstream]
base_url = "{base_url}"
user_id = "12345"
api_key_file = "key"
requests_per_second = 0

[ledger]
path = "ledger.db"

[reconcile]
schedule = "0 0 0 1 1 *"

[mail]
transport = "file"
directory = "mail"
from = "depositd@example.org"
to = ["ops@example.org"]

[api]
listen = ["unix:depositd.sock"]
"#
    );
    let path = folder.join("daemon.toml");
    std::fs::write(&path, text).expect("a configuration");
    path
}

/// Where the daemon of `folder` listens.
pub fn socket(folder: &Path) -> PathBuf {
    folder.join("depositd.sock")
}
