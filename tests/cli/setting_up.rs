//! `init`: by options, by answers, on a terminal; what it writes, what it leaves alone, and that the daemon starts on it.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use depositd::sandbox::upstream::{SimulatedUpstream, SimulatorSettings};
use serde_json::{Value, json};

use super::bench::{Bench, Run, as_another};

const KEY: &str = "MARKEDKEYa8f3c1";
const PASSWORD: &str = "MARKEDPASSWORD77";

async fn upstream() -> (SimulatedUpstream, String) {
    let simulator = SimulatedUpstream::start(SimulatorSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        user_id: "12345".to_owned(),
        api_key: KEY.to_owned(),
        clock: Arc::new(depositd::clock::SystemClock::new()),
        seed: 3,
        store: None,
    });
    let simulator = simulator.await.unwrap();
    let url = simulator.base_url();
    (simulator, url)
}

/// The command in a folder where no unit of this machine is meant.
fn command(bench: &Bench, args: &[&str]) -> Command {
    let mut command = bench.command(args);
    command.env("SYSTEMD_UNIT_PATH", bench.file("units"));
    command
}

/// `init` with these options, and answers through a pipe; no secret may be said.
fn init(bench: &Bench, args: &[&str], answers: &str) -> Run {
    let mut command = command(bench, &[&["init"], args].concat());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended before it reads.
    let _ = child.stdin.take().unwrap().write_all(answers.as_bytes());
    let run = Run::of(&child.wait_with_output().unwrap());
    for said in [&run.stdout, &run.stderr] {
        assert!(!said.contains(KEY) && !said.contains(PASSWORD), "{said}");
    }
    run
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn secret(bench: &Bench, name: &str, text: &str) -> String {
    let file = bench.file(name);
    std::fs::write(&file, format!("{text}\n")).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    file.display().to_string()
}

/// All that is needed, without a mail server.
fn options<'a>(key: &'a str, base_url: &'a str) -> Vec<&'a str> {
    let mail = ["--mail-to-files", "--from", "a@firm.de", "--to", "b@firm.de", "--to", "c@firm.de"];
    let all = ["--dir", "own", "--yes", "--user-id", "12345", "--api-key-file", key, "--base-url", base_url];
    [&all[..], &mail].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn by_options_alone_and_the_daemon_makes_a_deposit_with_it() {
    let (bench, (_upstream, url)) = (Bench::new(), upstream().await);
    let key = secret(&bench, "key", KEY);
    let options = options(&key, &url);
    let run = init(&bench, &options, "");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    let own = bench.file("own");
    let (config, copied) = (own.join("daemon.toml"), own.join("upstream-api-key"));
    assert_eq!((mode(&own), mode(&config), mode(&copied)), (0o700, 0o644, 0o600));
    assert_eq!(std::fs::read_to_string(&copied).unwrap(), format!("{KEY}\n"));
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.lines().count() < 40 && !text.contains(KEY), "{text}");
    assert!(text.contains("to = [\"b@firm.de\", \"c@firm.de\"]"), "{text}");
    assert!(run.stdout.contains(&format!("written  {}", config.display())), "{}", run.stdout);
    let next = run.stdout.split("Next:\n").nth(1).unwrap();
    let commands: Vec<&str> =
        next.lines().map(|line| line.trim().strip_prefix("depositd ").unwrap()).collect();
    assert!(commands[0].ends_with("daemon.toml run") && commands[1].contains(" request "), "{next}");

    let mut daemon = command(&bench, &commands[0].split(' ').collect::<Vec<_>>())
        .stderr(std::fs::File::create(bench.file("log")).unwrap())
        .spawn()
        .unwrap();
    while !std::fs::read_to_string(bench.file("log")).unwrap().contains("is ready") {
        assert_eq!(
            daemon.try_wait().unwrap(),
            None,
            "{}",
            std::fs::read_to_string(bench.file("log")).unwrap()
        );
        std::thread::yield_now();
    }
    let asked = command(&bench, &[&["--json"][..], &commands[1].split(' ').collect::<Vec<_>>()].concat());
    let asked = Run::of(&{ asked }.output().unwrap());
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let deposit: Value = serde_json::from_str(&asked.stdout).unwrap_or_else(|_| panic!("{}", asked.stderr));
    assert!(deposit["address"].as_str().unwrap().starts_with("0x"), "{deposit}");

    let again = init(&bench, &options, "");
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("is there already, and is never changed: edit it"), "{}", again.stderr);
    assert_eq!(std::fs::read_to_string(&config).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_answers_are_asked_for_again_with_what_was_wrong() {
    let (bench, (_upstream, url)) = (Bench::new(), upstream().await);
    let answers = format!(
        "a user\n12345\n\n{KEY}\nsmtp.firm.de:25\n-\nnobody\na@firm.de\n\nb@firm.de, c@firm.de\n/nowhere/l.db\n\nMoon\n\n"
    );
    let run = init(&bench, &["--dir", "own", "--base-url", &url], &answers);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let problems: Vec<&str> =
        run.stderr.lines().filter_map(|line| line.strip_prefix("  ")).map(str::trim).collect();
    for (problem, words) in problems.iter().zip([
        "expected the account's user id",
        "expected a secret, found nothing",
        "without a port",
        "expected a mail address",
        "an answer is needed",
        "there is no /nowhere",
        "expected an offset from UTC",
    ]) {
        assert!(problem.contains(words), "{words}: {problem}");
    }
    assert_eq!(problems.len(), 7, "{}", run.stderr);
    let text = std::fs::read_to_string(bench.file("own/daemon.toml")).unwrap();
    for line in ["user_id = \"12345\"", "path = \"ledger.db\"", "time_zone = \"UTC\"", "transport = \"file\""]
    {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_said_and_nothing_is_written() {
    let bench = Bench::new();
    let key = secret(&bench, "key", KEY);
    let all = options(&key, "http://127.0.0.1:1");
    let without = |left_out: &str| {
        let at = all.iter().position(|word| *word == left_out).unwrap();
        [&all[..at], &all[at + 2..]].concat()
    };
    let bare = init(&bench, &["--dir", "own", "--yes"], "");
    for option in ["--user-id", "--api-key-file", "--smtp-host", "--from", "--to"] {
        assert!(bare.stderr.contains(option), "{option}: {}", bare.stderr);
    }
    assert_eq!(bare.code, 2);
    for (args, words) in [
        (without("--user-id"), "there is no answer for --user-id"),
        (without("--api-key-file"), "there is no answer for --api-key-file"),
        ([&all[..], &["--time-zone", "Moon"]].concat(), "--time-zone: expected an offset"),
        ([&without("--user-id")[..], &["--user-id", "a user"]].concat(), "--user-id: expected the account's"),
        (
            [&without("--api-key-file")[..], &["--api-key-file", "/no/key"]].concat(),
            "--api-key-file: /no/key: No such",
        ),
        (
            [&without("--api-key-file")[..], &["--api-key-file", "-"]].concat(),
            "--api-key-file: -: expected a secret",
        ),
        ([&all[..], &["--smtp-port", "25"]].concat(), "cannot be used with"),
        ([&all[..], &["--config", "x.toml"]].concat(), "either --dir or --config"),
        ([&without("--dir")[..], &["--config", "/proc/x.toml"]].concat(), "/proc"),
    ] {
        let run = init(&bench, &args, "");
        assert!(run.code == 2 || args.contains(&"/proc/x.toml"), "{args:?}: {}", run.code);
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    // A program that stops answering, and one that never began.
    for answers in ["", "12345\n", &format!("12345\n{KEY}\nsmtp.firm.de\nrot13\n")] {
        let run = init(&bench, &["--dir", "own"], answers);
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains("nothing was written: there is no answer for"), "{}", run.stderr);
    }
    assert!(!bench.file("own").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_there_is_taken_and_never_replaced() {
    let (bench, (_upstream, url)) = (Bench::new(), upstream().await);
    std::fs::create_dir(bench.file("own")).unwrap();
    secret(&bench, "own/upstream-api-key", KEY);
    let other = secret(&bench, "other", PASSWORD);
    let run = init(&bench, &options(&other, &url), "");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("holds another secret than --api-key-file says"), "{}", run.stderr);
    assert!(!bench.file("own/daemon.toml").exists());
    let own = bench.file("own/upstream-api-key").display().to_string();
    let run = init(&bench, &options(&own, &url), "");
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(!run.stdout.contains(&format!("written  {own}")), "{}", run.stdout);
    assert_eq!(std::fs::read_to_string(own).unwrap(), format!("{KEY}\n"));
}

fn on_terminal(bench: &Bench, answers: &Value, args: &[&str]) -> Run {
    let typist = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/answer.py");
    let mut command = Command::new("python3");
    command.arg(typist).arg(answers.to_string()).arg(env!("CARGO_BIN_EXE_depositd")).args(args);
    command.current_dir(bench.path()).env("SYSTEMD_UNIT_PATH", bench.file("units")).env("NO_COLOR", "1");
    Run::of(&command.output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_no_secret_is_shown_and_ctrl_c_leaves_nothing() {
    let (bench, (_upstream, url)) = (Bench::new(), upstream().await);
    let args = ["init", "--dir", "own2", "--base-url", &url];
    let (user, key) = (json!(["User id", "12345\r"]), format!("{KEY}\r"));
    let broken_off = on_terminal(&bench, &json!([user, ["(not shown)", "unfinished\u{3}"]]), &args);
    assert_eq!(broken_off.code, 1, "{}", broken_off.stderr);
    assert!(broken_off.stdout.contains("broken off by a signal"), "{}", broken_off.stdout);
    assert!(broken_off.stdout.ends_with("\nshows what is typed\n"), "{}", broken_off.stdout);
    assert!(!broken_off.stdout.contains("unfinished"), "{}", broken_off.stdout);
    assert!(!bench.file("own2").exists());
    let answers = json!([
        user,
        ["API key (not shown): ", key],
        ["Mail server", "-\r"],
        ["Sender", "a@firm.de\r"],
        ["Who gets them", "b@firm.de\r"],
        ["File of the ledger [ledger.db]", "\r"],
        ["[UTC]", "Europe/Berlin\r"],
    ]);
    let run = on_terminal(&bench, &answers, &args);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(!run.stdout.contains(KEY) && run.stdout.contains("Ctrl-C ends it"), "{}", run.stdout);
    assert!(!run.stdout.contains("[secret]"), "the name of a folder is told: {}", run.stdout);
    assert!(run.stdout.lines().filter(|line| line.contains(": ")).count() > 7, "{}", run.stdout);
    assert_eq!(std::fs::read_to_string(bench.file("own2/upstream-api-key")).unwrap(), format!("{KEY}\n"));
}

/// The unit of the package, for a configuration in this folder and a daemon of this user.
fn install(bench: &Bench, unit: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(unit);
    let user = Command::new("id").arg("-un").output().unwrap().stdout;
    let text = std::fs::read_to_string(source)
        .unwrap()
        .replace("/etc/depositd", &bench.file("etc").display().to_string())
        .replace("User=depositd", &format!("User={}", String::from_utf8(user).unwrap().trim()));
    // No folder of this machine is touched.
    let text = text.replace("PrivateTmp=yes", "PrivateTmp=no");
    std::fs::create_dir_all(bench.file("units")).unwrap();
    std::fs::write(bench.file("units").join(unit), text).unwrap();
}

/// The drop-in for many accounts: no credential is passed, the daemon reads the files of its own folder.
#[tokio::test(flavor = "multi_thread")]
async fn where_the_daemon_reads_its_secrets_itself_init_says_how_it_is_let_in() {
    let (bench, (_upstream, url)) = (Bench::new(), upstream().await);
    install(&bench, "depositd@.service");
    install(&bench, "many-accounts.conf");
    let drop_ins = bench.file("units/depositd@.service.d");
    std::fs::create_dir(&drop_ins).unwrap();
    std::fs::rename(bench.file("units/many-accounts.conf"), drop_ins.join("many-accounts.conf")).unwrap();
    let (key, config) = (secret(&bench, "key", KEY), bench.file("etc/shop.toml").display().to_string());
    let account = ["--config", &config, "--yes", "--user-id", "12345", "--base-url", &url, "--mail-to-files"];
    let rest = ["--from", "a@firm.de", "--to", "b@firm.de", "--api-key-file", &key];
    let run = init(&bench, &[&account[..], &rest].concat(), "");
    let next = run.stdout.split("Next:\n").nth(1).unwrap_or_else(|| panic!("{}{}", run.stdout, run.stderr));
    let folder = bench.file("etc/credentials/shop");
    assert!(next.contains(&format!("chgrp -R depositd {}", folder.display())), "{next}");
    assert!(!bench.file("units/depositd@shop.service.d").exists(), "no drop-in passes it");
    let file = folder.join("upstream-api-key");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{KEY}\n"));
    let found = command(&bench, &["--config", &config, "check"]).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(found.contains(&format!("upstream.api_key: systemd credential {}", file.display())), "{found}");
    std::fs::remove_file(&file).unwrap();
    let found = command(&bench, &["--config", &config, "check"]).output().unwrap();
    assert!(!found.status.success(), "there is no key: {}", String::from_utf8_lossy(&found.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_unit_everything_goes_where_the_unit_looks() {
    let (bench, (_upstream, url)) = (Bench::new(), upstream().await);
    install(&bench, "depositd.service");
    install(&bench, "depositd@.service");
    let (key, password) = (secret(&bench, "key", KEY), secret(&bench, "password", PASSWORD));
    let account =
        ["--yes", "--user-id", "12345", "--base-url", &url, "--from", "a@firm.de", "--to", "b@firm.de"];
    // Nobody answers at this port.
    let server = [
        "--smtp-host",
        "127.0.0.1",
        "--smtp-port",
        "1",
        "--smtp-security",
        "none",
        "--smtp-username",
        "deposits",
    ];
    let secrets = ["--api-key-file", &key, "--smtp-password-file", &password];
    for (file, unit, credentials, state) in [
        ("daemon.toml", "depositd.service", "etc/credentials", "depositd"),
        ("shop.toml", "depositd@shop.service", "etc/credentials/shop", "depositd/shop"),
    ] {
        let config = bench.file("etc").join(file).display().to_string();
        let named = ["--config", &config];
        let run = init(&bench, &[&named[..], &account, &server, &secrets].concat(), "");
        assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains("What failed is mended in the files above"), "{}", run.stdout);
        let next = run.stdout.split("Next:\n").nth(1).unwrap();
        let started = format!("enable --now {}\n", unit.strip_suffix(".service").unwrap());
        assert!(next.contains("systemctl daemon-reload") && next.contains(&started), "{next}");
        let folder = bench.file(credentials);
        let text = std::fs::read_to_string(&config).unwrap();
        for line in [
            format!("path = \"/var/lib/{state}/ledger.db\""),
            format!("listen = [\"unix:/run/{state}/depositd.sock\"]"),
            format!("# systemd passes the credential smtp-password: {}/smtp-password", folder.display()),
        ] {
            assert!(text.contains(&line), "{line}\n{text}");
        }
        assert!(!text.contains("_file"), "{text}");
        // One account has the default; of several, each has its own second.
        assert_eq!(text.contains("[reconcile]\nschedule = "), unit.contains('@'), "{text}");
        passed_by(&bench, unit, &folder);
        let found = command(&bench, &["--config", &config, "check"]).output().unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        assert!(found.lines().any(|line| line.starts_with("secrets") && line.contains(" ok ")), "{found}");
        // Asked again as if it had been cut off before the last file.
        std::fs::remove_file(&config).unwrap();
        let again = init(&bench, &[&named[..], &account, &server].concat(), "");
        assert!(
            again.stdout.starts_with(&format!("written  {config}\n\n")),
            "{}{}",
            again.stdout,
            again.stderr
        );
    }
}

/// Both secrets are root's alone, or whoever runs this, and the unit passes the second one, too.
fn passed_by(bench: &Bench, unit: &str, folder: &Path) {
    assert_eq!((mode(&bench.file("etc")), mode(folder)), (0o755, 0o700));
    for (name, text) in [("upstream-api-key", KEY), ("smtp-password", PASSWORD)] {
        assert_eq!(mode(&folder.join(name)), 0o600);
        assert_eq!(std::fs::read_to_string(folder.join(name)).unwrap(), format!("{text}\n"));
    }
    let drop_in = bench.file("units").join(format!("{unit}.d/smtp-password.conf"));
    let line = format!("[Service]\nLoadCredential=smtp-password:{}/smtp-password\n", folder.display());
    assert_eq!(std::fs::read_to_string(drop_in).unwrap(), line);
}

#[tokio::test]
async fn who_may_not_write_there_is_told_before_the_first_question() {
    let bench = Bench::new();
    let Some(nowhere) = as_another(&bench, &["init"]) else { return };
    assert_eq!((nowhere.code, nowhere.stdout.as_str()), (2, ""));
    assert!(nowhere.stderr.contains("--dir ~/depositd"), "{}", nowhere.stderr);
    let run = as_another(&bench, &["init", "--dir", "own"]).unwrap();
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("may not write") && run.stderr.contains("as root"), "{}", run.stderr);
}
