//! What was typed where something else belongs, and could be a secret: no message repeats it.

use std::ffi::OsString;
use std::path::Path;

use super::{Cli, Command, MailCommand, RequestArgs, WebhooksCommand};
use crate::config::{suspect_argument, suspect_path};

/// Notices every value of a command line that could not be read.
pub(in crate::cli) fn suspect_all(args: &[OsString]) {
    for arg in args.iter().skip(1) {
        let arg = arg.to_string_lossy();
        match arg.strip_prefix("--") {
            Some(option) => suspect_argument(option.split_once('=').map_or(option, |(_, value)| value)),
            None => suspect_argument(arg.strip_prefix('-').and_then(|rest| rest.get(1..)).unwrap_or(&arg)),
        }
        suspect_argument(&arg);
    }
}

/// Notices the values that are judged later: paths, amounts, addresses, months. Names of deposits are told.
pub(in crate::cli) fn suspect_values(cli: &Cli) {
    let path = |path: &Path| {
        let from = std::env::current_dir().unwrap_or_default();
        suspect_path(&from.join(path));
    };
    match &cli.command {
        Command::Request(request) => {
            let RequestArgs { currency, network, amount, page, card, .. } = request;
            let words = [currency, network, amount, page, card].into_iter().flatten();
            words.chain(&request.notify).for_each(|text| suspect_argument(text));
        }
        Command::Init(args) => {
            let files = [&args.api_key_file, &args.smtp_password_file];
            files.into_iter().flatten().for_each(|file| path(file));
            // It may be numbered, as a folder may.
            args.dir.iter().for_each(|folder| path(&folder.join("daemon.toml")));
        }
        Command::List(args) => args.config_dir.iter().for_each(|folder| path(folder)),
        Command::Close(args) => suspect_argument(&args.month),
        Command::Statement { month } => month.iter().for_each(|month| suspect_argument(month)),
        Command::Backup { file } => path(file),
        Command::Promote { from: Some(file), .. } => path(file),
        Command::Manuals { folder } => path(folder),
        Command::Export(args) => args.output.iter().for_each(|file| path(file)),
        Command::Sandbox(args) => args.dir.iter().for_each(|folder| path(folder)),
        Command::Webhooks(WebhooksCommand::Test { name } | WebhooksCommand::Enable { name }) => {
            suspect_argument(name);
        }
        Command::Mail(MailCommand::Test { to: Some(to), .. }) => suspect_argument(to),
        _ => {}
    }
}
