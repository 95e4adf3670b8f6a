//! SIGHUP: what is read again takes effect, what is wrong changes nothing, and traffic does not notice.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use depositd::sandbox::upstream::Fate;

use super::program::{Program, Source, TOKEN, marks};
use super::support::smtp::SmtpReceiver;
use super::{ended, prepared, request, signal, until};

/// How often the log says that a reload has ended, one way or the other.
fn reloads(program: &Program) -> usize {
    program.log().lines().filter(|line| line.contains("reloaded")).count()
}

/// Tells it to reload, and waits until it has; gives what it logged since.
fn reload(program: &Program) -> String {
    let (before, length) = (reloads(program), program.log().len());
    signal(program.pid(), "-HUP");
    until("it reloads", || reloads(program) > before);
    program.log()[length..].to_owned()
}

/// Changes the configuration's text.
fn edit(program: &Program, from: &str, to: &str) {
    let file = program.secrets().join("daemon.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    // As an editor does: the new file takes the place of the old one.
    let new = program.secrets().join("daemon.toml.new");
    fs::write(&new, text.replace(from, to)).unwrap();
    fs::rename(new, file).unwrap();
}

/// Asks by HTTP; gives the status and the body.
fn http(
    stream: &mut (impl std::io::Read + std::io::Write),
    method: &str,
    path: &str,
    head: &str,
    body: &str,
) -> (u16, String) {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_under_traffic_lose_and_double_nothing() {
    let smtp = SmtpReceiver::start().await;
    let mut program = Program::prepare_with_mail(Source::File, Some(smtp.port())).await;
    program.simulator.set_default_fate(Fate::Exact);
    program.simulator.set_lifetime(Duration::from_secs(10));
    program.start_logging("info");
    let pid = program.pid();
    let socket = program.socket();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let asking = std::thread::spawn(move || {
        let mut ids = Vec::new();
        for number in 0..40 {
            let body = format!(
                r#"{{"currency":"USDT","network":"TRON","amount":"{}","reference":"r{number}"}}"#,
                5 + number
            );
            let head = format!("Idempotency-Key: key-{number}\r\nContent-Type: application/json\r\n");
            let mut stream = UnixStream::connect(&socket).unwrap();
            let (status, body) = http(&mut stream, "POST", "/v1/deposits", &head, &body);
            assert!(matches!(status, 201 | 202), "{status} {body}");
            let deposit: serde_json::Value = serde_json::from_str(&body).unwrap();
            ids.push(deposit["id"].as_str().unwrap().to_owned());
            counted.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(50));
        }
        ids
    });
    until("the first is asked for", || asked.load(Ordering::SeqCst) > 0);
    let (one, other) = ("to = [\"finance@example.com\"]", "to = [\"books@example.com\"]");
    let mut now = (one, other);
    for number in 0..100 {
        if number % 10 == 7 {
            edit(&program, "[mail]", "[mail]\ncolour = 5");
            assert!(reload(&program).contains("nothing is reloaded"), "{}", program.log());
            edit(&program, "\ncolour = 5", "");
        } else {
            edit(&program, now.0, now.1);
            now = (now.1, now.0);
            assert!(reload(&program).contains("reloaded: mail.to"), "{}", program.log());
        }
    }
    let ids = asking.join().unwrap();
    until("all are settled", || program.sql("SELECT count(*) FROM deposit WHERE state = 'settled'") == "40");
    until("all is sent", || program.sql("SELECT count(*) FROM outbox WHERE state <> 'sent'") == "0");
    assert_eq!((reloads(&program) >= 100, program.pid(), program.has_ended()), (true, pid, false));
    let mut letters = BTreeMap::new();
    for letter in smtp.messages() {
        if letter.header("X-Depositd-Event").as_deref() == Some("settled") {
            let id = letter.header("X-Depositd-Deposit").unwrap();
            assert!(
                letter.to == ["finance@example.com"] || letter.to == ["books@example.com"],
                "{:?}",
                letter.to
            );
            *letters.entry(id).or_insert(0) += 1;
        }
    }
    let expected: BTreeMap<String, i32> = ids.into_iter().map(|id| (id, 1)).collect();
    assert_eq!(letters, expected, "one letter about each, to one of the two");
    program.stop();
    program.verify();
}

/// A mail server that knows one password; gives how many letters it took.
fn strict_server(password: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, taken) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&taken);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let count = Arc::clone(&count);
            std::thread::spawn(move || serve(stream, password, &count));
        }
    });
    (port, taken)
}

fn serve(mut stream: TcpStream, password: &str, taken: &AtomicUsize) {
    let right = marks::base64(format!("\0deposits\0{password}").as_bytes());
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut say = |words: &str| stream.write_all(format!("{words}\r\n").as_bytes()).is_ok();
    say("220 mail.test");
    let mut data = false;
    while let Some(Ok(line)) = lines.next() {
        let answer = match line.split(' ').next().unwrap() {
            "." if data => {
                data = false;
                taken.fetch_add(1, Ordering::SeqCst);
                "250 kept"
            }
            _ if data => continue,
            "EHLO" => "250-mail.test\r\n250 AUTH PLAIN",
            "AUTH" if line.ends_with(right.trim_end_matches('=')) || line.contains(&right) => "235 welcome",
            "AUTH" => "535 5.7.8 who are you",
            "DATA" => {
                data = true;
                "354 go on"
            }
            _ => "250 ok",
        };
        if !say(answer) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_password_lets_the_letters_go_that_the_wrong_one_held() {
    let (port, taken) = strict_server("the-right-one");
    let mut program = Program::prepare_with_mail(Source::File, Some(port)).await;
    program.start_logging("info");
    let sent = program.command(&["mail", "test"]).output().unwrap();
    // Whether it waits for the letter's fate or not: the letter is owed.
    drop(sent);
    until("the login is refused", || program.log().contains("mail cannot leave"));
    assert_eq!(taken.load(Ordering::SeqCst), 0);
    fs::write(program.secrets().join("smtp-password"), "the-right-one\n").unwrap();
    let said = reload(&program);
    assert!(said.contains("reloaded: mail.smtp.password"), "{said}");
    until("the letter goes", || taken.load(Ordering::SeqCst) == 1);
    assert!(!program.log().contains("the-right-one"));
    program.stop();
}

/// What is wrong changes nothing, not even what would be right beside it.
fn wrong_changes_nothing(program: &Program, templates: &Path, asked: &dyn Fn(&str) -> u16) {
    fs::write(program.secrets().join("api-token"), "a-third-token-of-the-test\n").unwrap();
    for (from, to, words) in [
        ("[mail]", "[mail]\nretry_max = \"soon\"", "mail.retry_max"),
        ("[mail]", "[mail]\n[[mail.rules]]\nevents = [\"setled\"]\nto = []", "mail.rules"),
        ("base_url", "base_ulr", "upstream.base_ulr"),
    ] {
        edit(program, from, to);
        let said = reload(program);
        assert!(said.contains("nothing is reloaded") && said.contains(words), "{said}");
        edit(program, to, from);
        assert_eq!((asked("another-token-of-the-test"), asked("a-third-token-of-the-test")), (200, 401));
    }
    fs::write(templates.join("mail_test.subject.txt"), "{{ broken").unwrap();
    let said = reload(program);
    assert!(said.contains("nothing is reloaded") && said.contains("mail.templates"), "{said}");
    fs::write(templates.join("mail_test.subject.txt"), "third").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_rules_and_templates_are_read_again_and_what_cannot_be_is_named() {
    let mut program = prepared().await;
    let templates = program.secrets().join("templates");
    fs::create_dir(&templates).unwrap();
    fs::write(templates.join("mail_test.subject.txt"), "first").unwrap();
    edit(&program, "[mail]", &format!("[mail]\ntemplates = \"{}\"", templates.display()));
    program.start_logging("info");
    let port = program.port();
    let asked = |token: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        http(&mut stream, "GET", "/v1/deposits", &format!("Authorization: Bearer {token}\r\n"), "").0
    };
    assert_eq!((asked(TOKEN), asked("another-token-of-the-test")), (200, 401));
    let mails = program.out().join("mail");
    let subjects = || {
        let mut all = Vec::new();
        for entry in fs::read_dir(&mails).into_iter().flatten().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let to = text.lines().find(|line| line.starts_with("To: ")).unwrap_or_default().to_owned();
            let subject = text.lines().find(|line| line.starts_with("Subject: ")).unwrap_or_default();
            all.push(format!("{to} {subject}"));
        }
        all
    };
    let owe = || drop(program.command(&["mail", "test"]).output().unwrap());
    owe();
    until("the first template is used", || {
        subjects().iter().any(|letter| letter.ends_with("Subject: first"))
    });

    fs::write(program.secrets().join("api-token"), "another-token-of-the-test\n").unwrap();
    fs::write(templates.join("mail_test.subject.txt"), "second").unwrap();
    edit(&program, "to = [\"finance@example.com\"]", "to = [\"books@example.com\"]");
    let said = reload(&program);
    assert!(said.contains("reloaded: mail.to, api.token; templates and secrets were read again"), "{said}");
    assert!(!said.contains("only a restart"), "{said}");
    assert_eq!((asked(TOKEN), asked("another-token-of-the-test")), (401, 200));
    owe();
    let second =
        |letter: &String| letter.contains("books@example.com") && letter.ends_with("Subject: second");
    until("the second template is used", || subjects().iter().any(second));

    wrong_changes_nothing(&program, &templates, &asked);

    // What only a restart changes is named, again and again, and the rest takes effect.
    edit(&program, "interval = \"200ms\"\nconfirming", "interval = \"1h\"\nconfirming");
    edit(&program, "backups\"", "copies\"");
    fs::write(program.secrets().join("upstream-api-key"), "another-key\n").unwrap();
    for times in 0..2 {
        let said = reload(&program);
        let waiting =
            "only a restart changes ledger.backup_dir, polling.interval, upstream.api_key; until then";
        assert!(said.contains(waiting), "{said}");
        assert_eq!(said.contains("reloaded: api.token;"), times == 0, "{said}");
    }
    assert_eq!((asked("another-token-of-the-test"), asked("a-third-token-of-the-test")), (401, 200));
    let order = request(&program, "5");
    until("it polls with the key and at the pace that it was started with", || {
        program.simulator.calls().of(&order).count() > 2
    });
    program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_level_of_the_log_can_be_changed_unless_the_environment_says_it() {
    for by_environment in [false, true] {
        let program = prepared().await;
        edit(&program, "[mail]", "[log]\nlevel = \"info\"\n[mail]");
        let log = fs::File::create(program.out().join("stderr.log")).unwrap();
        let mut command = program.command(&["run"]);
        command.env_remove("RUST_LOG").stderr(log);
        if by_environment {
            command.env("DEPOSITD_LOG", "info");
        }
        let child = command.spawn().unwrap();
        until("it is ready", || program.log().contains("is ready"));
        let again = |from: &str, to: &str, words: &str| {
            edit(&program, from, to);
            let length = program.log().len();
            signal(child.id(), "-HUP");
            until(words, || program.log()[length..].contains(words));
        };
        let told = |since: &str| program.log().rsplit_once(since).unwrap().1.contains("INFO depositd::flow");
        request(&program, "5");
        until("a deposit is told of", || told("is ready"));
        again("level = \"info\"", "level = \"loud\"", "log.level: expected a level");
        if by_environment {
            again(
                "level = \"loud\"",
                "level = \"debug\"",
                "log.level: DEPOSITD_LOG is set, and goes before it",
            );
        } else {
            again("level = \"loud\"", "level = \"warn,depositd::daemon=info\"", "log.level is warn");
            request(&program, "6");
            assert!(!told("log.level is warn"), "{}", program.log());
            again("level = \"warn,depositd::daemon=info\"", "level = \"info\"", "log.level is info");
            request(&program, "7");
            until("a deposit is told of again", || told("log.level is info"));
        }
        signal(child.id(), "-TERM");
        assert_eq!(ended(child).code(), Some(0));
    }
    let wrong = prepared().await;
    edit(&wrong, "[mail]", "[log]\nlevel = \"verbose\"\n[mail]");
    let refused = wrong.command(&["run"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_tokens_come_and_go_by_reloads_and_their_files_are_read_again() {
    let mut program = prepared().await;
    program.start_logging("info");
    let port = program.port();
    let asked = |method: &str, path: &str, token: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        http(&mut stream, method, path, &format!("Authorization: Bearer {token}\r\n"), "{}").0
    };
    let (first, second) = ("the-first-token-of-a-shop", "the-second-token-of-a-shop");
    assert_eq!(asked("GET", "/v1/deposits", first), 401);
    let file = program.secrets().join("shop");
    fs::write(&file, format!("{first}\n")).unwrap();
    let table = "[[api.tokens]]\nname = \"shop\"\nrole = \"read\"\nfile = \"shop\"\n\n[mail]";
    edit(&program, "[mail]", table);
    assert!(reload(&program).contains("reloaded: api.tokens;"), "{}", program.log());
    assert_eq!((asked("GET", "/v1/deposits", first), asked("POST", "/v1/mails/retry", first)), (200, 403));
    edit(&program, "role = \"read\"", "role = \"operate\"");
    reload(&program);
    assert_eq!(asked("POST", "/v1/mails/retry", first), 200);
    fs::write(&file, format!("{second}\n")).unwrap();
    assert!(reload(&program).contains("reloaded: api.tokens;"), "{}", program.log());
    assert_eq!((asked("GET", "/v1/deposits", first), asked("GET", "/v1/deposits", second)), (401, 200));
    // One that is another's, too, changes nothing.
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let said = reload(&program);
    assert!(said.contains("nothing is reloaded") && said.contains("expected a token of its own"), "{said}");
    assert_eq!((asked("GET", "/v1/deposits", TOKEN), asked("GET", "/v1/deposits", second)), (200, 200));
    edit(&program, &table.replace("\"read\"", "\"operate\""), "[mail]");
    fs::remove_file(&file).unwrap();
    reload(&program);
    assert_eq!((asked("GET", "/v1/deposits", TOKEN), asked("GET", "/v1/deposits", second)), (200, 401));
    program.stop();
}
