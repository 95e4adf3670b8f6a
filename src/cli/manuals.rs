//! `manuals`: the manual pages. depositd(1) is written by hand, and so is the beginning of daemon.toml(5); each
//! command's page is made of the words of the command line, and each key's entry of `daemon.toml.example`, so that
//! neither can be forgotten.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::args::Cli;
use super::context::Context;
use super::exit::{CommandFailure, CommandResult, ExitStatus};

/// The page of the whole program.
const PROGRAM: &str = include_str!("../../deploy/depositd.1");
/// The page of the configuration, without its keys.
const CONFIGURATION: &str = include_str!("../../deploy/daemon.toml.5");
/// Where its keys belong.
const KEYS_HERE: &str = ".\\\" KEYS\n";
/// Every key, with its default and what it is for.
const EXAMPLE: &str = include_str!("../../daemon.toml.example");

/// Writes every page into `folder`, which is made where it is missing.
pub(super) fn manuals(context: &mut Context, folder: &Path) -> CommandResult {
    let failed = |error: io::Error| {
        CommandFailure::new(ExitStatus::Failed, format_args!("{}: {error}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let pages = pages()?;
    for (name, text) in &pages {
        std::fs::write(folder.join(name), text).map_err(failed)?;
    }
    let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    context.out.answer(&serde_json::json!({ "folder": folder, "pages": names }), |out| {
        out.line(format_args!("{} pages in {}; read one with: man -l FILE", names.len(), folder.display()));
    })
}

/// The pages with the names of their files.
fn pages() -> io::Result<Vec<(String, String)>> {
    let mut whole = Cli::command().disable_help_subcommand(true);
    whole.build();
    let mut pages = vec![
        ("depositd.1".to_owned(), PROGRAM.to_owned()),
        ("daemon.toml.5".to_owned(), CONFIGURATION.replace(KEYS_HERE, &keys(EXAMPLE))),
    ];
    for command in whole.get_subcommands().filter(|command| !command.is_hide_set()) {
        pages.push((format!("depositd-{}.1", command.get_name()), page(command)?));
    }
    Ok(pages)
}

/// The date of all pages: that of depositd(1), so that the same source makes the same bytes.
fn date() -> &'static str {
    PROGRAM.lines().next().and_then(|title| title.split('"').nth(1)).unwrap_or_default()
}

/// The page of one command, with those that belong to it.
fn page(command: &Command) -> io::Result<String> {
    let inner: Vec<&Command> = command.get_subcommands().filter(|inner| !inner.is_hide_set()).collect();
    let manual = Man::new(command.clone())
        .title(format!("depositd-{}", command.get_name()).to_uppercase())
        .date(date())
        .source(concat!("depositd ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut page = Vec::new();
    manual.render_title(&mut page)?;
    manual.render_name_section(&mut page)?;
    manual.render_synopsis_section(&mut page)?;
    manual.render_description_section(&mut page)?;
    if !inner.is_empty() {
        section("COMMANDS").to_writer(&mut page)?;
    }
    for inner in inner {
        one_of_several(inner, &mut page)?;
    }
    manual.render_options_section(&mut page)?;
    examples(command, "SH").to_writer(&mut page)?;
    let mut end = section("EXIT STATUS");
    end.text([roman("0 when it is done; the others are listed in "), bold("depositd"), roman("(1).")]);
    end.control("SH", ["SEE ALSO"]);
    end.text([
        bold("depositd"),
        roman("(1), "),
        bold("daemon.toml"),
        roman("(5), "),
        bold("depositd-accounting"),
        roman("(7)"),
    ]);
    end.to_writer(&mut page)?;
    let page = String::from_utf8(page).map_err(io::Error::other)?;
    // Every part comes with the same beginning, which belongs to the page.
    let beginning = Roff::new().render();
    Ok(format!("{beginning}{}", page.replace(&beginning, "")))
}

/// A command of a group, within the group's page.
fn one_of_several(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut heading = Roff::new();
    heading.control("SS", [name.strip_prefix("depositd ").unwrap_or(name)]);
    heading.to_writer(page)?;
    let own = command.clone().mut_args(|arg| {
        let is_everywhere = arg.is_global_set() || ["help", "version"].contains(&arg.get_id().as_str());
        arg.hide(is_everywhere)
    });
    let manual = Man::new(own);
    for render in [Man::render_synopsis_section, Man::render_description_section, Man::render_options_section]
    {
        let mut part = Vec::new();
        render(&manual, &mut part)?;
        // Without their headings: all of it stands under the command's own.
        let text = String::from_utf8(part).map_err(io::Error::other)?;
        let text = text.replace(".SH SYNOPSIS\n", "").replace(".SH DESCRIPTION\n", ".PP\n");
        page.extend_from_slice(text.replace(".SH OPTIONS\n", "").as_bytes());
    }
    examples(command, "PP").to_writer(page)
}

fn section(name: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [name]);
    roff
}

/// What stands below a command's help: indented lines are typed as they are, others are prose.
fn examples(command: &Command, heading: &str) -> Roff {
    let mut roff = Roff::new();
    let Some(help) = command.get_after_long_help().or_else(|| command.get_after_help()) else { return roff };
    let mut typed = false;
    for line in help.to_string().lines() {
        let is_typed = line.starts_with("  ");
        if typed != is_typed {
            if is_typed {
                roff.control("RS", ["4"]).control("nf", []);
            } else {
                roff.control("fi", []).control("RE", []);
            }
            typed = is_typed;
        }
        match line.trim() {
            "" => {}
            "Example:" | "Examples:" if heading == "SH" => {
                roff.control("SH", ["EXAMPLES"]);
            }
            "Example:" | "Examples:" => {
                roff.control("PP", []).text([roman("Examples:")]);
            }
            example if is_typed => {
                roff.text([roman(example)]);
            }
            prose => {
                roff.control("PP", []).text([roman(prose)]);
            }
        }
    }
    if typed {
        roff.control("fi", []).control("RE", []);
    }
    roff
}

/// The keys of the example file, table by table: its comments are what is said of them.
fn keys(example: &str) -> String {
    let mut roff = Roff::new();
    let mut table = None;
    // Comments on lines of their own are about the table that follows them.
    let mut said: Vec<&str> = Vec::new();
    for line in example.lines() {
        let (text, comment) = line.split_once("  #").map_or((line, None), |(text, said)| (text, Some(said)));
        let text = text.trim();
        // A table that may stand several times is a comment in the example.
        let heading = if text.starts_with("#[[") { text.trim_start_matches('#') } else { text };
        if heading.starts_with('[') {
            let name = heading.trim_matches(['[', ']']);
            roff.control("SS", [heading]);
            if table.is_some() {
                prose(&mut roff, &said);
            }
            prose(&mut roff, comment.as_slice());
            said.clear();
            table = Some(name);
        } else if let Some((key, value)) = text.trim_start_matches('#').split_once(" = ")
            && let Some(table) = table
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            roff.control("TP", []);
            roff.text([bold(format!("{table}.{key}")), roman(" = "), roman(value.trim())]);
            prose(&mut roff, &said);
            prose(&mut roff, comment.as_slice());
            said.clear();
        } else if let Some(more) = text.strip_prefix('#') {
            said.push(more);
        } else {
            said.clear();
        }
    }
    roff.render()
}

fn prose(roff: &mut Roff, lines: &[&str]) {
    let text: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    if !text.is_empty() {
        roff.text([Inline::Roman(text.join(" "))]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::{KEYS, SECRETS};

    /// A page as a reader sees it, nearly: without what is for the typesetter alone.
    fn plain(page: &str) -> String {
        let mut text =
            page.replace("\\*(Aq", "'").replace("\\-", "-").replace("\\e", "\\").replace("\" \"", " ");
        for mark in ["\\fB", "\\fI", "\\fR", "\\fP", "\\&"] {
            text = text.replace(mark, "");
        }
        text
    }

    fn page_of(name: &str) -> String {
        pages().unwrap().into_iter().find(|(found, _)| found == name).map(|(_, text)| plain(&text)).unwrap()
    }

    /// All commands but `help`, those of groups too, each with the words that call it.
    fn all_commands() -> Vec<(String, Command)> {
        fn below(command: &Command, before: &str, found: &mut Vec<(String, Command)>) {
            for inner in command.get_subcommands() {
                let words = format!("{before} {}", inner.get_name()).trim().to_owned();
                below(inner, &words, found);
                found.push((words, inner.clone()));
            }
        }
        let mut whole = Cli::command().disable_help_subcommand(true);
        whole.build();
        let mut found = Vec::new();
        below(&whole, "", &mut found);
        found
    }

    /// The own words of a command: its options, and the values of which one is to be chosen.
    fn own_words(command: &Command) -> BTreeSet<String> {
        let is_own =
            |arg: &&clap::Arg| !arg.is_global_set() && !["help", "version"].contains(&arg.get_id().as_str());
        let own = command.get_arguments().filter(is_own);
        own.filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")).collect()
    }

    #[test]
    fn the_program_s_page_has_every_command_with_every_option() {
        let page = page_of("depositd.1");
        let sections: Vec<&str> = page.split("\n.SS ").skip(1).collect();
        let mut missing = Vec::new();
        for (words, command) in all_commands() {
            let is_group = command.has_subcommands() && command.is_subcommand_required_set();
            let of_it = |section: &&&str| {
                let heading = section.lines().next().unwrap_or_default();
                heading == words
                    || heading.starts_with(&format!("{words} "))
                    || words.rsplit_once(' ').is_some_and(|(group, word)| {
                        heading.starts_with(group) && heading.contains(&format!("[{word} "))
                    })
            };
            match sections.iter().find(of_it) {
                None if !is_group => missing.push(words),
                Some(section) => {
                    let lacks = |option: &String| !section.contains(option.as_str());
                    missing.extend(
                        own_words(&command)
                            .into_iter()
                            .filter(lacks)
                            .map(|option| format!("{words} {option}")),
                    );
                }
                None => {}
            }
        }
        assert_eq!(missing, Vec::<String>::new(), "to be written into deploy/depositd.1, under COMMANDS");
    }

    #[test]
    fn each_command_has_a_page_with_its_options_and_examples() {
        for (words, command) in all_commands() {
            let group = words.split(' ').next().unwrap();
            let page = page_of(&format!("depositd-{group}.1"));
            for option in own_words(&command) {
                assert!(page.contains(&option), "{option} of {words}");
            }
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for example in help.lines().filter(|line| line.starts_with("  depositd")) {
                assert!(page.contains(example.trim()), "{example} of {words}:\n{page}");
            }
        }
    }

    #[test]
    fn the_configuration_s_page_has_every_key() {
        let page = page_of("daemon.toml.5");
        for key in KEYS.iter().chain(SECRETS) {
            let has_entry = page.contains(&format!("\n{key} = ")) || page.contains(&format!(".SS [[{key}]]"));
            assert!(has_entry, "{key} has no entry");
        }
        assert!(!page.contains(KEYS_HERE), "nothing was put in its place");
    }

    #[test]
    fn the_program_s_page_has_every_exit_status_and_every_variable() {
        let page = page_of("depositd.1");
        let exits = page.split_once(".SH EXIT STATUS").unwrap().1.split_once(".SH").unwrap().0;
        let described: Vec<&str> = exits.lines().filter_map(|line| line.strip_prefix(".B ")).collect();
        let all = crate::cli::exit::ExitStatus::ALL.iter().map(|exit| exit.status().to_string());
        assert_eq!(described, all.collect::<Vec<_>>());
        let variables = page.split_once(".SH ENVIRONMENT").unwrap().1.split_once(".SH").unwrap().0;
        for variable in variables_read() {
            assert!(variables.contains(&variable), "{variable} is read, and not in the manual");
        }
    }

    /// The names of the environment variables that the sources read, but for those of a terminal, of the service
    /// manager's protocol, of the completions' scripts and of tests.
    fn variables_read() -> BTreeSet<String> {
        const OF_OTHERS: [&str; 5] =
            ["TERM", "JOURNAL_STREAM", "SYSTEMD_UNIT_PATH", "_DEPOSITD_COMPLETE", "DEPOSITD_TEST_BREAKS"];
        let is_name = |text: &&str| {
            text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        };
        let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut found = BTreeSet::new();
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            if code.contains("env::var") || code.contains(".variable(") {
                found.extend(code.split('"').filter(is_name).map(str::to_owned));
            }
        }
        found.retain(|name| !OF_OTHERS.contains(&name.as_str()));
        assert!(found.contains("DEPOSITD_CONFIG") && found.contains("NO_COLOR"), "{found:?}");
        found
    }
}
