//! The command line: each command calls the daemon or reads the ledger, and ends with an exit status.
//!
//! Commands that change something speak to the daemon over its API; commands that read open the ledger read-only,
//! and never touch a secret.

mod accounts;
mod args;
mod assets;
mod backup;
mod cases;
mod check;
mod client;
mod close;
mod completing;
mod completions;
mod context;
mod corrections;
mod exit;
mod export;
mod fleet;
mod init;
mod list;
mod list_all;
mod log;
mod mail;
mod mail_check;
mod mail_test;
mod manuals;
mod names;
mod objects;
mod output;
mod ownership;
mod panic_hook;
mod reconcile;
mod replica;
mod request;
mod review;
mod run;
mod sandbox;
mod show;
mod statement;
mod table;
mod verify;
mod watch;
mod webhooks;

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use args::Command;
use context::Context;
use exit::{CommandFailure, CommandResult, ExitStatus};
use futures_util::future::LocalBoxFuture;
use output::say;

use crate::secret::without_known;

/// How often, and how far apart, a command is begun again that met a daemon just starting or stopping.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Reads `args` (the program's name first), does what they say, and gives the exit status.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    panic_hook::keep_secrets();
    let args: Vec<OsString> = args.into_iter().collect();
    if completing::answered(&args) {
        return ExitStatus::Done.into();
    }
    let cli = match args::parse(args.clone()) {
        Ok(cli) => cli,
        // Help and version go to standard output and are no error; nobody may be reading them.
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            return ExitStatus::Done.into();
        }
        Err(error) => {
            args::suspect_all(&args);
            let told = without_known(&error.to_string());
            if args.iter().any(|arg| arg == "--json") {
                say(CommandFailure::usage(told.trim_end()).problem());
                return ExitStatus::Usage.into();
            }
            if told == error.to_string() {
                // In colours, where they are wanted.
                let _ = error.print();
            } else {
                say(told.trim_end());
            }
            return ExitStatus::Usage.into();
        }
    };
    args::suspect_values(&cli);
    let mut context = Context::new(cli.config, cli.json);
    let mut outcome = perform(cli.command, &mut context);
    let mut tries = 0_u32;
    // A daemon that starts or stops between two statements of a reader's fails the second: nothing was told yet, so all is
    // read anew.
    while tries < TRIES
        && !context.out.has_written()
        && outcome.as_ref().is_err_and(CommandFailure::is_passing)
    {
        tries = tries.saturating_add(1);
        std::thread::sleep(PAUSE);
        let Ok(again) = args::parse(args.clone()) else { break };
        outcome = perform(again.command, &mut context);
    }
    let exit = outcome.unwrap_or_else(|failure| {
        if context.out.json {
            say(failure.problem());
        } else {
            say(format_args!("depositd: {}", failure.words()));
        }
        failure.exit
    });
    match context.out.finish() {
        Err(error) if exit == ExitStatus::Done => {
            say(format_args!("depositd: standard output could not be written: {error}"));
            ExitStatus::Failed.into()
        }
        _ => exit.into(),
    }
}

fn perform(command: Command, context: &mut Context) -> CommandResult {
    match command {
        Command::Init(args) => wait_for(init::init(context, *args)),
        Command::Run(args) => run::run(context, &args),
        Command::Sandbox(args) => sandbox::sandbox(args, context.out.json),
        Command::Request(args) => wait_for(request::request(context, args)),
        Command::List(args) if args.all => wait_for(list_all::list_all(context, args)),
        Command::List(args) => wait_for(list::list(context, args)),
        Command::Show { id } => wait_for(show::show(context, &id)),
        Command::Watch => wait_for(watch::watch(context)),
        Command::Review { id, note } => wait_for(review::review(context, &id, &note)),
        Command::Reconcile => wait_for(reconcile::reconcile(context)),
        Command::Cases(command) => wait_for(cases::cases(context, command)),
        Command::Baseline { command } => wait_for(ownership::baseline(context, command)),
        Command::Claim { order, reference, note } => {
            wait_for(ownership::claim(context, &order, reference, &note))
        }
        Command::Restored { since, note } => wait_for(ownership::restored(context, since, &note)),
        Command::Rebind { note } => wait_for(ownership::rebind(context, &note)),
        Command::Close(args) => wait_for(close::close(context, args)),
        Command::Statement { month } => wait_for(statement::statement(context, month)),
        Command::Export(args) => wait_for(export::export(context, args)),
        Command::Verify => wait_for(verify::verify(context)),
        Command::Backup { file } => wait_for(backup::backup(context, &file)),
        Command::Drill => wait_for(replica::drill(context)),
        Command::Promote { from, note } => wait_for(replica::promote(context, from.as_deref(), &note)),
        Command::Mail(command) => wait_for(mail::mail(context, command)),
        Command::Webhooks(command) => wait_for(webhooks::webhooks(context, command)),
        Command::Fleet(command) => fleet::fleet(context, command),
        Command::Assets => assets::assets(context),
        Command::Completions { shell } => completions::completions(context, &shell),
        Command::Manuals { folder } => manuals::manuals(context, &folder),
        Command::Check => wait_for(check::check(context)),
    }
}

/// Runs one command to its end, on this thread.
fn wait_for(command: impl Future<Output = CommandResult>) -> CommandResult {
    let command: LocalBoxFuture<'_, CommandResult> = Box::pin(command);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(command);
    // Tasks that a command has left behind (a connection's) are not waited for.
    runtime.shutdown_background();
    outcome
}
