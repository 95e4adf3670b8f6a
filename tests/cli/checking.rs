//! `check`: that it tries what `run` will do, with the daemon stopped, running, or somebody else in its place.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::bench::{Bench, Run};

const KEY: &str = "MARKEDKEYa8f3c1";

/// A house whose daemon can run: a simulated upstream, letters to files, a socket and a TCP address.
struct Place {
    bench: Bench,
    upstream: depositd::sandbox::upstream::SimulatedUpstream,
    more: String,
    child: Option<Child>,
}

impl Place {
    async fn new() -> Self {
        let upstream = depositd::sandbox::upstream::SimulatedUpstream::start(
            depositd::sandbox::upstream::SimulatorSettings {
                listen: "127.0.0.1:0".parse().unwrap(),
                user_id: "12345".to_owned(),
                api_key: KEY.to_owned(),
                clock: std::sync::Arc::new(depositd::clock::SystemClock::new()),
                seed: 3,
                store: None,
            },
        )
        .await
        .unwrap();
        let place = Self { bench: Bench::new(), upstream, more: String::new(), child: None };
        std::fs::write(place.bench.file("key"), KEY).unwrap();
        std::fs::set_permissions(place.bench.file("key"), PermissionsExt::from_mode(0o600)).unwrap();
        place.configure("api_key_file = \"key\"", "listen = [\"unix:d.sock\"]", "to = [\"b@firm.de\"]");
        place
    }

    /// `[upstream]`, `[api]` and `[mail]` with these lines.
    fn configure(&self, upstream: &str, api: &str, mail: &str) {
        let text = format!(
            "[upstream]\nbase_url = \"{}\"\nuser_id = \"12345\"\n{upstream}\n[api]\n{api}\n\
             [mail]\ntransport = \"file\"\nfrom = \"a@firm.de\"\n{mail}\n{}",
            self.upstream.base_url(),
            self.more
        );
        std::fs::write(self.bench.file("daemon.toml"), text).unwrap();
        std::fs::set_permissions(self.bench.file("daemon.toml"), PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.bench.command(args);
        // No unit of this machine is meant.
        command.env("SYSTEMD_UNIT_PATH", self.bench.file("units"));
        command
    }

    fn check(&self) -> Run {
        Run::of(&self.command(&["check"]).output().unwrap())
    }

    /// How `check` finds one thing: the word, and what is said.
    fn found(&self, name: &str) -> (i32, String) {
        let run = self.check();
        assert_eq!(run.stderr, "", "{}", run.stdout);
        // A line without a name belongs to the one before it.
        let mut last = "";
        let lines = run.stdout.lines().filter(|line| {
            let own = line.split(' ').next().unwrap();
            last = if own.is_empty() { last } else { own };
            last == name
        });
        let lines: Vec<&str> = lines.map(|line| line.strip_prefix(name).unwrap_or(line).trim()).collect();
        assert!(!lines.is_empty(), "{}", run.stdout);
        (run.code, lines.join("\n"))
    }

    fn start(&mut self) {
        let log = std::fs::File::create(self.bench.file("log")).unwrap();
        let mut child = self.command(&["run"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        // Its addresses are taken before its ledger is open.
        let log = || std::fs::read_to_string(self.bench.file("log")).unwrap();
        while !log().contains("is ready") {
            assert_eq!(child.try_wait().unwrap(), None, "{}", log());
            std::thread::yield_now();
        }
        self.child = Some(child);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_place_to_listen_is_tried_and_given_back() {
    let mut place = Place::new().await;
    let before = names(place.bench.path());
    let run = place.check();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    let named = run.stdout.lines().filter(|line| !line.starts_with(' '));
    let words: Vec<&str> = named.filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(words, ["ok", "ok", "ok", "ok", "ok", "-", "ok", "ok", "ok", "ok", "ok"], "{}", run.stdout);
    assert_eq!(names(place.bench.path()), before, "nothing is left, no socket and no folder for mail");
    // The daemon of this ledger holds it: in order.
    place.start();
    let (code, told) = place.found("listeners");
    assert_eq!(code, 0);
    assert!(told.starts_with("ok") && told.contains("held by the daemon of this ledger"), "{told}");
    // Another ledger's configuration, and the same socket.
    place.more = "[ledger]\npath = \"other.db\"\n".to_owned();
    place.configure("api_key_file = \"key\"", "listen = [\"unix:d.sock\"]", "to = [\"b@firm.de\"]");
    let (code, told) = place.found("listeners");
    assert!(told.contains("perhaps of another ledger"), "{told}");
    assert_eq!(code, 0, "there is no other ledger yet");
    // Left behind by a daemon that was killed: replaced by the next, and not by `check`.
    place.more.clear();
    place.configure("api_key_file = \"key\"", "listen = [\"unix:d.sock\"]", "to = [\"b@firm.de\"]");
    let mut child = place.child.take().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, told) = place.found("listeners");
    assert!(code == 0 && told.contains("left behind"), "{told}");
    assert!(place.bench.file("d.sock").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_run_could_not_take_is_a_failure() {
    let place = Place::new().await;
    let key = "api_key_file = \"key\"";
    let token = "token = \"0123456789abcdef\"";
    let mail = "to = [\"b@firm.de\"]";
    std::fs::write(place.bench.file("a-file"), "precious").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let foreign = UnixListener::bind(place.bench.file("foreign.sock")).unwrap();
    std::thread::spawn(move || {
        // Answers, and is no daemon.
        for stream in foreign.incoming() {
            use std::io::Write as _;
            let _ = stream.unwrap().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        }
    });
    for (listen, why) in [
        ("unix:a-file".to_owned(), "that is a file, and no socket"),
        ("unix:nowhere/d.sock".to_owned(), "nowhere: No such file or directory"),
        ("unix:a-file/d.sock".to_owned(), "a-file is no folder"),
        ("unix:foreign.sock".to_owned(), "taken by another program"),
        (format!("127.0.0.1:{port}"), "taken by another program"),
        ("192.0.2.1:8787".to_owned(), "cannot listen on 192.0.2.1:8787"),
    ] {
        place.configure(key, &format!("listen = [\"unix:free.sock\", \"{listen}\"]\n{token}"), mail);
        let (code, told) = place.found("listeners");
        assert_eq!(code, 1, "{listen}: {told}");
        assert!(told.starts_with("FAILED") && told.contains(why), "{listen}: {told}");
        assert!(!place.bench.file("free.sock").exists());
        // As `run` says itself.
        let run = Run::of(&place.command(&["run"]).output().unwrap());
        assert_eq!(run.code, 1, "{listen}: {}", run.stderr);
    }
    assert_eq!(std::fs::read_to_string(place.bench.file("a-file")).unwrap(), "precious");
    drop(taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_there_or_can_be_made() {
    let mut place = Place::new().await;
    let (key, api) = ("api_key_file = \"key\"", "listen = [\"unix:d.sock\"]");
    std::fs::write(place.bench.file("a-file"), "").unwrap();
    for (ledger, mail, why) in [
        ("path = \"nowhere/ledger.db\"", "", "ledger.path: "),
        ("backup_dir = \"a-file\"", "", "ledger.backup_dir: "),
        ("", "directory = \"a-file\"", "mail.directory: "),
    ] {
        place.more = format!("[ledger]\n{ledger}\n");
        place.configure(key, api, &format!("to = [\"b@firm.de\"]\n{mail}"));
        let (code, told) = place.found("folders");
        assert_eq!(code, 1, "{told}");
        assert!(told.starts_with("FAILED") && told.contains(why), "{told}");
    }
    place.more = "[ledger]\nbackup_dir = \"deep/backups\"\n".to_owned();
    place.configure(key, api, "to = [\"b@firm.de\"]");
    let (code, told) = place.found("folders");
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("deep/backups can be made") && told.contains("backup_schedule is not"), "{told}");
    assert!(!place.bench.file("deep").exists() && !place.bench.file("mail").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_read_and_who_else_may_is_told() {
    let place = Place::new().await;
    let (api, mail) = ("listen = [\"unix:d.sock\"]", "to = [\"b@firm.de\"]");
    std::fs::set_permissions(place.bench.file("key"), PermissionsExt::from_mode(0o644)).unwrap();
    let (code, told) = place.found("secrets");
    assert_eq!(code, 0);
    assert!(
        told.contains("warn") && told.contains("every user of this machine can reach this secret"),
        "{told}"
    );
    place.configure("api_key_file = \"nowhere/key\"", api, mail);
    let (code, told) = place.found("secrets");
    assert_eq!(code, 1);
    assert!(told.contains("upstream.api_key_file: cannot read the secret: No such file"), "{told}");
    place.configure(&format!("api_key = \"{KEY}\""), api, mail);
    std::fs::set_permissions(place.bench.file("daemon.toml"), PermissionsExt::from_mode(0o604)).unwrap();
    let (_, told) = place.found("secrets");
    assert!(told.contains("daemon.toml: every user") && !told.contains(KEY), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_token_is_refused_by_check_and_at_the_start() {
    let place = Place::new().await;
    let key = "api_key_file = \"key\"";
    std::fs::write(place.bench.file("token"), "fifteen-letters\n").unwrap();
    std::fs::set_permissions(place.bench.file("token"), PermissionsExt::from_mode(0o600)).unwrap();
    for (line, named) in [
        ("token = \"fifteen-letters\"", "api.token: expected a token of at least 16 characters"),
        ("token_file = \"token\"", "api.token_file: expected a token of at least 16 characters"),
        ("token = \"sixteen letters and more\"", "api.token: expected a token of visible ASCII characters"),
    ] {
        for listen in ["[\"127.0.0.1:0\"]", "[\"unix:d.sock\"]"] {
            place.configure(key, &format!("listen = {listen}\n{line}"), "to = [\"b@firm.de\"]");
            for args in [&["run"][..], &["check"], &["--json", "check"]] {
                let run = Run::of(&place.command(args).output().unwrap());
                assert_eq!(run.code, 2, "{args:?} {line}: {}{}", run.stdout, run.stderr);
                let said = format!("{}{}", run.stdout, run.stderr);
                assert!(said.contains(named) && !said.contains("teen-letters"), "{args:?}: {said}");
            }
        }
    }
    assert!(!place.bench.file("ledger.db").exists(), "nothing was begun");
}

/// As on a machine that is set up by deploy/README.md, and `check` is run by hand.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_found_where_systemd_takes_them() {
    let place = Place::new().await;
    let (api, mail) = ("listen = [\"unix:d.sock\"]", "to = [\"b@firm.de\"]");
    place.configure("", api, mail);
    std::fs::remove_file(place.bench.file("key")).unwrap();
    let run = place.check();
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stdout.contains("upstream.api_key: missing"), "{}", run.stdout);
    // Beside the configuration, as in /etc/depositd/credentials; no unit is known.
    std::fs::create_dir(place.bench.file("credentials")).unwrap();
    let secret = place.bench.file("credentials/upstream-api-key");
    std::fs::write(&secret, KEY).unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let run = place.check();
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("systemd credential") && run.stdout.contains("balance"), "{}", run.stdout);
    // The real unit, with this configuration and this user in it, passes what its drop-in says.
    let units = place.bench.file("units");
    std::fs::create_dir_all(units.join("depositd.service.d")).unwrap();
    let unit =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/depositd.service")).unwrap();
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let folder = place.bench.path().display().to_string();
    let unit = unit
        .replace("/etc/depositd", &folder)
        .replace("User=depositd", &format!("User={}", user.trim()))
        .replace("PrivateTmp=yes", "PrivateTmp=no")
        .replace("ProtectSystem=strict", &format!("ProtectSystem=strict\nReadWritePaths={folder}"));
    std::fs::write(units.join("depositd.service"), &unit).unwrap();
    let run = place.check();
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("(depositd.service)"), "{}", run.stdout);
    let drop_in = units.join("depositd.service.d/secrets.conf");
    std::fs::write(&drop_in, "[Service]\nLoadCredential=\n").unwrap();
    let run = place.check();
    assert_eq!(run.code, 2, "a unit that does not pass it: {}", run.stdout);
    assert!(run.stdout.contains("add LoadCredential=upstream-api-key:"), "{}", run.stdout);
    std::fs::write(&drop_in, "[Service]\nLoadCredentialEncrypted=upstream-api-key:/nowhere\n").unwrap();
    let run = place.check();
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(run.stdout.contains("only systemd can read the key"), "{}", run.stdout);
    std::fs::write(&drop_in, "[Service]\nUser=no-such-user-here\n").unwrap();
    let run = place.check();
    assert!(run.code == 1 && run.stdout.contains("there is no such user"), "{}", run.stdout);
    // Where the unit lets nothing be written, neither can the daemon.
    std::fs::write(&drop_in, "[Service]\nReadWritePaths=\n").unwrap();
    let run = place.check();
    assert!(run.code == 1 && run.stdout.contains("lets the daemon write nothing to"), "{}", run.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_which_letter_is_told_and_addresses_of_examples_are_warned_of() {
    let place = Place::new().await;
    let mail = "to = [\"b@firm.de\", \"c@example.com\"]\n\
                [[mail.rules]]\nevents = [\"settled\"]\nto = [\"t@firm.de\"]\n\
                [[mail.rules]]\nevents = [\"expired\"]\ncurrency = \"BTC\"\nto = [\"btc@firm.de\"]\n\
                [[mail.rules]]\nevents = [\"upstream_down\"]\nto = []\n";
    place.configure("api_key_file = \"key\"", "listen = [\"unix:d.sock\"]", mail);
    let (code, told) = place.found("letters");
    assert_eq!(code, 0, "{told}");
    for part in [
        "settled -> t@firm.de",
        "expired -> btc@firm.de (currency BTC), b@firm.de (otherwise), c@example.com (otherwise)",
        "wallet_created, confirming, upstream_down -> nobody",
        "nobody gets a letter about upstream_down",
        "c@example.com: a domain kept for examples",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let json = Run::of(&place.command(&["--json", "check"]).output().unwrap());
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["recipients"]["settled"], serde_json::json!(["t@firm.de"]));
    assert_eq!(json["recipients"]["upstream_down"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_is_checked_like_every_other_setting() {
    let place = Place::new().await;
    for (name, value) in
        [("DEPOSITD_LOG", "verbose"), ("DEPOSITD_LOG", "info,depositd=loud"), ("RUST_LOG", "verbose")]
    {
        for args in [&["run"][..], &["check"]] {
            let run = Run::of(&place.command(args).env(name, value).output().unwrap());
            assert_eq!(run.code, 2, "{args:?}: {}{}", run.stdout, run.stderr);
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(said.contains(name) && said.contains("error, warn, info, debug, trace"), "{said}");
        }
    }
    let run =
        Run::of(&place.command(&["check"]).env("DEPOSITD_LOG", "depositd::flow=debug").output().unwrap());
    assert_eq!(run.code, 0, "{}", run.stdout);
}
