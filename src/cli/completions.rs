//! `completions`: what a shell needs to complete commands, options and their words. The shell asks the program
//! itself each time (`completing`).

use clap_complete::env::Shells;

use super::completing::VARIABLE;
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};

/// Prints the script of `shell`.
pub(super) fn completions(context: &mut Context, shell: &str) -> CommandResult {
    let shells = Shells::builtins();
    let Some(completer) = shells.completer(shell) else {
        return Err(CommandFailure::usage(format_args!("expected bash, zsh or fish, found {shell:?}")));
    };
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, "depositd", "depositd", "depositd", &mut script)?;
    context.out.text(&String::from_utf8_lossy(&script));
    if shell == "zsh" {
        // Loaded by its name, as from a folder of completions, it is called at once.
        context.out.line(r#"[[ $funcstack[1] = _depositd ]] && _clap_dynamic_completer_depositd "$@""#);
    }
    Ok(ExitStatus::Done)
}
