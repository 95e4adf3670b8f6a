//! `completions`: what a shell needs to complete commands, options and their words.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use super::args::Cli;
use super::context::Context;
use super::exit::{CommandResult, ExitStatus};

/// Prints the script of `shell`.
pub(super) fn completions(context: &mut Context, shell: Shell) -> CommandResult {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "depositd", &mut script);
    context.out.text(&String::from_utf8_lossy(&script));
    Ok(ExitStatus::Done)
}
