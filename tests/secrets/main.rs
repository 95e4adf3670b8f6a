//! No secret comes out: the real program with marked secrets, at the highest log level, through its ordinary life and
//! through what can go wrong; then every byte that it wrote anywhere is searched for them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test code: a broken expectation is a failed test"
)]

#[path = "../program/mod.rs"]
mod program;

mod misplaced;
mod unkind;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::sandbox::upstream::{Action, Call, Fate, Fault};
use program::marks::{found_in, search};
use program::{KEY, PASSWORD, Program, Source, TOKEN};
use unkind::{Unkind, mail_server};

/// The key as an upstream, a proxy or a framework might say it back.
fn echoes() -> Vec<String> {
    let percent: String = KEY.bytes().map(|b| format!("%{b:02x}")).collect();
    let html = KEY.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let json = serde_json::to_string(KEY).unwrap();
    vec![
        format!("<html><p>no such page: /v3?apiKey={percent} {html} {KEY}"),
        format!(r#"{{"ok":false,"body":{json}}}"#),
        format!(r#"{{"ok":false,"message":"apiKey={percent}"}}"#),
        format!(r#"{{"ok":true,"body":{{"status":{json},"order_id":{json}}}}}"#),
        format!(r#"{{"ok":true,"body":{{"order_id":{json},"amountInUSD":{json}"#),
        format!(r#"{{"ok":true,"body":[{{"amount":{json}}}]}}"#),
        KEY.to_owned(),
    ]
}

/// Has every call answered with the key in it, in one spelling after the other. Between them stands a good answer, so
/// that the breaker does not open.
async fn betray(program: &Program) {
    let harmless = KEY.replace(['"', '<', '>', '\\'], "");
    let location = vec![("Location".to_owned(), format!("http://127.0.0.1:1/?apiKey={harmless}"))];
    for (echo, status) in echoes().into_iter().zip([200, 302, 400, 500].into_iter().cycle()) {
        let fault = Fault::Status(status, echo, location.clone());
        for call in [Call::Look, Call::Invoices] {
            program.simulator.inject(call, fault.clone(), 1);
        }
        program.run(&["reconcile"]);
        program.simulator.clear_faults();
        program.run(&["reconcile"]);
    }
    let garbage = format!("HTTP/1.1 200 {harmless}\r\nX: {harmless}\r\n\r\n{KEY}");
    for fault in [Fault::Garbage(garbage.into_bytes()), Fault::Status(200, KEY.to_owned(), location)] {
        program.simulator.inject(Call::Any, fault, 1);
        program.run(&["check"]);
        program.simulator.clear_faults();
    }
    let refusal = serde_json::json!({ "ok": false, "body": format!("no wallet for {KEY}") }).to_string();
    program.simulator.inject(Call::Create, Fault::Status(400, refusal, Vec::new()), 1);
    program.run(&["request", "USDT", "BSC", "9"]);
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let clock = SystemClock::new();
    let started = clock.monotonic();
    while !done() {
        assert!(clock.monotonic() - started < Duration::from_secs(60), "waited in vain: {what}");
        clock.sleep(Duration::from_millis(20)).await;
    }
}

/// Asks over TCP, with and without the token, and keeps every answer with its head.
async fn knock(program: &Program) {
    let base = format!("http://127.0.0.1:{}", program.port());
    let client = reqwest::Client::new();
    for path in [
        "/v1/deposits",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/v1/mails",
        "/v1/cases",
        "/nowhere",
        "/v1/reconciliations/latest",
    ] {
        for token in [TOKEN, "wrong", KEY] {
            for place in ["header", "query", "path"] {
                let call = match place {
                    "header" => client.get(format!("{base}{path}")).bearer_auth(token),
                    // Where it does not belong: what is said of it must not repeat it.
                    "query" => {
                        client.get(format!("{base}{path}")).query(&[("token", token)]).bearer_auth("x")
                    }
                    _ => client.get(format!("{base}{path}")).basic_auth("x", Some(token)),
                };
                let response = call.send().await.unwrap();
                let head = format!("{:?} {:?}", response.status(), response.headers());
                program.note("answer", format!("{head}\n{}", response.text().await.unwrap()).as_bytes());
            }
        }
    }
    let body = r#"{"currency":"USDT","network":"BSC","amount":7}"#;
    let call = client.post(format!("{base}/v1/deposits")).bearer_auth(TOKEN).body(body);
    assert_eq!(call.send().await.unwrap().status(), 201, "the token opens");
}

/// The lines of the log in which something was masked.
fn said_back(log: &str) -> String {
    log.lines().filter(|line| line.contains("[secret]")).collect::<Vec<_>>().join("\n")
}

/// The ordinary life of a daemon, and a good part of what can happen to it.
async fn life(program: &mut Program, mail: Option<&Unkind>) {
    program.simulator.plan("5", Fate::Manual);
    program.start_logging("trace");
    assert!(program.run(&["request", "USDT", "BSC", "5", "--reference", "ordinary"]).status.success());
    program.run(&["request", "USDT", "BSC", "6", "--coupon", "NONE"]);
    knock(program).await;
    let told = program.log().matches("was shown a wrong token from 127.0.0.1").count();
    assert_eq!(told, 1, "dozens of wrong tokens are told once: {}", program.log());
    let order = program.simulator.orders()[0].order_id.clone();
    program.simulator.act(&order, Action::See).unwrap();
    betray(program).await;
    program.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    until("it is paid", || {
        program.sql("SELECT state FROM accounting_deposits WHERE order_id IS NOT NULL").contains("settled")
    })
    .await;
    for args in [
        &["list"][..],
        &["--json", "list"],
        &["show", &order],
        &["cases", "list"],
        &["mail", "list"],
        &["mail", "test"],
        &["mail", "retry"],
        &["export", "--format", "csv"],
        &["export", "--format", "jsonl", "--what", "entries"],
        &["export", "--format", "hledger"],
        &["export", "--format", "beancount"],
        &["verify"],
        &["check"],
        &["backup", "copy.db"],
        &["reconcile"],
        &["--help"],
        &["run", "--help"],
        &["nonsense"],
    ] {
        program.run(args);
    }
    until("a backup is made", || program.out().join("backups").exists()).await;
    if let Some(server) = mail {
        let everything = || server.told.iter().all(|told| told.load(Ordering::SeqCst) > 4);
        until("the mail server has said the password everywhere", everything).await;
    }
    let told = program.read_proc("cmdline");
    program.note("cmdline", &told);
    program.simulator.set_outage(true);
    program.run(&["reconcile"]);
    // Without warning, with its write-ahead log left behind; and again, and in order.
    program.kill();
    program.start_logging("trace");
    program.run(&["check"]);
    program.stop();
    program.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_from_files_and_credentials_come_out_nowhere() {
    for source in [Source::File, Source::Credential] {
        let (port, server) = mail_server().await;
        let mut program = Program::prepare_with_mail(source, Some(port)).await;
        life(&mut program, Some(&server)).await;
        assert!(server.logins.load(Ordering::SeqCst) > 3, "the password was used");
        let searched = search(&program.out());
        assert!(searched > 100_000, "there was something to search: {searched}");
        let log = program.log();
        assert!(log.contains("DEBUG"), "more than usual was asked for");
        // A refused sender is the whole server's refusal, whose first words alone are logged.
        for place in ["recipient: 450", "DATA: 451", "message: 452"] {
            let told = format!("{place} 4.7.1 you said [secret]");
            assert!(log.contains(&told), "the server's other words are told: {told}\n{}", said_back(&log));
        }
        let refused = program.sql("SELECT reason FROM accounting_events WHERE reason LIKE 'no wallet for%'");
        assert!(refused.contains("[secret]"), "what was said back was kept, and masked: {refused}");
        println!("{source:?}: {searched} bytes searched");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_from_the_environment_and_the_configuration_come_out_nowhere() {
    for source in [Source::Environment, Source::Inline] {
        let mut program = Program::prepare(source).await;
        life(&mut program, None).await;
        let searched = search(&program.out());
        assert!(searched > 100_000, "there was something to search: {searched}");
        println!("{source:?}: {searched} bytes searched");
    }
}

#[tokio::test]
async fn where_it_can_be_helped_the_process_shows_nothing_of_them() {
    for source in [Source::File, Source::Credential, Source::Inline] {
        let mut program = Program::prepare(source).await;
        program.start();
        found_in("the environment", &program.read_proc("environ"));
        found_in("the command line", &program.read_proc("cmdline"));
        program.stop();
    }
    for unit in ["depositd.service", "depositd@.service"] {
        let text =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(unit)).unwrap();
        assert!(text.lines().any(|line| line == "LimitCORE=0"), "{unit}: a core dump would hold them");
    }
}

#[tokio::test]
async fn a_panic_tells_no_secret_and_dumps_no_core() {
    let mut program = Program::prepare(Source::File).await;
    program.start_within(
        // Cores as large as they may be; and after a while the kernel says what it never says, of which the runtime
        // makes a panic, and of that an abort.
        &[
            "sh",
            "-c",
            "ulimit -S -c $(ulimit -H -c); exec \"$@\"",
            "sh",
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=epoll_wait",
            "-e",
            "inject=epoll_wait:error=EIO:when=60+",
        ],
        "trace",
    );
    // Every question is one more turn of the runtime.
    while !program.has_ended() {
        if let Ok(mut asking) = std::os::unix::net::UnixStream::connect(program.socket()) {
            let _ = asking.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let _ = asking.read_to_end(&mut Vec::new());
        }
    }
    let ended = program.wait();
    let log = program.log();
    assert_eq!(ended.signal(), Some(6), "{log}");
    let left = fs::read_dir(program.out()).unwrap().map(|entry| entry.unwrap().file_name());
    let cores: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("core")).collect();
    assert_eq!(cores, Vec::<std::ffi::OsString>::new(), "all its memory is written down");
    assert!(
        log.contains("this is a defect: it panicked at") && log.contains("when polling the I/O driver"),
        "{log}"
    );
    assert!(search(&program.out()) > 10_000);
    // It goes on as after any other death.
    program.start();
    program.stop();
    program.verify();
}

#[tokio::test]
async fn what_is_wrong_with_a_secret_is_said_without_it() {
    let program = Program::prepare(Source::File).await;
    let written = program.secrets().join("wrong.toml");
    let quoted = serde_json::to_string(KEY).unwrap();
    let texts = [
        format!("[upstream]\napi_key = [{quoted}]\n"),
        format!("[upstream]\napi_key = {{ value = {quoted} }}\n"),
        format!("[upstream]\napikey = {quoted}\n"),
        format!("[upstream]\napi_key = {quoted}\napi_key = {quoted}\n"),
        format!("[upstream]\napi_key = {KEY}\n"),
        "[upstream]\napi_key = \"MARKEDKEYa8f3c1\n".to_owned(),
        format!("[upstream]\napi_key = '''{KEY}\n{KEY}'''\n"),
        "[upstream]\nbase_url = \"https://user:MARKEDPASSc6d1e8@example.com?apiKey=MARKEDKEYa8f3c1\"\n"
            .to_owned(),
        format!("api_key = {quoted}\n"),
        "[api]\ntoken = [\"MARKEDTOKENb7e2d9\"]\n".to_owned(),
        "[api]\nlisten = [\"127.0.0.1:0\"]\ntoken = \"MARKED\\u0000TOKENb7e2d9\"\n".to_owned(),
        "[mail.smtp]\npassword = 1.5e3\nhost = \"h\"\npasword = \"MARKEDPASSc6d1e8\"\n".to_owned(),
        "[mail]\npassword = \"MARKEDPASSc6d1e8\"\n".to_owned(),
    ];
    for text in &texts {
        fs::write(&written, text).unwrap();
        fs::set_permissions(&written, fs::Permissions::from_mode(0o600)).unwrap();
        for args in [&["run"][..], &["check"], &["--json", "check"], &["list"]] {
            let mut command = program.command(args);
            command.env("DEPOSITD_CONFIG", &written);
            let output = program.keep(args, command);
            assert!(!output.status.success(), "{text}");
        }
    }
    for (name, value) in [
        ("DEPOSITD_UPSTREAM__APIKEY", KEY),
        ("DEPOSITD_UPSTREAM_API_KEY", KEY),
        ("DEPOSITD_UPSTREAM__API_KEY", "MARKEDKEYa8f3c1\nMARKEDKEYa8f3c1"),
        ("DEPOSITD_API__TOKEN__X", TOKEN),
        ("DEPOSITD_MAIL__SMTP__PASSWORT", PASSWORD),
    ] {
        let mut command = program.command(&["run"]);
        command.env(name, value);
        let output = program.keep(&[name], command);
        assert!(!output.status.success(), "{name}");
    }
    // A secret's file that is missing, empty, of more than one line, or no text.
    let file = program.secrets().join("upstream-api-key");
    for content in [
        &b""[..],
        b"MARKEDKEYa8f3c1\nMARKEDKEYa8f3c1\n",
        b"MARKEDKEYa8f3c1\xff\n",
        "MARKEDKEYa8f3c1 é\n".as_bytes(),
    ] {
        fs::write(&file, content).unwrap();
        assert!(!program.run(&["run"]).status.success());
    }
    fs::remove_file(&file).unwrap();
    assert!(!program.run(&["run"]).status.success());
    assert!(search(&program.out()) > 1000);
}

#[tokio::test]
async fn a_secret_that_everybody_can_reach_is_warned_of() {
    for (source, name) in [
        (Source::File, "upstream-api-key"),
        (Source::Credential, "upstream-api-key"),
        (Source::Inline, "daemon.toml"),
    ] {
        let mut program = Program::prepare(source).await;
        program.start();
        program.stop();
        assert!(!program.log().contains("every user of this machine"), "{}", program.log());
        let file = program.secrets().join(name);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        program.start();
        program.stop();
        let log = program.log();
        assert!(
            log.contains("every user of this machine can reach this secret") && log.contains(name),
            "{source:?}: {log}"
        );
    }
}
