//! Refuses a build in which SQLite would not be as `.cargo/config.toml` has it: that file is found from the folder in
//! which cargo is started (or of the path that `cargo install` is given), and nobody would notice its absence.

use std::process::ExitCode;

const VARIABLE: &str = "LIBSQLITE3_FLAGS";
const FLAG: &str = "-USQLITE_ENABLE_MEMORY_MANAGEMENT";

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=migrations");
    if std::env::var("TARGET").is_ok_and(|target| target.ends_with("-linux-gnu")) {
        // A megabyte of relocations, which every start reads, becomes some kilobytes; glibc 2.36 and later know them.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    let flags = std::env::var(VARIABLE).unwrap_or_default();
    if flags.split_whitespace().any(|flag| flag == FLAG) {
        return ExitCode::SUCCESS;
    }
    println!(
        "cargo::error=SQLite would be built so that a reader of a large ledger slows the daemon down: build in the folder \
         of the project, whose .cargo/config.toml sets {VARIABLE}, or set {VARIABLE}=\"{FLAG}\" yourself"
    );
    ExitCode::FAILURE
}
