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

#[path = "program/mod.rs"]
mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::sandbox::upstream::{Act, Call, Fate, Fault};
use program::{KEY, PASSWORD, Program, Source, TOKEN};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

/// What the three are called in a complaint, and the part of each that no percent-, JSON- or HTML-spelling changes.
const MARKS: [(&str, &str, &str); 3] = [
    ("the API key", "MARKEDKEYa8f3c1", KEY),
    ("the API token", "MARKEDTOKENb7e2d9", TOKEN),
    ("the mail password", "MARKEDPASSc6d1e8", PASSWORD),
];

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let value =
        |six: &[u8]| six.iter().chain([0; 6].iter()).take(6).fold(0, |sum, bit| sum * 2 + usize::from(*bit));
    bits.chunks(6).map(|six| char::from(LETTERS[value(six)])).collect()
}

/// Every spelling that is searched for: as it stands (so also percent-encoded and escaped), in base64 at each of the
/// three places where it can begin, in hexadecimal, and backwards.
fn spellings() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, mark, _) in MARKS {
        all.push((format!("{name} as it stands"), mark.as_bytes().to_vec()));
        for shift in 0..3 {
            // Letters that also hold bits of what stands around are left out.
            let text = base64(&[vec![0; shift], mark.as_bytes().to_vec()].concat());
            let inner = &text[(shift * 8).div_ceil(6)..text.len() - 2];
            all.push((format!("{name} in base64, {shift}"), inner.as_bytes().to_vec()));
        }
        all.push((format!("{name} in hexadecimal"), hex::encode(mark).into_bytes()));
        all.push((format!("{name} backwards"), mark.bytes().rev().collect()));
    }
    all
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted))
}

/// Searches every file below, and gives how many bytes that were.
fn search(folder: &Path) -> u64 {
    let mut searched = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            searched += search(&entry.path());
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            found_in(&entry.path().display().to_string(), &bytes);
            searched += bytes.len() as u64;
        }
    }
    searched
}

fn found_in(place: &str, bytes: &[u8]) {
    for (what, spelled) in spellings() {
        if let Some(at) = bytes.windows(spelled.len()).position(|w| w.eq_ignore_ascii_case(&spelled)) {
            let around = &bytes[at.saturating_sub(150)..bytes.len().min(at + 60)];
            panic!("{what} is in {place}: {:?}", String::from_utf8_lossy(around));
        }
    }
}

/// A mail server that refuses the first logins.
async fn mail_server() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let logins = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&logins);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let logins = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let _ = stream.get_mut().write_all(b"220 mail.test\r\n").await;
                let (mut line, mut data) = (String::new(), false);
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    let said = line.trim().to_owned();
                    line.clear();
                    let answer = match said.split(' ').next().unwrap_or_default() {
                        _ if data && said != "." => continue,
                        "EHLO" => "250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
                        "AUTH" => match logins.fetch_add(1, Ordering::SeqCst) {
                            // As unkind servers do: the whole line, with the name and the password in it.
                            0 => format!("535 5.7.8 no to {said}, {PASSWORD}\r\n"),
                            1 => format!("454 4.7.0 later, {PASSWORD}\r\n"),
                            2 => format!("220 nonsense {PASSWORD}\r\n"),
                            _ => "235 welcome\r\n".to_owned(),
                        },
                        "DATA" => {
                            data = true;
                            "354 go on\r\n".to_owned()
                        }
                        "." => {
                            data = false;
                            "250 kept\r\n".to_owned()
                        }
                        _ => "250 ok\r\n".to_owned(),
                    };
                    let _ = stream.get_mut().write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (port, logins)
}

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
    let log = program.log();
    let port = log
        .split("127.0.0.1:")
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next())
        .find(|port| log.contains(&format!("the API listens on 127.0.0.1:{port}")) && !port.is_empty());
    let base = format!("http://127.0.0.1:{}", port.expect("it says where it listens"));
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

/// The ordinary life of a daemon, and a good part of what can happen to it.
async fn life(program: &mut Program) {
    program.simulator.plan("5", Fate::Manual);
    program.start_logging("trace");
    assert!(program.run(&["request", "USDT", "BSC", "5", "--reference", "ordinary"]).status.success());
    program.run(&["request", "USDT", "BSC", "6", "--coupon", "NONE"]);
    knock(program).await;
    let order = program.simulator.orders()[0].order_id.clone();
    program.simulator.act(&order, Act::See).unwrap();
    betray(program).await;
    program.simulator.act(&order, Act::Pay { amount_usd: None }).unwrap();
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
        let (port, logins) = mail_server().await;
        let mut program = Program::prepare_with_mail(source, Some(port)).await;
        life(&mut program).await;
        assert!(logins.load(Ordering::SeqCst) > 3, "the password was used");
        let searched = search(&program.out());
        assert!(searched > 100_000, "there was something to search: {searched}");
        let log = program.log();
        assert!(log.contains("DEBUG"), "more than usual was asked for");
        let refused = program.sql("SELECT reason FROM accounting_events WHERE reason LIKE 'no wallet for%'");
        assert!(refused.contains("[secret]"), "what was said back was kept, and masked: {refused}");
        println!("{source:?}: {searched} bytes searched");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_from_the_environment_and_the_configuration_come_out_nowhere() {
    for source in [Source::Environment, Source::Inline] {
        let mut program = Program::prepare(source).await;
        life(&mut program).await;
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

#[test]
fn the_search_finds_what_it_looks_for() {
    for (_, mark, secret) in MARKS {
        for padding in ["", "a", "ab", "abc"] {
            let plain = format!("{padding}{secret}{padding}");
            for spelled in
                [plain.clone(), base64(plain.as_bytes()), hex::encode(&plain), plain.chars().rev().collect()]
            {
                assert!(
                    spellings().iter().any(|(_, wanted)| holds(spelled.as_bytes(), wanted)),
                    "{mark}: {spelled}"
                );
            }
        }
    }
}
