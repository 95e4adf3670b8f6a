#![no_main]
#![allow(dead_code, unreachable_pub)]

#[path = "../../tests/fuzz/judge.rs"]
mod judge;

use std::sync::LazyLock;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    judge::configuration(&FOLDER.path().join("daemon.toml"), bytes, false, &"configuration");
});
