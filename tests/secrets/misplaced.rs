//! A secret where something else belongs: in the file, in a variable, on the command line.

use std::fs;
use std::path::Path;

use crate::program::{KEY, PASSWORD, Program, Source, TOKEN};

/// Keys of every kind: paths, times, numbers, addresses, words, lists.
const KEYS: &str = "upstream.base_url upstream.user_id upstream.api_key_file upstream.requests_per_second \
    upstream.max_in_flight upstream.timeout upstream.request_limit ledger.path ledger.create_if_missing \
    ledger.backup_dir ledger.backup_schedule ledger.backup_keep polling.interval polling.late_watch \
    reconcile.schedule reconcile.upstream_utc_offset reconcile.tolerance_cents reconcile.lag mail.transport \
    mail.from mail.to mail.directory mail.templates mail.quiet_hours mail.quiet_utc_offset mail.urgent \
    mail.flood_above mail.rules mail.smtp.host mail.smtp.port mail.smtp.security mail.smtp.password_file \
    mail.smtp.ca_file mail.smtp.hello api.listen api.token_file";

/// What can be typed; `@` is the secret.
const COMMANDS: &str = "--config @ list\n@\nlist --limit @\nlist --state @\nlist --since @\nlist --since=@\n\
    request USDT BSC @\nrequest @ BSC 5\nrequest USDT BSC 5 --notify @\nrequest USDT BSC 5 --wait @\n\
    export --format @\nexport --format csv -o nowhere/@\nbackup nowhere/@\nclose @\ncases show @\n\
    baseline set @ --note x\nrun --log-format @\nsandbox --speed @\nmail test --to @";

fn variable(key: &str) -> String {
    format!("DEPOSITD_{}", key.replace('.', "__")).to_uppercase()
}

/// In the configuration file, in each way that a value can be written there.
fn in_the_file(program: &Program, written: &Path, key: &str, secret: &str) {
    let quoted = serde_json::to_string(secret).unwrap();
    let (section, leaf) = key.rsplit_once('.').unwrap();
    let line = |value: &str| format!("[{section}]\n{leaf} = {value}\n");
    for text in [
        line(&quoted),
        line(&format!("[{quoted}]")),
        line(&format!("[\"a@b\", {quoted}]")),
        line(&format!("{{ x = {quoted} }}")),
        line(secret),
        format!("[{section}]\n{quoted} = 1\n"),
        format!("[{section}]\n{leaf} = 1\n{leaf} = {quoted}\n"),
    ] {
        fs::write(written, text).unwrap();
        let mut command = program.command(&["list"]);
        command.env("DEPOSITD_CONFIG", written);
        program.say(command);
    }
}

/// The key is named, and what was expected; the secret is not.
#[tokio::test]
async fn a_secret_in_the_wrong_place_is_not_repeated() {
    let program = Program::prepare(Source::File).await;
    let written = program.secrets().join("wrong.toml");
    for secret in
        [KEY, TOKEN, PASSWORD, "MARKEDKEYa8f3c1", "/MARKEDTOKENb7e2d9", "unix:/tmp/MARKEDPASSc6d1e8/x"]
    {
        for key in KEYS.split_whitespace() {
            in_the_file(&program, &written, key, secret);
            // A whole configuration, and this one value out of its place.
            for args in [&["list"][..], &["check"]] {
                let mut command = program.command(args);
                command.env("DEPOSITD_UPSTREAM__TIMEOUT", "1s").env(variable(key), secret);
                program.say(command);
            }
        }
        for line in COMMANDS.lines() {
            let args: Vec<String> = line.split(' ').map(|word| word.replace('@', secret)).collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            program.say(program.command(&args));
        }
        for name in ["DEPOSITD_LOG", "DEPOSITD_CONFIG"] {
            let mut command = program.command(&["run"]);
            command.env(name, secret);
            program.say(command);
        }
    }
}

/// What was expected is said, and of what.
#[tokio::test]
async fn what_is_not_repeated_is_still_explained() {
    let program = Program::prepare(Source::File).await;
    for (key, expected) in [
        ("upstream.timeout", "expected a duration such as"),
        ("upstream.api_key_file", "cannot read the secret: No such file"),
        ("ledger.create_if_missing", "expected \"true\" or \"false\""),
        ("mail.from", "expected a mail address such as"),
        ("mail.smtp.port", "expected a whole number from 1 to 65535"),
        ("api.listen", "expected \"unix:PATH\" or \"IP:PORT\""),
        ("mail.urgent", "expected the name of an event"),
    ] {
        let mut command = program.command(&["run"]);
        command.env(variable(key), "MARKEDKEYa8f3c1");
        let told = String::from_utf8(command.output().unwrap().stderr).unwrap();
        assert!(told.contains(key) && told.contains(expected), "{key}: {told}");
    }
}
