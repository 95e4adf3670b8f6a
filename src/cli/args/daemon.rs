//! The words of the commands that run something: the daemon, and the sandbox.

use std::path::PathBuf;

use clap::Args;

use super::values::whole;
use crate::cli::log::LogFormat;

/// `sandbox`
#[derive(Debug, Args)]
pub(in crate::cli) struct SandboxArgs {
    /// Where everything is kept; a sandbox that is there already goes on [default: a new temporary folder each time]
    #[arg(long, value_name = "FOLDER")]
    pub(in crate::cli) dir: Option<PathBuf>,
    /// How many times as fast as life [default: 450; 1 with --serve]
    #[arg(long, value_name = "N", value_parser = whole(0_u32..=u32::MAX))]
    pub(in crate::cli) speed: Option<u32>,
    /// How many deposits play [default: 24; none with --serve]
    #[arg(long, value_name = "N", value_parser = whole(0_u32..=u32::MAX))]
    pub(in crate::cli) deposits: Option<u32>,
    /// What every chance is thrown from [default: random, and printed]
    #[arg(long, value_name = "N", value_parser = whole(0_u64..=u64::MAX))]
    pub(in crate::cli) seed: Option<u64>,
    /// Stay up for a person or a program to play with
    #[arg(long)]
    pub(in crate::cli) serve: bool,
    /// Tell a program of every event by webhooks; the secret is in webhook-secret
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) webhook: Option<String>,
    /// Only the final page
    #[arg(long)]
    pub(in crate::cli) quiet: bool,
}

/// `run`
#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// How the log is written; by default text, plain under journald
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub(in crate::cli) log_format: LogFormat,
}
