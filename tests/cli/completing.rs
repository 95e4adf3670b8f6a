//! Completions, in the real shells: each is set up as the package sets it up, and typed into.

use std::path::Path;
use std::process::Command;

use super::bench::Bench;
use super::books::{self, WAITING};

/// A line that ends in the midst of a word, and what a tab makes of it.
fn lines() -> Vec<(String, &'static str)> {
    let id = WAITING.get(..WAITING.len() - 1).unwrap();
    [
        ("depositd verif", "verify"),
        ("depositd cases uncor", "uncorrect"),
        ("depositd request --refere", "--reference"),
        ("depositd list --state awaiting", "awaiting_payment"),
        ("depositd list --al", "--all"),
        ("depositd list --all --config-d", "--config-dir"),
        ("depositd request USD", "USDT"),
        ("depositd request BTC B", "BTC BTC"),
        ("depositd request USDT ", "TRON"),
        ("depositd completions fi", "fish"),
    ]
    .map(|(line, expected)| (line.to_owned(), expected))
    .into_iter()
    .chain([(format!("depositd show {id}"), WAITING), (format!("depositd review {id}"), WAITING)])
    .collect()
}

fn script_of(bench: &Bench, shell: &str, file: &str) {
    let run = bench.run(&["completions", shell]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let file = bench.file(file);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, run.stdout).unwrap();
}

/// With the program on the path, as it is where it is installed.
fn with_program(mut command: Command, bench: &Bench) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_depositd")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    command.env_clear().current_dir(bench.path()).env("LC_ALL", "C.UTF-8").env("HOME", bench.path());
    command.env("PATH", format!("{}:{path}", program.display()));
    command
}

fn type_into(bench: &Bench, shell: &str, first: &str) {
    let typist = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/type.py");
    for (line, expected) in lines() {
        let mut command = with_program(Command::new("python3"), bench);
        let output = command.arg(&typist).args([shell, first, &line, expected]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn bash_completes_commands_options_words_and_open_deposits() {
    let bench = Bench::new();
    books::fill(&bench).await.close().await.unwrap();
    script_of(&bench, "bash", "depositd.bash");
    type_into(&bench, "bash", "source ./depositd.bash");
}

#[tokio::test]
async fn zsh_completes_commands_options_words_and_open_deposits() {
    let bench = Bench::new();
    books::fill(&bench).await.close().await.unwrap();
    script_of(&bench, "zsh", "functions/_depositd");
    type_into(&bench, "zsh", "fpath=($PWD/functions $fpath); autoload -Uz compinit; compinit -u -D");
}

#[tokio::test]
async fn fish_completes_commands_options_words_and_open_deposits() {
    let bench = Bench::new();
    books::fill(&bench).await.close().await.unwrap();
    script_of(&bench, "fish", ".config/fish/completions/depositd.fish");
    for (line, expected) in lines() {
        let mut command = with_program(Command::new("fish"), &bench);
        let output = command.arg("-c").arg(format!("complete -C '{line}'")).output().unwrap();
        let offered = String::from_utf8(output.stdout).unwrap();
        let expected = expected.rsplit(' ').next().unwrap();
        let is_it = |offer: &str| offer.split('\t').next() == Some(expected);
        assert!(offered.lines().any(is_it), "{line}: {offered}{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn the_ledger_is_the_one_of_the_configuration_that_the_line_names_and_what_cannot_be_read_offers_nothing()
 {
    let bench = Bench::new();
    books::fill(&bench).await.close().await.unwrap();
    std::fs::remove_file(bench.file("daemon.toml")).unwrap();
    std::fs::rename(bench.file("ledger.db"), bench.file("books.db")).unwrap();
    std::fs::write(bench.file("other.toml"), "[ledger]\npath = \"books.db\"\n").unwrap();
    let offered = |words: &[&str]| {
        let mut command = bench.command(&["--", "depositd"]);
        let index = words.len().to_string();
        let output = command
            .args(words)
            .env("_DEPOSITD_COMPLETE", "zsh")
            .env("_CLAP_COMPLETE_INDEX", index)
            .env("_CLAP_IFS", "\n")
            .output()
            .unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{words:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let none = offered(&["show", ""]);
    assert!(
        none.lines().all(|line| line.starts_with("--")),
        "there is no configuration here, and no ledger: {none}"
    );
    let found = offered(&["--config", "other.toml", "show", ""]);
    assert!(
        found.lines().any(|line| line.starts_with(WAITING) && line.contains("awaiting_payment")),
        "{found}"
    );
    assert!(!found.contains('\u{1b}') && !found.contains('\u{202e}'), "{found}");
    assert_eq!(offered(&["--config=other.toml", "show", WAITING]).lines().count(), 1);
    std::fs::write(bench.file("books.db"), "no ledger").unwrap();
    assert_eq!(offered(&["--config", "other.toml", "show", ""]), none);
}
