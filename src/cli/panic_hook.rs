//! The panic hook: a panic is logged in one line without a secret, and no core is dumped.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use super::output::say;
use crate::secret::without_known;

/// Logs panics without secrets, and keeps the memory of this process from other programs of its user: no core dump, no
/// debugger, no access to its environment (`prctl(2)`, `PR_SET_DUMPABLE`).
pub(super) fn keep_secrets() {
    // A kernel without this call leaves everything as it was; the systemd unit forbids core dumps as well.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    std::panic::set_hook(Box::new(|panic| {
        let line = described(panic);
        if tracing::enabled!(tracing::Level::ERROR) {
            tracing::error!("{line}");
        } else {
            say(format_args!("depositd: {line}"));
        }
    }));
}

/// The place and the message of the panic, with the backtrace where `RUST_BACKTRACE` asks for it.
fn described(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(|| "nowhere".to_owned(), ToString::to_string);
    let words = panic.payload_as_str().unwrap_or("no words");
    let words: Vec<String> = without_known(words).lines().map(|line| line.trim().to_owned()).collect();
    let line = format!("this is a defect: it panicked at {place}: {}", words.join(" "));
    let way = Backtrace::capture();
    match way.status() {
        // Names of functions and places in their sources; no values.
        BacktraceStatus::Captured => format!("{line}\n{way}"),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use secrecy::SecretString;

    use super::*;

    const SECRET: &str = "MARKED-a8f3&c1";

    /// Run by the next test in a process of its own; by itself it does nothing.
    #[test]
    fn breaks_where_it_is_asked_to() {
        if std::env::var_os("DEPOSITD_TEST_BREAKS").is_none() {
            return;
        }
        keep_secrets();
        crate::secret::remember(&SecretString::from(SECRET.to_owned()));
        let broken = |words: &str| -> Result<(), String> { Err(format!("{words}\nand MARKED-a8f3%26c1")) };
        broken(&format!("no answer from /v3?apiKey={SECRET}")).unwrap();
    }

    #[test]
    fn a_panic_is_told_without_the_secret_that_it_speaks_of() {
        for ways in ["0", "full"] {
            let name = "cli::panic_hook::tests::breaks_where_it_is_asked_to";
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args([name, "--exact", "--nocapture", "--test-threads=1"]);
            let output = child.env("DEPOSITD_TEST_BREAKS", "1").env("RUST_BACKTRACE", ways).output().unwrap();
            assert!(!output.status.success());
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            let told = "depositd: this is a defect: it panicked at src/cli/panic_hook.rs";
            assert!(said.contains(told) && said.contains("apiKey=[secret]"), "{said}");
            assert!(!said.contains("MARKED"), "{said}");
            assert_eq!(said.contains("breaks_where_it_is_asked_to::"), ways == "full", "{said}");
        }
    }
}
