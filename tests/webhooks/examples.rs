//! The receivers of docs/webhooks.md, each run as it stands on the page, against the real daemon.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use depositd::sandbox::upstream::Fate;

use super::operating::{configuration, until, write};
use super::program::{Program, Source, TOKEN};
use super::receiver::{OTHER_SECRET, SECRET};

const PAGE: &str = include_str!("../../docs/webhooks.md");

/// What stands on the page between the fences of this language.
fn source(language: &str) -> &'static str {
    let fence = format!("```{language}\n");
    let mut blocks = PAGE.split(fence.as_str()).skip(1);
    let block = blocks.next().unwrap().split("\n```").next().unwrap();
    assert!(blocks.next().is_none(), "one receiver in {language}");
    block
}

/// A receiver while it runs.
struct Example {
    child: Child,
    port: u16,
}

impl Example {
    fn start(mut command: Command, port: u16) -> Self {
        let child =
            command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; `.ci/test` installs it"));
        until("the receiver listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, port }
    }

    /// What it answers to a message with these headers.
    fn answers(&self, id: &str, timestamp: i64, signature: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let body = "{\"data\": {\"event\": {\"id\": \"evt_forged\", \"event\": \"settled\", \"deposit_id\": \"x\"}}}";
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nwebhook-id: {id}\r\n\
             webhook-timestamp: {timestamp}\r\nwebhook-signature: {signature}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A receiver of the page, how it is run, and what catches up for it where it does not do so itself.
struct Kind {
    language: &'static str,
    file: &'static str,
    run: &'static [&'static str],
    catch_up: Option<[&'static str; 2]>,
    /// Where it keeps what it has handled, a line each.
    work: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind { language: "python", file: "receiver.py", run: &["python3"], catch_up: None, work: "said" },
    Kind { language: "js", file: "receiver.mjs", run: &["node"], catch_up: None, work: "said" },
    Kind {
        language: "php",
        file: "receiver.php",
        run: &["php", "-S"],
        catch_up: Some(["php", "receiver.php"]),
        work: "state.work",
    },
];

/// A daemon that tells whoever listens at `port`, and tries each message only once by itself.
async fn daemon(port: u16) -> Program {
    let mut program = Program::prepare(Source::File).await;
    program.simulator.set_default_fate(Fate::Exact);
    program.simulator.set_lifetime(Duration::from_secs(10));
    let hook = format!(
        "\n[[webhooks]]\nname = \"shop\"\nurl = \"http://127.0.0.1:{port}/\"\nsecret_file = \"hook\"\nretry_initial = \"1h\"\n"
    );
    write(&program, "hook", &format!("{SECRET}\n"));
    write(&program, "daemon.toml", &(configuration(&program) + &hook));
    program.start_logging("info");
    program
}

/// One more deposit, paid.
fn settle(program: &Program) {
    let asked = program.run(&["request", "USDT", "TRON", "25", "--wait", "created"]);
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    until("it is settled", || program.sql("SELECT count(*) FROM deposit WHERE state <> 'settled'") == "0");
}

fn all_told(program: &Program) {
    until("all is told", || {
        program.sql("SELECT count(*) FROM webhook_delivery WHERE state <> 'sent'") == "0"
    });
}

fn command(program: &Program, folder: &Path, port: u16, words: &[&str]) -> Command {
    let said = std::fs::File::options().append(true).create(true).open(folder.join("said")).unwrap();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(folder).stdout(said).stderr(Stdio::null());
    command.env("WEBHOOK_SECRET", format!("{OTHER_SECRET} {SECRET}")).env("PORT", port.to_string());
    command.env("STATE", "state").env("DEPOSITD_TOKEN", TOKEN);
    command.env("DEPOSITD_URL", format!("http://127.0.0.1:{}", program.port()));
    command
}

/// The ids that are owed and were not handled, and those that were handled more than once.
fn amiss(program: &Program, work: &Path) -> (Vec<String>, Vec<String>) {
    let mut counted = BTreeMap::<String, u32>::new();
    for line in lines(work).iter().filter(|line| line.starts_with("evt_")) {
        *counted.entry(line.split(' ').next().unwrap().to_owned()).or_default() += 1;
    }
    let owed = program.sql("SELECT group_concat(webhook_id, ' ') FROM accounting_webhooks");
    let missing = owed.split(' ').filter(|id| !counted.contains_key(*id)).map(str::to_owned).collect();
    (missing, counted.into_iter().filter(|(_, times)| *times != 1).map(|(id, _)| id).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_receiver_of_the_page_verifies_remembers_and_catches_up() {
    let right = (Vec::new(), Vec::new());
    for Kind { language, file, run, catch_up, work } in KINDS {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), source(language)).unwrap();
        let work = folder.path().join(work);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut program = daemon(port).await;
        // While nobody listens.
        settle(&program);
        if let Some(catch_up) = catch_up {
            assert!(
                command(&program, folder.path(), port, &catch_up).status().unwrap().success(),
                "{language}"
            );
        }
        let address = format!("127.0.0.1:{port}");
        let words =
            if language == "php" { [run, &[&address, file]].concat() } else { [run, &[file]].concat() };
        let example = Example::start(command(&program, folder.path(), port, &words), port);
        until("it has caught up", || amiss(&program, &work) == right);
        // What was owed meanwhile comes as well, and is known already.
        assert!(program.run(&["webhooks", "retry", "--all"]).status.success());
        all_told(&program);
        assert_eq!(amiss(&program, &work), right, "{language}: nothing is done twice");
        settle(&program);
        all_told(&program);
        assert_eq!(amiss(&program, &work), right, "{language}: and what comes is done once");
        let now = depositd::clock::Clock::now(&depositd::clock::SystemClock::new()).as_millis() / 1000;
        let forged = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        for (at, signature) in [(now, forged), (now, ""), (0, forged)] {
            assert_eq!(example.answers("evt_forged", at, signature), "401", "{language}");
        }
        assert!(!lines(&work).iter().any(|line| line.contains("evt_forged")), "{language}");
        program.stop();
    }
}
